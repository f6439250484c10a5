"""One odd row of the account's lists: left out and named, and the others are read."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.core.domain import FeeSchedule, FillState, Market, Outcome, Side
from pipelines.core.errors import VenueError, VenueForbidden, VenueUnavailable
from pipelines.core.orders import NotOffered, OrderIntent, OrderType, PlaceStatus
from pipelines.venue import clob_gateway, signing
from pipelines.venue.clients import Credentials, Refused
from pipelines.venue.clob_gateway import ClobGateway

MARKET = Market(
    market_id="0xm",
    event_id="e",
    question="Who wins?",
    token_yes="11",
    token_no="22",
    tick_units=100,
    min_size_micro=5_000_000,
    fee=FeeSchedule(0.0),
    start_s=None,
    end_s=None,
    topic="",
)
ID = "0x" + "ab" * 32


class Library:
    """A client library whose answers a test decides."""

    url, funder, credentials = "http://venue", "0xaa", None

    def __init__(self) -> None:
        self.rows: list[Any] = []
        self.open: list[Any] = []
        self.markets: dict[str, Any] = {}
        self.refreshed: list[tuple[str, str | None]] = []
        self.answer: Any = None
        self.said: Any = None

    def login(self) -> Credentials:
        return Credentials("me", "", "")

    def trades(self, after_s: int) -> list[Any]:
        return self.rows

    def open_orders(self) -> list[Any]:
        return self.open

    def market(self, market_id: str) -> Any:
        found = self.markets.get(market_id, Refused(404, {"error": "market not found"}))
        if isinstance(found, Exception):
            raise found
        return found

    def sign(self, intent: OrderIntent) -> tuple[str, dict[str, Any]]:
        return ID, {"order": {}}

    def post(self, body: Any) -> Any:
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    def balance(self, asset_type: str, token_id: str | None) -> Any:
        return self.said

    def cancel(self, order_ids: Any) -> Any:
        return self.said

    def cancel_all(self) -> Any:
        return self.said

    def heartbeat(self, heartbeat_id: str) -> Any:
        return self.said

    def refresh_balance(self, asset_type: str, token_id: str | None) -> Any:
        self.refreshed.append((asset_type, token_id))
        raise Refused(500, "busy")


@pytest.fixture
def library() -> Library:
    """A library without rows."""
    return Library()


@pytest.fixture
def gateway(library: Library) -> ClobGateway:
    """A gateway on it that knows one market of names."""
    made = ClobGateway(library)  # type: ignore[arg-type]
    made.know([MARKET])
    return made


def trade(number: int = 1, **changes: Any) -> dict[str, Any]:
    """A trade of ours as REST shows it."""
    return {
        "id": f"t{number}", "taker_order_id": ID, "market": "0xm", "asset_id": "11", "side": "BUY", "size": "10",
        "price": "0.52", "status": "TRADE_STATUS_CONFIRMED", "match_time": "1700000000", "outcome": "Lakers",
        "trader_side": "TAKER", "maker_orders": [],
    } | changes  # fmt: skip


@pytest.mark.parametrize("label", ["Lakers", "Over", "No", "", None, 7])
@pytest.mark.parametrize(("token", "outcome"), [("11", Outcome.YES), ("22", Outcome.NO)])
def test_the_token_says_the_outcome(
    gateway: ClobGateway, library: Library, label: Any, token: str, outcome: Outcome
) -> None:
    """Teams, players, Over and Under: the label decides nothing where the token is known, nor misleads."""
    library.rows = [trade(asset_id=token, outcome=label)]

    assert [fill.outcome for fill in gateway.trades(0)] == [outcome]
    assert gateway.left_out() == []


@pytest.mark.parametrize("side", [None, "", "NEITHER", 5, []])
def test_a_trade_that_names_no_side_is_read_by_its_orders(gateway: ClobGateway, library: Library, side: Any) -> None:
    """Where an order of ours is among the makers it is that; else we were the taker. No such trade is lost unsaid."""
    leg = {"order_id": "0xM", "owner": "me", "maker_address": "0xaa", "matched_amount": "4", "price": "0.5",
           "side": "SELL", "asset_id": "22", "outcome": "x"}  # fmt: skip
    library.rows = [trade(1, trader_side=side), trade(2, trader_side=side, maker_orders=[leg])]

    found = [(fill.order_id, fill.side, fill.shares_micro) for fill in gateway.trades(0)]

    assert found == [(ID, Side.BUY, 10_000_000), ("0xm", Side.SELL, 4_000_000)]
    assert gateway.left_out() == []


def test_the_venue_names_the_tokens_of_a_market_that_nothing_describes(gateway: ClobGateway, library: Library) -> None:
    """An old trade of a market of names is read with the venue's own list of tokens: the first is YES."""
    library.markets["0x" + "0" * 63 + "9"] = {"t": [{"t": "91", "o": "Over"}, {"t": "92", "o": "Under"}]}
    market = "0x" + "0" * 63 + "9"
    library.rows = [trade(1, market=market, asset_id="92", outcome="Under"), trade(2)]

    assert [fill.outcome for fill in gateway.trades(0)] == [Outcome.NO, Outcome.YES]


ODD = [
    trade(9, market="0xgone", asset_id="99"),
    trade(9, size=None),
    trade(9, size="abc"),
    trade(9, price="?"),
    trade(9, match_time="soon"),
    trade(9, trader_side="MAKER", maker_orders=[]),
    trade(9, trader_side="MAKER", maker_orders=[{"owner": "she", "maker_address": "0xbb"}]),
    trade(9, size="1e30"),
    trade(9, size="0"),
    trade(9, size="-5"),
    trade(9, price="52"),
    trade(9, price="-0.1"),
    trade(9, match_time=None),
    trade(9, match_time=0),
    trade(9, side="HOLD"),
    trade(9, trader_side="MAKER", maker_orders=[{"owner": "me"}]),
    trade(9, trader_side="MAKER", maker_orders=["x"]),
    {},
    None,
    "trade",
    ["t9"],
]


@pytest.mark.parametrize("odd", ODD)
def test_one_odd_trade_hides_no_other(gateway: ClobGateway, library: Library, odd: Any) -> None:
    """A trade that cannot be read is left out with a line for people; those before and after it are booked."""
    library.rows = [trade(1), odd, trade(2)]

    assert [fill.fill_id.split("/")[0] for fill in gateway.trades(0)] == ["t1", "t2"]
    (line,) = gateway.left_out()
    assert "left out" in line
    assert gateway.left_out() == []


@pytest.mark.parametrize("changes", [{"match_time": "1700000000123"}, {"match_time": 1_700_000_000_123_456}])
def test_a_trade_in_another_unit_of_time_hides_no_later_one(
    gateway: ClobGateway, library: Library, changes: dict[str, Any]
) -> None:
    """Trades are read from the newest one on: a time in milliseconds would put that into the far future."""
    library.rows = [trade(1, **changes), trade(2, match_time=None, last_update="1700000001")]

    assert [fill.ts_s for fill in gateway.trades(1_700_000_000)] == [1_700_000_000, 1_700_000_001]


@pytest.mark.parametrize("odd", [None, [], "OK", 5, {}, {"balance": None}, {"balance": "1.5"}, {"balance": "many"}])
def test_an_account_that_cannot_be_read_is_an_error_of_the_venue(
    gateway: ClobGateway, library: Library, odd: Any
) -> None:
    """Balance, allowances, cancels and heartbeats of any shape: one kind of error, which ends no session."""
    library.said = odd
    calls = [gateway.cash_micro, lambda: gateway.shares_micro("11"), gateway.heartbeat]
    if not isinstance(odd, dict):
        calls += [gateway.allowances, gateway.cancel_all, lambda: gateway.cancel(["0xa"])]
    for call in calls:
        with pytest.raises(VenueError, match="unknown shape"):
            call()


@pytest.mark.parametrize(
    ("error", "raised"), [(Refused(None, "timeout"), VenueUnavailable), (Refused(403, "no"), VenueForbidden)]
)
def test_a_venue_that_is_away_hides_nothing(
    gateway: ClobGateway, library: Library, monkeypatch: pytest.MonkeyPatch, error: Refused, raised: type[Exception]
) -> None:
    """A look-up that got no answer ends the reading: the trade is no odd row, it is read the next time."""
    monkeypatch.setattr(clob_gateway, "_read", clob_gateway._once)
    library.rows = [trade(1, market="0xgone", asset_id="99")]
    library.markets["0x" + "gone".ljust(64, "0")] = error
    with pytest.raises(raised):
        gateway.trades(0)


@pytest.mark.parametrize("changes", [{"price": None}, {"outcome": 3, "asset_id": "99"}, {"original_size": "x"}])
def test_an_odd_open_order_still_rests(gateway: ClobGateway, library: Library, changes: dict[str, Any]) -> None:
    """An open order whose row is odd is listed by its id: it is not taken for gone."""
    good = {"id": "0xB", "status": "LIVE", "market": "0xm", "asset_id": "22", "outcome": "Celtics", "side": "BUY",
            "price": "0.5", "original_size": "10", "size_matched": "0"}  # fmt: skip
    library.open = [good | {"id": "0xA"} | changes, good, {"status": "LIVE"}, None]

    assert [order.order_id for order in gateway.open_orders()] == ["0xa", "0xb"]
    assert len(gateway.left_out()) == 1


def test_failed_trades_are_told_apart(gateway: ClobGateway, library: Library) -> None:
    """A trade that failed for good is no fill; it is named, so that a booked one is taken back."""
    library.rows = [trade(1), trade(2, status="TRADE_STATUS_FAILED"), trade(3, status="RETRYING"), trade(4, status="?")]

    read = {fill.fill_id.split("/")[0]: fill.state for fill in gateway.trades(0)}

    assert read == {"t1": FillState.CONFIRMED, "t3": FillState.RETRYING, "t4": FillState.MATCHED}
    assert [fill.fill_id.split("/")[0] for fill in gateway.failed()] == ["t2"]


def intent(side: Side = Side.SELL, **changes: Any) -> OrderIntent:
    """An order of 10 shares at 0.52."""
    order = OrderIntent(
        market_id="0xm",
        token_id="11",
        outcome=Outcome.YES,
        side=side,
        price_units=5_200,
        shares_micro=10_000_000,
        tick_units=100,
        neg_risk=False,
        version="v1",
        reason="exit",
        ts_s=0,
    )
    return OrderIntent(**({name: getattr(order, name) for name in OrderIntent.__slots__} | changes))


@pytest.mark.parametrize(("side", "asked"), [(Side.SELL, ("CONDITIONAL", "11")), (Side.BUY, ("COLLATERAL", None))])
def test_a_stale_balance_is_asked_for_anew(
    gateway: ClobGateway, library: Library, side: Side, asked: tuple[str, str | None]
) -> None:
    """ "Not enough balance" makes the venue read what the order gives from the chain; the refusal stays one."""
    library.answer = Refused(400, {"error": "not enough balance / allowance"})

    result = gateway.place(gateway.prepare(intent(side)))

    assert result.status is PlaceStatus.REJECTED
    assert library.refreshed == [asked]


def test_a_fak_sale_states_four_decimals() -> None:
    """pUSD of a FAK sale is floored to 4 decimals, shares stay on two."""
    odd = intent(shares_micro=5_030_000, price_units=5_237, tick_units=1, order_type=OrderType.FAK)
    assert signing.amounts(odd) == signing.Amounts(maker=5_030_000, taker=2_634_200)


@pytest.mark.parametrize("tick", [1, 10, 100])
@given(hundredths=st.integers(500, 10**7), ticks=st.integers(1, 9_999))
def test_a_fak_buy_states_whole_cents(tick: int, hundredths: int, ticks: int) -> None:
    """A FAK buy gives whole cents for shares with 4 decimals; the price that follows is its limit once it is put on the
    tick, as the venue does, and at that price it gets what it wanted."""
    price = ticks % (10_000 // tick - 1) * tick + tick
    if hundredths * price < 10**6:
        return  # less than a pUSD is refused
    order = intent(Side.BUY, shares_micro=hundredths * 10_000, price_units=price, tick_units=tick)
    found = signing.amounts(replace(order, order_type=OrderType.FAK))

    assert (found.maker % 10_000, found.taker % 100) == (0, 0)
    assert 0 <= found.maker - hundredths * price < 10_000
    assert found.maker * 10_000 // found.taker // tick * tick == price
    assert found.taker >= hundredths * 10_000


def test_a_gtd_order_ends_by_itself() -> None:
    """A rest names an expiration that the venue accepts and that is not before its lifetime; other orders name none."""
    assert signing.expiration_s(intent(), 1_000) == 0
    assert signing.expiration_s(intent(order_type=OrderType.GTD, lifetime_s=60), 1_000) >= 1_000 + 180
    assert signing.expiration_s(intent(order_type=OrderType.GTD, lifetime_s=900), 1_000) - 60 >= 1_000 + 900


@pytest.mark.parametrize("call", ["redeem", "split", "merge"])
def test_what_the_account_cannot_do_is_said(gateway: ClobGateway, call: str) -> None:
    """The installed client has no redemption, split or merge: the error names the market and what the owner does."""
    arguments = [MARKET] if call == "redeem" else [MARKET, 1_000_000]
    with pytest.raises(NotOffered, match=rf"{call}.*Who wins.*polymarket.com/portfolio"):
        getattr(gateway, call)(*arguments)

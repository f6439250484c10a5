"""What every order gateway promises, whoever fills the orders."""

import time
from dataclasses import replace
from itertools import count
from typing import Any

import pytest

from pipelines.core.domain import Outcome, Side
from pipelines.core.money import market_buy_micro
from pipelines.core.orders import NOTHING_TO_TAKE, OrderGateway, OrderIntent, OrderType, PlaceStatus

FIRST_CASH = 10_000_000_000
_moment = count(1)


def settled(gateway: OrderGateway, token_id: str, shares_micro: int) -> int:
    """The balance of a token once settlement has had time: a match is credited a moment later."""
    for _ in range(60):
        if gateway.shares_micro(token_id) == shares_micro:
            break
        time.sleep(0.05)
    return gateway.shares_micro(token_id)


@pytest.fixture
def buy(venue: Any) -> OrderIntent:
    """A marketable purchase of ten YES shares at the ask."""
    market, quote = venue.market()
    return OrderIntent(
        market_id=market.market_id,
        token_id=market.token_yes,
        outcome=Outcome.YES,
        side=Side.BUY,
        price_units=quote.ask_units,
        shares_micro=10_000_000,
        tick_units=market.tick_units,
        neg_risk=market.neg_risk,
        version=market.version,
        reason="enter",
        ts_s=next(_moment),
    )


@pytest.fixture
def sell(venue: Any, buy: OrderIntent) -> OrderIntent:
    """The sale of the same shares at the bid."""
    _, quote = venue.market()
    return replace(buy, side=Side.SELL, price_units=quote.bid_units, reason="exit", ts_s=next(_moment))


def test_preparing_names_the_order(gateway: OrderGateway, buy: OrderIntent) -> None:
    """The id is known before anything is sent, is a 32-byte hash, and preparing changes nothing."""
    order = gateway.prepare(buy)

    assert order.intent == buy
    assert order.order_id.startswith("0x")
    assert len(order.order_id) == 66
    assert gateway.open_orders() == []
    assert gateway.trades(0) == []


def test_a_marketable_buy_fills(gateway: OrderGateway, buy: OrderIntent) -> None:
    """The answer says accepted and how much was filled, at the limit or better, under the prepared id."""
    order = gateway.prepare(buy)
    result = gateway.place(order)

    assert result.status is PlaceStatus.ACCEPTED
    assert result.order_id == order.order_id
    assert result.filled_shares_micro == buy.shares_micro
    assert result.filled_notional_micro <= buy.shares_micro * buy.price_units // 10_000


def test_fills_explain_the_balances(gateway: OrderGateway, buy: OrderIntent, sell: OrderIntent) -> None:
    """Cash and shares are the first cash plus the sum of the fills, to the base unit, fees included."""
    held = 0
    for intent in (buy, sell, buy):
        assert gateway.place(gateway.prepare(replace(intent, ts_s=next(_moment)))).status is PlaceStatus.ACCEPTED
        held += intent.shares_micro if intent.side is Side.BUY else -intent.shares_micro
        assert settled(gateway, buy.token_id, held) == held

    fills = gateway.trades(0)
    shares = sum(f.shares_micro if f.side is Side.BUY else -f.shares_micro for f in fills)

    assert gateway.cash_micro() == FIRST_CASH + sum(f.cash_micro for f in fills)
    assert gateway.shares_micro(buy.token_id) == shares == buy.shares_micro


def test_fills_carry_order_market_and_outcome(gateway: OrderGateway, buy: OrderIntent) -> None:
    """A fill names its order, market, token, outcome and side."""
    order = gateway.prepare(buy)
    gateway.place(order)
    fill = gateway.trades(0)[0]

    assert (fill.order_id, fill.market_id, fill.token_id) == (order.order_id, buy.market_id, buy.token_id)
    assert (fill.outcome, fill.side) == (Outcome.YES, Side.BUY)


def test_fill_ids_are_stable_and_unique(gateway: OrderGateway, buy: OrderIntent, sell: OrderIntent) -> None:
    """Reading twice gives the same ids, and no two fills share one: booking by id books once."""
    gateway.place(gateway.prepare(buy))
    settled(gateway, buy.token_id, buy.shares_micro)
    gateway.place(gateway.prepare(sell))

    first = [f.fill_id for f in gateway.trades(0)]
    second = [f.fill_id for f in gateway.trades(0)]

    assert first == second
    assert len(set(first)) == len(first) >= 2


def test_old_fills_can_be_left_out(gateway: OrderGateway, buy: OrderIntent) -> None:
    """Asking from after the last fill gives none."""
    gateway.place(gateway.prepare(buy))
    last = max(f.ts_s for f in gateway.trades(0))

    assert gateway.trades(last + 1) == []


def test_the_no_token_is_bought_by_itself(gateway: OrderGateway, venue: Any, buy: OrderIntent) -> None:
    """A short is a purchase of the NO token at one minus the YES bid."""
    market, quote = venue.market()
    no = replace(buy, token_id=market.token_no, outcome=Outcome.NO, price_units=10_000 - quote.bid_units)
    result = gateway.place(gateway.prepare(no))

    assert result.status is PlaceStatus.ACCEPTED
    assert settled(gateway, market.token_no, no.shares_micro) == no.shares_micro
    assert {f.outcome for f in gateway.trades(0)} == {Outcome.NO}


def test_more_than_the_cash_is_rejected(gateway: OrderGateway, buy: OrderIntent) -> None:
    """An order that the account cannot pay is refused with a reason and changes nothing."""
    result = gateway.place(gateway.prepare(replace(buy, shares_micro=10_000_000 * 1_000_000)))

    assert result.status is PlaceStatus.REJECTED
    assert "balance" in result.reason
    assert gateway.cash_micro() == FIRST_CASH
    assert gateway.trades(0) == []


def test_what_is_not_held_cannot_be_sold(gateway: OrderGateway, sell: OrderIntent) -> None:
    """There is no negative position."""
    result = gateway.place(gateway.prepare(sell))

    assert result.status is PlaceStatus.REJECTED
    assert gateway.shares_micro(sell.token_id) == 0


def test_cancelling_the_unknown_says_so(gateway: OrderGateway) -> None:
    """An order that does not rest is reported as not cancelled, with words."""
    unknown = "0x" + "ab" * 32
    result = gateway.cancel([unknown])

    assert result.cancelled == ()
    assert result.not_cancelled[unknown]


def test_after_cancel_all_nothing_rests(gateway: OrderGateway, buy: OrderIntent) -> None:
    """Whatever was resting is gone."""
    gateway.place(gateway.prepare(replace(buy, price_units=buy.tick_units)))
    gateway.cancel_all()

    assert gateway.open_orders() == []


def test_a_filled_order_is_not_open(gateway: OrderGateway, buy: OrderIntent) -> None:
    """An order that the venue does not list as open is None, not an error."""
    order = gateway.prepare(buy)
    gateway.place(order)

    assert gateway.order(order.order_id) is None


def test_accounts_are_named(gateway: OrderGateway) -> None:
    """The journal is keyed by the account's name."""
    assert gateway.account


def test_a_fak_sale_leaves_nothing_behind(gateway: OrderGateway, buy: OrderIntent, sell: OrderIntent) -> None:
    """A FAK sale takes what is bid within its limit and never rests; without such a bid it is refused."""
    gateway.place(gateway.prepare(buy))
    assert settled(gateway, buy.token_id, buy.shares_micro) == buy.shares_micro
    fak = replace(sell, order_type=OrderType.FAK)

    dear = gateway.place(gateway.prepare(replace(fak, price_units=10_000 - sell.tick_units, ts_s=next(_moment))))
    sold = gateway.place(gateway.prepare(replace(fak, shares_micro=6_010_000, ts_s=next(_moment))))

    assert dear.status is PlaceStatus.REJECTED
    assert NOTHING_TO_TAKE in dear.reason
    assert (sold.status, sold.filled_shares_micro) == (PlaceStatus.ACCEPTED, 6_010_000)
    assert gateway.open_orders() == []
    assert settled(gateway, buy.token_id, 3_990_000) == 3_990_000


def test_a_fak_buy_spends_its_money_and_leaves_nothing_behind(gateway: OrderGateway, buy: OrderIntent) -> None:
    """A FAK buy spends at most its whole cents at the limit, gets its shares or more of them at a better price, and
    never rests; below the ask it is refused."""
    fak = replace(buy, order_type=OrderType.FAK, shares_micro=33_330_000)
    wide = replace(fak, price_units=fak.price_units + 2 * fak.tick_units)

    cheap = gateway.place(gateway.prepare(replace(fak, price_units=fak.tick_units, ts_s=next(_moment))))
    spent = 0
    for intent in (fak, wide):
        got = gateway.place(gateway.prepare(replace(intent, ts_s=next(_moment))))
        assert got.status is PlaceStatus.ACCEPTED
        assert got.filled_shares_micro >= intent.shares_micro
        assert got.filled_notional_micro <= market_buy_micro(intent.shares_micro, intent.price_units)
        spent += got.filled_notional_micro

    assert cheap.status is PlaceStatus.REJECTED
    assert NOTHING_TO_TAKE in cheap.reason
    assert gateway.open_orders() == []
    assert sum(fill.cash_micro + fill.fee_micro for fill in gateway.trades(0)) == -spent
    held = sum(fill.shares_micro for fill in gateway.trades(0))
    assert settled(gateway, buy.token_id, held) == held


def test_a_post_only_order_rests_or_is_refused(gateway: OrderGateway, venue: Any, buy: OrderIntent) -> None:
    """A post-only GTD order rests at its own side's touch; where it would take, it is refused and nothing is bought."""
    _, quote = venue.market()
    rest = replace(buy, order_type=OrderType.GTD, post_only=True, lifetime_s=60)

    crossing = gateway.place(gateway.prepare(rest))
    resting = gateway.place(gateway.prepare(replace(rest, price_units=quote.bid_units, ts_s=next(_moment))))

    assert crossing.status is PlaceStatus.REJECTED
    assert (resting.status, resting.filled_shares_micro) == (PlaceStatus.ACCEPTED, 0)
    assert [order.order_id for order in gateway.open_orders()] == [resting.order_id]
    assert gateway.cancel_all().cancelled == (resting.order_id,)

"""Trades that take the queue at the touch fill an order there, booked worse than its limit in replays and on paper
alike; what was cancelled only moves it up."""

from dataclasses import replace

import pytest

from benchmarks.fill_cases import Queue, queue
from pipelines.core.domain import FeeSchedule, Market, Outcome, Quote, Side
from pipelines.core.orders import OrderIntent
from pipelines.core.params import load
from pipelines.core.sections import ExecutionParams
from pipelines.gate import resting
from pipelines.trading.fill_model import booked_units, part_of_trades
from pipelines.trading.paper import PaperBook
from pipelines.trading.paper_gateway import PaperGateway

SHARE = 1_000_000
EVIDENCE = load().execution.model_copy(update={"queue": "evidence", "order_ttl_bars": 60})
WEIGHTS = tuple(EVIDENCE.fill_queue_weights)
MARKET = Market(
    market_id="m", event_id="e", question="q", token_yes="1", token_no="2", tick_units=100, min_size_micro=5 * SHARE,
    fee=FeeSchedule(0.0, 1.0), start_s=None, end_s=None, topic="",
)  # fmt: skip
HALF = Queue(ahead_micro=50 * SHARE, shown_micro=100 * SHARE, vanished_micro=0, emptied=False, seconds=1.0)


def test_trades_take_from_the_front_and_cancels_from_everywhere():
    """Of 40 shares that vanish, those traded all were before the order, of those cancelled as large a part as is."""
    seen = replace(HALF, vanished_micro=40 * SHARE)

    assert seen.left_micro(trade_share=1.0) == 10 * SHARE
    assert seen.left_micro(trade_share=0.0) == 30 * SHARE
    assert seen.left_micro(trade_share=0.5) == 20 * SHARE
    assert HALF.left_micro(trade_share=0.5) == 50 * SHARE


@pytest.mark.parametrize("seen", [replace(HALF, emptied=True), replace(HALF, vanished_micro=100 * SHARE)])
def test_a_level_that_is_gone_holds_nobody_before_the_order(seen):
    """Whether its touch fell back or the display went to nothing, the order is the first then."""
    assert seen.left_micro(trade_share=EVIDENCE.fill_trade_share) == 0


@pytest.mark.parametrize(
    ("likelier", "less_likely"),
    [
        (replace(HALF, ahead_micro=0), HALF),
        (replace(HALF, vanished_micro=90 * SHARE), HALF),
        (replace(HALF, emptied=True), HALF),
        (replace(HALF, seconds=60.0), HALF),
        (HALF, replace(HALF, ahead_micro=10_000 * SHARE, shown_micro=20_000 * SHARE)),
    ],
)
def test_a_short_queue_of_which_much_vanishes_is_taken_more_often(likelier, less_likely):
    """The chance rises with what vanished, an emptied level and time, and falls with the shares before the order."""
    assert 0.0 < less_likely.chance(WEIGHTS) < likelier.chance(WEIGHTS) < 1.0


def test_trades_take_a_better_touch_first():
    """An order behind its side's touch gets nothing; one before the touch has nobody before it."""
    shown = (100 * SHARE, 100 * SHARE)

    assert queue((100, 100), shown, 50 * SHARE, 1.0) is None
    alone = queue((-100, -100), shown, 50 * SHARE, 1.0)
    assert alone is not None
    assert (alone.ahead_micro, alone.shown_micro) == (0, 0)


def test_a_display_below_the_known_queue_shortens_it():
    """No more shares are before an order than its level shows."""
    seen = queue((0, 0), (30 * SHARE, 30 * SHARE), 50 * SHARE, 1.0)

    assert seen is not None
    assert seen.ahead_micro == 30 * SHARE


def bid(outcome, side, price_units):
    """A post-only order of 100 shares of a token."""
    token = {Outcome.YES: "1", Outcome.NO: "2"}[outcome]
    return OrderIntent(
        market_id="m", token_id=token, outcome=outcome, side=side, price_units=price_units, shares_micro=100 * SHARE,
        tick_units=100, neg_risk=False, version="", reason="quote", ts_s=1_000, post_only=True,
    )  # fmt: skip


ORDERS = [
    bid(Outcome.YES, Side.BUY, 4_800),
    bid(Outcome.NO, Side.SELL, 5_200),
    bid(Outcome.YES, Side.SELL, 5_000),
    bid(Outcome.NO, Side.BUY, 5_000),
]
STILL = Quote(4_800, 5_000, 100 * SHARE, 100 * SHARE)


def fills(order, last, fair=(None, None), **execution):
    """Fills after two looks, the second at `last`; `fair` are the prices that a reference implied at both."""
    book = PaperBook(EVIDENCE.model_copy(update=execution), 1)
    book.send(order, MARKET, STILL, fair[0])
    return [*book.on_bar("m", STILL, 1_001, 0, fair[0]), *book.on_bar("m", last, 1_002, 0, fair[1])]


def got(order, last, fair=(None, None)):
    """Shares after two looks."""
    found = fills(order, last, fair)
    assert all(one.fee_micro == 0 for one in found)
    return sum(one.shares_micro for one in found)


@pytest.mark.parametrize("order", ORDERS)
def test_a_vanishing_queue_fills_an_order_of_either_side_and_token(order):
    """Between the same two touches the order of the side whose display shrinks gets more shares than with all still
    there."""
    bids = order.price_units in (4_800, 5_200)
    thin = replace(STILL, **{"bid_size_micro" if bids else "ask_size_micro": 10 * SHARE})

    assert got(order, thin) > got(order, STILL)


def test_a_modelled_size_that_follows_the_spread_is_no_queue_that_vanishes():
    """Without recorded sizes the model shows less where the other side steps back: no trade was seen."""
    depth = EVIDENCE.model_depth_shares * SHARE
    narrow, wide = Quote(4_800, 4_900, depth, depth), Quote(4_800, 5_200, depth // 4, depth // 4)

    def got(last):
        """Shares of a bid that the model expects between the two looks."""
        book = PaperBook(EVIDENCE, 1)
        book.send(bid(Outcome.YES, Side.BUY, 4_800), MARKET, narrow)
        book.on_bar("m", narrow, 1_001, 0)
        return sum(fill.shares_micro for fill in book.on_bar("m", last, 1_002, 0))

    assert got(wide) < got(replace(wide, bid_size_micro=depth // 4 + SHARE))


@pytest.mark.parametrize("order", ORDERS)
def test_a_reference_that_moves_towards_an_order_fills_it_sooner(order):
    """A falling fair value fills bids for YES and offers of NO, a rising one the others; unknown at a
    look it says nothing."""
    bids = order.price_units in (4_800, 5_200)
    falls, rises = got(order, STILL, (0.49, 0.44)), got(order, STILL, (0.49, 0.54))
    neutral = {got(order, STILL, pair) for pair in ((None, None), (0.49, None), (None, 0.44), (0.49, 0.49))}

    assert len(neutral) == 1
    assert (falls > max(neutral) > rises) if bids else (rises > max(neutral) > falls)


@pytest.mark.parametrize("order", ORDERS)
def test_a_fill_by_trades_is_booked_worse_than_its_limit(order):
    """A buy costs more and a sale brings less, whatever the token, by no more than the charge; without a charge both
    are at the limit."""
    worse = 1 if order.side is Side.BUY else -1
    free, charged = (fills(order, STILL, fill_adverse_units=units) for units in (0, 300))

    assert [one.shares_micro for one in free] == [one.shares_micro for one in charged] != []
    assert {one.price_units for one in free} == {order.price_units}
    assert all(0 < worse * (one.price_units - order.price_units) <= 300 for one in charged)


def test_what_the_other_touch_fills_is_not_charged():
    """Where the other side came to the limit at a look, recorded probes were filled: nobody guessed."""
    crossed = replace(STILL, ask_units=4_800, bid_units=4_700)
    found = fills(bid(Outcome.YES, Side.BUY, 4_800), crossed, fill_adverse_units=300)

    assert found[-1].price_units == 4_800


def test_the_charge_falls_on_the_part_that_trades_filled():
    """Half of the fills by trades pay half of it, rounded against the account; a price stays between 0 and 1."""
    assert part_of_trades(0.0, 0.25) == 1.0
    assert part_of_trades(0.25, 0.0) == 0.0
    assert part_of_trades(0.5, 0.5) == pytest.approx(2 / 3)
    assert part_of_trades(0.0, 0.0) == 0.0
    assert booked_units(5_000, 1, by_trades=0.5, adverse_units=141) == 5_071
    assert booked_units(5_000, -1, by_trades=0.5, adverse_units=141) == 4_929
    assert booked_units(9_950, 1, by_trades=1.0, adverse_units=141) == 10_000


def test_the_paper_account_books_as_the_replay(monkeypatch):
    """One order, the same two looks: the account that follows the venue has the shares and the price of the replay."""
    order, now = bid(Outcome.YES, Side.BUY, 4_800), [0.0]
    execution = EVIDENCE.model_copy(update={"latency_ms": [0.0] * 11})
    seen = [(STILL, 1_001)]
    gateway = PaperGateway(1_000 * SHARE, execution, lambda _: seen[0], lambda _: None, clock=lambda: now[0])
    gateway.know([MARKET])
    gateway.place(gateway.prepare(order))
    gateway._look(next(iter(gateway._resting.values())).order, STILL, 1_002, 0)

    replayed = fills(order, STILL, latency_ms=[0.0] * 11)
    found = gateway.trades(0)
    assert [(one.shares_micro, one.price_units) for one in found] == [
        (one.shares_micro, one.price_units) for one in replayed[-1:]
    ]
    assert found[0].price_units > 4_800


def test_a_bid_is_backed_at_the_worst_price_that_it_may_be_booked_at():
    """Cash for the limit alone is not enough where trades may fill above it."""
    order = bid(Outcome.YES, Side.BUY, 4_800)

    def accepted(cash_micro):
        """Whether an account with so much cash may send it."""
        gateway = PaperGateway(cash_micro, EVIDENCE, lambda _: (STILL, 1_001), lambda _: None)
        gateway.know([MARKET])
        return gateway.place(gateway.prepare(order)).status.value == "accepted"

    needed = 100 * (4_800 + EVIDENCE.fill_adverse_units) * 100
    assert not accepted(needed - 1)
    assert accepted(needed)


def test_the_gate_asks_for_the_most_adverse_fills_that_recordings_allow():
    """The charge of its second replay is the interval's upper end, and everything else stays."""
    shipped = load().execution
    worse = resting.worst(shipped)

    assert worse.fill_adverse_units == shipped.fill_adverse_most_units > shipped.fill_adverse_units > 0
    assert worse.model_copy(update={"fill_adverse_units": shipped.fill_adverse_units}) == shipped


def test_the_most_is_no_less_than_the_charge():
    """Parameters that promise better fills at worst than on average are refused by name."""
    values = load().execution.model_dump() | {"fill_adverse_most_units": 3}

    with pytest.raises(ValueError, match="fill_adverse_most_units is at least"):
        ExecutionParams.model_validate(values)

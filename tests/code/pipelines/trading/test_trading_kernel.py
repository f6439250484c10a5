from pathlib import Path

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from pipelines.core.domain import FeeSchedule, Market, Outcome, Quote, Side
from pipelines.core.orders import OrderIntent
from pipelines.core.params import read
from pipelines.trading import kernel
from pipelines.trading.paper import Working, match

EXECUTION = read(Path("params.yaml")).execution
MARKET = Market(
    market_id="0x01",
    event_id="e",
    question="q",
    token_yes="11",
    token_no="12",
    tick_units=100,
    min_size_micro=5_000_000,
    fee=FeeSchedule(0.05),
    start_s=None,
    end_s=None,
    topic="",
)


def test_touch_of_an_odd_mid_is_one_tick_wide():
    """A mid on half a tick lies between two neighbouring ticks when the model asks for 1.5 ticks."""
    assert kernel.touch(5050, 150, 100) == (5000, 5100)


def test_touch_of_an_even_mid_is_two_ticks_wide():
    """A mid on a tick cannot have a spread of one tick: bid and ask lie one tick to each side."""
    assert kernel.touch(5000, 150, 100) == (4900, 5100)


def test_observed_spread_is_kept():
    """An observed spread that fits the grid comes back exactly."""
    assert kernel.touch(4950, 300, 100) == (4800, 5100)


@settings(deadline=None)
@given(st.integers(1, 199), st.integers(0, 1500), st.sampled_from([10, 100]))
def test_touch_is_on_the_grid_and_symmetric(half_ticks, spread, tick):
    """Bid and ask are ticks, the bid is below the ask, and the NO book mirrors the YES book."""
    mid = half_ticks * tick // 2
    bid, ask = kernel.touch(mid, spread, tick)
    mirrored = kernel.touch(10_000 - mid, spread, tick)
    assert bid < ask
    assert bid % tick == 0
    assert ask % tick == 0
    assert mirrored == (10_000 - ask, 10_000 - bid)


def test_a_book_walk_computed_by_hand():
    """2,000 shares against 1,300 at the touch of 0.51 and 1,500 behind it, at 0.52, with impact 0.0015 pay both levels
    and both fees."""
    shown = (1_300_000_000, 1_500_000_000)
    filled, notional, fee = kernel.walk(1, 2_000_000_000, 5_300, 5_100, 100, 15, *shown, 0.05, 1.0)
    first, second = 1_300 * 0.5115, 700 * 0.5215
    fees = round(1_300 * 0.05 * 0.5115 * 0.4885, 5) + round(700 * 0.05 * 0.5215 * 0.4785, 5)
    assert filled == 2_000_000_000
    assert notional == round((first + second) * 1e6)
    assert fee == round(fees * 1e6)


def test_the_limit_stops_the_walk():
    """Levels beyond the limit are not touched: the rest of the order stays unfilled."""
    filled, _, _ = kernel.walk(1, 2_000_000_000, 5_100, 5_100, 100, 0, 1_500_000_000, 1_500_000_000, 0.0, 1.0)
    assert filled == 1_500_000_000


def test_impact_never_passes_the_limit():
    """A fill at the limit costs the limit, not more."""
    assert kernel.level_units(5_100, 5_100, 1, 0, 100, 15) == 5_100


@settings(deadline=None)
@given(
    st.integers(1, 400_000),
    st.integers(1, 99),
    st.integers(0, 4),
    st.sampled_from([Side.BUY, Side.SELL]),
    st.sampled_from(list(Outcome)),
)
def test_list_of_fills_and_walk_agree(hundredths, mid_ticks, band, side, outcome):
    """The fills that the ledger books add up to what the integer kernel computes, to the base unit."""
    shares = hundredths * 10_000
    bid, ask = kernel.touch(mid_ticks * 100, 150, 100)
    depth = kernel.shown_micro(EXECUTION.model_depth_shares * 1_000_000, ask - bid, 100)
    quote = Quote(bid, ask, depth, depth)
    seen = quote.of(outcome)
    buying = side is Side.BUY
    touch = seen.ask_units if buying else seen.bid_units
    limit = kernel.buy_limit(touch, 100, band) if buying else kernel.sell_limit(touch, 100, band)
    intent = OrderIntent(
        market_id="0x01",
        token_id="11",
        outcome=outcome,
        side=side,
        price_units=limit,
        shares_micro=shares,
        tick_units=100,
        neg_risk=False,
        version="v1",
        reason="enter",
        ts_s=0,
    )
    fills = match(Working("o", intent, MARKET, shares, 1, 1), quote, EXECUTION, 60)
    impact = kernel.impact_units(quote.spread_units, EXECUTION.impact_share)
    walked = kernel.walk(1 if buying else -1, shares, limit, touch, 100, impact, depth, depth, 0.05, 1.0)
    notional = sum(fill.shares_micro * fill.price_units // 10_000 for fill in fills)
    assert walked == (sum(fill.shares_micro for fill in fills), notional, sum(fill.fee_micro for fill in fills))


def test_a_resting_order_waits_for_its_turn_by_hand():
    """300 shares rest at a bid of 0.50 behind 400; half of a bar's 1,000 sold shares reach the bid: 100 are ours."""
    ahead = kernel.queue_ahead(1, 5_000, 5_000, 5_200, 800_000_000, kernel.QUEUE_AHEAD["neutral"])
    assert ahead == 400_000_000
    first = kernel.resting_fill(1, 300_000_000, 5_000, 5_000, 5_200, 1_000_000_000, ahead, 0)
    assert first == (100_000_000, 0)
    assert kernel.resting_fill(1, 200_000_000, 5_000, 5_000, 5_200, 100_000_000, 0, 0) == (50_000_000, 0)


def test_a_resting_order_behind_the_touch_gets_nothing_and_one_that_is_passed_gets_what_came():
    """While others bid more nothing comes; when the ask falls to the limit, what crosses it is filled on the grid of
    0.01, whatever stood before it. A sale mirrors it."""
    assert kernel.resting_fill(1, 9, 4_900, 5_000, 5_200, 10**12, 7, 0) == (0, 7)
    assert kernel.resting_fill(1, 90_000, 5_000, 4_800, 5_000, 0, 10**12, 10**9) == (90_000, 0)
    assert kernel.resting_fill(1, 90_000, 5_000, 4_800, 5_000, 10**12, 10**12, 59_999) == (50_000, 0)
    assert kernel.resting_fill(-1, 9, 5_300, 5_000, 5_200, 10**12, 7, 0) == (0, 7)
    assert kernel.resting_fill(-1, 90_000, 5_000, 5_000, 5_100, 0, 10**12, 10**9) == (90_000, 0)
    assert kernel.resting_fill(-1, 90_000, 5_000, 5_000, 5_100, 10**12, 10**12, 59_999) == (50_000, 0)


def test_what_crosses_a_limit_is_what_the_levels_up_to_it_show():
    """100 shares at the touch and 1,500 on each level behind it: an ask at 0.51 shows a bid of 0.53 three levels, one
    at 0.53 a single one, one at 0.54 none; a sale mirrors it; where the touch shows nothing, nothing stands behind."""
    shown = (100, 100_000_000, 1_500_000_000)
    buys = [kernel.crossing_micro(1, 5_300, ask, *shown) for ask in (5_100, 5_300, 5_400)]
    sales = [kernel.crossing_micro(-1, 5_300, bid, *shown) for bid in (5_500, 5_300, 5_200)]
    assert buys == sales == [3_100_000_000, 100_000_000, 0]
    assert kernel.crossing_micro(1, 5_300, 5_100, 100, 0, 1_500_000_000) == 0


@settings(deadline=None)
@given(st.integers(1, 10**6), st.integers(1, 99), st.integers(-3, 5), st.integers(0, 3_000), st.sampled_from([1, -1]))
def test_a_rest_gets_what_an_order_that_takes_would_get(hundredths, touch, beyond, depth, side):
    """What crosses a limit is what an order with that limit takes from the same book, and it stands on the grid."""
    limit = touch + side * beyond
    assume(0 < limit < 100)
    shares, depth = hundredths * 10_000, depth * 1_000_000
    crossing = kernel.crossing_micro(side, limit * 100, touch * 100, 100, depth, depth)
    taken, _, _ = kernel.walk(side, shares, limit * 100, touch * 100, 100, 0, depth, depth, 0.0, 1.0)
    assert min(shares, crossing) == taken


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.integers(46, 54), st.integers(0, 3_000)), min_size=1, max_size=8),
    st.integers(1, 100_000),
    st.sampled_from([1, -1]),
)
def test_a_shorter_queue_never_fills_less(bars, hundredths, side):
    """Over any bars the optimistic guess has filled at least what the neutral one has, and that the pessimistic one."""
    filled = []
    for share in kernel.QUEUE_AHEAD.values():
        left = hundredths * 10_000
        ahead = kernel.queue_ahead(side, 5_000, 5_000, 5_000, 500_000_000, share)
        for mid, volume in bars:
            bid, ask = mid * 100 - 100, mid * 100 + 100
            other = ask if side > 0 else bid
            crossing = kernel.crossing_micro(side, 5_000, other, 100, 200_000_000, 200_000_000)
            done, ahead = kernel.resting_fill(side, left, 5_000, bid, ask, volume * 1_000_000, ahead, crossing)
            left -= done
        filled.append(hundredths * 10_000 - left)
    assert filled == sorted(filled)


def test_a_better_price_has_no_queue():
    """Inside the spread nobody stands before the order; at the touch the three guesses are all, half and nothing."""
    assert kernel.queue_ahead(1, 5_100, 5_000, 5_200, 10**9, 1.0) == 0
    assert kernel.queue_ahead(-1, 5_100, 5_000, 5_200, 10**9, 1.0) == 0
    assert [kernel.queue_ahead(1, 5_000, 5_000, 5_200, 10**9, share) for share in kernel.QUEUE_AHEAD.values()] == [
        10**9, 5 * 10**8, 0,
    ]  # fmt: skip


def test_shares_for_stay_within_the_budget():
    """What a market buy of the size may cost at any price up to its limit, fee included, uses the budget but for cents,
    what it costs at the limit is less, and the size is on the 0.01 grid."""
    shares = kernel.shares_for(1_000_000_000, 5_300, 0.05, 1.0)
    _, notional, fee = kernel.walk(1, shares, 5_300, 5_300, 100, 0, 10**12, 10**12, 0.05, 1.0)
    assert shares % 10_000 == 0
    assert notional + fee <= kernel.reserve_micro(shares, 5_300, 0.05, 1.0)
    assert 999_900_000 < kernel.reserve_micro(shares, 5_300, 0.05, 1.0) <= 1_000_000_000


def test_settlement_pays_the_winning_token():
    """YES pays 1 on YES, NO pays 1 on NO, and a 50-50 resolution pays both a half."""
    paid = [kernel.settlement_micro(3_000_000, payout, side) for payout in (1_000_000, 0, 500_000) for side in (1, -1)]
    assert paid == [3_000_000, 0, 0, 3_000_000, 1_500_000, 1_500_000]

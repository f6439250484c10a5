"""What is sold, at which price, and what is too little to sell: the odd holdings and books of a real venue."""

from dataclasses import replace

import numpy as np
import pytest
from test_decide_limits import NOW, account, held, inputs, market, reason, rules

from pipelines.core.domain import Outcome, Quote, Side
from pipelines.core.orders import OrderType
from pipelines.decide import Reason, decide
from pipelines.replay.market_history import references
from pipelines.trading import kernel


def holding(shares_micro, outcome=Outcome.YES, provisional_micro=0):
    """A position of any size."""
    return replace(held(outcome), shares_micro=shares_micro, provisional_micro=provisional_micro)


def exit_of(position, given=None, **changes):
    """The decision of a policy that wants nothing."""
    return decide(given or inputs(), account(positions={"0x01": position}, **changes), rules(direction=0))


@pytest.mark.parametrize("shares", [7_085_100, 7_085_123, 5_009_999, 100_000_001, 1_234_567_890])
def test_a_sale_is_floored_to_the_grid(shares):
    """Whatever a fill left, the whole hundredths are offered and the rest stays as dust."""
    intent = exit_of(holding(shares)).intent
    assert intent.shares_micro == shares // 10_000 * 10_000
    assert (intent.side, intent.order_type) == (Side.SELL, OrderType.FAK)


@pytest.mark.parametrize("shares", [1, 9_999, 85_100, 1_230_000, 4_999_999, 4_990_000])
def test_dust_is_left_alone(shares):
    """Less than the minimum, after flooring, is no position: no exit is tried, and nothing is said about it."""
    decision = exit_of(holding(shares))
    assert (decision.action, decision.intent, decision.refusal) == ("hold", None, None)


@pytest.mark.parametrize("minimum", [0, 1, 9_999])
@pytest.mark.parametrize(("shares", "sold"), [(1, 0), (9_999, 0), (10_000, 10_000), (85_123, 80_000)])
def test_no_order_is_smaller_than_a_hundredth_of_a_share(minimum, shares, sold):
    """A market that lists no minimum: what cannot be put on the grid is dust there too, never an order of nothing."""
    given = inputs(about=replace(market(), min_size_micro=minimum))
    for provisional in (0, shares):
        intent = exit_of(holding(shares, provisional_micro=provisional), given).intent
        assert (intent.shares_micro if intent else 0) == sold


@pytest.mark.parametrize(("shares", "sold"), [(9_999, 0), (85_100, 80_000), (4_999_999, 4_990_000)])
def test_the_kill_switch_sells_dust_that_is_on_the_grid(shares, sold):
    """The venue's minimum is for orders that rest: the switch sends the rest as FAK, on the grid."""
    intent = exit_of(holding(shares), kill=True).intent
    assert (intent.shares_micro if intent else 0) == sold
    assert intent is None or intent.order_type is OrderType.FAK


def test_the_minimum_is_compared_with_what_can_be_offered():
    """5.009 shares at a minimum of 5 are sold as 5."""
    assert exit_of(holding(5_009_000)).intent.shares_micro == 5_000_000


def test_dust_takes_no_place_among_markets():
    """Five rests of 1.23 shares refuse no entry; five positions do."""
    others = {f"0x1{k}": market(10 + k, f"e{k + 2}") for k in range(5)}
    dust = {name: replace(held(number=10 + k), shares_micro=1_230_000) for k, name in enumerate(others)}
    assert decide(inputs(), account(positions=dust, markets=others), rules()).intent.side is Side.BUY
    whole = {name: held(number=10 + k) for k, name in enumerate(others)}
    assert reason(decide(inputs(), account(positions=whole, markets=others), rules())) is Reason.MAX_MARKETS


def test_dust_counts_as_exposure():
    """What dust cost is at stake like everything else."""
    dust = replace(holding(1_230_000), cost_micro=3_000_000_000)
    assert reason(decide(inputs(), account(positions={"0x01": dust}), rules())) is Reason.EXPOSURE_CAP


def test_dust_is_topped_up_in_its_own_direction_alone():
    """An entry on the side of the dust buys; the other side is refused by name."""
    state = account(positions={"0x01": holding(1_230_000)})
    assert decide(inputs(), state, rules(direction=1)).action == "enter_long"
    assert reason(decide(inputs(), state, rules(direction=-1))) is Reason.DUST


@pytest.mark.parametrize(("tick", "bid", "ask"), [(100, 5_055, 5_161), (50, 5_033, 5_077), (10, 5_001, 5_017)])
def test_limits_lie_on_the_tick_whatever_the_book_shows(tick, bid, ask):
    """A sale's limit is floored and a buy's is ceiled, where the book has prices of another tick."""
    about = replace(market(), tick_units=tick)
    given = inputs(bid=bid, ask=ask, about=about)
    sale = exit_of(held(), given).intent
    buy = decide(given, account(), rules()).intent
    assert sale.price_units == bid // tick * tick - 2 * tick
    assert buy.price_units == -(-ask // tick) * tick + 2 * tick
    assert (sale.tick_units, buy.tick_units) == (tick, tick)


def ghost(bid, age, fair=5_050, ask=5_200, outcome=Outcome.YES):
    """A book without a price, `age` seconds after the last trusted mid; bid and ask are those of the held token."""
    quote = Quote(bid, ask, 5_000_000, 10**9)
    if outcome is Outcome.NO:
        quote, fair = quote.of(Outcome.NO), 10_000 - fair
    return replace(inputs(mid=quote.mid_units), quote=quote, reference_units=fair, reference_age_s=age)


@pytest.mark.parametrize("outcome", list(Outcome))
@pytest.mark.parametrize("bid", [10, 1_000, 3_000, 3_900])
def test_nothing_is_given_away_to_a_ghost_book(outcome, bid):
    """A bid far below the last trusted mid is left alone, whatever the reason to sell, and the refusal is named."""
    decision = exit_of(holding(700_000_000, outcome), ghost(bid, 60, outcome=outcome), kill=True)
    assert (reason(decision), decision.wish) == (Reason.THIN_BOOK, "exit")


@pytest.mark.parametrize("outcome", list(Outcome))
def test_bids_near_the_reference_are_taken(outcome):
    """What a thin book bids within the band of the reference is sold to, never below the band."""
    intent = exit_of(holding(700_000_000, outcome), ghost(4_100, 60, outcome=outcome)).intent
    assert intent.order_type is OrderType.FAK
    assert intent.price_units == 4_000


def test_a_ghost_book_is_known_without_a_reference():
    """Where no book was ever trusted, the bar's own mid bounds a sale: one bid at 0.001 gets nothing."""
    assert reason(exit_of(held(), inputs(mid=5_050, bid=10, ask=10_000))) is Reason.THIN_BOOK
    assert reason(exit_of(held(), inputs(mid=2_555, bid=10, ask=5_100))) is Reason.THIN_BOOK


def test_the_ladder_goes_down_and_ends():
    """Each ten minutes without a price lower the band; half of the fair price is never passed."""
    floors = [kernel.exit_floor(5_050, age, 100, 1_000, 600, 3) for age in (0, 599, 600, 1_200, 1_800, 10**6)]
    assert floors == [4_000, 4_000, 3_000, 2_500, 2_500, 2_500]
    assert reason(exit_of(held(), ghost(2_400, 10**6))) is Reason.THIN_BOOK
    assert exit_of(held(), ghost(2_500, 10**6)).intent.price_units == 2_500


@pytest.mark.parametrize("quote", [Quote(5_000, 10_000, 10**9, 0), Quote(10, 9_000, 10**6, 10**6)])
def test_a_book_without_a_price_trips_no_stop(quote):
    """Stops are measured at the last trusted mid, not half-way to 0 or 1."""
    about = account(positions={"0x01": held()})
    given = replace(inputs(mid=quote.mid_units), quote=quote, reference_units=5_050, reference_age_s=60)
    assert decide(given, about, rules()).action == "hold"


def test_what_the_visible_side_proves_counts():
    """A mark lies between bid and ask: offers far below the last mid lower it, also when nobody bids."""
    assert kernel.fair_units(5_000, 100, 0, 200) == 200
    assert kernel.fair_units(5_000, 9_000, 8_000, 10_000) == 8_000
    assert kernel.fair_units(5_000, 7_500, 4_900, 10_000) == 5_000
    assert kernel.fair_units(5_000, 5_150, 5_100, 5_200) == 5_150
    assert kernel.fair_units(0, 7_500, 5_000, 10_000) == 7_500


def test_confirmed_shares_are_sold_first():
    """Shares whose trade is not confirmed wait while enough others are there; alone they are offered."""
    assert exit_of(holding(100_000_000, provisional_micro=40_005_000)).intent.shares_micro == 59_990_000
    assert exit_of(holding(100_000_000, provisional_micro=97_000_000)).intent.shares_micro == 100_000_000


def test_a_tripped_breaker_refuses_entries_and_no_exit():
    """Too many orders stop buying by name; what is held can still be sold."""
    assert reason(decide(inputs(), account(tripped=True), rules())) is Reason.ORDER_BREAKER
    assert exit_of(held(), tripped=True).intent.side is Side.SELL


def test_a_pause_refuses_entries_and_no_exit():
    """What a person paused is not opened, by name; what is held can still be sold."""
    assert reason(decide(inputs(), account(paused=True), rules())) is Reason.PAUSED
    assert exit_of(held(), paused=True).intent.side is Side.SELL


@pytest.mark.parametrize(("shares", "sold"), [(100_000_000, 100_000_000), (85_100, 80_000), (9_999, 0)])
def test_a_close_sells_what_the_policy_would_keep(shares, sold):
    """A position that a person closes is sold whole, dust too, though the policy wants to hold it; no other market is
    sold, and nothing is bought there meanwhile."""
    keeps = rules(direction=1)
    position = holding(shares)
    intent = decide(inputs(), account(positions={"0x01": position}, closing=frozenset({"0x01"})), keeps).intent
    assert (intent.shares_micro if sold else intent) == (sold or None)
    assert not sold or intent.reason == "close_asked"
    other = decide(inputs(), account(positions={"0x01": held()}, closing=frozenset({"0x02"})), keeps)
    assert (other.action, other.intent) == ("hold", None)
    assert reason(decide(inputs(), account(closing=frozenset({"0x01"})), keeps)) is Reason.CLOSE_ASKED


def test_an_entry_that_takes_is_fak():
    """What a purchase does not find at once is gone, unless `execution.entry` lets it rest."""
    intent = decide(inputs(), account(), rules()).intent
    assert (intent.side, intent.order_type, intent.post_only) == (Side.BUY, OrderType.FAK, False)


@pytest.mark.parametrize(("shares", "allowed"), [(1, True), (9_999, True), (10_000, False), (1_230_000, False)])
def test_a_part_of_a_hundredth_keeps_nobody_from_the_other_side(shares, allowed):
    """A market buy leaves less than 0.01 share, which no order can sell: the other side may be bought, and below more
    dust it may not."""
    decision = decide(inputs(), account(positions={"0x01": holding(shares, Outcome.NO)}), rules())
    assert (decision.intent is not None) == allowed
    assert allowed or reason(decision) is Reason.DUST


def test_a_rest_never_takes():
    """An entry that rests is post-only and ends at the venue by itself."""
    resting = rules()
    resting = replace(resting, execution=resting.execution.model_copy(update={"entry": "rest"}))
    intent = decide(inputs(bid=5_055), account(), resting).intent
    assert (intent.order_type, intent.post_only, intent.lifetime_s) == (OrderType.GTD, True, 60)
    assert intent.price_units == 5_000


def test_references_of_a_history_equal_the_kernels_bar_by_bar():
    """The columns of a backtest are the scalar function of the live process, applied in order."""
    rng = np.random.default_rng(1)
    size = 500
    bid = np.where(rng.random(size) < 0.3, 0, rng.integers(1, 6_000, size))
    ask = np.where(rng.random(size) < 0.3, 10_000, bid + rng.integers(-50, 3_000, size))

    class Past:
        bid_units, ask_units, mid_units = bid, ask, (bid + ask) // 2
        ts_s = NOW + 60 * np.arange(size)

    fair, ages = references(Past)
    last, trusted_s = 0, NOW
    for k in range(size):
        mid = int(Past.mid_units[k])
        expected = kernel.fair_units(last, mid, int(bid[k]), int(ask[k]))
        if kernel.is_trusted(int(bid[k]), int(ask[k])):
            last, trusted_s = mid, int(Past.ts_s[k])
        assert fair[k] == expected
        assert ages[k] == Past.ts_s[k] - trusted_s


@pytest.mark.parametrize(
    ("entry", "kill", "expected"), [(8_500, False, "stop_loss"), (5_050, True, "kill_switch"), (5_050, False, None)]
)
@pytest.mark.parametrize("direction", [-1, 0, 1])
def test_a_position_without_a_warm_window_is_still_guarded(entry, kill, expected, direction):
    """Without features stops, the end and the switch close a position; the policy is not asked and nothing opens."""
    cold = replace(inputs(), warm=False)
    decision = decide(cold, account(positions={"0x01": held(entry=entry, peak=8_500)}, kill=kill), rules(direction))
    assert (decision.intent.reason if decision.intent else None) == expected
    assert decide(cold, account(), rules(direction)).action == "hold"
    dust = account(positions={"0x01": holding(1_230_000)})
    assert decide(cold, dust, rules(direction)).intent is None

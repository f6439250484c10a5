"""A maker in the replay: two orders rest in a market, its pairs are merged, and what the venue pays it is P&L."""

from dataclasses import replace

import numpy as np
import pytest

from pipelines.core.domain import FeeSchedule, Fill, Market, Outcome, Quote, Rewards, Side
from pipelines.core.params import load
from pipelines.features import compute
from pipelines.replay import rules
from pipelines.replay.loop import replay, tape
from pipelines.replay.market_history import History
from pipelines.replay.performance import figures, pnl_by_market
from pipelines.trading import incentives
from pipelines.trading.sizing import NO_SIGNALS

DAY, LENGTH_S, CASH = 86_400, 60, 10**10
REWARDS = Rewards(day_micro=100_000_000, min_size_micro=5_000_000, max_spread_units=500, rebate_share=0.2)
MARKET = Market(
    market_id="m", event_id="e", question="?", token_yes="1", token_no="2", tick_units=100, min_size_micro=5_000_000,
    fee=FeeSchedule(0.07), start_s=0, end_s=40 * DAY, topic="crypto", rewards=Rewards(rebate_share=0.2),
)  # fmt: skip


def course(bids, *, spread=400, market=MARKET, volume=0, first_s=DAY - 600):
    """A tape of one market: bid and ask of every minute, as much shown on both sides, `volume` shares traded."""
    bid = np.array(bids, dtype=np.int64)
    ts_s, zeros = first_s + LENGTH_S * np.arange(len(bid)), np.zeros(len(bid), dtype=np.int64)
    mid, traded = bid + spread // 2, zeros + volume * 1_000_000
    flat = np.zeros((len(bid), 24))
    features = compute.batch(ts_s, mid, zeros, market.end_s)
    book = (mid, bid, bid + spread, traded, zeros + spread, features)
    past = History(market, ts_s, *book, zeros.astype(float), flat, flat, flat, np.full(len(bid), 0.5))
    return tape([replace(past, sizes_micro=np.full((len(bid), 2), 100_000_000))], None, 100)


def strategy(queue="optimistic", ttl=3, **given):
    """The maker with a queue and a lifetime of its quotes."""
    params = load()
    execution = params.execution.model_copy(update={"queue": queue, "order_ttl_bars": ttl})
    chosen = {**rules.policy_params("micro_trades", params, LENGTH_S), **given}
    return rules.make(
        "micro_trades", params.model_copy(update={"execution": execution}), NO_SIGNALS, None, LENGTH_S, given=chosen
    )


def test_both_quotes_rest_and_a_pair_is_merged():
    """In a book that stands still and trades on both sides both bids fill, and the pair earns the spread at once."""
    result = replay(course([4_800] * 6, volume=10_000), strategy(), CASH)
    first = result.fills[:2]

    assert {fill.outcome for fill in first} == {Outcome.YES, Outcome.NO}
    assert {(fill.side, fill.fee_micro) for fill in first} == {(Side.BUY, 0)}
    assert {trade.reason for trade in result.closed} >= {"merged"}
    assert result.merged_micro >= first[0].shares_micro
    assert result.equity_micro[-1] - CASH >= 400 * first[0].shares_micro // 10_000


def test_rebates_and_rewards_are_paid_when_the_day_is_over_and_are_in_the_pnl():
    """A day's rebates come at midnight, a pool pays quotes that nobody takes, and P&L by market has both."""
    paying = replace(MARKET, rewards=REWARDS)
    busy = replay(course([4_800] * 30, volume=10_000), strategy(), CASH)
    quiet = replay(course([4_800] * 400, market=paying), strategy(), CASH)
    traded, waited = figures(busy, CASH, LENGTH_S), figures(quiet, CASH, LENGTH_S)
    spreads = sum(float(trade.pnl) for trade in busy.closed)

    assert traded.rebates_pusd > 1.0
    assert traded.pnl_pusd == pytest.approx(spreads + traded.rebates_pusd, abs=0.1)
    assert pnl_by_market(busy)["m"] == pytest.approx(traded.pnl_pusd)
    assert (waited.fills, waited.pnl_pusd) == (0, waited.rewards_pusd)
    assert 100.0 / 1_440 * 400 / 3 > waited.rewards_pusd > 1.0


def test_a_day_that_earned_less_than_a_pusd_pays_nothing():
    """The venue pays no day's earnings below 1 pUSD, of each kind by itself."""
    earned = incentives.Earned()
    earned.pay(0)
    earned.add("rebates", "m", 999_999.0)
    earned.add("rewards", "m", 1_500_000.0)

    assert (earned.pay(0), earned.pay(1), earned.pay(2)) == (0, 1_500_000, 0)
    assert earned.paid == {"rebates": {}, "rewards": {"m": 1_500_000}}


def test_a_rebate_is_a_part_of_the_fee_that_the_taker_paid():
    """Per share it is largest at the middle, 0.35 cents in crypto; what took itself earns nothing."""

    def fill(**changes):
        made = Fill(
            fill_id="f", order_id="o", market_id="m", token_id="1", outcome=Outcome.YES, side=Side.BUY,
            price_units=5_000, shares_micro=100_000_000, fee_micro=0, ts_s=0,
        )  # fmt: skip
        return incentives.rebate_micro(replace(made, **changes), MARKET)

    assert fill() == 350_000
    assert fill(price_units=9_000) < fill()
    assert fill(fee_micro=1) == 0


def test_rewards_ask_for_both_sides_near_the_middle():
    """Two equal quotes as large as all others earn half of the pool; one alone a third of its score; a far one none."""
    market, quote = replace(MARKET, rewards=REWARDS), Quote(4_800, 5_200, 100_000_000, 100_000_000)
    bid, ask = (Outcome.YES, Side.BUY, 4_800, 100_000_000), (Outcome.NO, Side.BUY, 4_800, 100_000_000)

    def part(*orders):
        return incentives.pool_share(market, quote, orders)

    assert part(bid, ask) == pytest.approx(0.5)
    assert part(bid) == pytest.approx(0.25)
    assert part((Outcome.YES, Side.BUY, 4_400, 100_000_000)) == 0.0
    assert part((Outcome.YES, Side.BUY, 4_800, 1_000_000)) == 0.0
    assert incentives.pool_share(MARKET, quote, [bid, ask]) == 0.0


def test_a_quote_that_was_taken_back_may_still_fill_until_the_cancellation_arrives():
    """The book leans against the bid for a bar before the price falls through it: with a lifetime of many bars the bid
    is gone a bar after the lean, and a fall on that very bar still fills it."""
    calm, fallen = [4_800, 4_800, 4_800], [4_000] * 4
    late, soon = course([*calm, 4_800, 4_800, *fallen]), course([*calm, *fallen])

    def leaning(made, at):
        steps = [
            (ts_s, tuple(replace(one, quote=replace(one.quote, bid_size_micro=20_000_000)) for one in seen))
            if number == at
            else (ts_s, seen)
            for number, (ts_s, seen) in enumerate(made.steps)
        ]
        return replace(made, steps=tuple(steps))

    def bought(made):
        filled = replay(made, strategy(queue="pessimistic", ttl=20), CASH).fills
        return {fill.outcome for fill in filled if fill.price_units == 4_800 and fill.fee_micro == 0}

    assert Outcome.YES not in bought(leaning(late, 2))
    assert Outcome.YES in bought(leaning(soon, 2))
    assert Outcome.YES in bought(late)


def test_the_future_of_a_maker_changes_nothing_before():
    """Fills and equity up to a bar are the same whatever the bars after it are."""
    rng = np.random.default_rng(3)
    bids = (4_800 + 100 * rng.integers(-2, 3, 40).cumsum()).clip(1_000, 8_000).tolist()
    one = replay(course(bids, volume=500), strategy(queue="evidence", ttl=3), CASH)
    other = replay(course([*bids[:25], *([2_000] * 15)], volume=500), strategy(queue="evidence", ttl=3), CASH)

    assert one.equity_micro[:25] == other.equity_micro[:25]
    assert [f for f in one.fills if f.ts_s <= one.ts_s[24]] == [f for f in other.fills if f.ts_s <= one.ts_s[24]]

"""The guide's bots as policies: when they enter, what they keep, and how resting fills follow recorded books."""

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.fill_cases import Resting
from pipelines.core.domain import Bar, Direction, FeeSchedule, Forecast, Market, Outcome, Position, Quote, Side
from pipelines.core.params import load
from pipelines.core.settlement import RuleKind, Settlement
from pipelines.decide import Account, Rules, decide, takes_back
from pipelines.replay import rules
from pipelines.trading import fill_model
from pipelines.trading.paper import PaperBook
from pipelines.trading.policies.base import Inputs
from pipelines.trading.sizing import NO_SIGNALS

FLAT = Forecast(np.zeros(24), np.zeros(24), np.zeros(24), 0.5)
MARKET = Market(
    market_id="m", event_id="e", question="?", token_yes="1", token_no="2", tick_units=100, min_size_micro=5_000_000,
    fee=FeeSchedule(0.07), start_s=0, end_s=1_300, topic="crypto",
)  # fmt: skip

RULE = Settlement(symbol="BTC", source="chainlink", kind=RuleKind.SPOT, start_s=1_000, end_s=1_300)


def seen(mid=5_000, spread=100, **changes):
    """One bar, 300 s before the end."""
    quote = Quote(mid - spread // 2, mid + spread // 2, 300_000_000, 100_000_000)
    bar = Bar("m", 1_000, mid, 0, 0, spread)
    return replace(Inputs(MARKET, bar, quote, np.zeros(15), FLAT, 0.0), **changes)


def policy(kind, **changes):
    """A policy with the shipped parameters and some others."""
    given = {**rules.policy_params(kind, load(), 1), **changes}
    return rules.make(kind, load(), NO_SIGNALS, None, 1, given=given)


def decided(strategy: Rules, inputs: Inputs, position: Position | None = None):
    """What `decide` makes of it on an account of 10,000 pUSD."""
    return decide(inputs, account(position), strategy)


def account(position: Position | None = None, **changes):
    """An account of 10,000 pUSD."""
    held = {} if position is None else {"m": position}
    money = {
        "cash_micro": 10**10,
        "equity_micro": 10**10,
        "day_start_equity_micro": 10**10,
        "peak_equity_micro": 10**10,
    }
    return replace(Account(**money, positions=held, open_buy_micro={}, markets={"m": MARKET}), **changes)


HELD = Position(
    market_id="m", outcome=Outcome.YES, shares_micro=10_000_000, entry_units=5_000, peak_units=5_000,
    cost_micro=5_000_000, opened_s=990,
)  # fmt: skip


def test_temporal_arbitrage_wants_a_fresh_move_that_the_market_lacks():
    """A difference alone is the market's opinion; a move alone is in the price already; both together are a lag."""
    bot = policy("temporal_arbitrage").policy

    assert bot.target(seen(fair=0.62, fair_before=0.50), None, None).direction is Direction.LONG
    assert bot.target(seen(fair=0.38, fair_before=0.50), None, None).direction is Direction.SHORT
    assert bot.target(seen(fair=0.62, fair_before=0.615), None, None).direction is Direction.FLAT
    assert bot.target(seen(fair=0.51, fair_before=0.40), None, None).direction is Direction.FLAT
    assert bot.target(seen(fair=0.62), None, None).direction is Direction.FLAT
    assert bot.target(seen(), None, None).direction is Direction.FLAT


def test_temporal_arbitrage_leaves_when_the_move_behind_its_position_is_over():
    """A difference that stays after the move is the market's opinion, as it is before an entry."""
    bot = policy("temporal_arbitrage").policy

    assert bot.target(seen(fair=0.62, fair_before=0.55), HELD, None).direction is Direction.LONG
    assert bot.target(seen(fair=0.62, fair_before=0.62), HELD, None).direction is Direction.FLAT
    assert bot.target(seen(fair=0.62, fair_before=0.65), HELD, None).direction is Direction.FLAT
    assert bot.target(seen(fair=0.45, fair_before=0.40), HELD, None).direction is Direction.FLAT


def test_temporal_arbitrage_buys_as_many_shares_of_a_cheap_token():
    """Money divided by price is equal below 50 cents, for either token."""
    bot = policy("temporal_arbitrage").policy
    cheap = bot.target(seen(mid=1_000, fair=0.25, fair_before=0.10), None, None)
    cheap_no = bot.target(seen(mid=9_000, fair=0.75, fair_before=0.90), None, None)
    even = bot.target(seen(mid=5_000, fair=0.65, fair_before=0.50), None, None)
    dear = bot.target(seen(mid=7_000, fair=0.85, fair_before=0.70), None, None)

    assert (cheap.direction, cheap_no.direction) == (Direction.LONG, Direction.SHORT)
    assert cheap.fraction / 1_000 == pytest.approx(even.fraction / 5_000)
    assert cheap_no.fraction == pytest.approx(cheap.fraction)
    assert dear.fraction == even.fraction


def test_systematic_as_shipped_takes_the_price_for_right():
    """Without learned parameters nothing is worth more than it costs, at any price."""
    bot = policy("systematic").policy

    assert {bot.target(seen(mid=mid), None, None).direction for mid in range(600, 9_500, 100)} == {Direction.FLAT}


def test_systematic_buys_what_is_worth_more_and_holds_it_to_the_end():
    """A longshot bias makes favourites cheap; the position has no stops and is not sold before the end."""
    strategy = policy("systematic", slope=1.5)
    entered = decided(strategy, seen(mid=7_500))
    fallen = decided(strategy, seen(mid=3_000), replace(HELD, entry_units=7_500))
    late = seen(mid=5_000)
    ending = decided(strategy, replace(late, bar=replace(late.bar, ts_s=1_299)), HELD)

    assert (entered.action, entered.intent.price_units) == ("enter_long", 7_800)
    assert (fallen.action, ending.action) == ("hold", "hold")


def test_systematic_counts_the_money_that_waits():
    """The same edge is refused where the end is a year away."""
    bot = policy("systematic", slope=1.12, capital_cost=0.2).policy
    free = replace(MARKET, fee=FeeSchedule(0.0))
    far = replace(free, end_s=1_000 + 365 * 86_400)

    assert bot.target(seen(mid=8_000, market=free), None, None).direction is Direction.LONG
    assert bot.target(seen(mid=8_000, market=far), None, None).direction is Direction.FLAT


def test_a_maker_quotes_no_spread_that_a_predicted_move_exceeds():
    """With `spread_deviations` the spread has to exceed the predicted move of a bar; without it any move is borne."""
    wild = replace(FLAT, lower=np.full(24, -0.4), upper=np.full(24, 0.4))
    for deviations, quoted in ((0.0, True), (0.5, True), (1.0, False)):
        strategy = policy("micro_trades", spread_deviations=deviations)
        intents = decided(strategy, seen(spread=400, forecast=wild)).intents
        assert (len(intents) > 0) is quoted


def test_micro_trades_rests_on_the_side_that_the_book_leans_to():
    """Its entry is post-only at its own touch, and none is on a side that book or reference have turned against."""
    strategy = policy("micro_trades")
    wide = seen(spread=400)
    quoted = decided(strategy, wide)

    assert [(one.post_only, one.outcome, one.price_units) for one in quoted.intents] == [(True, Outcome.YES, 4_800)]
    assert decided(strategy, replace(wide, fair=0.47, fair_before=0.50)).intent is None
    assert decided(strategy, replace(wide, market=replace(MARKET, end_s=1_100))).intent is None
    assert decided(strategy, seen(spread=100)).intent is None


def even(spread=400, **changes):
    """A bar whose book shows as much on both sides."""
    bar = seen(spread=spread)
    return replace(bar, quote=replace(bar.quote, ask_size_micro=300_000_000), **changes)


def sides(decision):
    """What a decision orders: (outcome, side, limit)."""
    return [(one.outcome, one.side, one.price_units) for one in decision.intents]


def test_the_maker_quotes_both_sides_of_an_even_book():
    """Flat it bids for both tokens; with a part of its size it offers that and bids for the rest; all post-only."""
    strategy = policy("micro_trades")
    flat, held = decided(strategy, even()), decided(strategy, even(), replace(HELD, opened_s=999))

    assert sides(flat) == [(Outcome.YES, Side.BUY, 4_800), (Outcome.NO, Side.BUY, 4_800)]
    assert sides(held) == [(Outcome.YES, Side.SELL, 5_200), (Outcome.YES, Side.BUY, 4_800)]
    assert {one.post_only for one in (*flat.intents, *held.intents)} == {True}
    assert held.other.shares_micro < flat.intent.shares_micro
    assert (held.intent.token_id, held.intent.shares_micro) == (MARKET.token_yes, HELD.shares_micro)


def test_both_quotes_together_stay_within_the_limits():
    """What the first quote may cost is gone for the second: cash, exposure, and the cap of the market."""
    strategy, limits = policy("micro_trades", size_share=1.0), load().risk
    both = [one.shares_micro * one.price_units // 10_000 for one in decided(strategy, even()).intents]
    poor = decide(even(), account(cash_micro=600_000_000), strategy)

    assert sum(both) <= limits.max_position_fraction * 10**10
    assert sum(one.shares_micro * one.price_units // 10_000 for one in poor.intents) <= 600_000_000
    assert not decide(even(), account(paused=True), strategy).intents


def test_a_quote_is_taken_back_when_book_or_reference_turn_against_it():
    """The bid goes when the fair value fell or the book leans down, the offer when it rose; nothing else goes."""
    strategy = policy("micro_trades")

    def gone(inputs, position=None, **changes):
        every = [(Outcome.YES, Side.BUY), (Outcome.NO, Side.BUY), (Outcome.YES, Side.SELL)]
        return [one for one in every if takes_back(inputs, account(position, **changes), strategy, *one)]

    bid, offers = [(Outcome.YES, Side.BUY)], [(Outcome.NO, Side.BUY), (Outcome.YES, Side.SELL)]
    thin = replace(even().quote, bid_size_micro=30_000_000)

    assert gone(even()) == []
    assert gone(even(fair=0.47, fair_before=0.50)) == bid
    assert gone(even(market=replace(MARKET, settlement=RULE))) == bid + offers
    assert gone(even(market=replace(MARKET, settlement=RULE), fair=0.5, fair_before=0.5)) == []
    assert gone(even(fair=0.53, fair_before=0.50)) == offers
    assert gone(replace(even(), quote=thin)) == bid
    assert gone(even(), kill=True) == bid + offers
    assert gone(even(), replace(HELD, entry_units=9_000)) == bid + offers


def test_no_bot_opens_on_a_reference_price_that_cannot_be_believed():
    """Without a fair value in a market that settles on one, temporal arbitrage enters nothing and the maker quotes
    nothing."""
    unknown = even(market=replace(MARKET, settlement=RULE))

    assert decided(policy("temporal_arbitrage"), replace(unknown, fair_before=0.2)).intent is None
    assert decided(policy("micro_trades"), replace(unknown, fair_before=0.2)).intents == ()
    assert decided(policy("micro_trades"), replace(unknown, fair=0.5, fair_before=0.5)).intents != ()


def looks(**changes):
    """A bid that rested for a second, two ticks from the other touch."""
    given = Resting(
        before_units=200, after_units=200, seconds=1.0, ahead_micro=100_000_000, spread_units=200, tick_units=100,
        own_micro=100_000_000, other_micro=100_000_000, move_units=0, left_s=120.0,
    )  # fmt: skip
    return replace(given, **changes)


@pytest.mark.parametrize(
    ("likelier", "less_likely"),
    [
        ({"before_units": 100, "after_units": 100}, {"before_units": 500, "after_units": 500}),
        ({"seconds": 10.0}, {"seconds": 1.0}),
        ({"ahead_micro": 0}, {"ahead_micro": 10**10}),
        ({"own_micro": 10_000_000}, {"own_micro": 10**9}),
    ],
)
def test_a_resting_order_is_filled_where_the_price_may_have_come(likelier, less_likely):
    """Nearness, time, a short queue and a thin own side make a fill between two looks likelier."""
    weights = tuple(load().execution.fill_weights)

    assert looks(**likelier).chance(weights) > looks(**less_likely).chance(weights)


def test_expected_fills_lie_on_the_grid_and_within_the_order():
    """A replay throws no dice: it takes the expected shares, floored to the grid."""
    expected = looks().chance(load().execution.fill_weights)
    shares = fill_model.filled_micro(expected, 7_770_000, 10_000)

    assert 0 <= shares <= 7_770_000
    assert shares % 10_000 == 0


def test_evidence_fills_a_quote_only_after_a_second_look():
    """A paper order that rests is filled without a fee, at its limit and what trades are charged, in part, and never
    beyond what is left."""
    execution = load().execution.model_copy(update={"queue": "evidence", "order_ttl_bars": 5})
    intent = decided(policy("micro_trades"), seen(spread=400)).intent
    book = PaperBook(execution, 1)
    book.send(intent, MARKET)
    near = Quote(4_800, 4_900, 10_000_000, 200_000_000)

    first = book.on_bar("m", near, 1_001, 0)
    later = [fill for k in range(2, 6) for fill in book.on_bar("m", near, 1_000 + k, 0)]

    assert first == []
    assert later
    worst = intent.price_units + execution.fill_adverse_units
    assert all(intent.price_units <= fill.price_units <= worst and fill.fee_micro == 0 for fill in later)
    assert sum(fill.shares_micro for fill in later) <= intent.shares_micro

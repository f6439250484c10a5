"""Baskets in the replay: all legs in one size or none, and what a leg that failed leaves over is sold."""

from dataclasses import replace

import numpy as np
import pytest

from pipelines.core.domain import FeeSchedule, Market, Outcome, Position, Quote, Side
from pipelines.core.params import load
from pipelines.core.settlement import RuleKind, Settlement
from pipelines.features import compute
from pipelines.replay import rules
from pipelines.replay.loop import replay, tape
from pipelines.replay.market_history import History
from pipelines.trading import legs
from pipelines.trading.sizing import NO_SIGNALS

CASH, LENGTH_S, MICRO = 10**10, 60, 1_000_000
RULE = Settlement(symbol="BTC", source="binance", kind=RuleKind.CANDLE, start_s=0, end_s=60)


def market(name, **changes):
    """A market of a neg-risk event: at most one of them pays YES."""
    made = Market(
        market_id=name, event_id="e", question="?", token_yes=f"{name}1", token_no=f"{name}2", tick_units=100,
        min_size_micro=5 * MICRO, fee=FeeSchedule(0.04), start_s=0, end_s=10**6, topic="", neg_risk=True,
    )  # fmt: skip
    return replace(made, **changes)


def history(name, bids, shown=100, payout=None, **changes):
    """Bars of a minute whose YES book has a spread of two cents and shows so many shares on both sides."""
    bid, one = np.array(bids, dtype=np.int64), market(name, **changes)
    ts_s, zeros = 600 + LENGTH_S * np.arange(len(bid)), np.zeros(len(bid), dtype=np.int64)
    flat, mid = np.zeros((len(bid), 24)), bid + 100
    book = (mid, bid, bid + 200, zeros, zeros + 200, compute.batch(ts_s, mid, zeros, one.end_s))
    past = History(one, ts_s, *book, zeros.astype(float), flat, flat, flat, np.full(len(bid), 0.5), payout)
    return replace(past, sizes_micro=np.full((len(bid), 2), shown * MICRO))


def played(*histories, related=3, **given):
    """The replay of the basket policy."""
    params = load()
    risk = params.risk.model_copy(update={"max_related_markets": related})
    params = params.model_copy(update={"risk": risk})
    chosen = {**rules.policy_params("baskets", params, LENGTH_S), **given}
    strategy = rules.make("baskets", params, NO_SIGNALS, None, LENGTH_S, given=chosen)
    return replay(tape(list(histories), None, 100), strategy, CASH)


FAIR, DEAR = [4_000] * 8, [4_000, 4_000, 5_600, 5_600, 5_600, 5_600, 5_600, 5_600]
"""Bids of YES; where both are dear, NO of both is bought for 0.88 and pays 1."""


def test_all_legs_are_bought_in_one_size_and_held():
    """Exclusive markets whose bids add up to 1.12: NO of both, the same shares, no more than is shown, never sold."""
    result = played(history("a", DEAR, shown=100), history("b", DEAR, shown=60, payout=0))

    assert {(fill.market_id, fill.outcome, fill.side) for fill in result.fills} == {
        ("a", Outcome.NO, Side.BUY),
        ("b", Outcome.NO, Side.BUY),
    }
    assert {fill.shares_micro for fill in result.fills} == {60 * MICRO}
    spent = -sum(fill.cash_micro for fill in result.fills)
    assert spent < 60 * MICRO, "what it pays at least is more than legs and fees cost"


def test_no_leg_is_sent_where_prices_agree_or_fees_eat_the_difference():
    """Bids that add up to less than 1, and a difference below what a basket has to leave, are no basket."""
    assert played(history("a", FAIR), history("b", FAIR)).orders == 0
    assert played(history("a", [5_050] * 8), history("b", [5_050] * 8)).orders == 0
    assert played(history("a", DEAR), history("b", DEAR), least_profit_units=2_000.0).orders == 0


def test_a_leg_that_fails_is_unwound():
    """The second book moves away before its order arrives: the first leg is alone and is sold on the next bars."""
    gone = [4_000, 4_000, 5_600, 3_000, 3_000, 3_000, 3_000, 3_000]
    result = played(history("a", DEAR), history("b", gone))

    assert [(fill.market_id, fill.side) for fill in result.fills] == [("a", Side.BUY), ("a", Side.SELL)]
    assert result.held == {}
    assert [trade.reason for trade in result.closed] == ["unwind"]


def test_of_a_leg_that_filled_in_part_the_rest_is_sold():
    """The thin book shows fewer shares when the order arrives: what it does not match is sold, the whole part stays."""
    full, thin = history("a", DEAR, shown=100), history("b", DEAR, shown=100)
    sizes = thin.sizes_micro.copy()
    sizes[3:] = 40 * MICRO
    result = played(full, replace(thin, sizes_micro=sizes))

    assert {name: one.shares_micro for name, one in result.held.items()} == {"a": 40 * MICRO, "b": 40 * MICRO}
    assert [(trade.market_id, trade.reason, float(trade.shares)) for trade in result.closed] == [("a", "unwind", 60.0)]


def test_a_limit_that_forbids_one_leg_forbids_all():
    """With room for two markets of an event a basket of three is not begun, and with room for three it is."""
    three = [history(name, [4_000, 4_000, *[4_600] * 6]) for name in "abc"]

    refused = played(*three, related=2)
    assert (refused.orders, set(refused.refusals)) == (0, {"related_markets"})
    assert {fill.market_id for fill in played(*three, related=3).fills} == {"a", "b", "c"}


def test_a_leg_below_the_venues_minimum_forbids_all():
    """NO of one market costs 8 cents, so 12 shares of it are no order at the venue (1 pUSD at least), and neither leg
    is sent; 60 shares are, and both are."""
    cheap, dear = [4_000, 4_000, *[9_200] * 6], [4_000, 4_000, *[2_200] * 6]

    few = played(history("a", cheap, shown=12), history("b", dear, shown=12))
    many = played(history("a", cheap, shown=60), history("b", dear, shown=60))

    assert (few.orders, few.fills, set(few.refusals)) == (0, [], {"below_minimum"})
    assert {fill.market_id for fill in many.fills} == {"a", "b"}


def held(name, shares, cost, outcome=Outcome.NO):
    """A position in whole shares and pUSD."""
    return Position(
        market_id=name, outcome=outcome, shares_micro=shares * MICRO, entry_units=5_000, peak_units=5_000,
        cost_micro=int(cost * MICRO), opened_s=0,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("positions", "unmatched"),
    [
        ([("a", 100, 40), ("b", 100, 45)], {"a": 0, "b": 0}),
        ([("a", 100, 40)], {"a": 100}),
        ([("a", 100, 50), ("b", 40, 18)], {"a": 60, "b": 0}),
        ([("a", 100, 70), ("b", 100, 70)], {"a": 0, "b": 0}),
    ],
)
def test_what_no_other_leg_matches(positions, unmatched):
    """A basket that pays more than it cost is left alone; of any other what is beyond the smallest leg is unmatched."""
    event = [(market(name), Quote(5_600, 5_800, MICRO, MICRO)) for name in "ab"]
    have = {name: held(name, shares, cost) for name, shares, cost in positions}

    assert {name: legs.unmatched_micro(event, have, name) // MICRO for name in have} == unmatched


def test_neighbouring_levels_of_one_price_are_legs():
    """YES of the lower level and NO of the higher one pay 1 at least; other pairs of a ladder match nothing."""
    low, mid, high = (
        market(name, neg_risk=False, settlement=replace(RULE, strike=strike))
        for name, strike in (("a", 70_000.0), ("b", 72_000.0), ("c", 74_000.0))
    )
    event = [(one, Quote(4_000, 4_200, MICRO, MICRO)) for one in (high, low, mid)]
    nested = {"a": held("a", 50, 30, Outcome.YES), "b": held("b", 30, 25)}
    apart = {"a": held("a", 50, 30, Outcome.YES), "c": held("c", 50, 25)}

    assert legs.sure_micro(event, nested) == 30 * MICRO
    assert {name: legs.unmatched_micro(event, nested, name) // MICRO for name in nested} == {"a": 20, "b": 0}
    assert {name: legs.unmatched_micro(event, apart, name) // MICRO for name in apart} == {"a": 50, "c": 50}

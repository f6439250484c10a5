"""The imbalance of the sizes at the touch is one opinion of the ensemble, the same in every use."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.core.domain import Bar, FeeSchedule, Forecast, Market, Quote
from pipelines.features.market_context import CONTEXT, SIZE, step
from pipelines.features.touch import micro_gap, micro_gaps
from pipelines.replay.loop import tape
from pipelines.replay.market_history import MICRO_GAP, History, Series, join
from pipelines.trading.policies import Inputs
from pipelines.trading.policies.ensemble import Ensemble

MARKET = Market(
    market_id="m", event_id="e", question="q", token_yes="1", token_no="2", tick_units=100, min_size_micro=5_000_000,
    fee=FeeSchedule(0.0), start_s=0, end_s=None, topic="",
)  # fmt: skip
FLAT = Forecast(np.zeros(24), np.zeros(24), np.zeros(24), 0.5)
BARS = 4
SIZES = np.array([[300, 100], [100, 300], [0, 0], [200, 200]]) * 1_000_000
WEIGHTS = {f"{name}_weight": 0.0 for name in ("forecast", "sentiment", "reversion", "reference")}
LEANS = Ensemble.make(
    WEIGHTS | {"imbalance_weight": 1.0, "cost_multiple": 0.2, "impact_share": 0.0, "bar_length_s": 60}
)


def seen(quote, **more):
    """One market at a close, the forecast flat and the price at its mean."""
    features = np.zeros(15) + quote.mid_units / 10_000
    return Inputs(MARKET, Bar("m", 60, quote.mid_units, 0, 0, quote.spread_units), quote, features, FLAT, 0.0, **more)


@given(
    bid=st.integers(1, 9_000), spread=st.integers(1, 900), shown=st.tuples(*[st.integers(0, 10**12)] * 2),
)  # fmt: skip
def test_the_gap_of_a_quote_is_that_of_the_bars(bid, spread, shown):
    """What live and paper read of a quote is, to the bit, what training and backtest read of the bar's book, and the
    batch form is the same."""
    made, quote = [0.0] * len(CONTEXT), Quote(bid, bid + spread, *shown)
    step([0.0] * SIZE, made, 0, quote.mid_units, spread, *shown, 0, 0, 0)
    batch = micro_gaps(np.array([bid]), np.array([bid + spread]), np.array([shown]))

    assert micro_gap(quote) == made[MICRO_GAP] == batch[0]


@pytest.mark.parametrize(
    "quote", [Quote(4_800, 5_200, 0, 0), Quote(0, 5_200, 0, 10**8), Quote(4_800, 10_000, 10**8, 0)]
)
def test_without_two_sides_or_sizes_the_opinion_is_neutral(quote):
    """A book of one side leans nowhere: its sizes are no disagreement of two sides."""
    assert micro_gap(quote) == 0.0


@pytest.mark.parametrize(("bid", "ask", "direction"), [(900, 100, 1), (100, 900, -1), (500, 500, 0)])
def test_the_ensemble_follows_the_larger_side(bid, ask, direction):
    """With all weight on it, more shown bids than offers ask for YES, and the other way round."""
    target = LEANS.target(seen(Quote(4_800, 5_200, bid * 10**6, ask * 10**6)), None, None)

    assert target.direction == direction


def test_a_weight_of_nothing_changes_nothing():
    """A bundle sealed before, whose weight is 0, decides as it did whatever the book shows."""
    older = Ensemble.make({"impact_share": 0.0, "bar_length_s": 60})
    moves = {
        older.weighs(seen(Quote(4_800, 5_200, bid, 10**9 - bid)), None).move_units for bid in range(0, 10**9, 10**8)
    }

    assert len(moves) == 1


def history(**more):
    """A few bars at 0.48 to 0.52."""
    ts_s, mid = 60 * np.arange(1, BARS + 1), np.full(BARS, 5_000)
    flat, zeros = np.zeros((BARS, 24)), np.zeros(BARS)
    book = (mid, mid - 200, mid + 200, np.zeros(BARS, np.int64), np.full(BARS, 400), np.full((BARS, 15), 0.5))
    return replace(History(MARKET, ts_s, *book, zeros, flat, flat, flat, zeros + 0.5), **more)


@pytest.mark.parametrize("sizes", [SIZES, None])
def test_a_replay_gives_the_policy_what_was_learned_from(sizes):
    """The gap of every bar of a replay is its history's: of the recorded sizes where there are any, else 0."""
    past = history(sizes_micro=sizes)
    given = [one.micro_gap for _, (one,) in tape([past], None, 100).steps]

    assert given == past.micro_gap.tolist()
    assert given == ([0.01, -0.01, 0.0, 0.0] if sizes is not None else [0.0] * BARS)


def test_the_books_of_a_pull_reach_backtest_and_gate():
    """Histories of the stages carry the gap of the recorded books, while the depth that fills meet stays modelled."""
    past, context = history(), np.zeros((BARS, len(CONTEXT)))
    context[:, MICRO_GAP] = [0.01, -0.01, 0.0, 0.005]
    series = Series(
        MARKET, past.ts_s, past.mid_units, past.volume_micro, past.spread_units, past.sentiment, past.features,
        np.array(["gate"] * BARS), context=context,
    )  # fmt: skip
    execution = type("E", (), {"model_spread": 0.04})()
    joined = join(series, np.arange(1, BARS), past_rows(past, slice(1, None)), execution)
    one = tape([joined], None, 100).steps[0][1][0]

    assert joined.micro_gap.tolist() == [-0.01, 0.0, 0.005]
    assert (one.micro_gap, one.quote.bid_size_micro) == (-0.01, one.quote.ask_size_micro)


def past_rows(past, rows):
    """Forecasts of some bars."""
    return replace(past, **{name: getattr(past, name)[rows] for name in ("mean", "lower", "upper", "confidence")})

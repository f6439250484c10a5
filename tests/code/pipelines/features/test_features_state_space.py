"""The state-space filter: one arithmetic in two forms, nothing of the future, and what it makes of moves."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.features.state_space import (
    PARAMETER_NAMES,
    PARAMETERS,
    STATES,
    RollingStateSpace,
    StateSpace,
    fresh_state,
    rounding,
)
from pipelines.features.state_space_batch import NO_END_S, Columns, states

FITTED = StateSpace((0.93, 0.9, 0.5, 0.7, 0.9, 0.5, -4.0, 0.3, 0.9, 100.0, -9.0, 0.5, -8.5, 1.5, -8.5, 0.5))
START, LENGTH = 1_767_225_600, 60

bars = st.lists(
    st.tuples(
        st.integers(0, 10_000),
        st.one_of(st.just(0), st.integers(0, 10**12)),
        st.floats(-1, 1),
        st.sampled_from([0, 0, 0, 1, 3]),
    ),
    min_size=1,
    max_size=120,
)
ends = st.one_of(st.none(), st.integers(START - 1_000, START + 20_000))


def _columns(rows, end_s=None):
    mids, volume, tone, headlines = (np.array(column) for column in zip(*rows, strict=True))
    ts = START + LENGTH * np.arange(len(rows), dtype=np.int64)
    tone = np.where(headlines > 0, tone, 0.0)
    ends_s = np.full(len(rows), NO_END_S if end_s is None else end_s)
    starts = np.arange(len(rows)) == 0
    return Columns.of(ts, mids.astype(np.int64), volume.astype(np.int64), tone, headlines, ends_s, starts, LENGTH)


def _rolled(rows, end_s=None):
    rolling = RollingStateSpace(FITTED, end_s, LENGTH)
    made = []
    for number, (mid, volume, tone, headlines) in enumerate(rows):
        made.append(rolling.push(START + LENGTH * number, mid, volume, tone if headlines else 0.0, headlines))
    return np.array(made)


@settings(max_examples=150, deadline=None)
@given(bars, ends)
def test_batch_equals_rolling_to_the_bit(rows, end_s):
    """The compiled history and the live form give the same bits, for any price, volume, headline and end."""
    assert states(FITTED, _columns(rows, end_s)).tobytes() == _rolled(rows, end_s).tobytes()


@settings(max_examples=100, deadline=None)
@given(bars, bars, ends)
def test_the_future_changes_nothing(past, future, end_s):
    """States of a bar are the same bits whatever comes after it, and finite."""
    alone = states(FITTED, _columns(past, end_s))
    assert states(FITTED, _columns(past + future, end_s))[: len(past)].tobytes() == alone.tobytes()
    assert np.isfinite(alone).all()


def test_a_run_starts_anew():
    """After a gap or in another market nothing of the run before is left."""
    rng = np.random.default_rng(0)
    rows = [(int(m), int(v), 0.5, int(h)) for m, v, h in zip(5000 + 50 * rng.integers(-9, 9, 80),
            rng.integers(0, 10**9, 80), rng.integers(0, 2, 80), strict=True)]  # fmt: skip
    joined = _columns(rows + rows)
    starts = joined.starts.copy()
    starts[80] = True
    both = states(FITTED, Columns(*joined.arrays[:-1], starts))
    assert both[80:].tobytes() == states(FITTED, _columns(rows)).tobytes()


def test_each_part_is_forecast_as_it_decays():
    """Unabsorbed news comes with its decay, flow goes back with its own, the bounce is gone with the next bar."""
    under, over, bounce = np.eye(3, 5)
    horizons = np.array([1, 5, 24])
    assert np.allclose(FITTED.forecast(under, 24)[horizons - 1], 1 - 0.93**horizons)
    assert np.allclose(FITTED.forecast(over, 24)[horizons - 1], -(1 - 0.9**horizons))
    assert np.allclose(FITTED.forecast(bounce, 24), -1.0)


def test_good_news_is_expected_to_go_on_and_a_move_without_news_to_come_back():
    """After a positive headline that the quote has followed by half the forecast is up; after a heavy move without
    one it is down; a quiet market without trades expects nothing."""
    quiet = [(5000, 10**8, 0.0, 0)] * 50
    news = states(FITTED, _columns([*quiet, (5500, 10**8, 0.8, 1)]))[-1]
    assert FITTED.forecast(news, 24)[-1] > 0.05
    flow = states(FITTED, _columns([*quiet, (5400, 2 * 10**9, 0.0, 0)]))[-1]
    assert FITTED.forecast(flow, 24)[-1] < -0.01
    assert np.abs(states(FITTED, _columns([(5000, 0, 0.0, 0)] * 50))[-1]).max() == 0.0


def test_rounding_variance_is_that_of_its_definition():
    """E[f (1 - f)] of a normal move, by simulation; a sixth of a step squared where the move is large."""
    draws = np.abs(np.random.default_rng(0).normal(size=400_000))
    for ratio in (0.0, 0.05, 0.2, 0.299, 0.301, 0.5, 1.0, 3.0):
        fraction = (ratio * draws) % 1.0
        assert abs(rounding(ratio) - np.mean(fraction * (1 - fraction))) < 0.002
    assert rounding(50.0) == 1 / 6


def test_a_filter_is_written_and_read():
    """All parameters travel by name; the state has a place for everything that a bar leaves."""
    assert len(PARAMETER_NAMES) == PARAMETERS
    assert StateSpace.parse(FITTED.document()) == FITTED
    assert states(FITTED, _columns([(5000, 1, 0.0, 0)])).shape == (1, len(STATES))
    assert fresh_state() == fresh_state()

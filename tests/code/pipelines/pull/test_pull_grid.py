"""Bars know only what was known at their close, fill short gaps and end at long ones."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.core.errors import DataError
from pipelines.pull.grid import Points, add_trades, grid_offset_s, infer_length_s, to_bars

T0 = 1_735_689_600


def points(*markets: list[tuple[int, int]], volume: int = 0) -> Points:
    """Points of markets given as (second, price units)."""
    rows = [(code, ts, mid) for code, market in enumerate(markets) for ts, mid in market]
    code, ts, mid = (np.array([row[i] for row in rows], np.int64) for i in range(3))
    return Points(code, ts, mid, np.full(len(rows), volume, np.int64), *(np.zeros(len(rows), np.int64),) * 3)


def series(steps: list[int], start: int = T0) -> list[tuple[int, int]]:
    """A market whose price rises by a unit per step."""
    return [(start + int(t), 5_000 + k) for k, t in enumerate(np.cumsum([0, *steps]))]


@pytest.mark.parametrize(
    ("steps", "length"),
    [
        ([60] * 9, 60),
        ([59, 61, 60, 60], 60),
        ([67] * 9, 60),
        ([4_620] * 9, 3_600),
        ([86_400] * 9, 86_400),
        ([5] * 9, 5),
    ],
)
def test_length_is_the_nearest_sensible_one(steps: list[int], length: int) -> None:
    """The typical step is snapped to a grid that people use."""
    assert infer_length_s(points(series(steps))) == length


def test_length_needs_two_observations() -> None:
    """Markets with one observation each have no step."""
    with pytest.raises(DataError, match="bar length cannot be inferred"):
        infer_length_s(points([(T0, 5_000)], [(T0, 5_000)]))


def test_a_bar_carries_the_last_price_at_or_before_its_close() -> None:
    """An observation within a bar is known at the bar's close, one at the close belongs to it, a later one does not."""
    bars = to_bars(points([(T0 + 10, 100), (T0 + 50, 200), (T0 + 60, 300), (T0 + 61, 400)]), 60, 5)

    assert bars.ts_s.tolist() == [T0 + 60, T0 + 120]
    assert bars.mid_units.tolist() == [300, 400]


def test_short_gaps_repeat_and_long_gaps_cut() -> None:
    """Up to max_gap_bars missing bars repeat the last value and say so; a longer gap ends the run."""
    bars = to_bars(points(series([60, 60, 60 * 3, 60, 60 * 4, 60])), 60, max_gap_bars=2)

    assert bars.ts_s.tolist() == [T0 + 60 * k for k in range(7)]
    assert bars.filled.tolist() == [False, False, False, True, True, False, False]
    assert bars.mid_units.tolist() == [5_000, 5_001, 5_002, 5_002, 5_002, 5_003, 5_004]


def test_the_latest_of_equally_long_runs_stays() -> None:
    """Of two runs of the same length the newer one is kept."""
    bars = to_bars(points(series([60, 60, 6_000, 60, 60])), 60, max_gap_bars=1)

    assert bars.mid_units.tolist() == [5_003, 5_004, 5_005]


def test_filled_bars_have_no_volume() -> None:
    """Volume is what the recording says for the bar, never repeated."""
    bars = to_bars(points(series([120, 60]), volume=7), 60, max_gap_bars=5)

    assert bars.volume_micro.tolist() == [7, 0, 7, 7]


def test_markets_do_not_touch_each_other() -> None:
    """A market's bars are the same alone and among others."""
    one, two = series([60, 180, 60]), series([60] * 5, start=T0 + 600)

    alone = to_bars(points(two), 60, 5)
    together = to_bars(points(one, two), 60, 5)
    second = together.where(together.code == 1)

    assert second.ts_s.tolist() == alone.ts_s.tolist()
    assert second.mid_units.tolist() == alone.mid_units.tolist()


def test_a_fixed_phase_is_kept() -> None:
    """Daily prices taken at 00:00:02 to 00:00:05 close just after they were taken, not a day later."""
    daily = [(T0 + 86_400 * k + 2 + k % 4, 5_000 + k) for k in range(40)]
    offset = grid_offset_s(points(daily), 86_400)
    bars = to_bars(points(daily), 86_400, 5, offset)

    assert offset == 5
    assert len(bars) == 40
    assert (bars.ts_s - np.array([t for t, _ in daily]) >= 0).all()
    assert (bars.ts_s - np.array([t for t, _ in daily]) <= 3).all()


def test_a_drifting_phase_closes_on_multiples() -> None:
    """Polling at any second of the minute closes bars on whole minutes."""
    assert grid_offset_s(points([(T0 + 61 * k, 5_000) for k in range(500)]), 60) == 0


def test_trades_fall_into_the_bar_that_covers_them() -> None:
    """A trade in (close - length, close] adds to that bar; one outside of all bars is left out."""
    bars = to_bars(points(series([60, 60])), 60, 5)
    times = np.array([T0 - 59, T0, T0 + 1, T0 + 60, T0 + 500], np.int64)

    found = add_trades(bars, 60, np.zeros(5, np.int64), times, np.array([1, 2, 4, 8, 16], np.int64))

    assert found.volume_micro.tolist() == [3, 12, 0]
    assert found.n_trades.tolist() == [2, 2, 0]


@given(st.lists(st.integers(1, 900), min_size=1, max_size=60), st.integers(0, 6))
def test_bars_are_gapless_and_never_know_the_future(steps: list[int], max_gap: int) -> None:
    """For any spacing: steps of one bar, and each price was observed at or before its bar's close."""
    given_points = points(series(steps))
    bars = to_bars(given_points, 60, max_gap)

    assert (np.diff(bars.ts_s) == 60).all()
    observed = {mid: ts for ts, mid in zip(given_points.ts_s.tolist(), given_points.mid_units.tolist(), strict=True)}
    assert all(observed[mid] <= ts for ts, mid in zip(bars.ts_s.tolist(), bars.mid_units.tolist(), strict=True))
    assert not bars.filled[0]

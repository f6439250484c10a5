"""From points in time to bars on a grid: inferred length, short gaps filled, long gaps cut.

A bar that closes at T covers (T - length, T] and carries the last price at or before T, so no bar knows its future.
"""

from dataclasses import dataclass, replace

import numpy as np

from pipelines.core.errors import DataError
from pipelines.core.raw_tables import Bars, IntArray

LENGTHS_S = (
    1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 14_400, 21_600, 28_800, 43_200, 86_400, 604_800,
)  # fmt: skip
"""Bar lengths that an inferred length is snapped to: the nearest by ratio."""


@dataclass(frozen=True)
class Points:
    """Observations of many markets, sorted by `code` and time, at most one per market and second."""

    code: IntArray
    ts_s: IntArray
    mid_units: IntArray
    volume_micro: IntArray
    spread_units: IntArray
    bid_size_micro: IntArray
    ask_size_micro: IntArray

    def __len__(self) -> int:
        return len(self.code)


def infer_length_s(points: Points) -> int:
    """Median over markets of the median step, snapped to `LENGTHS_S`.

    Raises:
        DataError: when no market has two observations.
    """
    steps = np.diff(points.ts_s)
    inside = np.diff(points.code) == 0
    owner = points.code[1:][inside]
    if len(owner) == 0:
        raise DataError(f"no market has two observations in {len(points)} rows; a bar length cannot be inferred")
    bounds = np.flatnonzero(np.diff(owner)) + 1
    medians = [float(np.median(part)) for part in np.split(steps[inside], bounds)]
    typical = max(float(np.median(medians)), 1.0)
    return min(LENGTHS_S, key=lambda length: abs(float(np.log(length / typical))))


def grid_offset_s(points: Points, length_s: int) -> int:
    """Seconds after a multiple of `length_s` at which bars close.

    Recordings made at a fixed phase (a daily price taken at 00:00:03) keep that phase, so that a bar closes just after
    its observation and not almost a bar later; recordings without a phase close on the multiples.
    """
    share = np.bincount(points.ts_s % length_s, minlength=length_s) / len(points)
    phases = np.flatnonzero(share >= 0.001)
    if len(phases) == 0 or share[phases].sum() < 0.95:
        return 0
    gaps = np.diff(np.append(phases, phases[0] + length_s))
    widest = int(np.argmax(gaps))
    return int(phases[widest]) if gaps[widest] >= 0.9 * length_s else 0


def to_bars(points: Points, length_s: int, max_gap_bars: int, offset_s: int = 0) -> Bars:
    """One run of gapless bars per market: its longest run (the latest of equals).

    Up to `max_gap_bars` missing bars repeat the last price, marked `filled`; a longer gap ends a run.
    """
    index = -((offset_s - points.ts_s) // length_s)
    new_bar = np.append(True, (np.diff(points.code) != 0) | (np.diff(index) != 0))
    starts = np.flatnonzero(new_bar)
    last = np.append(starts[1:], len(points)) - 1
    code, bar = points.code[last], index[last]
    volume = np.add.reduceat(points.volume_micro, starts)
    step = np.diff(bar)
    broken = (np.diff(code) != 0) | (step > max_gap_bars + 1)
    keep, width = _longest_runs(code, bar, np.append(True, broken))
    repeat = np.where(np.append(broken, True), 1, np.append(step, 1))[keep]
    within = np.arange(int(repeat.sum())) - np.repeat(np.cumsum(repeat) - repeat, repeat)
    fresh = within == 0
    expanded = np.repeat(np.flatnonzero(keep), repeat)
    assert len(expanded) == width
    return Bars(
        code=code[expanded],
        ts_s=(bar[expanded] + within) * length_s + offset_s,
        mid_units=points.mid_units[last][expanded],
        volume_micro=np.where(fresh, volume[expanded], 0),
        n_trades=np.zeros(len(expanded), np.int64),
        spread_units=np.where(fresh, points.spread_units[last][expanded], 0),
        filled=~fresh,
        bid_size_micro=np.where(fresh, points.bid_size_micro[last][expanded], 0),
        ask_size_micro=np.where(fresh, points.ask_size_micro[last][expanded], 0),
    )


def _longest_runs(code: IntArray, bar: IntArray, run_start: np.ndarray) -> tuple[np.ndarray, int]:
    """Mask of the observations in each market's longest run, and the number of bars of these runs."""
    starts = np.flatnonzero(run_start)
    ends = np.append(starts[1:], len(code)) - 1
    widths = bar[ends] - bar[starts] + 1
    order = np.lexsort((starts, widths, code[starts]))
    best = order[np.append(np.diff(code[starts][order]) != 0, True)]
    chosen = np.zeros(len(starts), bool)
    chosen[best] = True
    return np.repeat(chosen, ends - starts + 1), int(widths[best].sum())


def add_trades(bars: Bars, length_s: int, code: IntArray, ts_s: IntArray, shares_micro: IntArray) -> Bars:
    """The bars with the volume and number of trades that fall into each; trades outside of the bars are left out."""
    close = -(-ts_s // length_s) * length_s
    span = int(max(bars.ts_s.max(initial=0), close.max(initial=0))) + 1
    keys = bars.code * span + bars.ts_s
    at = np.searchsorted(keys, code * span + close)
    known = (at < len(keys)) & (keys[np.minimum(at, len(keys) - 1)] == code * span + close) if len(keys) else at < 0
    volume = bars.volume_micro.copy()
    count = bars.n_trades.copy()
    np.add.at(volume, at[known], shares_micro[known])
    np.add.at(count, at[known], 1)
    return replace(bars, volume_micro=volume, n_trades=count)

"""The curve of an account's equity at the width of a picture: fewer points, and no extreme lost.

Of all bars in one column of the picture the first, the last, the lowest, the highest and the one with the deepest
drawdown are kept. A line through them covers the same pixels as a line through all bars. Source: Jugel, U. et al.
(2014), M4: A Visualization-Oriented Time Series Data Aggregation, VLDB 7(10).
"""

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from pipelines.core.money import MICRO

Point = tuple[int, float, float]
"""Market time, equity in pUSD, drawdown as a share of the highest equity so far (0 at a new high)."""

IntArray = NDArray[np.int64]


def drawdowns(ts_s: IntArray, equity_micro: IntArray, moved: Iterable[tuple[int, int]] = ()) -> NDArray[np.float64]:
    """Share that equity is below its highest value so far, at every bar.

    `moved` are (market time, base units) that the owner paid in (above 0) or took out: they move the highest value too,
    so that a withdrawal is no drawdown.
    """
    added = np.zeros(len(ts_s), dtype=np.int64)
    for moved_s, micro in moved:
        added[int(np.searchsorted(ts_s, moved_s)) :] += micro
    peak = np.maximum.accumulate(equity_micro - added) + added
    fallen: NDArray[np.float64] = np.maximum(0.0, 1.0 - equity_micro / np.maximum(peak, 1))
    return fallen


def points(ts_s: IntArray, equity_micro: IntArray, fallen: NDArray[np.float64], columns: int) -> list[Point]:
    """At most five points per column of the picture, in the order of time; all bars where they are no more than that.

    Args:
        ts_s: market times in ascending order, (n,).
        equity_micro: equity after each bar in base units, (n,).
        fallen: drawdown at each bar as a share, (n,).
        columns: equal parts of the time between the first and the last bar.
    """
    rows = kept(ts_s, equity_micro, columns, fallen)
    return [(int(ts_s[k]), int(equity_micro[k]) / MICRO, round(float(fallen[k]), 6)) for k in rows]


def kept(
    ts_s: IntArray, equity_micro: IntArray, columns: int, fallen: NDArray[np.float64] | None = None
) -> Sequence[int]:
    """Rows that a picture needs, in the order of time: of each column the first, last, lowest and highest equity and,
    where drawdowns are given, the deepest; all rows where they are no more than five per column."""
    if len(ts_s) <= 5 * columns:
        return range(len(ts_s))
    column = (ts_s - ts_s[0]) * columns // (ts_s[-1] - ts_s[0] + 1)
    starts = np.flatnonzero(np.diff(column, prepend=-1))
    rows = np.arange(len(ts_s))
    ends = np.append(starts[1:], len(ts_s)) - 1
    # Within a column in the order of a value: the first is its lowest, the last its highest.
    by_equity = np.lexsort((rows, equity_micro, column))
    chosen = [starts, ends, by_equity[starts], by_equity[ends]]
    if fallen is not None:
        chosen.append(np.lexsort((-rows, fallen, column))[ends])
    return [int(row) for row in np.unique(np.concatenate(chosen))]

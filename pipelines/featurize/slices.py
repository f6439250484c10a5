"""The cut of time: consecutive slices, events kept whole where possible, overlaps purged.

    fit | calibration | agent | selection | gate

Whole events: an event belongs to the slice that contains all of its bars; one that straddles a boundary is purged.
Where that leaves a slice without events (few, long or overlapping ones), bars are cut by time instead and the first
lookback + horizon bars after every boundary are purged, so that no window and no target reaches across it.
"""

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from pipelines.core.errors import DataError

SLICES = ("fit", "calibration", "agent", "selection", "gate")
PURGED = "purged"

Span = tuple[int, int]
"""First and last bar of an event, UTC seconds."""


@dataclass(frozen=True)
class Cut:
    """Boundaries of the slices (six times, UTC s) and how bars are given to them."""

    mode: Literal["whole_events", "cut_events"]
    bounds: tuple[int, ...]
    slice_of_event: Mapping[str, str]
    """Slice of each event, or purged; in mode cut_events the bars decide and this is empty."""
    embargo_s: int

    def of_bars(self, event_id: str, ts_s: NDArray[np.int64]) -> NDArray[np.str_]:
        """Slice name, or purged, of each bar of an event."""
        if self.mode == "whole_events":
            return np.full(len(ts_s), self.slice_of_event[event_id])
        index = np.clip(np.searchsorted(self.bounds[1:-1], ts_s, side="left"), 0, len(SLICES) - 1)
        names = np.array(SLICES)[index]
        since = ts_s - np.array(self.bounds)[index]
        return np.where((index > 0) & (since <= self.embargo_s), PURGED, names)


def cut(events: Mapping[str, Span], shares: Mapping[str, float], embargo_s: int) -> Cut:
    """Slices of the span from the first to the last bar of all events.

    Args:
        events: first and last bar of each event.
        shares: share of the time span of each slice, in sum 1.
        embargo_s: lookback + horizon bars in seconds.

    Raises:
        DataError: if there are no events, or no slice could hold a window.
    """
    if not events:
        raise DataError("there are no events to cut into slices; pull more markets or a longer history")
    start = min(first for first, _ in events.values())
    end = max(last for _, last in events.values())
    edges = start + np.cumsum([0.0, *(shares[name] for name in SLICES)]) * (end - start)
    bounds = tuple(int(edge) for edge in np.rint(edges))
    assigned = {event: _slice_of(span, bounds) for event, span in events.items()}
    if set(SLICES) <= set(assigned.values()):
        return Cut("whole_events", bounds, assigned, 0)
    shortest = min(right - left for left, right in itertools.pairwise(bounds))
    if shortest <= 2 * embargo_s:
        raise DataError(
            f"the history spans {(end - start) / 3600:.1f} h; its shortest slice, {shortest / 3600:.1f} h, holds no"
            f" window and an embargo of {embargo_s / 3600:.1f} h; pull a longer history, or lower"
            " forecast.lookback_bars and forecast.horizon_bars, whose sum may be less than"
            f" {shortest / (2 * embargo_s):.0%} of what it is"
        )
    return Cut("cut_events", bounds, {}, embargo_s)


def _slice_of(span: Span, bounds: tuple[int, ...]) -> str:
    first, last = span
    for name, left, right in zip(SLICES, bounds, bounds[1:], strict=False):
        if left <= first and (last < right or right == bounds[-1]):
            return name if last <= right else PURGED
    return PURGED


def document(made: Cut, bars: Mapping[str, int], events: Mapping[str, int], dropped: Mapping[str, int]) -> Any:
    """What slices.json says: mode, bounds, events and bars per slice, and what was dropped and why."""
    return {
        "mode": made.mode,
        "bounds": {name: [made.bounds[i], made.bounds[i + 1]] for i, name in enumerate(SLICES)},
        "bars": {name: bars.get(name, 0) for name in (*SLICES, PURGED)},
        "events": {name: events.get(name, 0) for name in (*SLICES, PURGED)},
        "dropped": dict(dropped),
        "embargo_s": made.embargo_s,
    }

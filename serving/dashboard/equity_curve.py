"""The account's equity since its first bar: every bar of the newest weeks, and before them what an hour was."""

from array import array
from collections.abc import Iterable
from typing import Final, NamedTuple

import numpy as np

from pipelines.history import curve

EXACT: Final = 50_000
"""Newest bars that are kept one by one: five weeks of minute bars."""

HOUR_S: Final = 3_600


class Point(NamedTuple):
    """Equity at the close of a bar: market time, base units."""

    ts_s: int
    micro: int


class Part(NamedTuple):
    """What a picture of a period needs: the points to draw, and how many are kept of that period."""

    points: list[Point]
    bars: int


class EquityCurve:
    """Points in the order of time. Of an hour before the exact bars its lowest, highest and last point stay, so that
    no extreme is ever lost."""

    def __init__(self, exact: int = EXACT) -> None:
        self._exact = exact
        self._points: list[Point] = []
        self._hours: list[Point] = []

    def __len__(self) -> int:
        return len(self._hours) + len(self._points)

    def extend(self, points: Iterable[tuple[int, int]]) -> None:
        """Add points in the order of time."""
        for ts_s, micro in points:
            self.add(ts_s, micro)

    def add(self, ts_s: int, micro: int) -> None:
        """Add the newest point; one of the same bar replaces it, one of the past is left out."""
        if self._points and ts_s <= self._points[-1].ts_s:
            if ts_s == self._points[-1].ts_s:
                self._points[-1] = Point(ts_s, micro)
            return
        self._points.append(Point(ts_s, micro))
        if len(self._points) > 2 * self._exact:
            self._thin()

    def _thin(self) -> None:
        old, self._points = self._points[: -self._exact], self._points[-self._exact :]
        hours: dict[int, list[Point]] = {}
        for point in old:
            hours.setdefault(point.ts_s // HOUR_S, []).append(point)
        for points in hours.values():
            low, high = min(points, key=lambda one: one.micro), max(points, key=lambda one: one.micro)
            self._hours += sorted({low, high, points[-1]})

    def points(self) -> list[Point]:
        """All points, oldest first, each market time once."""
        return [*self._hours, *self._points]

    def newest(self) -> list[Point]:
        """The newest point, if there is one."""
        return self._points[-1:]

    def values(self, newest: int) -> list[int]:
        """Equity in base units of so many of the newest points, oldest first."""
        return [point.micro for point in self._points[-newest:]]


def part(points: Iterable[tuple[int, int]], columns: int, from_s: int = 0, to_s: int = 2**62) -> Part:
    """The points of a period (both ends included) at the width of a picture, at most four per column: no extreme is
    lost (`pipelines.history.curve`)."""
    both = np.array(array("q", (value for point in points for value in point)), dtype=np.int64).reshape(-1, 2)
    within = both[(both[:, 0] >= from_s) & (both[:, 0] <= to_s)]
    if not len(within):
        return Part([], 0)
    kept = curve.kept(within[:, 0], within[:, 1], columns)
    return Part([Point(int(within[row, 0]), int(within[row, 1])) for row in kept], len(within))

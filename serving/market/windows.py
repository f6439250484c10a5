"""The last `lookback` bars of each market, as the forecaster reads them: features, mids, sentiment."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipelines.core.domain import Bar, FloatArray
from pipelines.features.rolling import RollingFeatures
from pipelines.features.spec import FEATURES

EXTRA_BARS = 40
"""Bars before the window that fill the longest rolling feature (30), with room for a late point."""


@dataclass(frozen=True, slots=True)
class View:
    """A window as it was at the close of its last bar: (L, features), (L,), (L,). A copy, safe in another thread."""

    features: FloatArray
    mids: NDArray[np.int64]
    sentiment: FloatArray
    last: Bar


class Window:
    """One market's contiguous bars. A bar that does not follow the last one starts the window anew."""

    def __init__(self, lookback: int, length_s: int, end_s: int | None) -> None:
        self._lookback = lookback
        self._length = length_s
        self._end_s = end_s
        self._reset()

    def _reset(self) -> None:
        self._rolling = RollingFeatures(self._end_s)
        self.features: FloatArray = np.zeros((self._lookback, len(FEATURES)))
        self.mids: NDArray[np.int64] = np.zeros(self._lookback, dtype=np.int64)
        self.sentiment: FloatArray = np.zeros(self._lookback)
        self.count = 0
        self.last: Bar | None = None

    @property
    def warm(self) -> bool:
        """Whether every bar of the window has full rolling sums behind it."""
        return self.count >= self._lookback

    def follows(self, ts_s: int) -> bool:
        """Whether a bar with this close is the next one."""
        return self.last is None or ts_s == self.last.ts_s + self._length

    def push(self, bar: Bar, sentiment: float = 0.0) -> None:
        """Append a bar; a repeated or older one is ignored, one after a gap empties the window first."""
        if self.last is not None and bar.ts_s <= self.last.ts_s:
            return
        if not self.follows(bar.ts_s):
            self._reset()
        for column in (self.features, self.mids, self.sentiment):
            column[:-1] = column[1:]
        self.features[-1] = self._rolling.push(bar.ts_s, bar.mid_units, bar.volume_micro)
        self.mids[-1] = bar.mid_units
        self.sentiment[-1] = sentiment
        self.count += 1
        self.last = bar

    def view(self) -> View:
        """A copy of the window; it must not be empty."""
        assert self.last is not None, "an empty window has no view"
        return View(self.features.copy(), self.mids.copy(), self.sentiment.copy(), self.last)

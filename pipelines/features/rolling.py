"""Features bar by bar in constant time and memory: the live form of `compute.batch`, equal to the last bit."""

import numpy as np

from pipelines.core.domain import FloatArray
from pipelines.features import spec
from pipelines.features.feature import Point


class RollingFeatures:
    """Features of one market's contiguous bars. After a gap, start a new one: a window never spans a hole."""

    def __init__(self, end_s: int | None) -> None:
        self._end_s = end_s
        self._features = tuple(feature.rolling() for feature in spec.FEATURES)

    def push(self, ts_s: int, mid_units: int, volume_micro: int) -> FloatArray:
        """Raw features, shape (len(spec.FEATURES),), of the bar that has just closed."""
        bar = Point(ts_s, mid_units, volume_micro, self._end_s)
        return np.array([feature(bar) for feature in self._features])

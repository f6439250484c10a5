"""Features bar by bar in constant time and memory: the live form of `compute.batch`, equal to the last bit."""

from pipelines.features import spec
from pipelines.features.feature import Point


class RollingFeatures:
    """Features of one market's contiguous bars. After a gap, start a new one: a window never spans a hole."""

    def __init__(self, end_s: int | None) -> None:
        self._end_s = end_s
        self._mid_units: int | None = None
        self._features = tuple(feature.rolling() for feature in spec.FEATURES)

    def push(self, ts_s: int, mid_units: int, volume_micro: int) -> list[float]:
        """Raw features of the bar that has just closed, in the order of `spec.FEATURES`."""
        before = mid_units if self._mid_units is None else self._mid_units
        self._mid_units = mid_units
        bar = Point(ts_s, mid_units, volume_micro, self._end_s, before)
        return [feature(bar) for feature in self._features]

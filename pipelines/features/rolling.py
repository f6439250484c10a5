"""Features bar by bar in constant time and memory: the live form of `compute.batch`, equal to the last bit."""

import math
from collections import deque

import numpy as np

from pipelines.core.domain import FloatArray
from pipelines.core.money import MICRO, PRICE_SCALE
from pipelines.features import spec
from pipelines.features.compute import LOG_UNITS


class _WindowSum:
    """Integer sum of the last `size` values."""

    __slots__ = ("total", "values")

    def __init__(self, size: int) -> None:
        self.values: deque[int] = deque(maxlen=size)
        self.total = 0

    def push(self, value: int) -> None:
        if len(self.values) == self.values.maxlen:
            self.total -= self.values[0]
        self.values.append(value)
        self.total += value


class RollingFeatures:
    """Features of one market's contiguous bars. After a gap, start a new one: a window never spans a hole."""

    def __init__(self, end_s: int | None) -> None:
        self._end_s = end_s
        self._mids: deque[int] = deque(maxlen=spec.MOMENTUM_BARS + 1)
        self._volume = 0
        self._short = _WindowSum(spec.SHORT_BARS)
        self._squares = _WindowSum(spec.SHORT_BARS)
        self._long = _WindowSum(spec.LONG_BARS)
        self._gain = _WindowSum(spec.RSI_BARS)
        self._moved = _WindowSum(spec.RSI_BARS)

    def push(self, ts_s: int, mid_units: int, volume_micro: int) -> FloatArray:
        """Raw features, shape (15,), of the bar that has just closed."""
        first = not self._mids
        previous = mid_units if first else self._mids[-1]
        previous_volume = volume_micro if first else self._volume
        change = mid_units - previous
        self._mids.append(mid_units)
        self._volume = volume_micro
        self._sum_up(mid_units, change)
        floor = spec.PRICE_FLOOR_UNITS
        volume = volume_micro / MICRO
        return np.array(
            (
                mid_units / PRICE_SCALE,
                change / PRICE_SCALE,
                change / max(previous, floor),
                LOG_UNITS[mid_units] - LOG_UNITS[previous],
                (mid_units - self._mids[0]) / PRICE_SCALE,
                volume,
                (volume_micro - previous_volume) / MICRO,
                volume / (max(mid_units, floor) / PRICE_SCALE),
                self._short.total / (len(self._short.values) * PRICE_SCALE),
                self._long.total / (len(self._long.values) * PRICE_SCALE),
                self._gain.total / self._moved.total if self._moved.total else 0.5,
                self._volatility(),
                ts_s % 86_400 // 3_600 / 24,
                (ts_s // 86_400 + 3) % 7 / 7,
                self._years_left(ts_s),
            )
        )

    def _sum_up(self, mid: int, change: int) -> None:
        self._short.push(mid)
        self._squares.push(mid * mid)
        self._long.push(mid)
        self._gain.push(max(change, 0))
        self._moved.push(abs(change))

    def _volatility(self) -> float:
        n = len(self._short.values)
        spread = n * self._squares.total - self._short.total * self._short.total
        return math.sqrt(spread / max(n * (n - 1), 1)) / PRICE_SCALE

    def _years_left(self, ts_s: int) -> float:
        return spec.UNKNOWN_TIME_YEARS if self._end_s is None else max(self._end_s - ts_s, 0) / spec.YEAR_S

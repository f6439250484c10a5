"""What a feature is: its name, meaning and unit, with the batch and the rolling form of its arithmetic in one place."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipelines.core.domain import FloatArray

IntArray = NDArray[np.int64]

PRICE_FLOOR_UNITS: Final = 10
"""Smallest price in a ratio or logarithm, in 1e-4: a market at 0 has finite features."""

Transform = Literal["linear", "signed_log"]


@dataclass(frozen=True, slots=True)
class Series:
    """Consecutive bars of one market: (n,) close times, mids in 1e-4, shares in 1e-6, and the scheduled end."""

    ts_s: IntArray
    mid_units: IntArray
    volume_micro: IntArray
    end_s: int | None


class Point(NamedTuple):
    """One closed bar, as the rolling form reads it, with the mid of the bar before (its own at the first)."""

    ts_s: int
    mid_units: int
    volume_micro: int
    end_s: int | None
    mid_before_units: int


Batch = Callable[[Series], FloatArray]
"""Value at every bar, shape (n,); the value at bar k reads bars 0..k only and is finite."""

Rolling = Callable[[Point], float]
"""Value at the bar that has just closed; it keeps what it needs of the bars before, in constant memory."""


@dataclass(frozen=True, slots=True)
class Feature:
    """One feature of a bar. `transform` is applied before standardisation: signed_log is sign(x) ln(1 + |x|).

    `batch` computes a whole history, `rolling` makes the form of one market that computes bar by bar. Both give the
    same bits: sums run on integers, and each float operation is the same in both.
    """

    name: str
    meaning: str
    unit: str
    batch: Batch
    rolling: Callable[[], Rolling]
    transform: Transform = "linear"


class Lagged:
    """Difference to the value `lag` bars before, or to the first one where there are fewer."""

    __slots__ = ("_values",)

    def __init__(self, lag: int) -> None:
        self._values: deque[int] = deque(maxlen=lag + 1)

    def push(self, value: int) -> int:
        """The difference after this value."""
        self._values.append(value)
        return value - self._values[0]


class WindowSum:
    """Integer sum of the last `size` values, and how many there are: `size`, fewer at the start."""

    __slots__ = ("_size", "_values", "count", "total")

    def __init__(self, size: int) -> None:
        self._size = size
        self._values: deque[int] = deque(maxlen=size)
        self.total = 0
        self.count = 0

    def push(self, value: int) -> int:
        """The sum after this value; the oldest one leaves a full window."""
        if self.count == self._size:
            self.total += value - self._values[0]
        else:
            self.total += value
            self.count += 1
        self._values.append(value)
        return self.total


def lagged(values: IntArray, lag: int) -> IntArray:
    """Batch form of `Lagged`."""
    first = np.full(min(lag, len(values)), values[0] if len(values) else 0)
    earlier = np.concatenate((first, values[:-lag]))[: len(values)]
    difference: IntArray = values - earlier
    return difference


def window_sum(values: IntArray, window: int) -> IntArray:
    """Batch form of `WindowSum.total`."""
    total = np.cumsum(values)
    total[window:] -= total[:-window].copy()
    return total


def window_count(size: int, window: int) -> IntArray:
    """Batch form of `WindowSum.count`."""
    return np.minimum(np.arange(1, size + 1), window)

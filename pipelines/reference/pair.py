"""Two sources of one asset: whether they say the same, and whether one confirms a jump of the other."""

import math
from bisect import bisect_right
from collections import deque
from statistics import median
from typing import Final

from pipelines.reference.habit import DOUBT_SIGMAS, STEP_MS
from pipelines.reference.prices import Path

APART: Final = 0.005
"""Two sources that differ by more than this share: one of them is wrong, whatever is usual."""
SAMPLES: Final = 61
FEWEST_SAMPLES: Final = 10
SAMPLE_MS: Final = 5_000
"""What is usual is the median of so many differences, at least this much time apart, each between two new prices. A
lasting new difference is usual after half of them."""
SPREAD_SIGMAS: Final = 7.4
"""Median distances from the usual difference that are allowed: five standard deviations of a normal."""
NEARER: Final = 3.0
"""A jump is confirmed by the other source when this lies nearer to the new price by such a factor of the jump."""


class Pair:
    """The log of the ratio of two believed prices at the same moment, and since when it has been unusual."""

    def __init__(self, one: Path, other: Path) -> None:
        self.one, self.other = one, other
        self._samples: deque[float] = deque(maxlen=SAMPLES)
        self._sampled = (0, 0.0, 0.0)
        self._usual: float | None = None
        self._spread = 0.0
        self._times: list[int] = []
        self._states: list[bool] = []

    def take(self, known_ms: int) -> None:
        """Compare again after a price of one of them; the answer holds from `known_ms` on."""
        common_ms = min(self.one.newest_ms, self.other.newest_ms)
        first, second = self.one.held(common_ms), self.other.held(common_ms)
        if first is None or second is None:
            return
        gap, age_ms = math.log(first[1] / second[1]), common_ms - min(first[0], second[0])
        is_apart = abs(gap) > APART
        if self._usual is not None:
            is_apart = is_apart or abs(gap - self._usual) > self._tolerance(age_ms)
        if is_apart != (bool(self._states) and self._states[-1]):
            self._times.append(max(known_ms, self._times[-1] if self._times else known_ms))
            self._states.append(is_apart)
        self._sample(common_ms, first[1], second[1])

    def apart(self, now_ms: int) -> bool:
        """Whether the two differed by more than is usual at a time."""
        place = bisect_right(self._times, now_ms) - 1
        return place >= 0 and self._states[place]

    def verdict(self, doubted: Path) -> bool | None:
        """Whether the other source confirms the prices that `doubted` holds back, contradicts them, or says nothing
        about that moment (None)."""
        witness = self.other if doubted is self.one else self.one
        before = doubted.last(len(doubted))
        price = doubted.newest_held_back(witness.newest_seen_ms)
        if self._usual is None or before is None or price is None or witness.flat(len(witness)):
            return None
        seen = witness.seen(price.ts_ms)
        if seen is None or seen[0] <= before[0]:
            return None
        usual = self._usual if doubted is self.one else -self._usual
        away = abs(math.log(price.value / seen[1]) - usual)
        allowed = self._tolerance(price.ts_ms - seen[0])
        if away <= min(allowed, abs(math.log(price.value / before[1])) / NEARER):
            return True
        return False if away > allowed else None

    def _tolerance(self, age_ms: int) -> float:
        sigma = max(self.one.habit.sigma or 0.0, self.other.habit.sigma or 0.0)
        moved = DOUBT_SIGMAS * sigma * math.sqrt(max(age_ms, STEP_MS) / 1_000.0)
        return max(moved, SPREAD_SIGMAS * self._spread)

    def _sample(self, ts_ms: int, first: float, second: float) -> None:
        before_ms, one, other = self._sampled
        # A source that does not change says nothing about the difference.
        if ts_ms - before_ms < SAMPLE_MS or first == one or second == other:
            return
        self._sampled = (ts_ms, first, second)
        self._samples.append(math.log(first / second))
        if len(self._samples) >= FEWEST_SAMPLES:
            self._usual = median(self._samples)
            self._spread = median(abs(one - self._usual) for one in self._samples)

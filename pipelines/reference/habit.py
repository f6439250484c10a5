"""What is usual for the price of one asset from one source: how far it moves, and for how long it stays unchanged."""

import math
from bisect import bisect_left, insort
from collections import deque
from typing import Final

STEP_MS: Final = 1_000
"""Moves are measured over at least this time, because shorter ones are mostly the bounce between bid and ask."""
DOUBT_SIGMAS: Final = 5.0
"""A move is believed at once up to this many usual standard deviations of the time since the last other price."""
DOUBT_SHARE: Final = 0.002
"""The same while fewer than `FEWEST_CHANGES` are known, as a share of the price."""
FEWEST_CHANGES: Final = 20
CHANGES: Final = 101
"""The usual standard deviation is that of so many changes."""
QUANTILE: Final = (0.9, 1.645)
"""It is this quantile of the changes divided by that of a standard normal, so that a few wild ones do not count."""
FLAT_ODDS: Final = 1e-6
"""A price is frozen when it stayed unchanged for longer than the silence, and so often in a row that this is less
probable, by the share of unchanged prices before."""
FLAT_SHARE: Final = 0.1
"""A price within this share of a second's usual standard deviation is unchanged, so that noise on a frozen value is no
life."""


class Habit:
    """Learns from the believed prices in their order; `silence_ms` and `memory_ms` are those of the path."""

    def __init__(self, silence_ms: int, memory_ms: int) -> None:
        self._silence_ms = silence_ms
        self._memory_ms = memory_ms
        self._changes: deque[float] = deque()
        self._ordered: list[float] = []
        self._anchor = (0, 0.0)
        self._steps: deque[tuple[int, bool]] = deque()
        self._same = 0
        self._last_ms = 0
        self._run_ms = 0
        self._run_value = 0.0
        self._run_steps = 0
        self._unchanged_odds = 0.5

    @property
    def sigma(self) -> float | None:
        """Usual standard deviation of the log price over a second; None with fewer than `FEWEST_CHANGES` changes."""
        if len(self._ordered) < FEWEST_CHANGES:
            return None
        share, normal = QUANTILE
        return self._ordered[int(share * (len(self._ordered) - 1))] / normal

    def limit(self, ts_ms: int) -> float:
        """The largest move of the log price that is believed at once at a time: by the time since the last price that
        was another one, at most the silence, so that a gap excuses no move of any size."""
        return self.limit_over(ts_ms - self._run_ms)

    def limit_over(self, elapsed_ms: int) -> float:
        """The same for a move over some milliseconds."""
        if self.sigma is None:
            return DOUBT_SHARE
        return DOUBT_SIGMAS * self.sigma * math.sqrt(min(max(elapsed_ms, STEP_MS), self._silence_ms) / 1_000.0)

    def take(self, ts_ms: int, value: float) -> bool:
        """Learn from the next believed price. Returns whether the price is frozen."""
        if not self._last_ms:
            self._anchor = (ts_ms, value)
            self._begin_run(ts_ms, value)
        elif ts_ms - self._last_ms > self._silence_ms:
            self._anchor = (ts_ms, value)
        else:
            self._measure(ts_ms, value)
        is_flat = self._count(ts_ms, value) if self._last_ms else False
        self._last_ms = ts_ms
        return is_flat

    def _measure(self, ts_ms: int, value: float) -> None:
        elapsed_ms, move = ts_ms - self._anchor[0], abs(math.log(value / self._anchor[1]))
        # Without a change the time goes on, so that a feed that seldom changes shows its true standard deviation, and
        # noise on a frozen value does not make it small.
        if elapsed_ms < STEP_MS or move <= self._noise:
            return
        self._anchor = (ts_ms, value)
        self._changes.append(move / math.sqrt(elapsed_ms / 1_000.0))
        insort(self._ordered, self._changes[-1])
        if len(self._changes) > CHANGES:
            del self._ordered[bisect_left(self._ordered, self._changes.popleft())]

    @property
    def _noise(self) -> float:
        return FLAT_SHARE * (self.sigma or 0.0)

    def _count(self, ts_ms: int, value: float) -> bool:
        moved = abs(math.log(value / self._run_value)) > self._noise
        self._steps.append((ts_ms, not moved))
        self._same += not moved
        while self._steps[0][0] < ts_ms - self._memory_ms:
            self._same -= self._steps.popleft()[1]
        if moved:
            self._begin_run(ts_ms, value)
            return False
        self._run_steps += 1
        is_long = ts_ms - self._run_ms > self._silence_ms
        return is_long and self._run_steps * math.log(self._unchanged_odds) < math.log(FLAT_ODDS)

    def _begin_run(self, ts_ms: int, value: float) -> None:
        self._run_ms, self._run_value, self._run_steps = ts_ms, value, 0
        # Counted before the run, so that a frozen feed is not its own excuse.
        self._unchanged_odds = (self._same + 1) / (len(self._steps) + 2)

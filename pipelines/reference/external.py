"""External probabilities of outcomes: what somebody outside stated of a market, and when it was known here.

They travel as prices do (`Price`): the symbol is the market id, the source EXTERNAL, the value the probability of YES.
"""

import math
from bisect import bisect_right
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pipelines.core.domain import FloatArray
from pipelines.reference.prices import Price

EXTERNAL: Final = "external"
"""The source of a price that is a probability."""
HOLDS_S: Final = 2 * 86_400
"""A probability that nobody has stated again for so long counts as absent."""


class ExternalProbabilities:
    """Probabilities by market, in the order in which they became known. Between two the earlier one holds."""

    def __init__(self) -> None:
        self._known_ms: dict[str, list[int]] = {}
        self._value: dict[str, list[float]] = {}
        self.refused = 0
        """Statements that were left out: no probability, or known before the last one."""

    def take(self, one: Price) -> None:
        """Add the next statement."""
        times = self._known_ms.setdefault(one.symbol, [])
        values = self._value.setdefault(one.symbol, [])
        if not (math.isfinite(one.value) and 0.0 <= one.value <= 1.0) or (times and one.known_ms < times[-1]):
            self.refused += 1
            return
        times.append(one.known_ms)
        values.append(one.value)

    def at(self, market_id: str, now_ms: int) -> float | None:
        """The probability of YES that was known and held at a time; None where there was none."""
        times = self._known_ms.get(market_id, [])
        place = bisect_right(times, now_ms) - 1
        if place < 0 or now_ms - times[place] > HOLDS_S * 1_000:
            return None
        return self._value[market_id][place]

    def series(self, market_id: str, ts_s: NDArray[np.int64]) -> FloatArray:
        """`at` the close of many bars, shape (n,); NaN where there is none."""
        found = (self.at(market_id, ts * 1_000) for ts in ts_s.tolist())
        return np.array([np.nan if one is None else one for one in found], dtype=np.float64)

    def forget(self, before_ms: int) -> None:
        """Drop what no longer holds at a time."""
        for market_id, times in list(self._known_ms.items()):
            kept = bisect_right(times, before_ms - HOLDS_S * 1_000)
            del times[:kept], self._value[market_id][:kept]
            if not times:
                del self._known_ms[market_id], self._value[market_id]

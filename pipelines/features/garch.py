"""Conditional volatility of log-odds returns by a GARCH(1, 1) filter with given parameters, one window at a time."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipelines.core.domain import FloatArray
from pipelines.features.scale import log_odds


@dataclass(frozen=True, slots=True)
class Garch:
    """variance[t+1] = omega + alpha x return[t]^2 + beta x variance[t], returns in log-odds per bar."""

    omega: float
    alpha: float
    beta: float

    def document(self) -> dict[str, float]:
        """The parameters, for JSON."""
        return {"omega": self.omega, "alpha": self.alpha, "beta": self.beta}

    def volatility(self, mid_units: NDArray[np.integer[Any]]) -> FloatArray:
        """Standard deviation expected for the next bar, at every bar of each window: (n, L) units -> (n, L).

        The recursion starts from the mean square return of the window's first half.
        """
        odds = log_odds(mid_units)
        squares = np.diff(odds, axis=-1, prepend=odds[..., :1]) ** 2
        variance = squares[..., : max(odds.shape[-1] // 2, 1)].mean(axis=-1)
        filtered = np.empty_like(odds)
        for bar in range(odds.shape[-1]):
            variance = self.omega + self.alpha * squares[..., bar] + self.beta * variance
            filtered[..., bar] = variance
        root: FloatArray = np.sqrt(filtered)
        return root

    def variance(self, squares: FloatArray) -> FloatArray:
        """Variance expected for the bar after each window of squared returns or surprises, (n, L) -> (n,): where the
        same recursion ends."""
        bars = squares.shape[-1]
        kept = self.beta ** np.arange(bars, -1, -1)
        begin = squares[..., : max(bars // 2, 1)].mean(axis=-1)
        made: FloatArray = (
            kept[0] * begin + self.omega * kept[1:].sum() + self.alpha * (squares * kept[1:]).sum(axis=-1)
        )
        return made

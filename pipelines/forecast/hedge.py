"""Weights of forecasters by their recent performance: AdaHedge with the gradient trick, without a number to tune.

Round after round the mean forecast is a convex combination of the forecasters'. What a round teaches is linear in the
weights (the gradient of its squared error), so the regret bound holds against the best fixed combination, not only
against the best single forecaster:

    sum of squared errors <= min over fixed weights of the same + 2 sqrt(V ln K) + S (4/3 ln K + 2)

with V the summed variances of the gradient losses under the weights and S the largest range of one round (de Rooij, van
Erven, Gruenwald and Koolen, 2014, theorem 8; Cesa-Bianchi and Lugosi, 2006, section 2.5).
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from pipelines.core.domain import FloatArray


@dataclass
class Hedge:
    """The state between two rounds of K forecasters. It depends on the rounds so far alone, so replaying them after a
    restart leads to the same bits."""

    count: int
    rounds: int = 0
    variance: float = 0.0
    range: float = 0.0
    _losses: FloatArray = field(init=False)
    _gap: float = field(default=0.0, init=False)

    def __post_init__(self) -> None:
        """Start with equal weights."""
        self._losses = np.zeros(self.count)

    @property
    def weights(self) -> FloatArray:
        """Weight of each forecaster in the next round, (K,), summing to 1."""
        behind = self._losses - self._losses.min()
        if self._gap <= 0.0:
            best = (behind <= 0.0).astype(np.float64)
            return np.asarray(best / best.sum())
        raw = np.exp(-np.log(self.count) / self._gap * behind)
        return np.asarray(raw / raw.sum())

    @property
    def bound(self) -> float:
        """What the squared errors so far may exceed those of the best fixed combination by, at most."""
        many = np.log(self.count)
        return float(2.0 * np.sqrt(self.variance * many) + self.range * (4.0 / 3.0 * many + 2.0))

    def learn(self, forecasts: FloatArray, outcomes: FloatArray) -> float:
        """Take a round in: forecasts (m, K) and outcomes (m,); the mean squared error that the weights made in it."""
        weights = self.weights
        error = forecasts @ weights - outcomes
        loss = 2.0 * (error[:, None] * forecasts).mean(axis=0)
        self._step(weights, loss)
        return float(np.mean(error * error))

    def _step(self, weights: FloatArray, loss: FloatArray) -> None:
        expected = float(weights @ loss)
        before = self._losses.min()
        if self._gap <= 0.0:
            mixed = float((self._losses + loss).min() - before)
        else:
            rate = np.log(self.count) / self._gap
            low = loss.min()
            mixed = float(low - np.log(weights @ np.exp(-rate * (loss - low))) / rate)
        self._gap += max(expected - mixed, 0.0)
        self._losses = self._losses + loss
        self.variance += float(weights @ (loss - expected) ** 2)
        self.range = max(self.range, float(loss.max() - loss.min()))
        self.rounds += 1


def learned(count: int, rounds: Iterable[tuple[FloatArray, FloatArray]]) -> Hedge:
    """The state after some rounds of forecasts (m, K) and outcomes (m,)."""
    state = Hedge(count)
    for forecasts, outcomes in rounds:
        state.learn(forecasts, outcomes)
    return state

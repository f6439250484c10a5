"""A linear head that adapts to a new event from its first bars: a Bayesian head, Reptile, and training anew.

A head weighs inputs (n, k) into moves of the price at H horizons (n, H). Everything is computed from sums over bars, so
that a task (an event, or a family of events) is a few small matrices. Sources: Reptile is Nichol, Achiam and Schulman
(2018), On first-order meta-learning algorithms; the prior of the Bayesian head is fitted to the heads of the tasks
(empirical Bayes; Morris 1983).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from pipelines.core.domain import FloatArray

PENALTY = 300.0
"""Bars that say a coefficient is zero, where a task's own head is fitted; inputs have unit mean square."""
INNER_STEPS, OUTER_ROUNDS, OUTER_RATE = 10, 10, 0.5
LEAST_VARIANCE = 1e-12
STRENGTHS = (0.0, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0)
STEPS = (0, 1, 3, 10, 20)
"""Values of `Learner.strength` and `Learner.steps` that are tried; with the first of each nothing adapts."""


@dataclass(frozen=True)
class Sums:
    """Of some bars, which differ by horizon: products of the inputs (H, k, k), of inputs and moves (k, H), squares of
    the moves (H,), and how many bars (H,)."""

    xx: FloatArray
    xy: FloatArray
    yy: FloatArray
    count: FloatArray

    @classmethod
    def of(cls, parts: Sequence[tuple[FloatArray, FloatArray]]) -> "Sums":
        """The sums of bars: of each horizon inputs (n, k) and moves (n,)."""
        return cls(
            np.array([x.T @ x for x, _ in parts]),
            np.array([x.T @ y for x, y in parts]).T,
            np.array([float(y @ y) for _, y in parts]),
            np.array([float(len(y)) for _, y in parts]),
        )

    def __add__(self, other: "Sums") -> "Sums":
        return Sums(self.xx + other.xx, self.xy + other.xy, self.yy + other.yy, self.count + other.count)

    def times(self, factor: float) -> "Sums":
        """The sums of bars that count `factor` each."""
        return Sums(self.xx * factor, self.xy * factor, self.yy * factor, self.count * factor)

    def ridge(self, penalty: float = PENALTY) -> FloatArray:
        """Weights (k, H) with so many bars of zeros added."""
        left = self.xx + penalty * np.eye(self.xx.shape[1])
        return np.asarray(np.linalg.solve(left, self.xy.T[:, :, None])[:, :, 0].T, dtype=np.float64)

    def squared_error(self, weights: FloatArray) -> FloatArray:
        """Sum of squared errors at each horizon (H,) of the head `weights`."""
        crossed = 2.0 * np.sum(weights * self.xy, axis=0)
        found: FloatArray = self.yy - crossed + np.einsum("kh,hkl,lh->h", weights, self.xx, weights)
        return found


@dataclass(frozen=True)
class Prior:
    """Prior of the Bayesian head, fitted to past tasks: mean and variance of the weights, and variance of the moves."""

    mean: FloatArray
    spread: FloatArray
    """Variance of each weight between tasks, (k, H)."""
    noise: FloatArray
    """Variance of the moves around the forecast, (H,)."""
    reptile: FloatArray
    """Weights from which a few gradient steps lead near the tasks' own, (k, H)."""

    @classmethod
    def of(cls, tasks: Sequence[Sums], horizons: Sequence[int]) -> "Prior":
        """The prior of training tasks. A task's own weights vary by chance too; that part is taken off the spread."""
        total = sum(tasks[1:], tasks[0])
        mean = total.ridge()
        noise = np.maximum(total.squared_error(mean) / np.maximum(total.count, 1.0), LEAST_VARIANCE)
        own = np.array([task.ridge() for task in tasks])
        chance = np.mean([_chance(task, noise, horizons) for task in tasks], axis=0)
        spread = np.maximum(np.mean((own - mean) ** 2, axis=0) - chance, LEAST_VARIANCE)
        return cls(mean, spread, noise, _reptile(tasks, mean))

    def bayes(self, seen: Sums, horizons: Sequence[int]) -> FloatArray:
        """The posterior mean after some bars. Moves over h bars overlap, so h of them count as one."""
        return self._posterior(seen, horizons, self.mean, self.spread)

    def anew(self, seen: Sums, horizons: Sequence[int]) -> FloatArray:
        """A head from these bars alone: the prior says only how large weights are, not which way they point."""
        return self._posterior(seen, horizons, np.zeros_like(self.mean), self.mean**2 + self.spread)

    def few_steps(self, seen: Sums, steps: int) -> FloatArray:
        """Reptile's weights after some gradient steps on these bars."""
        return self.reptile if not seen.count.all() else _descend(self.reptile, seen, steps)

    def _posterior(self, seen: Sums, horizons: Sequence[int], mean: FloatArray, spread: FloatArray) -> FloatArray:
        found = np.empty_like(mean)
        for at, horizon in enumerate(horizons):
            weight = 1.0 / (self.noise[at] * horizon)
            precision = 1.0 / spread[:, at]
            left = seen.xx[at] * weight + np.diag(precision)
            found[:, at] = np.linalg.solve(left, seen.xy[:, at] * weight + precision * mean[:, at])
        return found


@dataclass(frozen=True)
class Learner:
    """A prior, and how strongly first bars may move it: what did best on training tasks that the prior was not made of.

    Bars of one event resemble each other, so they say less than as many bars of many events.
    """

    prior: Prior
    horizons: Sequence[int]
    strength: float
    """Weight of a new bar in the Bayesian head; 1 is one observation, 0 ignores the new event."""
    steps: int
    """Gradient steps of Reptile."""

    @classmethod
    def of(cls, prior: Prior, half: Prior, rest: Sequence[tuple[Sums, Sums]], horizons: Sequence[int]) -> "Learner":
        """`half` was made of other tasks than `rest`, which has of each what is seen first and what judges."""
        whole = np.sum([judged.yy for _, judged in rest], axis=0)

        def left(head: Callable[[Sums], FloatArray]) -> float:
            errors = np.array([judged.squared_error(head(seen)) for seen, judged in rest]).sum(axis=0)
            return float(np.sum(errors / whole))

        strength = min(STRENGTHS, key=lambda one: left(lambda seen: half.bayes(seen.times(one), horizons)))
        steps = min(STEPS, key=lambda one: left(lambda seen: half.few_steps(seen, one)))
        return cls(prior, horizons, strength, steps)

    def heads(self, seen: Sums) -> tuple[FloatArray, FloatArray, FloatArray]:
        """The Bayesian head, Reptile's and the one trained anew, after some bars."""
        prior = self.prior
        bayes = prior.bayes(seen.times(self.strength), self.horizons)
        return bayes, prior.few_steps(seen, self.steps), prior.anew(seen, self.horizons)


def _chance(task: Sums, noise: FloatArray, horizons: Sequence[int]) -> FloatArray:
    inverse = np.linalg.inv(task.xx + PENALTY * np.eye(task.xx.shape[1]))
    own: FloatArray = np.einsum("hkl,hlm,hmk->kh", inverse, task.xx, inverse)
    return own * (noise * np.asarray(horizons, dtype=np.float64))


def _descend(weights: FloatArray, seen: Sums, steps: int = INNER_STEPS) -> FloatArray:
    """Gradient steps on the mean squared error of some bars, at the largest rate that cannot diverge."""
    xx, xy = seen.xx / seen.count[:, None, None], seen.xy / seen.count
    rate = 1.0 / np.maximum(np.linalg.eigvalsh(xx)[:, -1], 1.0)
    for _ in range(steps):
        weights = weights - rate * (np.einsum("hkl,lh->kh", xx, weights) - xy)
    return weights


def _reptile(tasks: Sequence[Sums], start: FloatArray) -> FloatArray:
    weights = start
    for _ in range(OUTER_ROUNDS):
        for task in tasks:
            weights = weights + OUTER_RATE / len(tasks) * (_descend(weights, task) - weights)
    return weights

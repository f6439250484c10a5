"""One-sided lower bounds of means and sums over independent clusters: whole events, or periods of equal weight."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from pipelines.core.domain import FloatArray


def mean_bound(values: FloatArray, level: float) -> float:
    """One-sided lower bound of the mean of independent values by Student's t; minus infinity with fewer than two."""
    if len(values) < 2:
        return float("-inf")
    return float(np.mean(values) - _t(len(values), level) * np.std(values, ddof=1) / np.sqrt(len(values)))


def total_bound(by_event: Sequence[float], *, level: float, samples: int, seed: int = 0) -> float:
    """One-sided lower bound of a sum over events: bootstrap over whole events, widened to Student's t."""
    table = np.asarray(by_event, dtype=np.float64)
    if len(table) < 2:
        return float("-inf")
    value = float(table.sum())
    bound = float(np.quantile(table[draws(len(table), samples, seed)].sum(axis=1), 1.0 - level))
    return value - (value - bound) * widening(len(table), level)


def widening(clusters: int, level: float) -> float:
    """Student's t over the normal quantile, and the bootstrap's missing (n - 1) / n."""
    from scipy import stats  # noqa: PLC0415 - slow to import

    return float(_t(clusters, level) / stats.norm.ppf(level) * np.sqrt(clusters / (clusters - 1)))


def draws(clusters: int, samples: int, seed: int) -> NDArray[np.int64]:
    """Clusters of every draw of the bootstrap, with replacement, (samples, clusters)."""
    return np.random.default_rng(seed).integers(0, clusters, (samples, clusters))


def _t(clusters: int, level: float) -> float:
    from scipy import stats  # noqa: PLC0415 - slow to import

    return float(stats.t.ppf(level, clusters - 1))

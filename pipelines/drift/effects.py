"""Effect sizes: how far a distribution moved, and how much skill was lost, with markets as the unit of evidence.

Bars of one market are no independent draws, so tests that count them as such find drift everywhere. A moved
distribution is therefore measured against quiet windows of the same length from the training time itself, and a loss of
skill is tested with one number per market.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import t as student

from pipelines.core.domain import FloatArray

BINS = 10
CLIP = 4.0
"""Residuals and moves are clipped at this many local standard deviations: one jump must not decide."""


@dataclass(frozen=True)
class Histogram:
    """Bins at the quantiles of the reference; tied values share a bin."""

    edges: FloatArray
    share: FloatArray

    @classmethod
    def of(cls, values: FloatArray) -> "Histogram":
        """Bins and shares of reference values, missing ones left out."""
        known = _known(values)
        edges = np.unique(np.quantile(known, np.arange(1, BINS) / BINS, method="lower"))
        return cls(edges, _share(known, edges))

    def psi(self, values: FloatArray) -> float:
        """Population stability index of other values: sum of (a - b) ln(a / b) over the bins."""
        share = _share(_known(values), self.edges)
        return float(np.sum((share - self.share) * np.log(share / self.share)))


def _known(values: FloatArray) -> FloatArray:
    """Values that are there, rounded: noise in the last digits of a near-constant column is no difference."""
    known: FloatArray = np.round(values[np.isfinite(values)], 5)
    return known


def _share(values: FloatArray, edges: FloatArray) -> FloatArray:
    """Shares of the bins, half a bar added to each, so that an empty bin is not infinitely far."""
    counts = np.bincount(np.searchsorted(edges, values, side="left"), minlength=len(edges) + 1) + 0.5
    shares: FloatArray = counts / counts.sum()
    return shares


def quiet_windows(ts_s: NDArray[np.int64], window_s: int) -> Iterator[NDArray[np.bool_]]:
    """Masks of windows of the given length inside the given time, each half a window after the one before."""
    if len(ts_s) == 0:
        return
    for start in range(int(ts_s.min()), int(ts_s.max()) - window_s + 1, max(window_s // 2, 1)):
        yield (ts_s > start) & (ts_s <= start + window_s)


def clipped(column: "pd.Series[Any]") -> FloatArray:
    """A column in local standard deviations, at most CLIP of them."""
    values: FloatArray = np.clip(column.to_numpy(np.float64), -CLIP, CLIP)
    return values


def ratio_error(residuals: "pd.Series[float]", base: float) -> float:
    """Standard error of a ratio of two sums over groups: `residuals` are the groups' numerators less the ratio times
    their denominators, `base` is the sum of the denominators."""
    squares = float(np.sum(residuals.to_numpy() ** 2))
    return float(np.sqrt(squares * len(residuals) / (len(residuals) - 1))) / base


@dataclass(frozen=True)
class MarketSkill:
    """1 - sum of squared residuals / sum of squared moves, its standard error by market, and the markets."""

    value: float
    error: float
    markets: int
    coverage: float

    @classmethod
    def of(cls, frame: pd.DataFrame) -> "MarketSkill":
        """MarketSkill of the rows that were judged."""
        rows = frame.dropna(subset=["residual", "move"])
        move, residual = clipped(rows["move"]), clipped(rows["residual"])
        sums = (
            pd.DataFrame({"gain": move**2 - residual**2, "base": move**2}).groupby(rows["market_id"].to_numpy()).sum()
        )
        base = float(sums["base"].sum())
        if base <= 0.0 or len(sums) < 2:
            return cls(0.0, float("inf"), len(sums), float("nan"))
        value = float(sums["gain"].sum()) / base
        error = ratio_error(sums["gain"] - value * sums["base"], base)
        return cls(value, error, len(sums), float(rows["covered"].mean()))


def loss_bound(before: MarketSkill, after: MarketSkill, confidence_level: float) -> float:
    """Loss of skill that is exceeded with the given one-sided confidence."""
    error = float(np.hypot(before.error, after.error))
    return before.value - after.value - NormalDist().inv_cdf(confidence_level) * error


@dataclass(frozen=True)
class Calibration:
    """Expected and realised Brier score (means), the excess of the realised as a share of the expected, its standard
    error by event, and the events."""

    expected: float
    realised: float
    excess: float
    error: float
    events: int

    @classmethod
    def of(cls, frame: pd.DataFrame) -> "Calibration":
        """Calibration of the rows that were judged; the error is infinite with fewer than two events."""
        rows = frame.dropna(subset=["expected_brier", "realised_brier"])
        sums = rows.groupby(rows["event_id"].to_numpy())[["expected_brier", "realised_brier"]].sum().astype(np.float64)
        base = float(sums["expected_brier"].sum())
        if base <= 0.0 or len(sums) < 2:
            return cls(0.0, 0.0, 0.0, float("inf"), len(sums))
        excess = float(sums["realised_brier"].sum()) / base - 1.0
        error = ratio_error(sums["realised_brier"] - (1.0 + excess) * sums["expected_brier"], base)
        means = rows[["expected_brier", "realised_brier"]].mean()
        return cls(float(means["expected_brier"]), float(means["realised_brier"]), excess, error, len(sums))


def excess_bound(before: Calibration, after: Calibration, confidence_level: float) -> float:
    """Growth of the excess that is exceeded with the given one-sided confidence, by Student's t over events."""
    if after.events < 2 or before.events < 2:
        return float("-inf")
    error = float(np.hypot(before.error, after.error))
    return after.excess - before.excess - float(student.ppf(confidence_level, after.events - 1)) * error

"""Calibration on the slice after the fit slice: interval offsets and the confidence of a direction."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq

from pipelines.core.domain import FloatArray
from pipelines.forecast.training_windows import IntArray
from pipelines.inference.calibration import Confidence, strength

CAP_QUANTILE = 0.999
SHRINK_ERRORS = 0.5
"""Standard errors, clustered by event, that are taken off the slope of the confidence: no edge, no confidence.

A whole one was measured to state 0.70 where 0.76 of the moves came true."""


def fit_offset(band: FloatArray, target: NDArray[np.floating[Any]], coverage: float) -> FloatArray:
    """Offsets of the band [q05, q95] per horizon: ascending quantiles (n, H, 3), target (n, H) in scaled units -> (H,).

    A target that is missing (NaN: the market has ended by then) says nothing, here and in what follows.

    Split conformal: the ceil((n + 1) coverage) / n quantile of how far the truth lies outside the band (negative when
    inside), so that later exchangeable data is covered with at least this probability.
    """
    outside = np.maximum(band[..., 0] - target, target - band[..., 2]).astype(np.float64)
    known = [column[np.isfinite(column)] for column in outside.T]
    offset, last = np.zeros(len(known)), 0.0
    for h, column in enumerate(known):
        # A horizon that no market has is never judged; it is as wide as the last one that some have.
        offset[h] = last = _covering(column, coverage) if len(column) else last
    return offset


def _covering(outside: FloatArray, coverage: float) -> float:
    n = len(outside)
    level = min(np.ceil((n + 1) * coverage) / n, 1.0)
    return float(np.quantile(outside, level, method="higher"))


def interval_scores(
    band: FloatArray, errors: FloatArray, unit: FloatArray, event: IntArray, coverage: float
) -> FloatArray:
    """Interval score of each bar and horizon (n, H) in log-odds: width, and 2 / (1 - coverage) times what lies outside
    (Gneiting and Raftery, 2007); NaN where the error is missing.

    `band` (n, H, 3) is in units of `unit` (n, H), `errors` (n, H) in log-odds. Half of the events widen the band to
    the coverage for the other half, and the reverse; a missing error says nothing.
    """
    scaled, first = errors / unit, np.isin(event, np.unique(event)[::2])
    offset = np.empty(errors.shape)
    for judged in (first, ~first):
        offset[judged] = fit_offset(band[~judged], scaled[~judged], coverage)
    lower, upper = band[..., 0] - offset, band[..., 2] + offset
    outside = np.maximum(np.maximum(lower - scaled, scaled - upper), 0.0)
    score: FloatArray = (np.maximum(upper - lower, 0.0) + 2.0 / (1.0 - coverage) * outside) * unit
    return score


def fit_confidence(mean: FloatArray, volatility: FloatArray, moves: FloatArray, event: IntArray) -> Confidence:
    """P(sign right | moved) per horizon from forecasts and actual moves in log-odds, both (n, H).

    The slope of a logistic regression through one half on the strength of the forecast, minus one standard error
    clustered by event, at least 0. Bars that do not move from t+1 to t+1+k say nothing and are left out.
    """
    strong = strength(mean, volatility)
    cap = np.maximum(np.quantile(strong, CAP_QUANTILE, axis=0), 1e-9)
    actual = moves[:, 1:] - moves[:, :1]
    forecast = mean[:, 1:] - mean[:, :1]
    slopes = []
    for k in range(strong.shape[1]):
        moved = np.isfinite(actual[:, k]) & (actual[:, k] != 0.0)
        right = (np.sign(forecast[moved, k]) == np.sign(actual[moved, k])).astype(np.float64)
        slopes.append(_slope(np.minimum(strong[moved, k], cap[k]), right, event[moved]))
    return Confidence(np.array(slopes), cap)


def _slope(z: FloatArray, right: FloatArray, event: IntArray) -> float:
    """Shrunk slope b of P = 1 / (1 + exp(-b z)); 0 where it is not more than its standard error above 0."""

    def score(slope: float) -> float:
        return float(np.sum((right - 1.0 / (1.0 + np.exp(-slope * z))) * z))

    if len(z) == 0 or score(0.0) <= 0.0:
        return 0.0
    upper = 1.0
    while score(upper) > 0.0 and upper < 1e4:
        upper *= 2.0
    slope = upper if score(upper) > 0.0 else float(brentq(score, 0.0, upper))
    probability = 1.0 / (1.0 + np.exp(-slope * z))
    information = float(np.sum(probability * (1.0 - probability) * z * z))
    by_event = np.bincount(event, weights=(right - probability) * z)
    error = float(np.sqrt(np.sum(by_event**2))) / max(information, 1e-12)
    return max(slope - SHRINK_ERRORS * error, 0.0)

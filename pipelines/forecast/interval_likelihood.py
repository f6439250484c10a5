"""How well a scale of intervals describes the errors of forecasts, and whether it does so surely over events."""

import numpy as np

from pipelines.core.domain import FloatArray
from pipelines.forecast.training_windows import IntArray

ERRORS = 2.0
"""Standard errors, clustered by event, that the gain of a scale has to exceed."""


def negative_log_likelihood(errors: FloatArray, unit: FloatArray) -> FloatArray:
    """Negative log likelihood of each bar's errors (n, H) under a Laplace distribution of scale `unit` (n, H) times a
    level per horizon, summed over horizons, (n,); a missing error (NaN) says nothing."""
    size = np.abs(errors) / unit
    level = np.maximum(np.nansum(size, axis=0) / np.maximum(np.isfinite(size).sum(axis=0), 1), 1e-9)
    summed: FloatArray = np.nansum(np.where(np.isnan(size), 0.0, np.log(unit * level)) + size / level, axis=1)
    return summed


def by_event(values: FloatArray, event: IntArray) -> FloatArray:
    """Sums of the values of each event's bars, (events,)."""
    groups = np.unique(event, return_inverse=True)[1]
    summed: FloatArray = np.bincount(groups, weights=values).astype(np.float64)
    return summed


def is_significant(gain: FloatArray) -> bool:
    """Whether gains by event sum to more than ERRORS standard errors."""
    return len(gain) > 1 and float(gain.sum()) > ERRORS * float(gain.std(ddof=1)) * np.sqrt(len(gain))

"""Fit of the predicted variance: kept where it raises the likelihood of errors in events that it was not fitted to."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import PoissonRegressor

from pipelines.core.domain import FloatArray
from pipelines.features.garch import Garch
from pipelines.features.scale import sd_or_zero, standardised
from pipelines.forecast.interval_likelihood import by_event, is_significant, negative_log_likelihood
from pipelines.forecast.training_windows import IntArray
from pipelines.inference.variance import LIMIT, Variance

HORIZONS: Final = (1, 2, 3, 5, 8, 12, 18, 24)
"""Bars ahead at which the model is fitted; between them its weights are interpolated over the logarithm."""
RIDGE: Final = 1e-4
ITERATIONS: Final = 300
TAIL: Final = 0.999
"""Squared errors are winsorised at this quantile, so that single jumps do not decide the fit."""
LEAST_EVENTS: Final = 8


@dataclass(frozen=True)
class VarianceSample:
    """Bars with their covariates (n, k), the errors of their forecasts in units of the interval's scale without a
    variance (n, H), NaN where the market has ended, and their event (n,)."""

    covariates: FloatArray
    errors: FloatArray
    event: IntArray

    def of(self, chosen: NDArray[np.bool_]) -> "VarianceSample":
        """Some of the bars."""
        return VarianceSample(self.covariates[chosen], self.errors[chosen], self.event[chosen])


def fit_variance(seen: VarianceSample, garch: Garch, length_s: int) -> Variance | None:
    """The model of all bars; None where there are fewer than LEAST_EVENTS events, or where models of one half of the
    events do not significantly raise the likelihood of the errors in the other half."""
    events = np.unique(seen.event)
    if len(events) < LEAST_EVENTS:
        return None
    first = np.isin(seen.event, events[::2])
    gains = [
        _gains(_fitted(seen.of(learned), garch, length_s), seen.of(judged))
        for learned, judged in ((first, ~first), (~first, first))
    ]
    return _fitted(seen, garch, length_s) if is_significant(np.concatenate(gains)) else None


def _fitted(seen: VarianceSample, garch: Garch, length_s: int) -> Variance:
    centre, scale = seen.covariates.mean(axis=0), sd_or_zero(seen.covariates.std(axis=0))
    standard, horizon = standardised(seen.covariates, centre, scale, LIMIT), seen.errors.shape[1]
    bars = [h for h in HORIZONS if h <= horizon and np.isfinite(seen.errors[:, h - 1]).any()]
    weights = np.stack([_regression(standard, seen.errors[:, h - 1]) for h in bars], axis=1)
    steps = np.log(np.arange(1, horizon + 1))
    whole = np.stack([np.interp(steps, np.log(bars), row) for row in weights])
    return Variance(garch, length_s, centre, scale, whole)


def _regression(standard: FloatArray, errors: FloatArray) -> FloatArray:
    """Weights and intercept of the logarithm of the expected squared error; errors are scaled to a mean square of 1."""
    known = np.isfinite(errors)
    squares = errors[known] ** 2
    squares = np.minimum(squares, np.quantile(squares, TAIL))
    if not squares.any():
        return np.zeros(standard.shape[1] + 1)
    # The quasi-likelihood of a Poisson model with a log link is consistent for the conditional mean of any y >= 0.
    fitted = PoissonRegressor(alpha=RIDGE, max_iter=ITERATIONS).fit(standard[known], squares / squares.mean())
    return np.append(fitted.coef_, fitted.intercept_)


def _gains(model: Variance, judged: VarianceSample) -> FloatArray:
    """Gain in log likelihood of each event's errors by the model, (events,)."""
    factor = model.factor(judged.covariates)
    gain = negative_log_likelihood(judged.errors, np.ones_like(factor)) - negative_log_likelihood(judged.errors, factor)
    return by_event(gain, judged.event)

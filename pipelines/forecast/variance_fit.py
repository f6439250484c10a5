"""Fit of the predicted variance: kept where it describes errors of events that it did not learn from better."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import PoissonRegressor

from pipelines.core.domain import FloatArray
from pipelines.features.garch import Garch
from pipelines.forecast.interval_likelihood import by_event, surely_gains, surprise
from pipelines.forecast.training_windows import IntArray
from pipelines.inference.variance import LIMIT, Variance

HORIZONS: Final = (1, 2, 3, 5, 8, 12, 18, 24)
"""Bars ahead at which the model is fitted; between them its weights are interpolated over the logarithm."""
RIDGE: Final = 1e-4
ITERATIONS: Final = 300
TAIL: Final = 0.999
"""Squared errors beyond this quantile count as it: one jump is no variance."""
LEAST_EVENTS: Final = 8


@dataclass(frozen=True)
class Seen:
    """Bars with their signs (n, k), the errors of the forecasts after them in units of the interval's scale without a
    variance (n, H), NaN where the market has ended, and their event (n,)."""

    signs: FloatArray
    errors: FloatArray
    event: IntArray

    def of(self, chosen: NDArray[np.bool_]) -> "Seen":
        """Some of the bars."""
        return Seen(self.signs[chosen], self.errors[chosen], self.event[chosen])


def fit_variance(seen: Seen, garch: Garch, length_s: int) -> Variance | None:
    """The model of all bars; None where one of half of the events does not make the errors of the other half likelier
    surely, or events are few."""
    events = np.unique(seen.event)
    if len(events) < LEAST_EVENTS:
        return None
    first = np.isin(seen.event, events[::2])
    gains = [
        _gains(_fitted(seen.of(learned), garch, length_s), seen.of(judged))
        for learned, judged in ((first, ~first), (~first, first))
    ]
    return _fitted(seen, garch, length_s) if surely_gains(np.concatenate(gains)) else None


def _fitted(seen: Seen, garch: Garch, length_s: int) -> Variance:
    centre, scale = seen.signs.mean(axis=0), np.maximum(seen.signs.std(axis=0), 1e-9)
    # A sign that does not vary here says nothing, whatever it is later.
    read = np.where(scale > 1e-6, np.clip((seen.signs - centre) / scale, -LIMIT, LIMIT), 0.0)
    horizon = seen.errors.shape[1]
    bars = [h for h in HORIZONS if h <= horizon and np.isfinite(seen.errors[:, h - 1]).any()]
    weights = np.stack([_regression(read, seen.errors[:, h - 1]) for h in bars], axis=1)
    steps = np.log(np.arange(1, horizon + 1))
    whole = np.stack([np.interp(steps, np.log(bars), row) for row in weights])
    return Variance(garch, length_s, centre, scale, whole)


def _regression(read: FloatArray, errors: FloatArray) -> FloatArray:
    """Weights and level of the logarithm of the expected squared error, whose mean over the bars is one."""
    known = np.isfinite(errors)
    squares = errors[known] ** 2
    squares = np.minimum(squares, np.quantile(squares, TAIL))
    if not squares.any():
        return np.zeros(read.shape[1] + 1)
    # The quasi-likelihood of a Poisson model with a log link is consistent for the conditional mean of any y >= 0.
    fitted = PoissonRegressor(alpha=RIDGE, max_iter=ITERATIONS).fit(read[known], squares / squares.mean())
    return np.append(fitted.coef_, fitted.intercept_)


def _gains(model: Variance, judged: Seen) -> FloatArray:
    """By how much the errors of each event are likelier with the model than without, (events,)."""
    factor = model.factor(judged.signs)
    gain = surprise(judged.errors, np.ones_like(factor)) - surprise(judged.errors, factor)
    return by_event(gain, judged.event)

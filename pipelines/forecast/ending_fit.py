"""Fit of the scale of intervals by the time left: chosen where it describes the moves of the fit slice better."""

from dataclasses import dataclass

import numpy as np

from pipelines.core.domain import FloatArray
from pipelines.features.families.clock import UNKNOWN_TIME_YEARS, YEAR_S
from pipelines.forecast.interval_likelihood import by_event, is_significant, negative_log_likelihood
from pipelines.forecast.training_windows import IntArray
from pipelines.inference.ending import Ending, interval_unit

POWERS = (0.25, 0.5, 0.75, 1.0)
RANGES = 16
"""Lengths of the range that are tried: spread evenly over the logarithm of the bars that are left."""


@dataclass(frozen=True)
class EndingSample:
    """Bars with the years left, mid and local volatility, (n,) each, what is left of the moves after them in log-odds,
    (n, H), NaN where the market has ended, and their event (n,)."""

    years_left: FloatArray
    mid_units: IntArray
    volatility: FloatArray
    left: FloatArray
    event: IntArray


def fit_ending(seen: EndingSample, length_s: int) -> Ending | None:
    """The scale under which the moves are likeliest (Laplace distribution, a level per horizon); None where no scale
    is surely better than volatility x sqrt(h)."""
    known = seen.years_left < UNKNOWN_TIME_YEARS
    bars = np.unique(np.maximum(seen.years_left[known] * YEAR_S / length_s, 1.0))
    if len(bars) < 2:
        return None
    plain = _likelihood_loss(seen, None)
    ranges = np.unique(np.geomspace(max(bars[0], 2.0), bars[-1], RANGES).round())
    tried = [Ending(power, float(bars_of), length_s) for power in POWERS for bars_of in ranges]
    gains = [by_event(plain - _likelihood_loss(seen, one), seen.event) for one in tried]
    best = int(np.argmax([gain.sum() for gain in gains]))
    return tried[best] if is_significant(gains[best]) else None


def _likelihood_loss(seen: EndingSample, ending: Ending | None) -> FloatArray:
    unit = interval_unit(ending, seen.years_left, seen.mid_units, seen.volatility, seen.left.shape[1])
    return negative_log_likelihood(seen.left, unit)

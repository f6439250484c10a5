"""Fit of the scale of intervals by the time left: chosen where it describes the moves of the fit slice better."""

from dataclasses import dataclass

import numpy as np

from pipelines.core.domain import FloatArray
from pipelines.features.families.clock import UNKNOWN_TIME_YEARS, YEAR_S
from pipelines.forecast.training_windows import IntArray
from pipelines.inference.ending import Ending, interval_unit

POWERS = (0.25, 0.5, 0.75, 1.0)
RANGES = 16
"""Lengths of the range that are tried: spread evenly over the logarithm of the bars that are left."""
ERRORS = 2.0
"""Standard errors, clustered by event, that the gain has to exceed."""


@dataclass(frozen=True)
class Seen:
    """Bars with the years left, mid and local volatility, (n,) each, what is left of the moves after them in log-odds,
    (n, H), NaN where the market has ended, and their event (n,)."""

    years_left: FloatArray
    mid_units: IntArray
    volatility: FloatArray
    left: FloatArray
    event: IntArray


def fit_ending(seen: Seen, length_s: int) -> Ending | None:
    """The scale under which the moves are likeliest (Laplace distribution, a level per horizon); None where no scale
    is better than volatility x sqrt(h) by more than ERRORS standard errors over events."""
    known = seen.years_left < UNKNOWN_TIME_YEARS
    bars = np.unique(np.maximum(seen.years_left[known] * YEAR_S / length_s, 1.0))
    if len(bars) < 2:
        return None
    plain = _surprise(seen, None)
    ranges = np.unique(np.geomspace(max(bars[0], 2.0), bars[-1], RANGES).round())
    tried = [Ending(power, float(bars_of), length_s) for power in POWERS for bars_of in ranges]
    gains = [_by_event(plain - _surprise(seen, one), seen.event) for one in tried]
    best = int(np.argmax([gain.sum() for gain in gains]))
    gain = gains[best]
    error = float(gain.std(ddof=1)) * np.sqrt(len(gain)) if len(gain) > 1 else np.inf
    return tried[best] if float(gain.sum()) > ERRORS * error else None


def _surprise(seen: Seen, ending: Ending | None) -> FloatArray:
    """Negative log likelihood of each bar's moves, summed over horizons, (n,); a missing move says nothing."""
    unit = interval_unit(ending, seen.years_left, seen.mid_units, seen.volatility, seen.left.shape[1])
    size = np.abs(seen.left) / unit
    level = np.maximum(np.nansum(size, axis=0) / np.maximum(np.isfinite(size).sum(axis=0), 1), 1e-9)
    summed: FloatArray = np.nansum(np.where(np.isnan(size), 0.0, np.log(unit * level)) + size / level, axis=1)
    return summed


def _by_event(values: FloatArray, event: IntArray) -> FloatArray:
    groups = np.unique(event, return_inverse=True)[1]
    summed: FloatArray = np.bincount(groups, weights=values).astype(np.float64)
    return summed

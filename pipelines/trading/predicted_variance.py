"""The variance that a forecast states, as stops, sizes and a maker's quotes use it. Compiled from this source too.

A central 90 % interval of a normal distribution is `WIDTH_90` standard deviations wide.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipelines.core.domain import FloatArray, Forecast
from pipelines.core.money import PRICE_SCALE

WIDTH_90 = 2.0 * 1.6448536269514722
"""Width of a central 90 % interval of a normal distribution, in standard deviations."""


def deviation_units(width_log_odds: float, mid_units: int) -> int:
    """Standard deviation of a price move in whole price units, from the width of its 90 % interval in log-odds.

    >>> deviation_units(width_log_odds=0.4, mid_units=5_000)
    303
    """
    return int(_deviation(width_log_odds, mid_units))


def predicted_units(forecast: Forecast, mid_units: int, horizon: int = 0) -> int:
    """`deviation_units` of a forecast at a horizon, which counts from 1; 0 is the last one."""
    return deviation_units(float(forecast.upper[horizon - 1]) - float(forecast.lower[horizon - 1]), mid_units)


def predicted_units_each(lower: FloatArray, upper: FloatArray, mid_units: NDArray[np.int64]) -> NDArray[np.int64]:
    """`predicted_units` of the last horizon for many bars: (n, H) twice and (n,) -> whole numbers, (n,)."""
    units: NDArray[np.int64] = _deviation(upper[:, -1] - lower[:, -1], mid_units).astype(np.int64)
    return units


def _deviation(width_log_odds: Any, mid_units: Any) -> Any:
    return width_log_odds / WIDTH_90 * mid_units * (PRICE_SCALE - mid_units) / PRICE_SCALE


def largest_fraction(price_units: int, deviation_units: int, deviation_fraction: float) -> float:
    """Share of the equity at which a position's predicted standard deviation is `deviation_fraction` of the equity.

    A fraction of 0 limits nothing, nor does a forecast without an interval.

    >>> largest_fraction(price_units=5_000, deviation_units=250, deviation_fraction=0.002)
    0.04
    """
    if deviation_fraction <= 0.0 or deviation_units <= 0:
        return 1.0
    return deviation_fraction * price_units / deviation_units

"""The width of the interval of a market that ends soon, from the time that is left and the price.

Such a market pays 1 if another price stands above a level at the end. Its price is p = Phi(d), where d is the distance
to the level in standard deviations of the move until the end. With L bars left, after h of them d becomes
(d sqrt(L) + sqrt(h) Z) / sqrt(L - h), whatever the volatility is. So p and L give the size of the next moves, and these
grow towards the end. How closely markets of a kind follow this, and from how many bars before the end, is fitted.
"""

from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipelines.core.domain import FloatArray
from pipelines.core.money import PRICE_SCALE
from pipelines.features.families.clock import UNKNOWN_TIME_YEARS, YEAR_S
from pipelines.features.spec import FEATURE_NAMES

TIME_LEFT = FEATURE_NAMES.index("time_to_resolution")
LEAST_PRICE = 0.01
"""Prices count as at least so far from 0 and 1: nearer a tick is a large move in log-odds."""
LEAST_BARS = 0.5
"""Bars that are left at least after the horizon: a market that has ended has no odds."""
_NORMAL = NormalDist()


def _slope(price: float) -> float:
    """Change of the log-odds of p = Phi(d) with d."""
    return _NORMAL.pdf(_NORMAL.inv_cdf(price)) / (price * (1.0 - price))


SLOPE: FloatArray = np.array(
    [_slope(min(max(units / PRICE_SCALE, LEAST_PRICE), 1.0 - LEAST_PRICE)) for units in range(PRICE_SCALE + 1)]
)
"""`_slope` of every price on the grid."""
STILL = 0.05
"""Share of the horizon that counts at least before a range begins: quotes move a little then too."""


@dataclass(frozen=True)
class Ending:
    """The scale of an interval is (volatility x sqrt(h))^(1 - power) x (scale by time and price)^power.

    The price begins to move `range_bars` before the end; earlier bars of a window tell nothing of how it ends.
    """

    power: float
    range_bars: float
    length_s: int

    def factor(
        self, years_left: FloatArray, mid_units: NDArray[np.integer[Any]], volatility: FloatArray, horizon: int
    ) -> FloatArray:
        """What to multiply volatility x sqrt(h) with, (n, H), from (n,) each; 1 where no end is known."""
        steps = np.arange(1, horizon + 1)
        left = years_left * YEAR_S / self.length_s
        before = np.maximum(left - self.range_bars, 0.0)[:, None]
        moving = np.maximum(steps - before, STILL * steps)
        ends = np.maximum(np.minimum(left, self.range_bars)[:, None] - moving, LEAST_BARS)
        scale = np.sqrt(moving / ends) * SLOPE[mid_units][:, None]
        made = (scale / (volatility[:, None] * np.sqrt(steps))) ** self.power
        return np.where((years_left < UNKNOWN_TIME_YEARS)[:, None], made, 1.0)

    def document(self) -> dict[str, float]:
        """What `parse` reads back, for JSON."""
        return {"power": self.power, "range_bars": self.range_bars, "length_s": self.length_s}

    @classmethod
    def parse(cls, document: Any) -> "Ending":
        """The scale that `document` described."""
        return cls(float(document["power"]), float(document["range_bars"]), int(document["length_s"]))


def interval_unit(
    ending: Ending | None,
    years_left: FloatArray,
    mid_units: NDArray[np.integer[Any]],
    volatility: FloatArray,
    horizon: int,
) -> FloatArray:
    """Volatility x sqrt(h), (n, H), from (n,) each: what scales a forecast and its interval back to log-odds; with
    `ending` the interval's scale by the time left."""
    unit: FloatArray = volatility[:, None] * np.sqrt(np.arange(1, horizon + 1))
    return unit if ending is None else unit * ending.factor(years_left, mid_units, volatility, horizon)

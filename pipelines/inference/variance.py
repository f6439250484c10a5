"""How much wider or narrower than usual the interval of a forecast is, from two GARCH variances and other covariates.

A GARCH(1, 1) filter runs over the returns of a window and over the surprises of the state-space filter in it. Both
variances, the local volatility, volume, price and time left say how large the squared error of a forecast will be, in
a model that is linear in its logarithm (of the kind of Corsi's HAR, 2009). The factor of an interval is the root of
what that model expects, in units of the scale that the interval has without it.
"""

from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pipelines.core.domain import FloatArray
from pipelines.core.money import PRICE_SCALE
from pipelines.features.families.clock import UNKNOWN_TIME_YEARS, YEAR_S
from pipelines.features.feature import PRICE_FLOOR_UNITS
from pipelines.features.garch import Garch
from pipelines.features.scale import local_volatility, log_odds, standardised
from pipelines.features.spec import FEATURE_NAMES
from pipelines.features.state_space import STATES

COVARIATES: Final = (
    "garch_of_returns",
    "garch_of_surprises",
    "local_volatility",
    "moves_of_5_bars",
    "moves_of_the_window",
    "share_of_bars_that_moved",
    "volume_of_5_bars",
    "volume_of_the_window",
    "price",
    "bars_left",
    "headline_in_10_bars",
)
"""What the variance depends on: logarithms of the first five, of 1 + shares, of p (1 - p) and of the bars left."""
RECENT, MOVED, NEWS = 5, 30, 10
"""Bars of the short averages, of the share that moved, and in which a headline counts."""
STILL: Final = 0.003
"""Log-odds per bar that is added before a logarithm is taken, so that a market without any move has one."""
SOON: Final = 30.0
"""Bars that are added to the bars left before the logarithm is taken."""
NO_END_BARS: Final = 1e5
"""Bars left of a market without a known end."""
LIMIT: Final = 5.0
"""Covariates count at most so many standard deviations."""
LEAST, MOST = 1.0 / 16.0, 16.0
"""Bounds of what the model expects of a squared error, in squared units of the scale."""

_VOLUME, _TIME_LEFT = FEATURE_NAMES.index("volume"), FEATURE_NAMES.index("time_to_resolution")
_INNOVATION, _TONE = STATES.index("innovation"), STATES.index("tone")


def covariates(
    garch: Garch,
    length_s: int,
    features: FloatArray,
    mid_units: NDArray[np.integer[Any]],
    states: FloatArray | None,
) -> FloatArray:
    """The covariates of windows, (n, len(COVARIATES)): raw features (n, L, k), mids (n, L), and the columns
    of a filter (n, L, s); None without a filter, whose surprises are the returns then."""
    odds = log_odds(mid_units)
    returns = np.diff(odds, axis=1, prepend=odds[:, :1])
    squares, surprises = returns**2, returns if states is None else states[..., _INNOVATION]
    volume = np.log1p(features[..., _VOLUME])
    price = np.clip(mid_units[:, -1], PRICE_FLOOR_UNITS, PRICE_SCALE - PRICE_FLOOR_UNITS) / PRICE_SCALE
    years = features[:, -1, _TIME_LEFT]
    left = np.where(years < UNKNOWN_TIME_YEARS, np.maximum(years, 0.0) * YEAR_S / length_s, NO_END_BARS)
    news = np.zeros(len(odds)) if states is None else (states[:, -NEWS:, _TONE] != 0.0).any(axis=1)
    columns = (
        np.log(np.sqrt(garch.variance(squares)) + STILL),
        np.log(np.sqrt(garch.variance(surprises**2)) + STILL),
        np.log(local_volatility(mid_units)),
        np.log(np.sqrt(squares[:, -RECENT:].mean(axis=1)) + STILL),
        np.log(np.sqrt(squares.mean(axis=1)) + STILL),
        (squares[:, -MOVED:] > 0.0).mean(axis=1),
        volume[:, -RECENT:].mean(axis=1),
        volume.mean(axis=1),
        np.log(price * (1.0 - price)),
        np.log(left + SOON),
        news.astype(np.float64),
    )
    return np.stack(columns, axis=1)


@dataclass(frozen=True)
class Variance:
    """The fitted model: covariates less `centre` (k,) over `scale` (k,), times `weights` (k + 1, H), whose last row is
    the intercept."""

    garch: Garch
    length_s: int
    centre: FloatArray
    scale: FloatArray
    weights: FloatArray

    def covariates(
        self, features: FloatArray, mid_units: NDArray[np.integer[Any]], states: FloatArray | None
    ) -> FloatArray:
        """`covariates` of windows with this model's GARCH filter."""
        return covariates(self.garch, self.length_s, features, mid_units, states)

    def factor(self, seen: FloatArray) -> FloatArray:
        """What the scale of an interval is multiplied with, (n, H), from covariates (n, k)."""
        standard = standardised(seen, self.centre, self.scale, LIMIT)
        expected = np.exp(standard @ self.weights[:-1] + self.weights[-1])
        root: FloatArray = np.sqrt(np.clip(expected, LEAST, MOST))
        return root

    @classmethod
    def neutral(cls, garch: Garch, length_s: int, horizon: int) -> "Variance":
        """The factor 1, whatever a window shows."""
        count = len(COVARIATES)
        return cls(garch, length_s, np.zeros(count), np.ones(count), np.zeros((count + 1, horizon)))

    @staticmethod
    def joined(chosen: NDArray[np.bool_], one: "Variance | None", other: "Variance | None") -> "Variance | None":
        """One model at the chosen horizons (H,), elsewhere the other, both fitted to the same sample; None stands for
        the factor 1."""
        whole = one or other
        if whole is None:
            return None
        weights = (np.zeros_like(whole.weights) if part is None else part.weights for part in (one, other))
        return replace(whole, weights=np.where(chosen, *weights))

    def document(self) -> dict[str, Any]:
        """What `parse` reads back, for JSON."""
        arrays = {name: getattr(self, name).tolist() for name in ("centre", "scale", "weights")}
        return {"garch": self.garch.document(), "length_s": self.length_s, "covariates": list(COVARIATES), **arrays}

    @classmethod
    def parse(cls, document: Any) -> "Variance":
        """The model that `document` described."""
        arrays = (np.asarray(document[name], dtype=np.float64) for name in ("centre", "scale", "weights"))
        return cls(Garch(**document["garch"]), int(document["length_s"]), *arrays)

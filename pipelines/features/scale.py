"""Scales: log-odds of a price, local volatility of a window, and the standardisation that the fit slice decides."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipelines.core.domain import FloatArray
from pipelines.core.errors import ArtifactError
from pipelines.core.money import PRICE_SCALE
from pipelines.features import spec
from pipelines.features.feature import PRICE_FLOOR_UNITS, Feature

VOLATILITY_BARS = 30
VOLATILITY_FLOOR = 0.01
"""Log-odds per sqrt(bar) added in quadrature: a market whose price did not move has a scale too."""

LEAST_SD = 1e-9
"""A column whose standard deviation is smaller counts as constant."""
MOVE_LIMIT = 0.15
"""Log-odds that a single move counts at most in a local volatility: a bad print or a jump is no volatility to come."""

_UNITS = np.clip(np.arange(PRICE_SCALE + 1), PRICE_FLOOR_UNITS, PRICE_SCALE - PRICE_FLOOR_UNITS)
LOG_ODDS: FloatArray = np.log(_UNITS / (PRICE_SCALE - _UNITS))
"""Log-odds of every price on the grid, the price clipped to [0.001, 0.999]."""


def log_odds(mid_units: NDArray[np.integer[Any]]) -> FloatArray:
    """ln(p / (1 - p)) of prices in units of 1e-4, p clipped to [0.001, 0.999]; any shape.

    >>> log_odds(np.array([5_000, 9_000])).round(4)
    array([0.    , 2.1972])
    """
    odds: FloatArray = LOG_ODDS[mid_units]
    return odds


def price_after(mid_units: NDArray[np.integer[Any]], change: FloatArray) -> FloatArray:
    """Price in (0, 1) after a change of log-odds: logistic(logit p + change).

    >>> price_after(np.array([5_000]), np.array([0.5])).round(4)
    array([0.6225])
    """
    price: FloatArray = 1.0 / (1.0 + np.exp(-(log_odds(mid_units) + change)))
    return price


def local_volatility(mid_units: NDArray[np.integer[Any]]) -> FloatArray:
    """Log-odds per sqrt(bar) at the end of each window: (n, L) units -> (n,), at least 0.01.

    Root of the mean square log-odds return of the last 30 bars (fewer where the window is shorter), each clipped at
    +-MOVE_LIMIT, plus 0.01 squared.
    """
    returns = np.diff(log_odds(mid_units[..., -VOLATILITY_BARS - 1 :]), axis=-1)
    returns = np.clip(returns, -MOVE_LIMIT, MOVE_LIMIT)
    scale: FloatArray = np.sqrt(np.mean(returns * returns, axis=-1) + VOLATILITY_FLOOR**2)
    return scale


def signed_log(values: FloatArray) -> FloatArray:
    """sign(x) ln(1 + |x|): keeps the sign, tames volumes."""
    logged: FloatArray = np.sign(values) * np.log1p(np.abs(values))
    return logged


def sd_or_zero(sd: FloatArray) -> FloatArray:
    """Standard deviations of columns; exactly 0 for a column that is constant up to rounding."""
    return np.where(sd > LEAST_SD, sd, 0.0)


def standardised(values: FloatArray, mean: FloatArray, sd: FloatArray, bound: float) -> FloatArray:
    """Columns less their mean over their standard deviation, clipped at +-bound. One whose standard deviation is 0 is
    0 whatever it is later: a model that was fitted on a constant knows nothing of other values.

    >>> standardised(np.array([[3.0, 7.0]]), np.array([1.0, 0.0]), np.array([2.0, 0.0]), 5.0)
    array([[1., 0.]])
    """
    scaled: FloatArray = (values - mean) / np.where(sd > 0.0, sd, np.inf)
    return np.clip(scaled, -bound, bound)


@dataclass(frozen=True)
class Scaler:
    """Standardisation by the statistics of one slice: transform, subtract the mean, divide, clip at +-winsor_sd."""

    names: tuple[str, ...]
    transforms: tuple[str, ...]
    mean: FloatArray
    sd: FloatArray
    winsor_sd: float

    @classmethod
    def fit(cls, raw: FloatArray, features: Sequence[Feature | spec.Sentiment], winsor_sd: float) -> "Scaler":
        """Statistics of raw rows (n, k)."""
        return cls.fit_parts(lambda: [raw], features, winsor_sd)

    @classmethod
    def fit_parts(
        cls,
        parts: Callable[[], Iterable[FloatArray]],
        features: Sequence[Feature | spec.Sentiment],
        winsor_sd: float,
    ) -> "Scaler":
        """As `fit`, to the bit, of rows that come in parts, of which one is in memory; `parts` is called twice."""
        transforms = tuple(feature.transform for feature in features)
        count, total = _summed(_transformed(raw, transforms) for raw in parts())
        mean = total / count
        squares = ((_transformed(raw, transforms) - mean) ** 2 for raw in parts())
        sd = np.sqrt(_summed(squares)[1] / count)
        names = tuple(feature.name for feature in features)
        return cls(names, transforms, mean, sd_or_zero(sd), winsor_sd)

    def transform(self, raw: FloatArray) -> FloatArray:
        """Standardised values; the last axis is the feature."""
        return standardised(_transformed(raw, self.transforms), self.mean, self.sd, self.winsor_sd)

    def select(self, names: tuple[str, ...]) -> "Scaler":
        """The same statistics for some of the features, in the order asked for."""
        index = [self.names.index(name) for name in names]
        return Scaler(names, tuple(self.transforms[i] for i in index), self.mean[index], self.sd[index], self.winsor_sd)

    def document(self) -> dict[str, Any]:
        """What `parse` reads back, for JSON."""
        return {
            "names": list(self.names),
            "transforms": list(self.transforms),
            "mean": self.mean.tolist(),
            "sd": self.sd.tolist(),
            "winsor_sd": self.winsor_sd,
            "feature_version": spec.FEATURE_VERSION,
        }

    @classmethod
    def parse(cls, document: Any) -> "Scaler":
        """The scaler that `document` described.

        Raises:
            ArtifactError: if it was fitted for another version of the features.
        """
        if document.get("feature_version") != spec.FEATURE_VERSION:
            raise ArtifactError(
                f"the scaler was fitted for feature version {document.get('feature_version')!r}, this program computes"
                f" version {spec.FEATURE_VERSION!r}; run featurize and forecast again"
            )
        return cls(
            tuple(document["names"]),
            tuple(document["transforms"]),
            np.asarray(document["mean"], dtype=np.float64),
            np.asarray(document["sd"], dtype=np.float64),
            float(document["winsor_sd"]),
        )


def _summed(parts: Iterable[FloatArray]) -> tuple[int, FloatArray]:
    """Rows and their sums by column. Row after row, so that the sum does not depend on where one part ends."""
    count, total = 0, np.zeros(0)
    for part in parts:
        if len(part):
            rows = np.concatenate((total[None], part)) if count else part
            total, count = np.add.reduce(rows, axis=0), count + len(part)
    return count, total


def _transformed(raw: FloatArray, transforms: tuple[str, ...]) -> FloatArray:
    logged = np.array([transform == "signed_log" for transform in transforms])
    return np.where(logged, signed_log(raw), raw)

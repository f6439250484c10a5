"""Tables fitted on the calibration slice: interval offsets per horizon and the confidence of a direction."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipelines.core.domain import FloatArray
from pipelines.inference.ending import Ending
from pipelines.inference.variance import Variance

_SHAPED = ("offset", "shrink", "filter_shrink", "linear_shrink")


@dataclass(frozen=True)
class Conformal:
    """Split-conformal widening of the quantile band, in units of local volatility x sqrt(h), shape (H,), which `ending`
    makes larger or smaller by the time left, and `variance` by what the window shows.

    `filter_shrink`, `linear_shrink` and `shrink` in [0, 1], (H,), multiply the filter's forecast, what the linear path
    adds to it and what the network adds to both: how much of each came true on bars it did not learn from, in price
    units, less its standard error. A forecaster that has found nothing is thereby exactly persistence.
    """

    coverage: float
    offset: FloatArray
    shrink: FloatArray
    filter_shrink: FloatArray
    linear_shrink: FloatArray
    ending: Ending | None = None
    """How the scale of the interval depends on the time left; None: it does not."""
    variance: Variance | None = None
    """How it depends on recent surprises, volume and price; None: it does not."""
    band: NDArray[np.bool_] | None = None
    """Horizons (H,) at which the network's quantiles shape the interval, elsewhere it is symmetric around filter and
    linear path; None: all."""

    @classmethod
    def neutral(cls, coverage: float, horizon: int) -> "Conformal":
        """The band and the means as they are."""
        return cls(coverage, np.zeros(horizon), *(np.ones(horizon),) * 3)

    def document(self) -> dict[str, Any]:
        """What `parse` reads back, for JSON."""
        arrays = {name: getattr(self, name).tolist() for name in _SHAPED}
        ending = {} if self.ending is None else {"ending": self.ending.document()}
        variance = {} if self.variance is None else {"variance": self.variance.document()}
        band = {} if self.band is None else {"band": self.band.tolist()}
        return {"coverage": self.coverage, **arrays, **ending, **variance, **band}

    @classmethod
    def parse(cls, document: Any) -> "Conformal":
        """The table that `document` described."""
        offset, shrink, filtered, linear = (np.asarray(document[name], dtype=np.float64) for name in _SHAPED)
        ending = Ending.parse(document["ending"]) if "ending" in document else None
        variance = Variance.parse(document["variance"]) if "variance" in document else None
        band = np.asarray(document["band"], dtype=np.bool_) if "band" in document else None
        return cls(float(document["coverage"]), offset, shrink, filtered, linear, ending, variance, band)


@dataclass(frozen=True)
class Confidence:
    """Probability that the sign of the move from t+1 to t+1+k is right, given that there is a move, for k = 1..H-1.

    Logistic through one half: 1 / (1 + exp(-slope x strength)), strength = |forecast| / (volatility x sqrt(k)) capped
    at `cap`, beyond which the calibration slice has too few bars to say anything.
    """

    slope: FloatArray
    cap: FloatArray

    def of(self, mean: FloatArray, volatility: FloatArray) -> FloatArray:
        """Largest probability over horizons, in [0.5, 1): mean (n, H) in log-odds, volatility (n,) -> (n,)."""
        probability = 1.0 / (1.0 + np.exp(-self.slope * np.minimum(strength(mean, volatility), self.cap)))
        best: FloatArray = probability.max(axis=1)
        return best

    @classmethod
    def neutral(cls, horizon: int) -> "Confidence":
        """One half, whatever the forecast."""
        return cls(np.zeros(horizon - 1), np.ones(horizon - 1))

    def document(self) -> dict[str, Any]:
        """What `parse` reads back, for JSON."""
        return {"slope": self.slope.tolist(), "cap": self.cap.tolist()}

    @classmethod
    def parse(cls, document: Any) -> "Confidence":
        """The table that `document` described."""
        return cls(np.asarray(document["slope"], dtype=np.float64), np.asarray(document["cap"], dtype=np.float64))


def strength(mean: FloatArray, volatility: FloatArray) -> FloatArray:
    """|forecast of the move from t+1 to t+1+k| in standard deviations of it, shape (n, H - 1)."""
    steps = np.sqrt(np.arange(1, mean.shape[1]))
    scaled: FloatArray = np.abs(mean[:, 1:] - mean[:, :1]) / (volatility[:, None] * steps)
    return scaled

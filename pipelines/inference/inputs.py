"""What the network sees: raw features relative to the window's own scale, then standardised.

Moves are divided by p (1 - p) (which turns price into log-odds) and by the window's local volatility, averages are
taken against the price, volume against the window's mean: a quiet and a lively market look alike, which is what
makes 280,000 bars enough. The raw definitions of the features do not change.

Eleven inputs are derived from the fifteen: moves weighted by how unusual their volume is (heavy volume without news
is mostly noise, and noise reverts), and decayed sums of those moves. They are close to what an optimal filter of the
synthetic markets keeps, and they are what a short training cannot find by itself.
"""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pipelines.core.domain import FloatArray
from pipelines.core.errors import ArtifactError
from pipelines.core.money import PRICE_SCALE
from pipelines.features import spec
from pipelines.features.families.averages import LONG_BARS, SHORT_BARS
from pipelines.features.families.price import MOMENTUM_BARS
from pipelines.features.feature import PRICE_FLOOR_UNITS
from pipelines.features.garch import Garch
from pipelines.features.scale import local_volatility, signed_log

FloatWindows = NDArray[np.float32]

VOLUME_STEPS: Final = (0.0, 0.7, 1.4, 2.1)
"""Where a volume begins to count as unusual, in log volume above the window's mean of traded bars."""
FLOW_BARS: Final = 10.0
TREND_BARS: Final = (5.0, 10.0, 15.0)
MOVE_CLIP: Final = 6.0
DERIVED: Final = (
    *(f"flow_{step:g}" for step in VOLUME_STEPS),
    *(f"decayed_flow_{step:g}" for step in VOLUME_STEPS),
    *(f"trend_{bars:g}" for bars in TREND_BARS),
)
INPUTS: Final = (*spec.FEATURE_NAMES, *DERIVED)
"""What the network reads of every bar, beside the extras of special forecasters."""
INPUT_VERSION: Final = f"{spec.FEATURE_VERSION}.1"
"""Changes with the features and with any change of what is made of them here."""

GARCH_UNIT: Final = 0.05
"""Log-odds per bar that the conditional volatility is divided by, to stand on a unit scale."""
SENTIMENT_MOVE: Final = 0.1
"""Log-odds that a sentiment of 1 counts as, beside the sentiment itself."""
SENTIMENT_INPUTS: Final = 2

_COLUMN: Final = {name: index for index, name in enumerate(spec.FEATURE_NAMES)}
_FLOOR: Final = PRICE_FLOOR_UNITS / PRICE_SCALE


def relative(features: FloatArray, mid_units: NDArray[np.integer[Any]], volatility: FloatArray) -> FloatArray:
    """Raw windows (n, L, features) relative to their own scale, and derived: (n, L, len(INPUTS)).

    `volatility` (n,) is log-odds per sqrt(bar).
    """
    values = features.copy()
    price = np.clip(mid_units / PRICE_SCALE, _FLOOR, 1.0 - _FLOOR)
    scale = volatility[:, None]
    move = price * (1.0 - price) * scale
    values[..., _COLUMN["price_change"]] /= move
    values[..., _COLUMN["simple_return"]] /= (1.0 - price) * scale
    values[..., _COLUMN["log_return"]] /= (1.0 - price) * scale
    values[..., _COLUMN["momentum"]] /= move * np.sqrt(MOMENTUM_BARS)
    values[..., _COLUMN["volatility"]] /= move
    for name, bars in (("ma_7", SHORT_BARS), ("ma_30", LONG_BARS)):
        column = _COLUMN[name]
        values[..., column] = (values[..., column] - mid_units / PRICE_SCALE) / (move * np.sqrt(bars))
    for name in ("volume", "volume_change", "volume_price_ratio"):
        values[..., _COLUMN[name]] = signed_log(values[..., _COLUMN[name]])
    volume = values[..., _COLUMN["volume"]]
    traded = volume > 0.0
    volume -= volume.sum(axis=1, keepdims=True) / np.maximum(traded.sum(axis=1, keepdims=True), 1)
    return np.concatenate((values, _derived(values[..., _COLUMN["price_change"]], volume)), axis=-1)


def _derived(move: FloatArray, volume: FloatArray) -> FloatArray:
    """Moves (n, L) in units of volatility and relative log volume (n, L) -> derived inputs (n, L, 11)."""
    clipped = np.clip(move, -MOVE_CLIP, MOVE_CLIP)
    unusual = 1.0 / (1.0 + np.exp(-2.0 * (volume[..., None] - np.array(VOLUME_STEPS))))
    flow = clipped[..., None] * unusual
    slow = _decayed(flow, FLOW_BARS)
    trends = [_decayed(clipped[..., None], bars) for bars in TREND_BARS]
    return np.concatenate((flow, slow, *trends), axis=-1)


def _decayed(values: FloatArray, bars: float) -> FloatArray:
    """Sum over the past of the window, older bars weighted by exp(-age / bars): (n, L, k) -> (n, L, k)."""
    age = np.subtract.outer(np.arange(values.shape[1]), np.arange(values.shape[1]))
    kernel = np.where(age >= 0, np.exp(-np.maximum(age, 0) / bars), 0.0)
    summed: FloatArray = kernel @ values
    return summed


@dataclass(frozen=True)
class InputScaler:
    """Standardises relative windows with the statistics of the fit slice; extra columns pass as they are."""

    mean: FloatArray
    sd: FloatArray
    winsor_sd: float

    @classmethod
    def fit(cls, values: FloatArray, winsor_sd: float) -> "InputScaler":
        """Statistics of relative windows (n, L, 26), tails clipped at the 0.1 and 99.9 % quantiles first."""
        rows = values.reshape(-1, values.shape[-1])
        low, high = np.quantile(rows, (0.001, 0.999), axis=0)
        rows = np.clip(rows, low, high)
        sd = rows.std(axis=0)
        return cls(rows.mean(axis=0), np.where(sd > 1e-9, sd, 1.0), winsor_sd)

    def transform(self, values: FloatArray) -> FloatWindows:
        """Standardised windows, float32, clipped at +-winsor_sd."""
        return np.clip((values - self.mean) / self.sd, -self.winsor_sd, self.winsor_sd).astype(np.float32)

    def document(self) -> dict[str, Any]:
        """What `parse` reads back, for JSON."""
        return {
            "inputs": list(INPUTS),
            "input_version": INPUT_VERSION,
            "mean": self.mean.tolist(),
            "sd": self.sd.tolist(),
            "winsor_sd": self.winsor_sd,
        }

    @classmethod
    def parse(cls, document: Any) -> "InputScaler":
        """The scaler that `document` described.

        Raises:
            ArtifactError: if it was fitted for another list or version of the features.
        """
        if document.get("input_version") != INPUT_VERSION or document.get("inputs") != list(INPUTS):
            raise ArtifactError(
                f"the forecaster was trained on inputs of version {document.get('input_version')!r}, this program"
                f" computes {INPUT_VERSION!r}; train again with `python -m pipelines forecast`"
            )
        return cls(np.asarray(document["mean"]), np.asarray(document["sd"]), float(document["winsor_sd"]))


def network_input(
    features: FloatArray,
    mid_units: NDArray[np.integer[Any]],
    scaler: InputScaler,
    sentiment: FloatArray | None = None,
    garch: Garch | None = None,
) -> tuple[FloatWindows, FloatArray]:
    """Standardised windows (n, L, 26 + extras) and the local volatility (n,) that scales the output back.

    Extras of special forecasters: the sentiment (n, L), as it is and as a move of 0.1 log-odds in units of
    volatility; the conditional volatility of a GARCH filter over the window.
    """
    volatility = local_volatility(mid_units)
    columns = [scaler.transform(relative(features, mid_units, volatility))]
    if sentiment is not None:
        move = np.clip(SENTIMENT_MOVE * sentiment / volatility[:, None], -scaler.winsor_sd, scaler.winsor_sd)
        columns += [sentiment[..., None].astype(np.float32), move[..., None].astype(np.float32)]
    if garch is not None:
        columns.append((garch.volatility(mid_units) / GARCH_UNIT)[..., None].astype(np.float32))
    return np.concatenate(columns, axis=-1), volatility

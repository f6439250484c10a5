"""What the network sees: raw features relative to the window's own scale, then standardised.

Moves are divided by p (1 - p) (which turns price into log-odds) and by the window's local volatility, averages are
taken against the price, volume against the window's mean: a quiet and a lively market look alike, which is what
makes 280,000 bars enough. The raw definitions of the features do not change.
"""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pipelines.core.domain import FloatArray
from pipelines.core.errors import ArtifactError
from pipelines.core.money import PRICE_SCALE
from pipelines.features import spec
from pipelines.features.garch import Garch
from pipelines.features.scale import local_volatility, signed_log

FloatWindows = NDArray[np.float32]

GARCH_UNIT: Final = 0.05
"""Log-odds per bar that the conditional volatility is divided by, to stand on a unit scale."""

_COLUMN: Final = {name: index for index, name in enumerate(spec.FEATURE_NAMES)}
_FLOOR: Final = spec.PRICE_FLOOR_UNITS / PRICE_SCALE


def relative(features: FloatArray, mid_units: NDArray[np.integer[Any]], volatility: FloatArray) -> FloatArray:
    """Raw windows (n, L, 15) relative to their own scale; `volatility` (n,) is log-odds per sqrt(bar)."""
    values = features.copy()
    price = np.clip(mid_units / PRICE_SCALE, _FLOOR, 1.0 - _FLOOR)
    scale = volatility[:, None]
    move = price * (1.0 - price) * scale
    values[..., _COLUMN["price_change"]] /= move
    values[..., _COLUMN["simple_return"]] /= (1.0 - price) * scale
    values[..., _COLUMN["log_return"]] /= (1.0 - price) * scale
    values[..., _COLUMN["momentum"]] /= move * np.sqrt(spec.MOMENTUM_BARS)
    values[..., _COLUMN["volatility"]] /= move
    for name, bars in (("ma_7", spec.SHORT_BARS), ("ma_30", spec.LONG_BARS)):
        column = _COLUMN[name]
        values[..., column] = (values[..., column] - mid_units / PRICE_SCALE) / (move * np.sqrt(bars))
    for name in ("volume", "volume_change", "volume_price_ratio"):
        values[..., _COLUMN[name]] = signed_log(values[..., _COLUMN[name]])
    volume = values[..., _COLUMN["volume"]]
    volume -= volume.mean(axis=1, keepdims=True)
    return values


@dataclass(frozen=True)
class InputScaler:
    """Standardises relative windows with the statistics of the fit slice; extra columns pass as they are."""

    mean: FloatArray
    sd: FloatArray
    winsor_sd: float

    @classmethod
    def fit(cls, values: FloatArray, winsor_sd: float) -> "InputScaler":
        """Statistics of relative windows (n, L, 15), tails clipped at the 0.1 and 99.9 % quantiles first."""
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
            "features": list(spec.FEATURE_NAMES),
            "feature_version": spec.FEATURE_VERSION,
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
        if document.get("feature_version") != spec.FEATURE_VERSION or document.get("features") != list(
            spec.FEATURE_NAMES
        ):
            raise ArtifactError(
                f"the forecaster was trained on feature version {document.get('feature_version')!r}, this program"
                f" computes {spec.FEATURE_VERSION!r}; train again with `python -m pipelines forecast`"
            )
        return cls(np.asarray(document["mean"]), np.asarray(document["sd"]), float(document["winsor_sd"]))


def extra_inputs(
    mid_units: NDArray[np.integer[Any]], sentiment: FloatArray | None, garch: Garch | None
) -> tuple[FloatArray, ...]:
    """Inputs (n, L) beside the features: sentiment where it is read, conditional volatility where there is a filter."""
    extra: tuple[FloatArray, ...] = () if sentiment is None else (sentiment,)
    return extra if garch is None else (*extra, garch.volatility(mid_units) / GARCH_UNIT)


def network_input(
    features: FloatArray,
    mid_units: NDArray[np.integer[Any]],
    scaler: InputScaler,
    extra: tuple[FloatArray, ...] = (),
) -> tuple[FloatWindows, FloatArray]:
    """Standardised windows (n, L, 15 + extras) and the local volatility (n,) that scales the output back.

    `extra` holds (n, L) inputs of special forecasters (sentiment, conditional volatility), already on unit scale.
    """
    volatility = local_volatility(mid_units)
    windows = scaler.transform(relative(features, mid_units, volatility))
    if extra:
        columns = [column[..., None].astype(np.float32) for column in extra]
        windows = np.concatenate((windows, *columns), axis=-1)
    return windows, volatility

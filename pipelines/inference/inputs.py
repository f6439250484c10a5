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
from pipelines.features.market_context import NEAR, PRICES
from pipelines.features.scale import local_volatility, sd_or_zero, signed_log, standardised
from pipelines.features.state_space import STATES, StateSpace
from pipelines.inference.linear_path import SEEN

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
"""What the network reads of every bar; special forecasters read more."""
FILTER_HORIZONS: Final = (1, 5, 24)
FILTER_INPUTS: Final = (*(f"filter_{bars}" for bars in FILTER_HORIZONS), *STATES)
"""What a network over the state-space filter reads too: its forecasts, its states, its last innovation, the tone."""
INPUT_VERSION: Final = f"{spec.FEATURE_VERSION}.3"
"""Changes with the features and with any change of what is made of them here."""

GARCH_UNIT: Final = 0.05
"""Log-odds per bar that the conditional volatility is divided by, so that it has a unit scale."""
SENTIMENT_MOVE: Final = 0.1
"""Log-odds that a sentiment of 1 counts as; the sentiment itself is an input too."""
SENTIMENT_INPUTS: Final = 2

_PRICES: Final = [NEAR.index(name) for name in PRICES]
_COLUMN: Final = {name: index for index, name in enumerate(spec.FEATURE_NAMES)}
_FLOOR: Final = PRICE_FLOOR_UNITS / PRICE_SCALE


def inputs_of(fitted: StateSpace | None) -> tuple[str, ...]:
    """Names of the standardised inputs per bar, with or without a filter."""
    return (*INPUTS, *NEAR) if fitted is None else (*INPUTS, *FILTER_INPUTS, *NEAR)


def around(context: FloatArray, mid_units: NDArray[np.integer[Any]], volatility: FloatArray) -> FloatArray:
    """The market context's part of the inputs, (n, L, len(NEAR)): prices in units of p (1 - p) x volatility."""
    price = np.clip(mid_units / PRICE_SCALE, _FLOOR, 1.0 - _FLOOR)
    values = context.copy()
    values[..., _PRICES] /= (price * (1.0 - price) * volatility[:, None])[..., None]
    return values


def filtered(fitted: StateSpace, states: FloatArray, volatility: FloatArray) -> FloatArray:
    """The filter's part of the inputs: states (n, L, 5) -> (n, L, 8), moves in units of volatility x sqrt(h)."""
    unit = volatility[:, None, None]
    ahead = fitted.forecast(states, max(FILTER_HORIZONS))[..., [bars - 1 for bars in FILTER_HORIZONS]]
    moves = states[..., : STATES.index("tone")]
    return np.concatenate((ahead / (unit * np.sqrt(FILTER_HORIZONS)), moves / unit, states[..., -1:]), axis=-1)


def relative(
    features: FloatArray, mid_units: NDArray[np.integer[Any]], volatility: FloatArray, bars: int | None = None
) -> FloatArray:
    """Raw windows (n, L, features) relative to their own scale, and derived, of the last `bars` bars (None: all):
    (n, bars, len(INPUTS)).

    `volatility` (n,) is log-odds per sqrt(bar).
    """
    last = _last(bars)
    scale = volatility[:, None]
    price = np.clip(mid_units / PRICE_SCALE, _FLOOR, 1.0 - _FLOOR)
    volume = signed_log(features[..., _COLUMN["volume"]])
    traded = volume > 0.0
    volume -= volume.sum(axis=1, keepdims=True) / np.maximum(traded.sum(axis=1, keepdims=True), 1)
    change = features[..., _COLUMN["price_change"]] / (price * (1.0 - price) * scale)
    values, mid_units, price = features[:, last].copy(), mid_units[:, last], price[:, last]
    move = price * (1.0 - price) * scale
    values[..., _COLUMN["price_change"]] = change[:, last]
    values[..., _COLUMN["simple_return"]] /= (1.0 - price) * scale
    values[..., _COLUMN["log_return"]] /= (1.0 - price) * scale
    values[..., _COLUMN["momentum"]] /= move * np.sqrt(MOMENTUM_BARS)
    values[..., _COLUMN["volatility"]] /= move
    for name, width in (("ma_7", SHORT_BARS), ("ma_30", LONG_BARS)):
        column = _COLUMN[name]
        values[..., column] = (values[..., column] - mid_units / PRICE_SCALE) / (move * np.sqrt(width))
    values[..., _COLUMN["volume"]] = volume[:, last]
    for name in ("volume_change", "volume_price_ratio"):
        values[..., _COLUMN[name]] = signed_log(values[..., _COLUMN[name]])
    return np.concatenate((values, _derived(change, volume, bars)), axis=-1)


def _last(bars: int | None) -> slice:
    """The last `bars` bars of a window, all with None."""
    return slice(None if bars is None else -bars, None)


def _derived(move: FloatArray, volume: FloatArray, bars: int | None) -> FloatArray:
    """Moves (n, L) in units of volatility and relative log volume (n, L) -> derived inputs (n, bars, 11)."""
    clipped = np.clip(move, -MOVE_CLIP, MOVE_CLIP)
    unusual = 1.0 / (1.0 + np.exp(-2.0 * (volume[..., None] - np.array(VOLUME_STEPS))))
    flow = clipped[..., None] * unusual
    slow = _decayed(flow, FLOW_BARS, bars)
    trends = [_decayed(clipped[..., None], memory, bars) for memory in TREND_BARS]
    return np.concatenate((flow[:, _last(bars)], slow, *trends), axis=-1)


def _decayed(values: FloatArray, memory: float, bars: int | None) -> FloatArray:
    """Sum over the past of the window, older bars weighted by exp(-age / memory): (n, L, k) -> (n, bars, k)."""
    order = np.arange(values.shape[1])
    age = np.subtract.outer(order[_last(bars)], order)
    kernel = np.where(age >= 0, np.exp(-np.maximum(age, 0) / memory), 0.0)
    summed: FloatArray = kernel @ values
    return summed


@dataclass(frozen=True)
class InputScaler:
    """Standardises relative windows with the statistics of the fit slice; extra columns pass as they are."""

    mean: FloatArray
    sd: FloatArray
    winsor_sd: float
    names: tuple[str, ...] = (*INPUTS, *NEAR)

    @classmethod
    def fit(cls, values: FloatArray, winsor_sd: float, names: tuple[str, ...] = (*INPUTS, *NEAR)) -> "InputScaler":
        """Statistics of relative windows (n, L, len(names)), tails clipped at the 0.1 and 99.9 % quantiles first."""
        rows = values.reshape(-1, values.shape[-1])
        low, high = np.quantile(rows, (0.001, 0.999), axis=0)
        rows = np.clip(rows, low, high)
        return cls(rows.mean(axis=0), sd_or_zero(rows.std(axis=0)), winsor_sd, names)

    def transform(self, values: FloatArray) -> FloatWindows:
        """Standardised windows, float32, clipped at +-winsor_sd."""
        return standardised(values, self.mean, self.sd, self.winsor_sd).astype(np.float32)

    def document(self) -> dict[str, Any]:
        """What `parse` reads back, for JSON."""
        return {
            "inputs": list(self.names),
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
        names = tuple(document.get("inputs", ()))
        if document.get("input_version") != INPUT_VERSION or names not in (
            (*INPUTS, *NEAR),
            (*INPUTS, *FILTER_INPUTS, *NEAR),
        ):
            raise ArtifactError(
                f"the forecaster was trained on inputs of version {document.get('input_version')!r}, this program"
                f" computes {INPUT_VERSION!r}; train again with `python -m pipelines forecast`"
            )
        return cls(np.asarray(document["mean"]), np.asarray(document["sd"]), float(document["winsor_sd"]), names)


def scale_free(
    features: FloatArray,
    mid_units: NDArray[np.integer[Any]],
    fitted: StateSpace | None = None,
    states: FloatArray | None = None,
    bars: int | None = None,
) -> tuple[FloatArray, FloatArray]:
    """Windows relative to their own scale, (n, bars, len(inputs_of(fitted))), and the local volatility (n,).

    `states` (n, L, len(SEEN)) is what the filter leaves and the market context; None is neutral. Of the windows (n, L)
    the last `bars` bars come back, all with None.
    """
    volatility = local_volatility(mid_units)
    parts = [relative(features, mid_units, volatility, bars)]
    mid_units = mid_units[:, _last(bars)]
    seen = np.zeros((*mid_units.shape, len(SEEN))) if states is None else states[:, _last(bars)]
    if fitted is not None:
        parts.append(filtered(fitted, seen[..., : len(STATES)], volatility))
    parts.append(around(seen[..., len(STATES) : len(STATES) + len(NEAR)], mid_units, volatility))
    return np.concatenate(parts, axis=-1), volatility


@dataclass(frozen=True)
class Inputs:
    """How one forecaster sees a window: scaler, and the filter, sentiment or GARCH filter that it reads."""

    scaler: InputScaler
    filter: StateSpace | None = None
    sentiment: bool = False
    garch: Garch | None = None
    bars: int | None = None
    """The last bars of a window that the network reads; None for all."""

    def bars_of(self, lookback: int) -> int:
        """How many bars the network reads of a window of so many."""
        return lookback if self.bars is None else min(self.bars, lookback)

    @property
    def width(self) -> int:
        """Inputs of the network per bar."""
        return len(self.scaler.mean) + SENTIMENT_INPUTS * self.sentiment + (self.garch is not None)

    def of(
        self,
        features: FloatArray,
        mid_units: NDArray[np.integer[Any]],
        sentiment: FloatArray | None = None,
        states: FloatArray | None = None,
    ) -> tuple[FloatWindows, FloatArray]:
        """Standardised windows (n, bars, width) and the local volatility (n,) that scales the output back.

        Extras of special forecasters: the sentiment (n, L), as it is and as a move of 0.1 log-odds in units of
        volatility (absent is neutral); the conditional volatility of a GARCH filter over the window.
        """
        values, volatility = scale_free(features, mid_units, self.filter, states, self.bars)
        last = _last(self.bars)
        columns = [self.scaler.transform(values)]
        if self.sentiment:
            known = np.zeros(mid_units[:, last].shape) if sentiment is None else sentiment[:, last]
            bound = self.scaler.winsor_sd
            move = np.clip(SENTIMENT_MOVE * known / volatility[:, None], -bound, bound)
            columns += [known[..., None].astype(np.float32), move[..., None].astype(np.float32)]
        if self.garch is not None:
            columns.append((self.garch.volatility(mid_units)[:, last] / GARCH_UNIT)[..., None].astype(np.float32))
        return np.concatenate(columns, axis=-1), volatility

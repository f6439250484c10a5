"""The forecaster as every stage and the live bot run it: numpy around one ONNX session of one thread."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from pipelines.core.artifacts import read_json
from pipelines.core.domain import FloatArray, Forecast
from pipelines.core.errors import ArtifactError, DataError
from pipelines.features.garch import Garch
from pipelines.features.scale import price_after
from pipelines.inference.calibration import Confidence, Conformal
from pipelines.inference.inputs import SENTIMENT_INPUTS, FloatWindows, InputScaler, network_input

BATCH = 256
"""Windows per call of the network in a long run: keeps the activations in the cache."""

IntArray = NDArray[np.int64]
Windows = Callable[[IntArray], tuple[FloatArray, IntArray, FloatArray]]
"""From row positions to raw features (n, L, 15), mids (n, L), sentiment (n, L)."""


@dataclass(frozen=True)
class Forecasts:
    """Forecasts of n windows in log-odds: mean, lower, upper (n, H); confidence (n,)."""

    mean: FloatArray
    lower: FloatArray
    upper: FloatArray
    confidence: FloatArray

    def at(self, index: int) -> Forecast:
        """The forecast of one window."""
        return Forecast(self.mean[index], self.lower[index], self.upper[index], float(self.confidence[index]))


class Predictor:
    """A trained forecaster folder (or the bundle that contains it), ready to forecast.

    Raises:
        ArtifactError: if a file is missing, or was made for another version of the features.
    """

    def __init__(self, folder: Path) -> None:
        network = folder / "forecaster.onnx"
        if not network.is_file():
            raise ArtifactError(f"{network} does not exist; train a forecaster with `python -m pipelines forecast`")
        self.meta: dict[str, Any] = read_json(folder / "meta.json")
        self.kind = str(self.meta["kind"])
        self.lookback = int(self.meta["lookback"])
        self.horizon = int(self.meta["horizon"])
        self.scaler = InputScaler.parse(read_json(folder / "scaler.json"))
        self._conformal = Conformal.parse(read_json(folder / "conformal.json"))
        self._confidence = Confidence.parse(read_json(folder / "confidence.json"))
        garch = self.meta.get("garch")
        self._garch = Garch(**garch) if garch else None
        self._session = _session(network)
        self._input = self._session.get_inputs()[0].name

    @property
    def wants_sentiment(self) -> bool:
        """Whether the network reads the sentiment of every bar of the window."""
        return bool(self.meta.get("sentiment"))

    @property
    def width(self) -> int:
        """Inputs of the network per bar: the 15 features and the extras of its kind."""
        return len(self.scaler.mean) + SENTIMENT_INPUTS * self.wants_sentiment + (self._garch is not None)

    def inputs(
        self, features: FloatArray, mid_units: NDArray[np.integer[Any]], sentiment: FloatArray | None = None
    ) -> tuple[FloatWindows, FloatArray]:
        """Network input (n, L, F) and local volatility (n,) of raw windows; absent sentiment is neutral."""
        known = np.zeros(mid_units.shape) if sentiment is None else sentiment
        return network_input(features, mid_units, self.scaler, known if self.wants_sentiment else None, self._garch)

    def network(self, windows: FloatWindows) -> NDArray[np.float32]:
        """Raw output (n, H, 4) of the network: mean, q05, q50, q95 in units of volatility x sqrt(h)."""
        output: NDArray[np.float32] = self._session.run(None, {self._input: windows})[0]
        return output

    def forecast_batch(
        self, features: FloatArray, mid_units: NDArray[np.integer[Any]], sentiment: FloatArray | None = None
    ) -> Forecasts:
        """Forecasts of raw windows: features (n, L, 15), mid_units (n, L), sentiment (n, L) or None.

        Raises:
            DataError: if the windows are not `lookback` bars long or hold a value that is not finite.
        """
        if features.shape[1] != self.lookback:
            raise DataError(f"a window has {features.shape[1]} bars; forecaster {self.kind} needs {self.lookback}")
        if not np.isfinite(features).all():
            raise DataError("a feature is missing or infinite; compute windows with pipelines.features")
        windows, volatility = self.inputs(features, mid_units, sentiment)
        return self.scale_back(self.network(windows), volatility)

    def outputs(self, windows: Windows, positions: IntArray) -> tuple[NDArray[np.float32], FloatArray]:
        """Network output (n, H, 4) and local volatility (n,) of many windows, in batches on two threads."""

        def one(part: slice) -> tuple[NDArray[np.float32], FloatArray]:
            values, volatility = self.inputs(*windows(positions[part]))
            return self.network(values), volatility

        with ThreadPoolExecutor(max_workers=2) as pool:
            made = list(pool.map(one, batches(len(positions), BATCH)))
        return np.concatenate([output for output, _ in made]), np.concatenate([scale for _, scale in made])

    def forecast_many(self, windows: Windows, positions: IntArray) -> Forecasts:
        """Forecasts of many windows: the numbers of `forecast_batch`, computed in batches on two threads."""
        return self.scale_back(*self.outputs(windows, positions))

    def scale_back(self, output: NDArray[np.float32], volatility: FloatArray) -> Forecasts:
        """Network output (n, H, 4) to log-odds, intervals conformalised, with the confidence."""
        unit = volatility[:, None] * np.sqrt(np.arange(1, self.horizon + 1))
        scaled = output.astype(np.float64)
        mean = self._conformal.shrink * scaled[..., 0] * unit
        band = np.sort(scaled[..., 1:], axis=-1)
        lower = np.minimum((band[..., 0] - self._conformal.offset) * unit, mean)
        upper = np.maximum((band[..., 2] + self._conformal.offset) * unit, mean)
        return Forecasts(mean, lower, upper, self._confidence.of(mean, volatility))


def forecast_call(
    predictor: Predictor,
    market_id: str,
    features: FloatArray,
    mid_units: NDArray[np.integer[Any]],
    horizon: int = 24,
    sentiment: FloatArray | None = None,
) -> dict[str, Any]:
    """The guide's `predict` answer for the latest `lookback` bars of a market: prices in [0, 1] at 1..horizon bars.

    Raises:
        DataError: if the horizon is not one the forecaster was trained for, or the window is too short.
    """
    if not 1 <= horizon <= predictor.horizon:
        raise DataError(f"horizon was {horizon}; this forecaster answers 1 to {predictor.horizon} bars")
    last = slice(-predictor.lookback, None)
    news = None if sentiment is None else sentiment[None, last]
    made = predictor.forecast_batch(features[None, last], mid_units[None, last], news).at(0)
    now = mid_units[-1:]
    return {
        "market_id": market_id,
        "current_price": float(now[0]) / 10_000,
        "predictions": price_after(now, made.mean[:horizon]).tolist(),
        "interval": [
            price_after(now, made.lower[:horizon]).tolist(),
            price_after(now, made.upper[:horizon]).tolist(),
        ],
        "horizon": horizon,
        "confidence": made.confidence,
        "model_type": predictor.kind,
    }


def batches(total: int, size: int) -> Iterator[slice]:
    """Consecutive slices of at most `size` that cover `total`."""
    for start in range(0, total, size):
        yield slice(start, min(start + size, total))


def _session(network: Path) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(str(network), options, providers=["CPUExecutionProvider"])

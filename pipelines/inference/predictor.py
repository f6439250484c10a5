"""The forecaster as every stage and the live bot run it: numpy around one ONNX session of one thread."""

import copy
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from pipelines.core.artifacts import read_json
from pipelines.core.domain import FloatArray, Forecast
from pipelines.core.errors import ArtifactError, DataError
from pipelines.features.garch import Garch
from pipelines.features.scale import local_volatility, price_after
from pipelines.features.state_space import STATES, StateSpace
from pipelines.inference.calibration import Confidence, Conformal
from pipelines.inference.ending import TIME_LEFT, Ending, interval_unit
from pipelines.inference.inputs import FloatWindows, Inputs, InputScaler
from pipelines.inference.linear_path import SEEN, LinearPath, design, joined

BATCH = 256
"""Windows per call of the network in a long run: keeps the activations in the cache."""

MANY = 65_536
"""Windows of a long run whose parts are in memory at a time."""

OUTPUTS = 4

IntArray = NDArray[np.int64]
Raw = tuple[FloatArray, NDArray[np.integer[Any]], FloatArray | None, FloatArray | None]
Windows = Callable[[IntArray], Raw]
"""From row positions to raw features (n, L, k), mids (n, L), sentiment (n, L), and states (n, L, s) of a filter."""


@dataclass(frozen=True)
class Outputs:
    """What the parts of a forecaster say of n windows, before their shrinks: the network (n, H, 4) in units of
    volatility x sqrt(h), the filter in log-odds and the linear path in price, (n, H) each; volatility, mid and years
    left now, (n,) each."""

    network: NDArray[np.float32]
    volatility: FloatArray
    ahead: FloatArray
    linear: FloatArray
    mid_units: NDArray[np.integer[Any]]
    years_left: FloatArray
    covariates: FloatArray
    """Covariates of the predicted variance, (n, len(COVARIATES)); (n, 0) for a forecaster without one."""

    def unit(self) -> FloatArray:
        """Volatility x sqrt(h), (n, H): what scales the network back."""
        return self._unit(None)

    def interval_scale(self, table: Conformal) -> FloatArray:
        """The scale of the interval, (n, H): `unit`, by the time left and by the predicted variance."""
        unit = self._unit(table.ending)
        return unit if table.variance is None else unit * table.variance.factor(self.covariates)

    def _unit(self, ending: Ending | None) -> FloatArray:
        return interval_unit(ending, self.years_left, self.mid_units, self.volatility, self.ahead.shape[1])

    def band(self, table: Conformal) -> FloatArray:
        """Ascending quantiles of the network, (n, H, 3), in units of `interval_scale`; 0 at horizons without a band."""
        quantiles: FloatArray = np.sort(self.network[..., 1:].astype(np.float64), axis=-1)
        return quantiles if table.band is None else np.where(table.band[:, None], quantiles, 0.0)

    def base(self, table: Conformal) -> FloatArray:
        """What filter and linear path forecast together after their shrinks, (n, H) in log-odds."""
        return joined(self.mid_units, table.filter_shrink * self.ahead, table.linear_shrink * self.linear)

    @classmethod
    def concatenated(cls, parts: Sequence["Outputs"]) -> "Outputs":
        """The windows of all parts, one after the other."""
        return cls(*(np.concatenate([getattr(part, name) for part in parts]) for name in cls.__dataclass_fields__))


@dataclass(frozen=True)
class Forecasts:
    """Forecasts of n windows in log-odds: mean, lower, upper (n, H); confidence (n,)."""

    mean: FloatArray
    lower: FloatArray
    upper: FloatArray
    confidence: FloatArray

    @classmethod
    def concatenated(cls, parts: Sequence["Forecasts"]) -> "Forecasts":
        """The windows of all parts, one after the other."""
        return cls(*(np.concatenate([getattr(part, name) for part in parts]) for name in cls.__dataclass_fields__))

    def at(self, index: int) -> Forecast:
        """The forecast of one window."""
        return Forecast(self.mean[index], self.lower[index], self.upper[index], float(self.confidence[index]))


@cache
def _pool(process: int) -> ThreadPoolExecutor:
    """Two threads of a process that stay: memory that a thread has freed is kept for it, and threads that end leave
    theirs behind, 3 GB in a forecast of 1.4 million windows. A forked child gets its own."""
    return ThreadPoolExecutor(max_workers=2, thread_name_prefix="forecast")


class Predictor:
    """A trained forecaster folder (or the bundle that contains it), ready to forecast.

    Raises:
        ArtifactError: if a file is missing, or was made for another version of the features.
    """

    def __init__(self, folder: Path) -> None:
        if not (folder / "meta.json").is_file():
            raise ArtifactError(f"{folder} holds no forecaster; train one with `python -m pipelines forecast`")
        self.meta: dict[str, Any] = read_json(folder / "meta.json")
        self.kind = str(self.meta["kind"])
        self.lookback = int(self.meta["lookback"])
        self.horizon = int(self.meta["horizon"])
        fitted, garch = self.meta.get("filter"), self.meta.get("garch")
        self.seen = Inputs(
            InputScaler.parse(read_json(folder / "scaler.json")),
            StateSpace.parse(fitted) if fitted else None,
            bool(self.meta.get("sentiment")),
            Garch(**garch) if garch else None,
            self.meta.get("network_bars"),
        )
        linear = self.meta.get("linear")
        self.linear = LinearPath.parse(linear) if linear else None
        self._conformal = Conformal.parse(read_json(folder / "conformal.json"))
        self._confidence = Confidence.parse(read_json(folder / "confidence.json"))
        self._session = _session(folder / "forecaster.onnx") if self.meta.get("network", True) else None

    def without_network(self) -> "Predictor":
        """This forecaster without what its network adds: filter and linear path."""
        twin = copy.copy(self)
        twin._session = None
        twin._conformal = replace(self._conformal, shrink=np.zeros(self.horizon))
        return twin

    def filter_alone(self) -> "Predictor":
        """This forecaster without network and linear path: the filter's forecast, persistence where there is none."""
        twin = self.without_network()
        twin.linear = None
        return twin

    @property
    def filter(self) -> StateSpace | None:
        """The state-space filter whose states the windows must bring; None without one."""
        return self.seen.filter

    @property
    def reads_order_flow(self) -> bool:
        """Whether the windows must have order-flow features."""
        return self.linear is not None and self.linear.reads_order_flow

    @property
    def network_bars(self) -> int:
        """Bars that the network reads, at the end of a window."""
        return self.seen.bars_of(self.lookback)

    def network(self, windows: FloatWindows) -> NDArray[np.float32]:
        """Raw output (n, H, 4) of the network, zeros without one: mean, q05, q50, q95 in units of volatility x sqrt(h),
        of what the filter leaves."""
        if self._session is None:
            return np.zeros((len(windows), self.horizon, OUTPUTS), dtype=np.float32)
        output: NDArray[np.float32] = self._session.run(None, {self._session.get_inputs()[0].name: windows})[0]
        return output

    def forecast_batch(
        self,
        features: FloatArray,
        mid_units: NDArray[np.integer[Any]],
        sentiment: FloatArray | None = None,
        states: FloatArray | None = None,
    ) -> Forecasts:
        """Forecasts of raw windows: features (n, L, k), mid_units (n, L), sentiment (n, L) or None, and the columns of
        SEEN (n, L, s): what the forecaster's filter leaves, and the market context. Without a filter they may lack.

        Raises:
            DataError: if the windows are not `lookback` bars long, lack the states, or hold a value that is not finite.
        """
        if features.shape[1] != self.lookback:
            raise DataError(f"a window has {features.shape[1]} bars; forecaster {self.kind} needs {self.lookback}")
        if not np.isfinite(features).all():
            raise DataError("a feature is missing or infinite; compute windows with pipelines.features")
        return self.scale_back(self._outputs((features, mid_units, sentiment, states)))

    def outputs(self, windows: Windows, positions: IntArray) -> Outputs:
        """Network output and what scales it back of many windows, in batches on two threads."""
        parts = batches(len(positions), BATCH)
        made = list(_pool(os.getpid()).map(lambda part: self._outputs(windows(positions[part])), parts))
        return Outputs.concatenated(made)

    def _outputs(self, raw: Raw) -> Outputs:
        features, mid_units, sentiment, states = raw
        if self.filter is not None and states is None:
            raise DataError(f"forecaster {self.kind} reads a state-space filter; give the windows its states")
        seen = np.zeros((*mid_units.shape, len(SEEN))) if states is None else states
        linear = np.zeros((len(mid_units), self.horizon)) if self.linear is None else self.linear.forecast(design(seen))
        if self._session is None:
            volatility = local_volatility(mid_units)
            output = self.network(np.empty((len(mid_units), 0, 0), dtype=np.float32))
        else:
            values, volatility = self.seen.of(features, mid_units, sentiment, states)
            output = self.network(values)
        years_left, variance = features[:, -1, TIME_LEFT], self._conformal.variance
        known = None if self.filter is None else states
        covariates = (
            np.zeros((len(mid_units), 0)) if variance is None else variance.covariates(features, mid_units, known)
        )
        ahead = self.ahead(mid_units, states)
        return Outputs(output, volatility, ahead, linear, mid_units[:, -1], years_left, covariates)

    def ahead(self, mid_units: NDArray[np.integer[Any]], states: FloatArray | None) -> FloatArray:
        """What the filter alone forecasts, not shrunk, (n, H) in log-odds; zeros without a filter."""
        if self.filter is None or states is None:
            return np.zeros((len(mid_units), self.horizon))
        return self.filter.forecast(states[:, -1, : len(STATES)], self.horizon)

    def forecast_many(self, windows: Windows, positions: IntArray) -> Forecasts:
        """Forecasts of many windows: the numbers of `forecast_batch`, computed in batches on two threads, and what the
        parts say in memory for MANY windows at a time."""
        parts = [positions[part] for part in batches(len(positions), MANY)]
        return Forecasts.concatenated([self.scale_back(self.outputs(windows, part)) for part in parts])

    def scale_back(self, made: Outputs) -> Forecasts:
        """Network over filter and linear path to log-odds, intervals conformalised, with the confidence."""
        table = self._conformal
        unit, wide = made.unit(), made.interval_scale(table)
        base, band = made.base(table), made.band(table)
        mean = base + table.shrink * made.network[..., 0].astype(np.float64) * unit
        lower = np.minimum(base + (band[..., 0] - table.offset) * wide, mean)
        upper = np.maximum(base + (band[..., 2] + table.offset) * wide, mean)
        return Forecasts(mean, lower, upper, self._confidence.of(mean, made.volatility))


def forecast_call(
    predictor: Predictor,
    market_id: str,
    features: FloatArray,
    mid_units: NDArray[np.integer[Any]],
    horizon: int = 24,
    sentiment: FloatArray | None = None,
    states: FloatArray | None = None,
) -> dict[str, Any]:
    """The guide's `predict` answer for the latest `lookback` bars of a market: prices in [0, 1] at 1..horizon bars.

    Raises:
        DataError: if the horizon is not one the forecaster was trained for, or the window is too short.
    """
    if not 1 <= horizon <= predictor.horizon:
        raise DataError(f"horizon was {horizon}; this forecaster answers 1 to {predictor.horizon} bars")
    last = slice(-predictor.lookback, None)
    news = None if sentiment is None else sentiment[None, last]
    left = None if states is None else states[None, last]
    made = predictor.forecast_batch(features[None, last], mid_units[None, last], news, left).at(0)
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
    """Consecutive slices of at most `size` that cover `total`; an empty one where that is 0."""
    for start in range(0, max(total, 1), size):
        yield slice(start, min(start + size, total))


def _session(network: Path) -> onnxruntime.InferenceSession:
    if not network.is_file():
        raise ArtifactError(f"{network} does not exist; train a forecaster with `python -m pipelines forecast`")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(str(network), options, providers=["CPUExecutionProvider"])

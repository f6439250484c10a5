"""One trained and calibrated forecaster in a folder: what the stage makes once and the league once per kind."""

import hashlib
import json
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from pipelines.core import log
from pipelines.core.artifacts import replaced_folder, write_json
from pipelines.core.domain import FloatArray
from pipelines.core.errors import ParameterError
from pipelines.core.money import PRICE_SCALE
from pipelines.core.params import Params
from pipelines.features.scale import price_after
from pipelines.features.spec import FEATURE_VERSION
from pipelines.features.state_space import StateSpace
from pipelines.forecast import kinds, state_space_fit
from pipelines.forecast.checkpoint import Checkpoint
from pipelines.forecast.conformal import fit_confidence, fit_offset, safe_shrink
from pipelines.forecast.forecaster import Batch, Reads, TrainingData
from pipelines.forecast.garch_fit import fit_garch
from pipelines.forecast.training_windows import IntArray, Rows, drawn, scaled_target, training_positions
from pipelines.inference.calibration import Confidence, Conformal
from pipelines.inference.inputs import Inputs, InputScaler, inputs_of, scale_free
from pipelines.inference.predictor import Predictor

CHECKPOINTS = Path("var/checkpoints/forecast")
SCALER_WINDOWS = 4_000


@dataclass(frozen=True)
class FilterPath:
    """The filter under a network: its states at every bar, and how much of its forecast is kept per horizon."""

    fitted: StateSpace | None
    states: FloatArray | None
    shrink: FloatArray

    @classmethod
    def of(cls, rows: Rows, params: Params, fitted: StateSpace | None) -> "FilterPath":
        """States of a fitted filter, and its safe shrink; zeros without a filter.

        The shrink is measured on bars that the fit did not see: the calibration slice and the fit slice's other runs.
        """
        settings = params.forecast
        states = rows.states(fitted)
        path = cls(fitted, states, np.ones(settings.horizon_bars))
        if fitted is None:
            return replace(path, shrink=np.zeros(settings.horizon_bars))
        shape = settings.lookback_bars, settings.horizon_bars
        other = training_positions(rows, "fit", *shape)
        other = other[~np.isin(rows.run_start[other], state_space_fit.sampled(rows, settings.seed))]
        found = np.concatenate((other, training_positions(rows, "calibration", *shape)))
        now = rows.mid_units[found]
        forecast = price_after(now[:, None], path.ahead(found)) - now[:, None] / PRICE_SCALE
        moved = rows.price_moves(found, settings.horizon_bars)
        return replace(path, shrink=safe_shrink(forecast, moved, rows.event[found]))

    def ahead(self, positions: IntArray) -> FloatArray:
        """What is kept of the filter's forecast at some bars, (n, H) in log-odds."""
        if self.fitted is None or self.states is None:
            return np.zeros((len(positions), len(self.shrink)))
        return self.shrink * self.fitted.forecast(self.states[positions], len(self.shrink))


def make(rows: Rows, params: Params, folder: Path, data_hash: str, observation: Any) -> dict[str, Any]:
    """Train, export and calibrate a forecaster into `folder`, which is replaced whole; what was measured on the way.

    First the state-space filter is fitted, then the network learns what the filter leaves. `observation` is the scaler
    of the feature table: it travels with the forecaster to the agent's observation. `data_hash` names the feature
    table: training goes on from a checkpoint of the same data and parameters only. The checkpoint stays: the caller
    clears it when everything that follows from the forecaster is written too.
    """
    started = time.monotonic()
    settings = params.forecast
    forecaster = kinds.find(settings.kind)
    if forecaster.train is None and not settings.filter:
        raise ParameterError(
            f"forecast.kind was {settings.kind!r}, which is the filter alone, and forecast.filter was false; set"
            " forecast.filter to true or choose another kind"
        )
    path = FilterPath.of(rows, params, state_space_fit.fit(rows, settings.seed) if settings.filter else None)
    fitted_s = round(time.monotonic() - started, 1)
    fit = training_positions(rows, "fit", settings.lookback_bars, settings.horizon_bars)
    seen = _seen(rows, params, fit, path, forecaster.reads)
    data = _training_data(rows, params, fit, path, seen)
    with replaced_folder(folder) as made:
        report: dict[str, Any] = {}
        if forecaster.train is not None:
            report |= forecaster.train(data, settings, checkpoint_of(params, data_hash), made)
        report |= {"kind": settings.kind, "training_s": round(time.monotonic() - started, 1), "fit_windows": len(fit)}
        write_json(made / "meta.json", _meta(rows, params, seen) | {"keras": forecaster.keras})
        write_json(made / "scaler.json", seen.scaler.document())
        write_json(made / "observation.json", observation)
        report["calibration_windows"] = _calibrate(rows, params, made, path)
    report |= {"filter_s": fitted_s, "filter_shrink": path.shrink.round(3).tolist()}
    log.get("forecast").info("trained", kind=settings.kind, seconds=report["training_s"], fit_windows=len(fit))
    return report


def checkpoint_of(params: Params, data_hash: str) -> Checkpoint:
    """Where the training on this data with these parameters is kept while it is not finished."""
    own = kinds.source(params.forecast.kind)
    decided = json.dumps([data_hash, params.forecast.model_dump(), *([own] if own else [])], sort_keys=True)
    return Checkpoint.of(CHECKPOINTS, hashlib.sha256(decided.encode()).hexdigest()[:16])


def _seen(rows: Rows, params: Params, fit: IntArray, path: FilterPath, reads: tuple[Reads, ...]) -> Inputs:
    """How the forecaster sees a window, with the standardisation of the fit slice."""
    settings = params.forecast
    chosen = drawn(fit, min(SCALER_WINDOWS, len(fit)), (settings.seed, 0))
    features, mid, _, states = rows.windows(settings.lookback_bars, path.states)(chosen)
    values, _ = scale_free(features, mid, path.fitted, states)
    return Inputs(
        InputScaler.fit(values, params.features.winsor_sd, inputs_of(path.fitted)),
        path.fitted,
        "sentiment" in reads,
        fit_garch(rows, fit, settings.seed) if "garch" in reads else None,
    )


def _training_data(rows: Rows, params: Params, fit: IntArray, path: FilterPath, seen: Inputs) -> TrainingData:
    """Windows and what the filter leaves of the moves after them."""
    windows = rows.windows(params.forecast.lookback_bars, path.states)

    def batch(positions: IntArray) -> Batch:
        inputs, volatility = seen.of(*windows(positions))
        left = rows.moves(positions, params.forecast.horizon_bars) - path.ahead(positions)
        return inputs, scaled_target(left, volatility)

    return TrainingData(fit, batch, seen.width)


def _meta(rows: Rows, params: Params, seen: Inputs) -> dict[str, Any]:
    settings = params.forecast
    return {
        "kind": settings.kind,
        "lookback": settings.lookback_bars,
        "horizon": settings.horizon_bars,
        "feature_version": FEATURE_VERSION,
        "bar_length_s": rows.length_s,
        "sentiment": seen.sentiment,
        "garch": seen.garch.document() if seen.garch else None,
        "filter": seen.filter.document() if seen.filter else None,
        "network": kinds.find(settings.kind).train is not None,
        "source": kinds.source(settings.kind),
    }


def _calibrate(rows: Rows, params: Params, folder: Path, path: FilterPath) -> int:
    """Write conformal.json and confidence.json from the calibration slice; how many windows it took."""
    settings = params.forecast
    lookback, horizon = settings.lookback_bars, settings.horizon_bars
    write_json(folder / "conformal.json", Conformal.neutral(params.conformal.coverage, horizon).document())
    write_json(folder / "confidence.json", Confidence.neutral(horizon).document())
    predictor = Predictor(folder)
    found = training_positions(rows, "calibration", lookback, horizon)
    positions = drawn(found, min(params.conformal.windows, len(found)), (settings.seed, 4))
    output, volatility, ahead = predictor.outputs(rows.windows(lookback, path.states), positions)
    base = path.shrink * ahead
    unit = volatility[:, None] * np.sqrt(np.arange(1, horizon + 1))
    now = rows.mid_units[positions][:, None]
    kept = price_after(now, base)
    added = price_after(now, base + output[..., 0] * unit) - kept
    left = rows.price_moves(positions, horizon) - (kept - now / PRICE_SCALE)
    moves, event = rows.moves(positions, horizon), rows.event[positions]
    offset = fit_offset(output, scaled_target(moves - base, volatility), params.conformal.coverage)
    conformal = Conformal(params.conformal.coverage, offset, safe_shrink(added, left, event), path.shrink)
    mean = base + conformal.shrink * output[..., 0] * unit
    confidence = fit_confidence(mean, volatility, moves, event)
    write_json(folder / "conformal.json", conformal.document())
    write_json(folder / "confidence.json", confidence.document())
    return len(positions)

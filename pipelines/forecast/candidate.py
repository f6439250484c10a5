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
from pipelines.core.lookback import ahead_of
from pipelines.core.money import PRICE_SCALE
from pipelines.core.params import Params
from pipelines.features.scale import local_volatility, price_after
from pipelines.features.spec import FEATURE_VERSION
from pipelines.features.state_space import StateSpace
from pipelines.forecast import kinds, linear_fit, state_space_fit
from pipelines.forecast.checkpoint import Checkpoint
from pipelines.forecast.conformal import fit_confidence, fit_offset
from pipelines.forecast.ending_fit import EndingSample, fit_ending
from pipelines.forecast.forecaster import Batch, Forecaster, TrainingData
from pipelines.forecast.garch_fit import fit_garch
from pipelines.forecast.interval_scale import OutputsAt, with_interval_scale
from pipelines.forecast.safe_shrink import Unseen, later_events, safe_shrink
from pipelines.forecast.training_windows import BarStates, IntArray, Rows, at_most, scaled_target, training_positions
from pipelines.inference.calibration import Confidence, Conformal
from pipelines.inference.ending import TIME_LEFT, Ending
from pipelines.inference.inputs import Inputs, InputScaler, inputs_of, scale_free
from pipelines.inference.linear_path import LAGS, LinearPath, design, joined
from pipelines.inference.predictor import Outputs, Predictor
from pipelines.inference.start_point import StartPoint
from pipelines.inference.variance import Variance

CHECKPOINTS = Path("var/checkpoints/forecast")
SCALER_WINDOWS = 4_000
MOST_JUDGED = 450_000
"""Bars of the fit slice, and of the calibration slice, at most, at which the filter's shrink is measured: a bar takes
some 2 KB on the way."""
HELD_EVERY = 4
"""Of the fit slice's events, one in so many is held back from the networks."""


@dataclass(frozen=True)
class Base:
    """What lies under a network: filter and linear path, what both read of every bar, and how much of each is kept."""

    fitted: StateSpace | None
    seen: BarStates
    filter_shrink: FloatArray
    later: float
    """Events that are expected in the slices after the calibration slice."""
    linear: LinearPath | None = None
    linear_shrink: FloatArray | float = 0.0

    @classmethod
    def of(cls, rows: Rows, params: Params, fitted: StateSpace | None) -> "Base":
        """A fitted filter with its safe shrink; zeros without a filter.

        The shrink is measured on bars that the fit did not see: the calibration slice and the fit slice's other runs.
        These may be of one stretch of time, so bars of the whole fit slice may show harm too.
        """
        settings = params.forecast
        later = later_events(rows, params)
        base = cls(fitted, rows.states(fitted), np.ones(settings.horizon_bars), later)
        if fitted is None:
            return replace(base, filter_shrink=np.zeros(settings.horizon_bars))
        shape = settings.lookback_bars, ahead_of(settings)
        fit, calibration = (training_positions(rows, name, *shape) for name in ("fit", "calibration"))
        other = fit[~np.isin(rows.run_start[fit], state_space_fit.sampled(rows, settings.seed))]
        other, calibration = (_thinned(found, MOST_JUDGED) for found in (other, calibration))
        some = at_most(fit, linear_fit.SAMPLE, (settings.seed, 9))
        unseen, everything = (base._of_filter(rows, np.concatenate((found, calibration))) for found in (other, some))
        return replace(base, filter_shrink=safe_shrink(unseen, everything))

    def _of_filter(self, rows: Rows, found: IntArray) -> Unseen:
        now = rows.mid_units[found][:, None]
        forecast = price_after(now, self.filtered(found)) - now / PRICE_SCALE
        return _unseen(rows, found, forecast, np.zeros_like(forecast), self.later)

    def with_linear(self, rows: Rows, params: Params, fit: IntArray) -> "Base":
        """The same with a linear path of what the filter leaves, and the path's safe shrink."""
        settings = params.forecast
        later = training_positions(rows, "calibration", settings.lookback_bars, ahead_of(settings))
        learned, judged = (
            self._sample(rows, settings.horizon_bars, at_most(found, linear_fit.SAMPLE, (settings.seed, 1)))
            for found in (fit, later)
        )
        path, shrink = linear_fit.fit(learned, judged, self.later)
        return replace(self, linear=path, linear_shrink=shrink)

    def _sample(self, rows: Rows, horizon: int, chosen: IntArray) -> linear_fit.Sample:
        now = rows.mid_units[chosen][:, None]
        filtered = price_after(now, self.filtered(chosen)) - now / PRICE_SCALE
        moved = rows.price_moves(chosen, horizon)
        return linear_fit.Sample(self._design(chosen), moved, filtered, rows.event[chosen], rows.ts_s[chosen])

    def _design(self, positions: IntArray) -> FloatArray:
        return design(self.seen.at(positions[:, None] + np.arange(1 - LAGS, 1)))

    def filtered(self, positions: IntArray) -> FloatArray:
        """What is kept of the filter's forecast at some bars, (n, H) in log-odds."""
        if self.fitted is None:
            return np.zeros((len(positions), len(self.filter_shrink)))
        return self.filter_shrink * self.fitted.forecast(self.seen.left[positions], len(self.filter_shrink))

    def ahead(self, rows: Rows, positions: IntArray) -> FloatArray:
        """What is kept of filter and linear path at some bars, (n, H) in log-odds."""
        filtered = self.filtered(positions)
        if self.linear is None:
            return filtered
        moved = self.linear_shrink * self.linear.forecast(self._design(positions))
        return joined(rows.mid_units[positions], filtered, moved)


def make(
    rows: Rows,
    params: Params,
    folder: Path,
    data_hash: str,
    observation: Any,
    fitted: StateSpace | None = None,
    start: StartPoint | None = None,
) -> dict[str, Any]:
    """Train, export and calibrate a forecaster into `folder`, which is replaced whole; what was measured on the way.

    First the state-space filter is fitted (or `fitted` is taken, where the caller has it already), then a linear path
    on what it leaves, then the network on what both leave. Filter and network begin from those of `start`.
    `observation` is the scaler of the feature table: it travels with the forecaster to the agent's observation.
    `data_hash` names the feature table: training goes on from a checkpoint of the same data and parameters only. The
    checkpoint stays: the caller clears it when everything that follows from the forecaster is written too.
    """
    started = time.monotonic()
    settings = params.forecast
    forecaster = kinds.find(settings.kind)
    if forecaster.train is None and not forecaster.linear and not settings.filter:
        raise ParameterError(
            f"forecast.kind was {settings.kind!r}, which is the filter alone, and forecast.filter was false; set"
            " forecast.filter to true or choose another kind"
        )
    if settings.filter:
        fitted = fitted or state_space_fit.fit(rows, settings.seed, _filter_of(start))
    path = Base.of(rows, params, fitted if settings.filter else None)
    fitted_s = round(time.monotonic() - started, 1)
    fit = training_positions(rows, "fit", settings.lookback_bars, ahead_of(settings))
    seen = _seen(rows, params, fit, path, forecaster)
    if forecaster.linear:
        path = path.with_linear(rows, params, fit)
    held = held_back(rows, fit)
    data = replace(_training_data(rows, params, fit[~held], path, seen), start=start.network if start else None)
    with replaced_folder(folder) as made:
        report: dict[str, Any] = {}
        if forecaster.train is not None:
            report |= forecaster.train(data, settings, checkpoint_of(params, data_hash), made)
        report |= {"kind": settings.kind, "training_s": round(time.monotonic() - started, 1), "fit_windows": len(fit)}
        about = _meta(rows, params, seen) | {"linear": path.linear.document() if path.linear else None}
        write_json(made / "meta.json", about | {"keras": forecaster.keras})
        write_json(made / "scaler.json", seen.scaler.document())
        write_json(made / "observation.json", observation)
        report["calibration_windows"] = _calibrate(rows, params, made, path, fit[held])
    report["warm_start"] = None if start is None else start.bundle
    report |= {"filter_s": fitted_s, "filter_shrink": path.filter_shrink.round(3).tolist()}
    report["linear_shrink"] = np.broadcast_to(path.linear_shrink, settings.horizon_bars).round(3).tolist()
    log.get("forecast").info("trained", kind=settings.kind, seconds=report["training_s"], fit_windows=len(fit))
    return report


def _filter_of(start: StartPoint | None) -> StateSpace | None:
    return StateSpace.parse(start.filter) if start is not None and start.filter else None


def checkpoint_of(params: Params, data_hash: str) -> Checkpoint:
    """Where the training on this data with these parameters is kept while it is not finished."""
    own = kinds.source(params.forecast.kind)
    decided = json.dumps([data_hash, params.forecast.model_dump(), *([own] if own else [])], sort_keys=True)
    return Checkpoint.of(CHECKPOINTS, hashlib.sha256(decided.encode()).hexdigest()[:16])


def _seen(rows: Rows, params: Params, fit: IntArray, path: Base, forecaster: Forecaster) -> Inputs:
    """How the forecaster sees a window, with the standardisation of the fit slice."""
    settings = params.forecast
    chosen = at_most(fit, SCALER_WINDOWS, (settings.seed, 0))
    features, mid, _, states = rows.windows(settings.lookback_bars, path.seen)(chosen)
    values, _ = scale_free(features, mid, path.fitted, states)
    return Inputs(
        InputScaler.fit(values, params.features.winsor_sd, inputs_of(path.fitted)),
        path.fitted,
        "sentiment" in forecaster.reads,
        fit_garch(rows, fit, settings.seed) if "garch" in forecaster.reads else None,
        forecaster.bars,
    )


def _training_data(rows: Rows, params: Params, fit: IntArray, path: Base, seen: Inputs) -> TrainingData:
    """Windows and what the filter leaves of the moves after them."""
    lookback = params.forecast.lookback_bars
    windows = rows.windows(lookback, path.seen)

    def batch(positions: IntArray) -> Batch:
        inputs, volatility = seen.of(*windows(positions))
        left = rows.moves(positions, params.forecast.horizon_bars) - path.ahead(rows, positions)
        return inputs, scaled_target(left, volatility)

    return TrainingData(fit, batch, seen.bars_of(lookback), seen.width, lambda positions: rows.ts_s[positions])


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
        "network_bars": seen.bars,
        "network": kinds.find(settings.kind).train is not None,
        "source": kinds.source(settings.kind),
    }


def _thinned(positions: IntArray, count: int) -> IntArray:
    """Every n-th of the positions, so that no more than `count` are left."""
    return positions[:: max(-(-len(positions) // count), 1)]


def held_back(rows: Rows, fit: IntArray) -> Any:
    """Mask of the fit slice's bars that no network learns from: every fourth event, for the shrink of what it adds.

    The calibration slice alone holds too few events to tell a small gain from luck.
    """
    events = np.unique(rows.event[fit])
    return np.isin(rows.event[fit], events[::HELD_EVERY]) & (len(events) >= 2 * HELD_EVERY)


def _calibrate(rows: Rows, params: Params, folder: Path, path: Base, held: IntArray) -> int:
    """Write conformal.json and confidence.json from the calibration slice; how many windows it took.

    The shrink of what the network adds is measured on the events of the fit slice that were held back, too.
    """
    settings = params.forecast
    lookback, horizon = settings.lookback_bars, settings.horizon_bars
    neutral = Conformal.neutral(params.conformal.coverage, horizon)
    linear_shrink = np.broadcast_to(path.linear_shrink, horizon)
    table = replace(neutral, filter_shrink=path.filter_shrink, linear_shrink=linear_shrink)
    fit = training_positions(rows, "fit", lookback, ahead_of(settings))
    # With it the predictor computes the covariates that a variance is fitted to.
    neutral_variance = Variance.neutral(fit_garch(rows, fit, settings.seed), rows.length_s, horizon)
    write_json(folder / "conformal.json", replace(table, variance=neutral_variance).document())
    write_json(folder / "confidence.json", Confidence.neutral(horizon).document())
    predictor = Predictor(folder)
    found = training_positions(rows, "calibration", lookback, ahead_of(settings))
    positions = at_most(found, params.conformal.windows, (settings.seed, 4))
    windows = rows.windows(lookback, path.seen)
    made = predictor.outputs(windows, positions)
    output, volatility, base = made.network, made.volatility, made.base(table)
    unit = made.unit()
    moves, event = rows.moves(positions, horizon), rows.event[positions]
    table = replace(table, ending=_ending(rows, params, path))

    def at(chosen: IntArray) -> OutputsAt:
        return OutputsAt(predictor.outputs(windows, chosen), chosen)

    fitted_to = at(at_most(fit, params.conformal.windows, (settings.seed, 7)))
    has_network = bool(predictor.meta["network"])
    unseen = at(at_most(held, params.conformal.windows, (settings.seed, 5))) if has_network else None
    table = with_interval_scale(rows, table, fitted_to, unseen, neutral_variance.garch)
    narrowed = scaled_target((moves - base) * (unit / made.interval_scale(table)), volatility)
    offset = fit_offset(made.band(table), narrowed, params.conformal.coverage)
    shrink = np.zeros(horizon)
    if unseen is not None:
        both = Outputs.concatenated([made, unseen.outputs]) if len(unseen.positions) else made
        shrink = _network_shrink(rows, both, table, np.concatenate((positions, unseen.positions)), path.later)
    conformal = replace(table, offset=offset, shrink=shrink)
    mean = base + conformal.shrink * output[..., 0] * unit
    confidence = fit_confidence(mean, volatility, moves, event)
    write_json(folder / "conformal.json", conformal.document())
    write_json(folder / "confidence.json", confidence.document())
    return len(positions)


def _ending(rows: Rows, params: Params, path: Base) -> Ending | None:
    """How the scale of an interval depends on the time left, from what filter and linear path leave in the fit slice;
    None where it does not."""
    settings = params.forecast
    found = training_positions(rows, "fit", settings.lookback_bars, ahead_of(settings))
    chosen = at_most(found, params.conformal.windows, (settings.seed, 6))
    left = rows.moves(chosen, settings.horizon_bars) - path.ahead(rows, chosen)
    volatility = local_volatility(rows.mid_units[chosen[:, None] + np.arange(1 - settings.lookback_bars, 1)])
    seen = EndingSample(rows.features[chosen, TIME_LEFT], rows.mid_units[chosen], volatility, left, rows.event[chosen])
    return fit_ending(seen, rows.length_s)


def _network_shrink(rows: Rows, made: Outputs, table: Conformal, positions: IntArray, later: float) -> FloatArray:
    """Safe shrink of what a network adds to filter and linear path at some bars, (H,)."""
    base, now = made.base(table), rows.mid_units[positions][:, None]
    kept = price_after(now, base)
    added = price_after(now, base + made.network[..., 0] * made.unit()) - kept
    return safe_shrink(_unseen(rows, positions, added, kept - now / PRICE_SCALE, later))


def _unseen(rows: Rows, positions: IntArray, added: FloatArray, before: FloatArray, later: float) -> Unseen:
    moved = rows.price_moves(positions, added.shape[1])
    return Unseen(added, before, moved, rows.event[positions], rows.ts_s[positions], later)

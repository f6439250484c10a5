"""One trained and calibrated forecaster in a folder: what the stage makes once and the league once per kind."""

import hashlib
import json
import time
from pathlib import Path
from typing import Any

from pipelines.core import log
from pipelines.core.artifacts import replaced_folder, write_json
from pipelines.core.params import Params
from pipelines.features.garch import Garch
from pipelines.features.scale import local_volatility
from pipelines.features.spec import FEATURE_VERSION
from pipelines.forecast import kinds
from pipelines.forecast.checkpoint import Checkpoint
from pipelines.forecast.conformal import fit_confidence, fit_conformal
from pipelines.forecast.forecaster import Batch, Lesson, Reads
from pipelines.forecast.garch_fit import fit_garch
from pipelines.forecast.training_windows import IntArray, Rows, drawn, scaled_target, training_positions
from pipelines.inference.calibration import Confidence, Conformal
from pipelines.inference.inputs import InputScaler, network_input, relative
from pipelines.inference.predictor import Predictor

CHECKPOINTS = Path("var/checkpoints/forecast")
SCALER_WINDOWS = 4_000


def make(rows: Rows, params: Params, folder: Path, data_hash: str, observation: Any) -> dict[str, Any]:
    """Train, export and calibrate a forecaster into `folder`, which is replaced whole; what was measured on the way.

    `observation` is the scaler of the feature table: it travels with the forecaster to the agent's observation.
    `data_hash` names the feature table: training goes on from a checkpoint of the same data and parameters only. The
    checkpoint stays: the caller clears it when everything that follows from the forecaster is written too.
    """
    started = time.monotonic()
    settings = params.forecast
    lookback, horizon = settings.lookback_bars, settings.horizon_bars
    forecaster = kinds.find(settings.kind)
    fit = training_positions(rows, "fit", lookback, horizon)
    lesson, meta, scaler = _lesson(rows, params, fit, forecaster.reads)
    meta["keras"] = forecaster.keras
    with replaced_folder(folder) as made:
        report = forecaster.train(lesson, settings, checkpoint_of(params, data_hash), made)
        report |= {"kind": settings.kind, "training_s": round(time.monotonic() - started, 1), "fit_windows": len(fit)}
        write_json(made / "meta.json", meta)
        write_json(made / "scaler.json", scaler.document())
        write_json(made / "observation.json", observation)
        report["calibration_windows"] = _calibrate(rows, params, made)
    log.get("forecast").info("trained", kind=settings.kind, seconds=report["training_s"], fit_windows=len(fit))
    return report


def checkpoint_of(params: Params, data_hash: str) -> Checkpoint:
    """Where the training on this data with these parameters is kept while it is not finished."""
    own = kinds.source(params.forecast.kind)
    decided = json.dumps([data_hash, params.forecast.model_dump(), *([own] if own else [])], sort_keys=True)
    return Checkpoint.of(CHECKPOINTS, hashlib.sha256(decided.encode()).hexdigest()[:16])


def _lesson(
    rows: Rows, params: Params, fit: IntArray, reads: tuple[Reads, ...]
) -> tuple[Lesson, dict[str, Any], InputScaler]:
    settings = params.forecast
    lookback, horizon = settings.lookback_bars, settings.horizon_bars
    features, mid, _ = rows.window(drawn(fit, min(SCALER_WINDOWS, len(fit)), (settings.seed, 0)), lookback)
    scaler = InputScaler.fit(relative(features, mid, local_volatility(mid)), params.features.winsor_sd)
    reads_news = "sentiment" in reads
    garch: Garch | None = fit_garch(rows, fit, settings.seed) if "garch" in reads else None
    meta = {
        "kind": settings.kind,
        "lookback": lookback,
        "horizon": horizon,
        "feature_version": FEATURE_VERSION,
        "bar_length_s": rows.length_s,
        "sentiment": reads_news,
        "garch": garch.document() if garch else None,
        "source": kinds.source(settings.kind),
    }

    def batch(positions: IntArray) -> Batch:
        raw, mids, sentiment = rows.window(positions, lookback)
        inputs, volatility = network_input(raw, mids, scaler, sentiment if reads_news else None, garch)
        return inputs, scaled_target(rows.moves(positions, horizon), volatility)

    return Lesson(fit, batch, batch(fit[:1])[0].shape[-1]), meta, scaler


def _calibrate(rows: Rows, params: Params, folder: Path) -> int:
    """Write conformal.json and confidence.json from the calibration slice; how many windows it took."""
    settings = params.forecast
    lookback, horizon = settings.lookback_bars, settings.horizon_bars
    write_json(folder / "conformal.json", Conformal.neutral(params.conformal.coverage, horizon).document())
    write_json(folder / "confidence.json", Confidence.neutral(horizon).document())
    predictor = Predictor(folder)
    found = training_positions(rows, "calibration", lookback, horizon)
    positions = drawn(found, min(params.conformal.windows, len(found)), (settings.seed, 4))
    output, volatility = predictor.outputs(lambda chosen: rows.window(chosen, lookback), positions)
    moves = rows.moves(positions, horizon)
    conformal = fit_conformal(output, scaled_target(moves, volatility), params.conformal.coverage)
    mean = conformal.shrink * predictor.scale_back(output, volatility).mean
    confidence = fit_confidence(mean, volatility, moves, rows.event[positions])
    write_json(folder / "conformal.json", conformal.document())
    write_json(folder / "confidence.json", confidence.document())
    return len(positions)

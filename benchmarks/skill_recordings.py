"""The forecaster on a recording: made of its earlier slices by the stage's own code, judged on the later ones."""

import tempfile
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.judged_bars import judged
from benchmarks.recorded_rows import RecordedRows, first_that_fits, importable
from benchmarks.without_inputs import GROUPS_OF_BRACKETS, without
from pipelines.core.domain import FloatArray
from pipelines.core.errors import DataError
from pipelines.core.params import Params
from pipelines.features.state_space import StateSpace
from pipelines.forecast.accuracy import Errors
from pipelines.forecast.training_windows import IntArray, Rows
from pipelines.inference.predictor import Predictor
from pipelines.pull.import_recording import KNOWN

SHOWN = (1, 5, 24)

Row = dict[str, Any]


def files(folder: Path) -> list[Path]:
    """Every file of a folder whose ending is that of a table, deep inside too, in order.

    Raises:
        DataError: if the folder holds no such file.
    """
    found = sorted(path for path in folder.rglob("*") if path.name.removesuffix(".gz").rpartition(".")[2] in KNOWN)
    if not found:
        raise DataError(f"{folder} holds no file that ends with {', '.join(KNOWN)}; give a folder of recordings")
    return found


def one_recording(
    path: Path,
    params: Params,
    assignments: Sequence[str] = (),
    columns: Sequence[str] = (),
    groups: Sequence[str] = (),
) -> Row:
    """RMSE ratio to persistence at every horizon, on what comes after the slices that were learned from, and what each
    group of inputs adds. A recording that is too short for the lookback and the horizons of `params` gets SHORT ones.

    Raises:
        DataError: if nothing can be learned from it, or nothing comes after that.
        RuntimeError: with the last line of a stage that refuses it.
    """
    with tempfile.TemporaryDirectory() as work:
        given = importable(path, Path(work), columns)
        return first_that_fits(given, params, assignments, partial(_judgement, path.name, groups))


def _judgement(name: str, groups: Sequence[str], recorded: RecordedRows) -> Row:
    rows, params = recorded.rows, recorded.params
    positions = judged(rows, params.forecast.lookback_bars, params.forecast.horizon_bars)
    mean, fitted = _forecast(recorded, name, positions)
    ratios, adds = {}, {}
    for bars in range(1, params.forecast.horizon_bars + 1):
        one = Errors.of(rows, positions, mean, slice(bars - 1, bars))
        low, high = one.interval()
        ratios[str(bars)] = [round(1.0 - value, 5) for value in (one.skill, high, low)]
    for group in groups:
        names = GROUPS_OF_BRACKETS if group == "brackets" else (group,)
        lacking = replace(recorded, rows=without(rows, *names))
        other, _ = _forecast(lacking, f"{name}-{group}", positions, fitted)
        adds[group] = _adds(rows, positions, mean, other)
    shape = {"lookback_bars": params.forecast.lookback_bars, "horizon_bars": params.forecast.horizon_bars}
    return {"ratio": ratios, "adds": adds, "events": len(np.unique(rows.event[positions])), "shape": shape}


def _forecast(
    recorded: RecordedRows, name: str, positions: IntArray, fitted: StateSpace | None = None
) -> tuple[FloatArray, StateSpace | None]:
    """Mean forecasts of a new forecaster at some bars, (n, H), and its filter."""
    from pipelines.forecast import candidate  # noqa: PLC0415

    rows, params = recorded.rows, recorded.params
    with tempfile.TemporaryDirectory() as work:
        candidate.make(rows, params, Path(work) / "forecaster", f"skill-{name}", recorded.scaler, fitted)
        candidate.checkpoint_of(params, f"skill-{name}").clear()
        predictor = Predictor(Path(work) / "forecaster")
        windows = rows.windows(predictor.lookback, rows.states(predictor.filter))
        return predictor.forecast_many(windows, positions).mean, predictor.filter


def _adds(rows: Rows, positions: IntArray, mean: FloatArray, other: FloatArray) -> Row:
    """Skill less that of other forecasts at the shown horizons, with its interval over events."""
    found = {}
    for bars in (bars for bars in SHOWN if bars <= mean.shape[1]):
        one, less = (Errors.of(rows, positions, made, slice(bars - 1, bars)) for made in (mean, other))
        found[str(bars)] = [round(value, 6) for value in (one.skill - less.skill, *one.interval(less))]
    return found


def worst(ratio: Row) -> tuple[str, float]:
    """The horizon whose ratio has the highest upper bound, and the bound."""
    bars = max(ratio, key=lambda one: float(ratio[one][2]))
    return bars, ratio[bars][2]

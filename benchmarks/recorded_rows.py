"""The feature table of a recording: pulled and cut like any other data, with the lookback that suits its markets."""

import contextlib
import shutil
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from benchmarks import stage_runs
from benchmarks.judged_bars import judged
from flows.edit_params import change
from pipelines.core.artifacts import read_json
from pipelines.core.errors import DataError
from pipelines.core.lookback import decided
from pipelines.core.params import Params
from pipelines.core.params import read as read_params
from pipelines.forecast.training_windows import Rows
from pipelines.pull import import_recording, recording

SHORT = {"lookback_bars": 8, "horizon_bars": 5}
"""Shape of a forecast for recordings that are too short for the shipped one."""

Made = TypeVar("Made")


@dataclass(frozen=True)
class RecordedRows:
    """Rows of a recording, the parameters with the lookback that its pull decided, and the scaler of its features."""

    rows: Rows
    params: Params
    scaler: Any


def changed(assignments: Sequence[str]) -> Params:
    """The shipped parameters with some changes. Raises ParameterError naming what is not allowed."""
    with tempfile.TemporaryDirectory() as work:
        path = Path(work) / "params.yaml"
        shutil.copy2(stage_runs.ROOT / "params.yaml", path)
        change(assignments, path)
        return read_params(path)


def importable(path: Path, folder: Path, columns: Sequence[str] = ()) -> Path:
    """The recording as it is, or the one that `oddsmith data import` makes of it in a folder.

    Raises:
        DataError: if it is no recording and none can be made of it, saying what it lacks.
        ParameterError: if `columns` are no pairs of ours=theirs.
    """
    try:
        recording.check(path)
    except DataError:
        if path.is_dir() or not path.exists():
            raise
    else:
        if not columns:
            return path.resolve()
    made = folder / f"{path.name.split('.')[0]}.parquet"
    with contextlib.redirect_stdout(sys.stderr):
        import_recording.run(path, made, columns, replace=False)
    return made


def read(path: Path, params: Params, assignments: Sequence[str] = ()) -> RecordedRows:
    """Pull and featurize a recording with the shipped parameters, changed by some `section.name=value`.

    Raises:
        RuntimeError: with the last line of a stage that refuses it.
    """
    with tempfile.TemporaryDirectory() as work:
        folder = Path(work)
        stage_runs.pull_recording(folder, path, assignments)
        stage_runs.run(folder, "featurize")
        features = folder / "data/features"
        return RecordedRows(Rows.read(features), decided(params, features), read_json(features / "scaler.json"))


def first_that_fits(
    path: Path, params: Params, assignments: Sequence[str], use: Callable[[RecordedRows], Made]
) -> Made:
    """Give a recording's rows to `use` and return its result; a recording too short for `params` is read with SHORT.

    Raises:
        DataError: if nothing can be learned from it, or nothing comes after that.
        RuntimeError: with the last line of a stage that refuses it.
    """
    try:
        return use(_judgeable(path, params, assignments))
    except (DataError, RuntimeError) as whole:
        shape = params.model_copy(update={"forecast": params.forecast.model_copy(update=SHORT)})
        more = [f"forecast.{name}={value}" for name, value in SHORT.items()]
        try:
            return use(_judgeable(path, shape, [*assignments, *more]))
        except (DataError, RuntimeError) as short:
            raise whole from short


def _judgeable(path: Path, params: Params, assignments: Sequence[str]) -> RecordedRows:
    recorded = read(path, params, assignments)
    settings = recorded.params.forecast
    if len(judged(recorded.rows, settings.lookback_bars, settings.horizon_bars)) == 0:
        raise DataError(f"{path.name} has no bar to judge after those that are learned from; give a longer recording")
    return recorded

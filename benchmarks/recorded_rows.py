"""The feature table of a recording: pulled and cut like any other data, with the lookback that suits its markets."""

import shutil
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
from pipelines.forecast.training_windows import Rows

SHORT = {"lookback_bars": 8, "horizon_bars": 5}
"""Shape of a forecast for recordings that are too short for the shipped one."""

Made = TypeVar("Made")


@dataclass(frozen=True)
class RecordedRows:
    """Rows of a recording, the parameters with the lookback that its pull decided, and the scaler of its features."""

    rows: Rows
    params: Params
    scaler: Any


def read(path: Path, params: Params, assignments: Sequence[str] = ()) -> RecordedRows:
    """Pull and featurize a recording with the shipped parameters, changed by some `section.name=value`.

    Raises:
        RuntimeError: with the last line of a stage that refuses it.
    """
    with tempfile.TemporaryDirectory() as work:
        folder = Path(work)
        shutil.copy2(stage_runs.ROOT / "params.yaml", folder)
        change(assignments, folder / "params.yaml")
        stage_runs.run(folder, "window", "--source", "recorded", "--recording", str(path.resolve()))
        for stage in ("pull", "featurize"):
            stage_runs.run(folder, stage)
        features = folder / "data/features"
        return RecordedRows(Rows.read(features), decided(params, features), read_json(features / "scaler.json"))


def first_that_fits(
    path: Path, params: Params, assignments: Sequence[str], use: Callable[[RecordedRows], Made]
) -> Made:
    """What `use` makes of a recording; of one that is too short for the shape of `params`, with that of SHORT.

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

"""The league comes out the same wherever its forecasters are trained."""

import json
from pathlib import Path

import pytest
import training_script

pytestmark = [pytest.mark.slow, pytest.mark.nightly]


def _made(folder: Path) -> tuple[dict[str, bytes], list[dict[str, object]]]:
    """Forecast files, and the rows of the report without the seconds of training."""
    files = sorted((folder / "var/league").glob("*/*/forecasts.parquet"))
    entries = json.loads((folder / "reports/league.json").read_text())["entries"]
    return {file.parent.name: file.read_bytes() for file in files}, [
        e | {"training_s": None, "inference_ms": None} for e in entries
    ]


def test_three_workers_train_the_same_league(tmp_path: Path) -> None:
    """Two baselines and two networks, one after the other here and on three Dask workers: the same bytes."""
    training_script.said("league_script.py", tmp_path)
    files, entries = _made(tmp_path / "single")

    assert set(files) == {"persistence", "ar", "gru", "lstm"}
    assert len(set(files.values())) == 4
    assert _made(tmp_path / "dask") == (files, entries)

"""The league comes out the same wherever its forecasters are trained."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.nightly]
SCRIPT = Path(__file__).with_name("league_script.py")


def _made(folder: Path) -> tuple[dict[str, bytes], list[dict[str, object]]]:
    """Forecast files, and the rows of the report without the seconds of training."""
    files = sorted((folder / "var/league").glob("*/*/forecasts.parquet"))
    entries = json.loads((folder / "reports/league.json").read_text())["entries"]
    return {file.parent.name: file.read_bytes() for file in files}, [
        e | {"training_s": None, "inference_ms": None} for e in entries
    ]


def test_three_workers_train_the_same_league(tmp_path: Path) -> None:
    """Two baselines and two networks, one after the other here and on three Dask workers: the same bytes."""
    command = [sys.executable, str(SCRIPT), str(tmp_path), str(Path("params.yaml").resolve())]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=280)
    assert done.returncode == 0, done.stderr[-3000:]
    files, entries = _made(tmp_path / "single")

    assert set(files) == {"persistence", "ar", "gru", "lstm"}
    assert len(set(files.values())) == 4
    assert _made(tmp_path / "dask") == (files, entries)

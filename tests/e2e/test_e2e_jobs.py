"""`make run SOURCE=recorded` from nothing, on a recording that this test makes, and then once more."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from e2e_checkout import clone

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(900)]

ROOT = Path(__file__).parents[2]
SMALL = [
    "forecast.windows=512",
    "forecast.epochs=1",
    "forecast.batch_size=128",
    "conformal.windows=500",
    "ppo.timesteps=4096",
    "ppo.n_steps=64",
    "ppo.batch_size=128",
    "backtest.random_seeds=1",
    "gate.bootstrap_samples=200",
    "validate.min_markets=2",
]


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the tracked files with small parameters and a git history of its own, as a user has it."""
    folder = tmp_path_factory.mktemp("user") / "oddsmith"
    clone(folder)
    run(folder, "-m", "flows", "params", *SMALL)
    return folder


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """24 events of 2 markets: minutes of a mean-reverting walk, with columns that know the future."""
    rng = np.random.default_rng(7)
    rows: dict[str, list] = {name: [] for name in ("market_id", "event", "timestamp", "price", "resolved_price")}
    for event in range(24):
        for market in range(2):
            start = 1_750_000_000 // 60 * 60 + event * 300 * 60
            price = np.clip(np.round((0.5 + np.cumsum(rng.normal(0, 0.006, 300))) * 200) / 200, 0.02, 0.98)
            rows["market_id"] += [f"m{event}-{market}"] * 300
            rows["event"] += [f"event {event}"] * 300
            rows["timestamp"] += [start + 60 * minute for minute in range(300)]
            rows["price"] += list(price)
            rows["resolved_price"] += [float(price[-1] > 0.5)] * 300
    path = tmp_path_factory.mktemp("recordings") / "own.parquet"
    table = pa.table({**rows, "timestamp": pa.array(rows["timestamp"], pa.timestamp("s", tz="UTC"))})
    pq.write_table(table, path)
    return path


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run this interpreter on the code of a checkout; it has to succeed."""
    environment = {**os.environ, "PYTHONPATH": str(folder), "OMP_NUM_THREADS": "1"}
    for name in [name for name in environment if name.startswith(("ODDSMITH_", "PREFECT_", "MLFLOW_"))]:
        del environment[name]
    result = subprocess.run(
        [sys.executable, *arguments], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, f"{result.stdout[-3000:]}\n{result.stderr[-3000:]}"
    return result


@pytest.fixture(scope="module")
def first_run(checkout: Path, recording: Path) -> str:
    """What the first run said."""
    return run(
        checkout, "-m", "flows", "up", "--source", "recorded", "--recording", str(recording), "--duration", "8"
    ).stdout


def test_a_recording_is_trained_on_judged_and_replayed(checkout, first_run):
    """One command goes through every step, the bot decides on the event that was kept out, and the ledger is right."""
    report = json.loads((checkout / "var/run.json").read_text())

    assert report["gate"]["verdict"] in {"promote", "hold"}
    assert report["gate"]["reasons"]
    assert report["decisions"] > 0
    assert report["ledger_equals_venue"] is True
    assert {
        "start",
        "pull",
        "validate",
        "featurize",
        "forecast",
        "agent",
        "backtest",
        "package",
        "gate",
        "serve",
    } <= set(report["steps"])
    assert "mode SIMULATED" in first_run
    window = json.loads((checkout / "data/window.json").read_text())
    assert window["held_out_event"] == "event 23"


def test_everything_that_was_started_is_stopped(checkout, first_run):
    """No process of the run outlives it."""
    left = [
        process.info["cmdline"]
        for process in psutil.process_iter(["cmdline", "cwd"])
        if process.info["cwd"] == str(checkout) and process.pid != os.getpid()
    ]

    assert left == []


def test_a_second_run_reuses_every_stage(checkout, recording, first_run):
    """Same window, same parameters: nothing is computed again, and the same bundle is judged the same."""
    before = json.loads((checkout / "models/bundle/manifest.json").read_text())["hash"]

    said = run(
        checkout, "-m", "flows", "up", "--source", "recorded", "--recording", str(recording), "--duration", "1"
    ).stdout

    assert said.count("is up to date, reused") == 8
    assert json.loads((checkout / "models/bundle/manifest.json").read_text())["hash"] == before

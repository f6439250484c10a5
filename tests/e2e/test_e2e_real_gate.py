"""From nothing to a trade with the real gate: a world with an edge, a candidate that earned it, a swap, an order.

Nothing is fixed here: the shipped limits of the gate judge a forecaster that was fitted on this world (the state-space
filter alone, which trains in seconds), and the bot that is started trades what they let through.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from e2e_checkout import clone

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.nightly, pytest.mark.timeout(3000)]

ROOT = Path(__file__).parents[2]
QUICK = [
    "simulator.markets_per_event=3",
    "forecast.kind=ssm",
    "conformal.windows=5000",
    "ppo_entries.timesteps=65536",
    "agent.imitation_epochs=1",
    "gate.bootstrap_samples=500",
    "backtest.random_seeds=1",
]


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the tracked files in which one run from nothing has ended."""
    folder = tmp_path_factory.mktemp("gate") / "oddsmith"
    clone(folder)
    for arguments in (["params", *QUICK], ["up", "--duration", "150"]):
        _run(folder, "-m", "flows", *arguments)
    return folder


def _run(folder: Path, *arguments: str) -> None:
    environment = {**os.environ, "PYTHONPATH": str(folder), "OMP_NUM_THREADS": "1"}
    for name in [name for name in environment if name.startswith(("ODDSMITH_", "PREFECT_", "MLFLOW_"))]:
        del environment[name]
    done = subprocess.run(
        [sys.executable, *arguments], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{done.stdout[-3000:]}\n{done.stderr[-3000:]}"


def test_the_real_gate_promotes_installs_and_trades(checkout: Path) -> None:
    """Every criterion holds, the very bundle that was judged is champion, and its orders are filled and booked."""
    report = json.loads((checkout / "var/run.json").read_text())
    gate = json.loads((checkout / "reports/gate.json").read_text())
    champion = json.loads((checkout / "var/champion.json").read_text())

    assert [one["name"] for one in gate["criteria"] if not one["passed"]] == []
    assert report["gate"]["verdict"] == gate["verdict"] == "promote"
    assert champion["hash"] == gate["bundle"]
    assert report["policy"] != "cash"
    assert report["orders"]["matched"] > 0
    assert report["ledger_equals_venue"] is True

"""A work pool with a real worker process runs a deployment of prefect.yaml, as operating.md says."""

import os
import subprocess
import sys
from pathlib import Path

import httpx2
import pytest

from flows import nights

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]

ROOT = Path(__file__).parents[2]
PREFECT = str(Path(sys.executable).parent / "prefect")


def test_a_worker_runs_what_prefect_deploy_registered(prefect_server, tmp_path, monkeypatch):
    """`prefect deploy` registers the entry, a worker of the pool takes the run, and the flow works in the checkout."""
    monkeypatch.setenv("ODDSMITH_VAR", str(tmp_path))
    nights.remember("completed", "hold")
    environment = {
        **os.environ,
        "PREFECT_API_URL": prefect_server,
        "PREFECT_HOME": str(tmp_path / "prefect"),
        "ODDSMITH_HOME": str(ROOT),
        "ODDSMITH_VAR": str(tmp_path),
        "PREFECT_WORKER_QUERY_SECONDS": "1",
    }

    def prefect(*command: str) -> str:
        done = subprocess.run(
            [PREFECT, *command], cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=180
        )
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
        return done.stdout

    prefect("--no-prompt", "work-pool", "create", "--type", "process", "oddsmith")
    prefect("--no-prompt", "deploy", "--name", "overdue")
    prefect("deployment", "run", "overdue/overdue")
    prefect("worker", "start", "--pool", "oddsmith", "--type", "process", "--run-once")

    with httpx2.Client(base_url=prefect_server) as client:
        wanted = {"flows": {"name": {"any_": ["overdue"]}}}
        runs = client.post("/flow_runs/filter", json=wanted).json()
    # The schedule of the entry has put runs into the future beside ours.
    assert [run["state_name"] for run in runs if not run["auto_scheduled"]] == ["Completed"]

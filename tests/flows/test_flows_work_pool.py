"""A work pool with a real worker process runs a deployment of prefect.yaml, as operating.md says."""

import os
import re
import subprocess
import sys
from pathlib import Path

import httpx2
import pytest

from flows import nights

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]

ROOT = Path(__file__).parents[2]
PREFECT = str(Path(sys.executable).parent / "prefect")


@pytest.mark.nightly
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
    started = prefect("deployment", "run", "overdue/overdue")
    worked = prefect("worker", "start", "--pool", "oddsmith", "--type", "process", "--run-once")

    found = re.search(r"UUID: ([0-9a-f-]{36})", started)
    assert found, started
    with httpx2.Client(base_url=prefect_server) as client:
        run = client.get(f"/flow_runs/{found[1]}").json()
    assert run["state_name"] == "Completed", worked

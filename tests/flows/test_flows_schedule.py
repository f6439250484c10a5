"""prefect.yaml against a real Prefect server: schedules create runs, and drift starts a night."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import chdir
from pathlib import Path
from typing import Any

import pytest
import server_rows
from prefect.client.orchestration import get_client
from server_rows import rows

from flows import deployments
from flows.drift import EVENT
from pipelines.core.errors import ParameterError

LIMIT_S = 120


def _await(condition: Callable[[], Any], what: str) -> Any:
    deadline = time.monotonic() + LIMIT_S
    while time.monotonic() < deadline:
        found = condition()
        if found:
            return found
        time.sleep(0.1)
    raise AssertionError(f"{what}: nothing within {LIMIT_S} s")


def _runs(url: str) -> dict[str, list[dict[str, Any]]]:
    """Flow runs by the name of their deployment. `url` is of the server that this process speaks to."""
    with get_client(sync_client=True) as client:
        assert str(client.api_url).rstrip("/") == url
        names = {row["id"]: row["name"] for row in rows(client, "deployments")}
        found: dict[str, list[dict[str, Any]]] = {name: [] for name in names.values()}
        for run in rows(client, "flow_runs"):
            if run["deployment_id"]:
                found[names[run["deployment_id"]]].append(run)
    return found


@pytest.fixture(scope="module", autouse=True)
def _in_a_clone(clone: Path) -> Iterator[None]:
    """prefect.yaml names the files of the flows from the root of a clone on."""
    with chdir(clone):
        yield


@pytest.fixture(scope="module")
def registered(prefect_server) -> str:
    """All deployments of prefect.yaml at the server."""
    for deployment in deployments.read():
        deployment.apply()
    return prefect_server


def test_the_file_names_every_flow_with_its_time():
    """Nightly at 02:00 UTC, ingest every 15 minutes, drift every six hours, shadow every five minutes; others never."""
    found = {deployment.name: deployment for deployment in deployments.read()}

    crons = {name: [entry.schedule.cron for entry in one.schedules] for name, one in found.items()}
    assert crons == {
        "nightly": ["0 2 * * *"],
        "ingest": ["*/15 * * * *"],
        "drift": ["30 */6 * * *"],
        "shadow": ["*/5 * * * *"],
        "promote": [],
        "deploy": [],
        "rollback": [],
        "alive": ["*/2 * * * *"],
        "overdue": ["0 * * * *"],
        "parity": [],
        "backfill": [],
    }
    assert all(one.tags for one in found.values())
    assert found["nightly"].triggers[0].expect == {EVENT}


def test_an_entry_that_cannot_be_read_is_named(tmp_path):
    """A typing error in prefect.yaml says which deployment it is in."""
    path = tmp_path / "prefect.yaml"
    path.write_text("deployments:\n  - name: odd\n    entrypoint: flows/ingest.py:nothing\n")

    with pytest.raises(ParameterError, match="deployment 'odd' cannot be read"):
        deployments.read(path)


@pytest.mark.slow
def test_more_rows_than_a_page_are_all_read(registered, monkeypatch):
    """The server answers with a page; what these tests look for may be on the next one."""
    monkeypatch.setattr(server_rows, "PAGE", 4)

    with get_client(sync_client=True) as client:
        names = [row["name"] for row in rows(client, "deployments")]
    assert sorted(names) == sorted(deployment.name for deployment in deployments.read())


@pytest.mark.slow
def test_schedules_create_runs(registered):
    """Every scheduled deployment has runs in the future, at its times; the others have none."""
    runs = _await(lambda: (r := _runs(registered)) and all(r[n] for n in ("nightly", "ingest", "drift")) and r, "runs")

    assert {run["expected_start_time"][11:16] for run in runs["nightly"]} == {"02:00"}
    assert {run["expected_start_time"][14:16] for run in runs["ingest"]} <= {"00", "15", "30", "45"}
    assert {run["expected_start_time"][11:16] for run in runs["drift"]} <= {"00:30", "06:30", "12:30", "18:30"}
    assert not runs["promote"] + runs["deploy"] + runs["rollback"]


@pytest.mark.slow
def test_drift_starts_a_night(registered):
    """The event of the drift flow makes a run of the nightly deployment now, beside those of its schedule."""

    def started() -> list[dict[str, Any]]:
        return [run for run in _runs(registered)["nightly"] if not run["auto_scheduled"]]

    assert not started()
    # The automation may need a moment to be loaded: the event is repeated until it is heard.
    _await(lambda: _emit(registered) or started(), "a night after drift")

    assert started()[0]["parameters"]["fresh"] is True


def _emit(url: str) -> None:
    """From a process of its own, as a scheduled drift flow does: the client of this one may know another server."""
    resource = {"prefect.resource.id": "oddsmith.bundle.0123456789ab"}
    script = (
        f"from prefect.events import emit_event; emit_event({EVENT!r}, {resource!r}, payload={{'reasons': ['a test']}})"
    )
    environment = {**os.environ, "PREFECT_API_URL": url}
    subprocess.run([sys.executable, "-c", script], env=environment, check=True, timeout=60)

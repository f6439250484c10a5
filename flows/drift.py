"""Every six hours: has the world left the champion's training window? An event says so, and a night begins."""

import sys
from pathlib import Path
from typing import Any

from prefect import flow, task
from prefect.cache_policies import NO_CACHE
from prefect.events import emit_event

from flows import prefect_pages
from flows.champions import CANDIDATE, bundle_folder, champion
from flows.ingest import append
from flows.stage_tasks import run_command
from pipelines.core.artifacts import read_json
from pipelines.core.errors import ArtifactError
from pipelines.core.products import report_json

EVENT = "oddsmith.drift.detected"
"""The automation of the nightly deployment (prefect.yaml) waits for it."""


@task(task_run_name="compare with the training window", cache_policy=NO_CACHE, persist_result=False)
def compare(bundle: Path) -> dict[str, Any]:
    """The document of reports/drift.json for a bundle."""
    run_command(sys.executable, "-m", "pipelines", "drift", "--bundle", str(bundle), name="drift")
    prefect_pages.show("drift")
    return dict(read_json(report_json("drift")))


@flow(name="drift", persist_result=False)
def drift(fetch: bool = True) -> dict[str, Any]:
    """Compare recent bars with the training window of the champion (of the candidate where there is no champion).

    `fetch` brings the landing zone up to now first. On drift the event is emitted; the document is returned.

    Raises:
        ArtifactError: if there is no bundle to judge.
    """
    if fetch:
        append()
    found = compare(judged_bundle())
    if found["verdict"] == "drift":
        emit_event(
            event=EVENT,
            resource={
                "prefect.resource.id": f"oddsmith.bundle.{found['bundle'][:12]}",
                "prefect.resource.name": f"bundle {found['bundle'][:12]}",
            },
            payload={"reasons": found["reasons"], "as_of_s": found["as_of_s"]},
        )
    return found


def judged_bundle() -> Path:
    """Folder of the bundle whose training window is compared: the champion's, else the candidate.

    Raises:
        ArtifactError: if there is none on this machine.
    """
    present = champion()
    folder = bundle_folder(present) if present else CANDIDATE
    if folder is None or not (folder / "manifest.json").is_file():
        raise ArtifactError(
            "there is no bundle whose training window could be left; run the nightly flow "
            "(or `oddsmith champions deploy` where the champion's bento is gone)"
        )
    return folder

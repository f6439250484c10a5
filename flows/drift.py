"""Every six hours: has the world left the champion's training window? An event says so, and a night begins."""

import sys
import time
from pathlib import Path
from typing import Any

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.events import emit_event

from flows import changed_world, notices, prefect_pages
from flows.champions import CANDIDATE, bundle_folder, champion
from flows.ingest import append
from flows.stage_tasks import run_command
from flows.watched_flow import watched_flow
from pipelines.core import params as parameters
from pipelines.core.artifacts import read_json, write_json
from pipelines.core.errors import ArtifactError
from pipelines.core.products import report_json
from pipelines.core.settings import Settings

EVENT = "oddsmith.drift.detected"
"""The automation of the nightly deployment (prefect.yaml) waits for it."""
ANSWERED = "drift-answered.json"
"""In var: the bundle whose drift began a night last, and when."""


@task(task_run_name="compare with the training window", cache_policy=NO_CACHE, persist_result=False)
def compare(bundle: Path) -> dict[str, Any]:
    """The document of reports/drift.json for a bundle."""
    run_command(sys.executable, "-m", "pipelines", "drift", "--bundle", str(bundle), name="drift")
    prefect_pages.show("drift")
    return dict(read_json(report_json("drift")))


@watched_flow
def drift(fetch: bool = True) -> dict[str, Any]:
    """Compare recent bars with the training window of the champion (of the candidate where there is no champion).

    `fetch` brings the landing zone up to now first. On drift the event is emitted; the document is returned.

    Raises:
        ArtifactError: if there is no bundle to judge.
    """
    if fetch:
        append()
    found = compare(judged_bundle())
    changed_world.note(found)
    if found["verdict"] == "drift" and is_news(found["bundle"], time.time()):
        notices.drifted(found)
        emit_event(
            event=EVENT,
            resource={
                "prefect.resource.id": f"oddsmith.bundle.{found['bundle'][:12]}",
                "prefect.resource.name": f"bundle {found['bundle'][:12]}",
            },
            payload={"reasons": found["reasons"], "as_of_s": found["as_of_s"]},
        )
    return found


def is_news(bundle: str, now_s: float) -> bool:
    """Whether drift of a bundle has to be answered now, a Unix time: once within `drift.retrain_every_h`.

    While the gate holds what the nights made, the champion stays and drifts on: another night every six hours would
    train on almost the same bars.
    """
    path = Settings().var / ANSWERED
    last = read_json(path) if path.is_file() else {}
    if last.get("bundle") == bundle and now_s - float(last["at_s"]) < 3600.0 * parameters.load().drift.retrain_every_h:
        return False
    write_json(path, {"bundle": bundle, "at_s": now_s})
    return True


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

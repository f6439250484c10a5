"""Promotion: install first, then the alias, then var/champion.json. An interruption leaves the old champion."""

import sys
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from prefect import task
from prefect.cache_policies import NO_CACHE

from flows import champions, changed_world, notices, progress, tracking
from flows.champions import CANDIDATE, champion
from flows.exclusive import CHAMPION, alone
from flows.releases import Releases
from flows.stage_tasks import StageFailed, run_command
from flows.watched_flow import watched_flow
from pipelines.core.errors import ArtifactError
from pipelines.core.settings import Settings
from pipelines.inference import champion_record, shadow_record, start_point

WAIT_S = 300.0
"""Wall seconds that a change of champion waits for another one."""


@task(task_run_name="install {bundle_hash}", cache_policy=NO_CACHE, persist_result=False)
def install(bundle: Path, bundle_hash: str) -> str:
    """Build the bento of a bundle; its tag. Installing what is installed gives the same tag."""
    started = time.perf_counter()
    progress.begin("install")
    lines = run_command(sys.executable, "-m", "serving", "install", str(bundle), name="install")
    progress.end("install", time.perf_counter() - started)
    return lines[-1].split()[-1]


@watched_flow
def promote(
    bundle: Path = CANDIDATE, bundle_hash: str | None = None, mlflow_version: str | None = None
) -> dict[str, Any]:
    """Make a bundle the champion; by default the candidate in models/bundle. Its record.

    Raises:
        ArtifactError: if the verdict that came with this very bundle is not `promote`, is altered or expired, or a
            person rolled it back.
    """
    with alone(CHAMPION, "a promotion", wait_s=WAIT_S):
        record = _promoted(bundle, bundle_hash or champion_record.hash_of(bundle), mlflow_version)
    notices.promoted(record)
    return record


def _promoted(bundle: Path, name: str, mlflow_version: str | None) -> dict[str, Any]:
    require_verdict(bundle, name)
    record = {
        "hash": name,
        "bento_tag": install(bundle, name),
        "mlflow_version": mlflow_version or tracking.log_candidate(bundle, name).version,
        "promoted_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "source": str(champion_record.manifest_of(bundle)["source"]),
    }
    releases = Releases.of(Settings())
    if releases:
        releases.publish(bundle, name)
    remember_training_window(bundle)
    start_point.keep(Settings().var, name)
    tracking.move_champion(record["mlflow_version"])
    former = champion()
    champions.promote_record(record, champions.PROMOTED)
    if former and former["hash"] != name and former.get("source") == record["source"]:
        champions.put_in_shadow(former, shadow_record.PREDECESSOR)
    else:
        champions.clear_shadow()
    return record


def require_verdict(bundle: Path, bundle_hash: str) -> None:
    """Refuse a bundle that the gate did not promote, or that was rolled back.

    Raises:
        ArtifactError: saying which, and what to do.
    """
    champions.require_approval(bundle, bundle_hash)
    reason = champions.withdrawn().get(bundle_hash)
    if reason is not None:
        raise ArtifactError(
            f"bundle {bundle_hash[:12]} was rolled back ({reason or 'no reason given'}); "
            f"`oddsmith champions deploy --hash {bundle_hash[:12]}` brings it back on purpose"
        )


@task(task_run_name="remember the training window", cache_policy=NO_CACHE, persist_result=False)
def remember_training_window(bundle: Path) -> bool:
    """Keep what drift is measured against. A failure is said and does not keep a good bundle from trading."""
    command = (sys.executable, "-m", "pipelines", "drift", "--bundle", str(bundle), "--remember")
    try:
        run_command(*command, name="drift")
    except StageFailed as error:
        progress.detail("install", f"drift of this bundle cannot be judged: {error}")
        return False
    return True


def retire_foreign_champion(source: str) -> bool:
    """Take a champion off that was trained on another source: synthetic skill says nothing about recordings."""
    current = champion()
    if current is None or current.get("source") == source:
        return False
    changed_world.forget()
    _retire(f"trained on {current.get('source')}, the source is now {source}")
    return True


def retire_losing_champion(gate: Mapping[str, Any]) -> bool:
    """Take a champion off that surely loses money on the gate slice by tonight's report, also where nobody follows it:
    the account is worth more in cash. One that was put in its place meanwhile stays."""
    if not champions.loses(gate):
        return False
    with alone(CHAMPION, "a retirement", wait_s=WAIT_S):
        # Again: who held the lock may have made another one champion.
        reason = champions.loses(gate)
        if reason:
            _retire(reason, withdraw=True)
    if reason:
        notices.retired(str(gate["champion"]), reason)
    return bool(reason)


def _retire(reason: str, *, withdraw: bool = False) -> None:
    # First what the service reads: an MLflow server that does not answer keeps no champion trading.
    champions.retire(reason, withdraw=withdraw)
    releases = Releases.of(Settings())
    if releases:
        releases.retire(reason)
    tracking.retire_champion()

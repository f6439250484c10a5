"""Promotion: the only writer of var/champion.json. Install first, then the alias, then the file by rename."""

import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from prefect import flow, task
from prefect.cache_policies import NO_CACHE

from flows import progress, tracking
from flows.stages import run_command
from pipelines.core.artifacts import read_json, write_json
from pipelines.core.errors import ArtifactError
from pipelines.core.settings import Settings


def champion_file() -> Path:
    """Where the fact stands which bundle trades."""
    return Settings().var / "champion.json"


def champion() -> dict[str, Any] | None:
    """The champion: hash, bento_tag, mlflow_version, promoted_at, source; None when nothing trades."""
    path = champion_file()
    return dict(read_json(path)) if path.exists() else None


@task(task_run_name="install {bundle_hash}", cache_policy=NO_CACHE, persist_result=False)
def install(bundle: Path, bundle_hash: str) -> str:
    """Build the bento of a bundle; its tag. Installing what is installed gives the same tag."""
    started = time.perf_counter()
    progress.begin("install")
    lines = run_command(sys.executable, "-m", "serving", "install", str(bundle), name="install")
    progress.end("install", time.perf_counter() - started)
    return lines[-1].split()[-1]


@flow(name="promote", flow_run_name="promote {bundle_hash}", persist_result=False)
def promote(bundle: Path, bundle_hash: str, mlflow_version: str) -> dict[str, Any]:
    """Make a bundle the champion. An interruption leaves the old champion trading.

    Raises:
        ArtifactError: if the gate's verdict in reports/gate.json is not `promote` for this very bundle.
    """
    gate = read_json(Path("reports/gate.json"))
    if gate["verdict"] != "promote" or gate["bundle"] != bundle_hash:
        raise ArtifactError(
            f"bundle {bundle_hash[:12]} has no promoting verdict (reports/gate.json says {gate['verdict']} "
            f"for {gate['bundle'][:12]}); run `python -m pipelines gate` on it"
        )
    record = {
        "hash": bundle_hash,
        "bento_tag": install(bundle, bundle_hash),
        "mlflow_version": mlflow_version,
        "promoted_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "source": read_json(Path("data/window.json"))["source"],
    }
    tracking.move_champion(mlflow_version)
    write_json(champion_file(), record)
    return record


def retire_foreign_champion(source: str) -> bool:
    """Take a champion off that was trained on another source: synthetic skill says nothing about recordings."""
    current = champion()
    if current is None or current.get("source") == source:
        return False
    tracking.retire_champion()
    champion_file().unlink()
    return True

"""Writes var/lineage/<bundle hash>: the dvc.lock, parameters and window that made a bundle, its commit and MLflow run.

`oddsmith lineage` reads it (`pipelines.history.lineage`). With a shared store the same files lie in the bucket below
`lineage/<bundle hash>`.
"""

import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import yaml
from prefect.runtime import flow_run

from flows.bucket import Store
from flows.tracking import Registered
from pipelines.core.artifacts import read_json, replaced_folder, sha256_file, write_json
from pipelines.core.products import WINDOW
from pipelines.core.settings import Settings
from pipelines.history.lineage import DOCUMENT, archive

LOCK: Final = Path("dvc.lock")
KEPT: Final = (LOCK, Path("params.yaml"), WINDOW)
CODE: Final = ("pipelines/", "strategies")
GIT_S: Final = 20.0
"""Wall seconds that git may take to say which commit this is."""


def keep(bundle_hash: str, registered: Registered) -> Path:
    """Archive what made a bundle; its folder. Each night that makes it has a line in `nights`, however often it
    archives."""
    settings = Settings()
    folder = archive(settings.var) / bundle_hash
    before = read_json(folder / DOCUMENT) if (folder / DOCUMENT).is_file() else {}
    this = flow_run.get_id()
    earlier = [one for one in before.get("nights", []) if this is None or one["flow_run"] != this]
    document = {
        "made_at": before.get("made_at") or _now(),
        "nights": [*earlier, {"at": _now(), "flow_run": this}],
        "mlflow": {"run_id": registered.run_id, "version": registered.version, "model": registered.uri},
        "commit": before.get("commit") or commit(),
        "window": read_json(WINDOW) if WINDOW.is_file() else None,
        "params_sha256": sha256_file(Path("params.yaml")) if Path("params.yaml").is_file() else None,
        **hashes(LOCK),
    }
    with replaced_folder(folder) as partial:
        for path in KEPT:
            if path.is_file():
                shutil.copyfile(path, partial / path.name)
        write_json(partial / DOCUMENT, document)
    if settings.store_url:
        store = Store.of(settings)
        for path in sorted(folder.iterdir()):
            store.put(f"lineage/{bundle_hash}/{path.name}", path.read_bytes())
    return folder


def hashes(lock: Path) -> dict[str, dict[str, str]]:
    """`data` and `code`: path -> MD5 of every dependency and output in a dvc.lock, as DVC's cache names it."""
    document = yaml.safe_load(lock.read_bytes()) if lock.is_file() else None
    found: dict[str, str] = {}
    for stage in (document or {}).get("stages", {}).values():
        for one in (*stage.get("deps", ()), *stage.get("outs", ())):
            if "md5" in one:
                found[str(one["path"])] = str(one["md5"])
    code = {path: md5 for path, md5 in sorted(found.items()) if path.startswith(CODE)}
    return {"data": {path: md5 for path, md5 in sorted(found.items()) if path not in code}, "code": code}


def commit() -> dict[str, Any] | None:
    """The commit of this checkout and the tracked files that differ from it; None where git does not know it."""
    head = _git("rev-parse", "HEAD")
    if not head:
        return None
    changed = [line[3:] for line in (_git("status", "--porcelain", "--untracked-files=no") or "").splitlines()]
    return {"hash": head.strip(), "changed": changed}


def _git(*arguments: str) -> str | None:
    command = ("git", *arguments)
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=GIT_S, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")

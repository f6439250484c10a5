"""DVC's own state files after a power loss: a cut one fails every later command, so it is found, said and set aside."""

import fcntl
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml


def heal(root: Path = Path()) -> list[str]:
    """Set aside what no DVC can read any more; what was found, for people. While another DVC works nothing is touched.

    `.dvc/tmp/rwlock` (who reads and writes what now) is empty when nobody works. `dvc.lock` (which inputs made which
    outputs) is made again from DVC's cache, stage by stage.
    """
    return [*_heal_rwlock(root / ".dvc" / "tmp"), *_heal_lock_file(root / "dvc.lock")]


def _heal_rwlock(folder: Path) -> Iterator[str]:
    path = folder / "rwlock"
    if not path.is_file():
        return
    with (folder / "rwlock.lock").open("a") as guard:
        try:
            fcntl.flock(guard, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return
        if not _readable_rwlock(path):
            yield _aside(path, "nobody held it: DVC goes on without it")


def _readable_rwlock(path: Path) -> bool:
    try:
        document = json.loads(path.read_bytes())
    except (ValueError, RecursionError):
        return False
    if not isinstance(document, dict) or not document.keys() <= {"read", "write"}:
        return False
    read, write = document.get("read", {}), document.get("write", {})
    if not isinstance(read, dict) or not isinstance(write, dict):
        return False
    holders = [
        *write.values(),
        *(one for many in read.values() for one in (many if isinstance(many, list) else [None])),
    ]
    return all(_holder(one) for one in holders)


def _holder(one: Any) -> bool:
    return (
        isinstance(one, dict)
        and one.keys() == {"pid", "cmd"}
        and type(one["pid"]) is int
        and isinstance(one["cmd"], str)
    )


def _heal_lock_file(path: Path) -> Iterator[str]:
    if not path.is_file():
        return
    try:
        document = yaml.safe_load(path.read_bytes())
    except (yaml.YAMLError, ValueError, RecursionError):
        document = None
    stages = document.get("stages", {}) if isinstance(document, dict) else None
    if not isinstance(stages, dict) or not all(isinstance(one, dict) for one in stages.values()):
        yield _aside(path, "the stages are brought up to date from DVC's cache")


def _aside(path: Path, so: str) -> str:
    kept = path.with_name(f"{path.name}.broken-{time.time_ns()}")
    path.replace(kept)
    return f"{path} was cut off, as after a power loss, and is now {kept.name}; {so}"

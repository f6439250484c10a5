"""Everything that DVC tracks, in its remote after a night: data and models of that night come back by its dvc.lock."""

import sys
from configparser import ConfigParser, Error
from pathlib import Path

from prefect import task
from prefect.cache_policies import NO_CACHE

from flows.stage_tasks import run_optional


def default_remote(root: Path = Path()) -> str | None:
    """The name of DVC's default remote; None where no remote is set."""
    found = ConfigParser(strict=False)
    try:
        found.read([root / ".dvc" / "config", root / ".dvc" / "config.local"], encoding="utf-8")
    except (Error, UnicodeDecodeError):
        return None
    return found.get("core", "remote", fallback=None)


@task(task_run_name="push", cache_policy=NO_CACHE, persist_result=False)
def push() -> bool:
    """Push every output that the remote lacks; whether that was done. What fails is said: the night is done, and the
    next push takes along what this one did not."""
    if default_remote() is None:
        return False
    command = (sys.executable, "-m", "dvc", "push")
    return run_optional(*command, name="push", note="DVC's remote lacks products of this night; run `dvc push`")

"""A Prefect task per DVC stage. Names and order are read from dvc.yaml; DVC decides whether a stage has to run."""

import re
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import yaml
from prefect import get_run_logger, task
from prefect.cache_policies import NO_CACHE

from flows import dvc_locks, progress
from flows.child_environment import command_environment
from pipelines.core.errors import OddsmithError

_KILLED = re.compile(r"exited with -(\d+)$")
"""How DVC says that a signal ended a stage."""


class StageFailed(OddsmithError):
    """A stage ended with an error; its message is the stage's own line."""


def stage_names(dvc_file: Path = Path("dvc.yaml")) -> tuple[str, ...]:
    """The stages of dvc.yaml in the order of the file."""
    document = yaml.safe_load(dvc_file.read_text(encoding="utf-8"))
    return tuple(document["stages"])


def run_command(*command: str, name: str, environment: Mapping[str, str] | None = None) -> list[str]:
    """Run a command, pass its lines on as they come, and give them back.

    Raises:
        StageFailed: with the command's own error line, if it ends with a status other than 0.
    """
    logger = get_run_logger()
    lines: list[str] = []
    with (
        progress.alive(name),
        subprocess.Popen(
            command,
            env={**command_environment(), **(environment or {})},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        ) as child,
    ):
        assert child.stdout is not None
        for raw in child.stdout:
            line = raw.rstrip()
            lines.append(line)
            logger.info(line)
            progress.detail(name, line)
    if child.returncode:
        raise StageFailed(_error_line(lines, name, child.returncode))
    return lines


def _error_line(lines: list[str], name: str, status: int) -> str:
    said = [line for line in lines if line.startswith(f"{name}: ")]
    if said:
        return said[-1]
    killed = next((found for line in reversed(lines) if (found := _KILLED.search(line))), None)
    if killed or status < 0:
        number = int(killed[1]) if killed else -status
        return (
            f"{name} was killed by {_signal_name(number)} (somebody, or the system when memory is short); nothing "
            "half-made is kept, and the same command goes on with what is done"
        )
    tail = next((line for line in reversed(lines) if line.strip()), "it printed nothing")
    return f"{name} ended with status {status}: {tail}"


def _signal_name(number: int) -> str:
    with suppress(ValueError):
        return signal.Signals(number).name
    return f"signal {number}"


@task(task_run_name="{name}", cache_policy=NO_CACHE, persist_result=False)
def run_stage(name: str) -> float:
    """Bring one DVC stage up to date; wall seconds that it took."""
    started = time.perf_counter()
    progress.begin(name)
    for found in dvc_locks.heal():
        get_run_logger().warning(found)
        progress.detail(name, found)
    run_command(sys.executable, "-m", "dvc", "repro", "--single-item", name, name=name)
    seconds = time.perf_counter() - started
    progress.end(name, seconds)
    return seconds

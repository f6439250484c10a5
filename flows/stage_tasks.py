"""A Prefect task per DVC stage. Names and order are read from dvc.yaml; DVC decides whether a stage has to run.

A failure has a kind, and the kind says whether the same command may succeed the next time: a venue that does not answer
is asked three times more, a stage that was killed or took too long is begun once more (it goes on from its checkpoint),
anything else ends the night at once.
"""

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

import psutil
import yaml
from prefect import get_run_logger, task
from prefect.cache_policies import NO_CACHE

from flows import dvc_locks, progress
from flows.child_environment import command_environment
from pipelines.core import params as parameters
from pipelines.core.errors import OddsmithError

_STATUS = re.compile(r"exited with (-?\d+)$")
"""How DVC says with which status a stage ended, or which signal ended it."""

_LIBRARY_NOTE = re.compile(
    r"WARNING: All log messages before absl::"
    r"|I\d{4} \d\d:\d\d:\d+\.\d+ +\d+ \S+\.cc:\d+\] "
    r"|E\d{4} .*cuda_platform\.cc:\d+\] failed call to cuInit: .*\(303\)"
    r"|To enable the following instructions: "
)
"""Lines that TensorFlow prints on a machine without a CUDA driver (error 303), and that no setting turns off. Nothing
has failed, so they are not logged; its other warnings and errors are."""

RETRY_DELAYS_S: Final[list[float]] = [30, 120, 300]
"""Wall seconds before each further try."""


class Failure(StrEnum):
    """Why a command ended badly."""

    UNAVAILABLE = "the venue did not answer"
    KILLED = "it was killed"
    LATE = "it took too long"
    OTHER = "it failed"


TRIES: Final = {Failure.UNAVAILABLE: 3, Failure.KILLED: 1, Failure.LATE: 1, Failure.OTHER: 0}
"""How often a command is tried again after a failure of a kind."""


class StageFailed(OddsmithError):
    """A stage ended with an error; its message is the stage's own line."""

    def __init__(self, message: str, kind: Failure = Failure.OTHER) -> None:
        super().__init__(message)
        self.kind = kind


def try_again(_task: Any, run: Any, state: Any) -> bool:
    """Whether Prefect should repeat a task: its failure's kind decides, and how often it ran."""
    try:
        state.result()
    except StageFailed as failure:
        return int(run.run_count) <= TRIES[failure.kind]
    except Exception:
        return False
    return False


def stage_names(dvc_file: Path = Path("dvc.yaml")) -> tuple[str, ...]:
    """The stages of dvc.yaml in the order of the file."""
    document = yaml.safe_load(dvc_file.read_text(encoding="utf-8"))
    return tuple(document["stages"])


def run_command(
    *command: str, name: str, environment: Mapping[str, str] | None = None, timeout_s: float | None = None
) -> list[str]:
    """Run a command, pass its lines on as they come, and give them back.

    After `timeout_s` wall seconds (by `flows.stage_timeout_min` of its name) it is ended with everything that it has
    started.

    Raises:
        StageFailed: with the command's own error line, if it ends with a status other than 0 or too late.
    """
    logger = get_run_logger()
    limit_s = parameters.load().flows.limit_s(name) if timeout_s is None else timeout_s
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
        _ended_after(child, limit_s) as late,
    ):
        assert child.stdout is not None
        for raw in child.stdout:
            line = raw.rstrip()
            if _LIBRARY_NOTE.match(line):
                continue
            lines.append(line)
            logger.info(line)
            progress.detail(name, line)
        child.wait()
    if late.is_set():
        raise StageFailed(
            f"{name} was ended after {limit_s:.0f} s (flows.stage_timeout_min); nothing half-made is kept, and the "
            "same command goes on with what is done",
            Failure.LATE,
        )
    if child.returncode:
        raise _failure(lines, name, child.returncode)
    return lines


def run_optional(*command: str, name: str, note: str) -> bool:
    """Run a command that a night can do without, as a step of its progress; whether it succeeded. A failure is said
    with the command's own line and with `note`, and ends nothing."""
    started = time.perf_counter()
    progress.begin(name)
    try:
        run_command(*command, name=name)
    except StageFailed as error:
        progress.detail(name, f"{error}; {note}")
        return False
    progress.end(name, time.perf_counter() - started)
    return True


@contextmanager
def _ended_after(child: subprocess.Popen[str], timeout_s: float) -> Iterator[threading.Event]:
    """Kill a process and all below it when its time is over; gives the event that says so."""
    late = threading.Event()

    def end() -> None:
        late.set()
        with suppress(psutil.NoSuchProcess):
            for process in [*psutil.Process(child.pid).children(recursive=True), psutil.Process(child.pid)]:
                with suppress(psutil.NoSuchProcess):
                    process.kill()

    timer = threading.Timer(timeout_s, end)
    timer.daemon = True
    timer.start()
    try:
        yield late
    finally:
        timer.cancel()


def _failure(lines: list[str], name: str, status: int) -> StageFailed:
    told = next((int(found[1]) for line in reversed(lines) if (found := _STATUS.search(line))), status)
    said = [line for line in lines if line.startswith(f"{name}: ")]
    if said:
        return StageFailed(said[-1], Failure.UNAVAILABLE if told == os.EX_UNAVAILABLE else Failure.OTHER)
    number = -told if told < 0 else -status
    if number > 0:
        return StageFailed(
            f"{name} was killed by {_signal_name(number)} (somebody, or the system when memory is short); nothing "
            "half-made is kept, and the same command goes on with what is done",
            Failure.KILLED,
        )
    tail = next((line for line in reversed(lines) if line.strip()), "it printed nothing")
    return StageFailed(f"{name} ended with status {status}: {tail}")


def _signal_name(number: int) -> str:
    with suppress(ValueError):
        return signal.Signals(number).name
    return f"signal {number}"


@task(
    task_run_name="{name}",
    cache_policy=NO_CACHE,
    persist_result=False,
    tags=["stage"],
    retries=len(RETRY_DELAYS_S),
    retry_delay_seconds=RETRY_DELAYS_S,
    retry_condition_fn=try_again,
)
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

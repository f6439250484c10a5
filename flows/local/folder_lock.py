"""Who runs in a folder: a lock file that its holder signs, so that another command finds the process and ends it."""

import fcntl
import json
import os
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from pipelines.core.errors import AlreadyRunning

SYSTEM = "run.lock"
"""Held by `oddsmith run`, or by `oddsmith flows serve` where it started servers of its own."""

FLOWS = "flows.lock"
"""Held by `oddsmith flows serve` while it uses the servers of a running system."""

POLL_S = 0.1


@dataclass(frozen=True, slots=True)
class Holder:
    """The process that holds a lock: its command, its id, wall seconds since 1970 at its start, and its URLs by name,
    which are empty until it has chosen its ports."""

    command: str
    pid: int
    started_s: float
    urls: Mapping[str, str] = field(default_factory=dict)


@contextmanager
def held(path: Path, command: str) -> Iterator[Callable[[Mapping[str, str]], None]]:
    """Hold a lock as `command` for as long as this is entered; gives a function that adds the URLs to the signature.

    Raises:
        AlreadyRunning: if another process holds it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+", encoding="utf-8") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            other = holder(path)
            which = f"`{other.command}`, process {other.pid}" if other else "another process"
            raise AlreadyRunning(f"{which}, runs in this folder already; `oddsmith stop` ends it") from None
        me = {"command": command, "pid": os.getpid(), "started_s": psutil.Process().create_time()}

        def sign(urls: Mapping[str, str]) -> None:
            lock.truncate(0)
            lock.write(json.dumps({**me, "urls": dict(urls)}))
            lock.flush()

        sign({})
        try:
            yield sign
        finally:
            with suppress(OSError):
                lock.truncate(0)


def is_held(path: Path) -> bool:
    """Whether a process holds the lock now."""
    if not path.is_file():
        return False
    with path.open("a", encoding="utf-8") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def holder(path: Path) -> Holder | None:
    """The process that holds the lock; None where nobody does, or its signature is not there yet."""
    if not is_held(path):
        return None
    try:
        found = Holder(**json.loads(path.read_text(encoding="utf-8")))
        same = abs(psutil.Process(found.pid).create_time() - found.started_s) < 1.0
    except (OSError, ValueError, TypeError, psutil.NoSuchProcess):
        return None
    return found if same else None


def end(path: Path, *, limit_s: float) -> bool:
    """Ask the holder to stop, as Ctrl-C does, and wait; whether the lock is free within the limit.

    Only the process that signed the lock gets the signal: a process that has its number by chance does not.
    """
    found = holder(path)
    if found is not None:
        with suppress(ProcessLookupError):
            os.kill(found.pid, signal.SIGTERM)
    return await_free(path, limit_s=limit_s)


def await_free(path: Path, *, limit_s: float) -> bool:
    """Wait until nobody holds the lock; whether that was within the limit."""
    deadline = time.monotonic() + limit_s
    while is_held(path):
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_S)
    return True

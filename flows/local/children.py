"""Child processes in groups of their own: started, waited for, stopped within a time limit, cleared up after a kill."""

import os
import signal
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from flows.local import log_files
from pipelines.core.artifacts import read_json, write_json
from pipelines.core.errors import ArtifactError, OddsmithError

POLL_S = 0.2


class ChildFailed(OddsmithError):
    """A part of the stack ended by itself or did not become ready."""


@dataclass(slots=True)
class Child:
    """A running part of the stack; `stop_s` is how long it may take to stop before it is killed."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path
    stop_s: float

    @property
    def running(self) -> bool:
        """Whether the process still lives."""
        return self.process.poll() is None

    def last_line(self) -> str:
        """The last thing it said, for the error that a person reads."""
        lines = self.log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        return lines[-1][:300] if lines else "it printed nothing"


class Children:
    """The children of one run, in the order in which they started; a file holds their identities."""

    def __init__(self, var: Path) -> None:
        self._registry = var / "stack.json"
        self._logs = var / "logs"
        self._children: list[Child] = []

    def start(
        self, name: str, command: Sequence[str], environment: Mapping[str, str], *, stop_s: float, shown: bool = False
    ) -> Child:
        """Start a command in a process group of its own, its output in var/logs/<name>.log (shown: errors alone)."""
        log = self._logs / f"{name}.log"
        with log_files.begin(log) as stream:
            process = subprocess.Popen(
                command,
                env={**os.environ, **environment},
                stdin=subprocess.DEVNULL,
                stdout=None if shown else stream,
                stderr=stream,
                start_new_session=True,
            )
        child = Child(name, process, log, stop_s)
        self._children.append(child)
        self._record()
        return child

    def wait_ready(self, child: Child, url: str, *, limit_s: float, on_wait: Callable[[float], None]) -> float:
        """Wait until a URL answers 200; the seconds that took.

        Raises:
            ChildFailed: if the child ends, or the limit passes.
        """
        started = time.monotonic()
        while not answers(url):
            waited = time.monotonic() - started
            if not child.running:
                raise ChildFailed(f"{child.name} ended while starting: {child.last_line()} (see {child.log})")
            if waited > limit_s:
                raise ChildFailed(f"{child.name} did not answer {url} within {limit_s:.0f} s (see {child.log})")
            on_wait(waited)
            time.sleep(POLL_S)
        return time.monotonic() - started

    def rotate_logs(self) -> None:
        """Keep the logs small while their parts run."""
        log_files.rotate(self._logs)

    def ended(self) -> list[Child]:
        """The children that should be running and are not."""
        return [child for child in self._children if not child.running]

    def stop(self, name: str) -> float:
        """Stop one child and its whole group: SIGTERM, then SIGKILL after its limit; the seconds that took."""
        started = time.monotonic()
        for child in [c for c in self._children if c.name == name]:
            _signal_group(child.process.pid, signal.SIGTERM)
            with suppress(subprocess.TimeoutExpired):
                child.process.wait(child.stop_s)
            _signal_group(child.process.pid, signal.SIGKILL)
            child.process.wait()
            self._children.remove(child)
        self._record_ends()
        return time.monotonic() - started

    def kill_all(self) -> None:
        """End everything at once, without asking."""
        for child in self._children:
            _signal_group(child.process.pid, signal.SIGKILL)
            child.process.wait()
        self._children.clear()
        self._record_ends()

    def clear_up_last_run(self) -> list[str]:
        """Kill what an earlier run left when it was killed itself; the names of what was found."""
        try:
            records = read_json(self._registry)
        except ArtifactError:
            return []
        found = []
        for record in records:
            if _is_same_process(record["pid"], record["started_s"]):
                found.append(str(record["name"]))
                _signal_group(record["pid"], signal.SIGTERM)
                _await_end(record["pid"], limit_s=5.0)
                _signal_group(record["pid"], signal.SIGKILL)
        write_json(self._registry, [])
        return found

    def _record_ends(self) -> None:
        # A full disk must not keep anything running; an old record names processes that are gone, which harms nobody.
        with suppress(ArtifactError):
            self._record()

    def _record(self) -> None:
        records = []
        for child in self._children:
            if child.running:
                started_s = psutil.Process(child.process.pid).create_time()
                records.append({"name": child.name, "pid": child.process.pid, "started_s": started_s})
        write_json(self._registry, records)


def answers(url: str) -> bool:
    """Whether a URL answers 200 within two seconds."""
    try:
        with urllib.request.urlopen(url, timeout=2.0) as response:  # noqa: S310 - only loopback URLs of ours
            return bool(response.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def _signal_group(pid: int, number: int) -> None:
    try:
        os.killpg(pid, number)
    except (ProcessLookupError, PermissionError):
        return


def _is_same_process(pid: int, started_s: float) -> bool:
    try:
        return abs(psutil.Process(pid).create_time() - started_s) < 1.0
    except psutil.NoSuchProcess:
        return False


def _await_end(pid: int, *, limit_s: float) -> None:
    deadline = time.monotonic() + limit_s
    while psutil.pid_exists(pid) and time.monotonic() < deadline:
        time.sleep(POLL_S)

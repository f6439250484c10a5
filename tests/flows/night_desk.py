"""A tiny night of real processes: window, four stages under DVC, MLflow, the bento, the swap of the champion."""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.core.artifacts import sha256_path

ROOT = Path(__file__).parents[2]
START_S = 1_767_225_600
STAGES = """\
stages:
  pull: {cmd: PULL, deps: [data/window.json, fit.json], outs: [data/raw]}
  validate: {cmd: python -m night_stage validate, deps: [data/raw], outs: [data/quarantine]}
  package: {cmd: python -m night_stage package, deps: [data/quarantine, fit.json], outs: [models/bundle]}
  gate: {cmd: python -m night_stage gate, deps: [models/bundle], outs: [models/verdict.json, reports/gate.json]}
"""
STEPS = ("parity", "ingest", "window", "pull", "validate", "package", "track", "gate", "promote", "push")
RECORDED = ("--source", "recorded", "--recording", "recording.parquet")


@dataclass
class Desk:
    """A folder with a recording, stages, parameters and a remote of DVC; nights are started in it as processes."""

    folder: Path
    more: dict[str, str] = field(default_factory=dict)
    source: tuple[str, ...] = RECORDED
    """Where a night's data come from; with another source than a recording the pull is the real one."""

    def __post_init__(self) -> None:
        shutil.copy2(ROOT / "params.yaml", self.folder)
        pull = "python -m night_stage pull" if self.source == RECORDED else "python -m pipelines pull"
        (self.folder / "dvc.yaml").write_text(STAGES.replace("PULL", pull))
        self.fit(1.2)
        _recording(self.folder / "recording.parquet")
        self.dvc("init", "--no-scm", "-q")
        self.dvc("remote", "add", "-q", "-d", "store", str(self.folder / "remote"))

    def dvc(self, *words: str) -> str:
        """What a command of DVC prints."""
        command = [sys.executable, "-m", "dvc", *words]
        return subprocess.run(command, cwd=self.folder, check=True, capture_output=True, text=True).stdout

    def fit(self, pull: float) -> None:
        """What the next candidate is made of: another number is another bundle."""
        (self.folder / "fit.json").write_text(json.dumps({"pull": pull}))

    def environment(self) -> dict[str, str]:
        """Of a night: nothing of the machine's own system."""
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("ODDSMITH_", "MLFLOW_"))}
        code = os.pathsep.join([str(ROOT), str(Path(__file__).parent)])
        return {**kept, "PYTHONPATH": code, "ODDSMITH_VAR": str(self.folder / "var"), **self.more}

    def start(self, *wrapper: str, step: str = "nightly") -> subprocess.Popen[str]:
        """A night, or another flow, in a session of its own."""
        words = ["nightly", *self.source, "--fresh"]
        return subprocess.Popen(
            [*wrapper, sys.executable, "-m", "flows", *(words if step == "nightly" else [step])],
            cwd=self.folder, env=self.environment(), start_new_session=True, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip

    def night(self) -> str:
        """A whole night that ends well; what it printed."""
        process = self.start()
        said, _ = process.communicate(timeout=280)
        assert process.returncode == 0, said[-3_000:]
        return said

    def present(self) -> str | None:
        """The step that a night is at."""
        path = self.folder / "var/night.json"
        try:
            return str(json.loads(path.read_text())["step"])
        except (OSError, ValueError):
            return None

    def champion(self) -> dict[str, Any] | None:
        """The champion's record, whole or not there."""
        path = self.folder / "var/champion.json"
        return dict(json.loads(path.read_text())) if path.is_file() else None

    def products(self) -> dict[str, Any]:
        """What an undisturbed night leaves, without the times in it."""
        manifest = json.loads((self.folder / "models/bundle/manifest.json").read_text())
        record = self.champion() or {}
        verdict = json.loads((self.folder / "reports/gate.json").read_text())
        installed = (self.folder / "var/bento/bentos" / record["bento_tag"].replace(":", "/") / "bento.yaml").is_file()
        return {
            "bundle": manifest["hash"],
            "champion": record["hash"],
            "verdict": verdict["verdict"],
            "installed": installed,
            "raw": sha256_path(self.folder / "data/raw"),
            "remote": self.dvc("status", "--cloud").strip(),
        }


@contextmanager
def killed(process: subprocess.Popen[str]) -> Iterator[None]:
    """Nothing of a night outlives the block."""
    try:
        yield
    finally:
        with_children(process, signal.SIGKILL)


def with_children(process: subprocess.Popen[str], number: int) -> None:
    """A signal to a night and all that it has started."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, number)
    process.wait(60)


def drained(process: subprocess.Popen[str]) -> list[str]:
    """Lines of a process, read while it runs so that it never waits for a reader."""
    lines: list[str] = []

    def read() -> None:
        assert process.stdout is not None
        lines.extend(process.stdout)

    threading.Thread(target=read, daemon=True).start()
    return lines


def awaited(right: Callable[[], bool], process: subprocess.Popen[str], limit_s: float = 200.0) -> None:
    """Until something holds, while a process lives."""
    deadline = time.monotonic() + limit_s
    while not right():
        assert process.poll() is None, "the night ended before"
        assert time.monotonic() < deadline, "it did not come"
        time.sleep(0.02)


def _recording(path: Path) -> None:
    """Four events of a market each, some hours of minutes."""
    rows = [
        {
            "market_id": f"m{event}",
            "event_id": f"e{event}",
            "timestamp": START_S + 60 * (300 * event + bar),
            "price": 0.4 + 0.001 * (bar % 50),
        }
        for event in range(4)
        for bar in range(400)
    ]
    pq.write_table(pa.Table.from_pylist(rows), path)

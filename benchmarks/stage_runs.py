"""Whole stages on a world of its own: a folder with the history of one, and `python -m pipelines` in it."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from flows.edit_params import change
from flows.local.children import answers
from flows.local.ports import HOST, SIMULATOR_PORTS, choose
from pipelines.core import params

ROOT = Path(__file__).resolve().parents[1]


def pull(folder: Path, assignments: Sequence[str]) -> None:
    """Put the shipped parameters with some changes into an empty folder, and pull the history of their world there.

    Raises:
        RuntimeError: if the local exchange does not start, or the pull fails.
    """
    shutil.copy2(ROOT / "params.yaml", folder)
    change(assignments, folder / "params.yaml")
    with exchange(folder) as addresses:
        run(folder, "window", "--source", "simulated", addresses=addresses)
        run(folder, "pull", addresses=addresses)


def pull_recording(folder: Path, recording: Path, assignments: Sequence[str]) -> None:
    """Put the shipped parameters with some changes into an empty folder, and pull a recording there.

    Raises:
        RuntimeError: with the last line of a stage that refuses it.
    """
    shutil.copy2(ROOT / "params.yaml", folder)
    change(assignments, folder / "params.yaml")
    run(folder, "window", "--source", "recorded", "--recording", str(recording.resolve()))
    run(folder, "pull")


def run(folder: Path, *command: str, addresses: dict[str, str] | None = None) -> None:
    """A stage in a folder. Raises RuntimeError with its last line when it fails."""
    result = subprocess.run(
        [sys.executable, "-m", "pipelines", *command],
        cwd=folder,
        env=environment(addresses or {}),
        capture_output=True,
        text=True,
        check=False,
    )
    if result.returncode:
        raise RuntimeError(f"{' '.join(command)}: {result.stderr.strip().splitlines()[-1]}")


@contextlib.contextmanager
def exchange(folder: Path) -> Iterator[dict[str, str]]:
    """The local exchange of a folder's parameters, with its clock stopped; the environment that points at it."""
    world = params.read(folder / "params.yaml").simulator
    port = choose("simulator", count=SIMULATOR_PORTS)
    options = {
        "--port": port,
        "--seed": world.seed,
        "--edge": world.edge,
        "--world": world.world,
        "--size-lean": world.size_lean,
        "--large-account": world.large_account,
        "--speed": 0,
        "--history-days": world.history_days,
        "--event-length-min": world.event_length_min,
        "--event-every-min": world.event_every_min,
        "--markets-per-event": world.markets_per_event,
    }
    command = [sys.executable, "-m", "simulator", *(str(part) for pair in options.items() for part in pair)]
    names = ("CLOB", "GAMMA", "DATA")
    addresses = {f"ODDSMITH_{name}_URL": f"http://{HOST}:{port + i}" for i, name in enumerate(names)}
    addresses["ODDSMITH_NEWS_URL"] = f"http://{HOST}:{port + 3}/rss"
    with (
        (folder / "simulator.log").open("wb") as log,
        subprocess.Popen(command, cwd=folder, env=environment({}), stdout=log, stderr=log) as running,
    ):
        try:
            while not answers(f"{addresses['ODDSMITH_CLOB_URL']}/ok"):
                if running.poll() is not None:
                    raise RuntimeError((folder / "simulator.log").read_text(encoding="utf-8"))
                time.sleep(0.2)
            yield addresses
        finally:
            running.send_signal(signal.SIGTERM)


def environment(extra: dict[str, str]) -> dict[str, str]:
    """The environment of a stage in a process of its own: one thread for each library, and `extra`."""
    own = {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "TF_CPP_MIN_LOG_LEVEL": "3"}
    return {**os.environ, **own, **extra}

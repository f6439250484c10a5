"""How often the gate promotes: `python -m benchmarks.gate --edge 1 --seeds 1 2 3 4 5`.

Each seed is a world of its own: the local exchange stands still at the end of its history, every stage runs in an
empty folder as the nightly flow would run it, and the verdict is read. One JSON line a seed, then one with the count.
"""

import argparse
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from flows.local.children import answers
from flows.local.ports import HOST, SIMULATOR_PORTS, choose
from flows.params import change
from flows.stages import stage_names
from pipelines.core import params

ROOT = Path(__file__).resolve().parents[1]


def main(argv: Sequence[str] | None = None) -> int:
    """Exit status 0; the lines are the result."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gate", description=__doc__)
    parser.add_argument("--edge", type=float, default=1.0)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3, 4, 5])
    parser.add_argument("--set", nargs="*", default=[], metavar="section.key=value", help="other parameters")
    arguments = parser.parse_args(argv)
    verdicts = []
    for seed in arguments.seeds:
        outcome = judge(seed, arguments.edge, arguments.set)
        verdicts.append(outcome["verdict"])
        print(json.dumps(outcome), flush=True)
    promoted = verdicts.count("promote")
    print(json.dumps({"edge": arguments.edge, "seeds": len(verdicts), "promoted": promoted}), flush=True)
    return 0


def judge(seed: int, edge: float, assignments: Sequence[str]) -> dict[str, Any]:
    """Verdict, evidence and seconds of one world."""
    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        shutil.copy2(ROOT / "params.yaml", folder)
        change([f"simulator.seed={seed}", f"simulator.edge={edge}", *assignments], folder / "params.yaml")
        with venue(folder) as environment:
            run_stage(folder, environment, "window", "--source", "simulated")
            run_stage(folder, environment, "pull")
        for stage in stage_names(ROOT / "dvc.yaml")[1:]:
            run_stage(folder, environment, stage)
        gate = json.loads((folder / "reports/gate.json").read_text(encoding="utf-8"))
        backtest = json.loads((folder / "reports/backtest.json").read_text(encoding="utf-8"))
    evidence = gate["evidence"]
    return {
        "seed": seed,
        "edge": edge,
        "verdict": gate["verdict"],
        "policy": backtest["chosen"],
        **{key: evidence.get(key) for key in ("skill", "lower_bound", "pnl_pusd", "events")},
        "selection_pnl_pusd": {key: round(row["pnl_pusd"], 2) for key, row in backtest["strategies"].items()},
        "seconds": round(time.perf_counter() - started, 1),
    }


@contextlib.contextmanager
def venue(folder: Path) -> Iterator[dict[str, str]]:
    """The local exchange of a folder's parameters, standing still; the environment that points at it."""
    world = params.read(folder / "params.yaml").simulator
    port = choose("simulator", count=SIMULATOR_PORTS)
    options = {
        "--port": port,
        "--seed": world.seed,
        "--edge": world.edge,
        "--speed": 0,
        "--history-days": world.history_days,
        "--event-length-min": world.event_length_min,
        "--event-every-min": world.event_every_min,
        "--markets-per-event": world.markets_per_event,
    }
    command = [sys.executable, "-m", "simulator", *(str(part) for pair in options.items() for part in pair)]
    names = ("CLOB", "GAMMA", "DATA")
    environment = {f"ODDSMITH_{name}_URL": f"http://{HOST}:{port + i}" for i, name in enumerate(names)}
    environment["ODDSMITH_NEWS_URL"] = f"http://{HOST}:{port + 3}/rss"
    with (
        (folder / "simulator.log").open("wb") as log,
        subprocess.Popen(command, cwd=folder, env=_environment({}), stdout=log, stderr=log) as venue,
    ):
        try:
            while not answers(f"{environment['ODDSMITH_CLOB_URL']}/ok"):
                if venue.poll() is not None:
                    raise RuntimeError((folder / "simulator.log").read_text(encoding="utf-8"))
                time.sleep(0.2)
            yield environment
        finally:
            venue.send_signal(signal.SIGTERM)


def run_stage(folder: Path, environment: dict[str, str], *command: str) -> None:
    """A stage in a folder. Raises RuntimeError with its last line when it fails."""
    result = subprocess.run(
        [sys.executable, "-m", "pipelines", *command],
        cwd=folder,
        env=_environment(environment),
        capture_output=True,
        text=True,
        check=False,
    )
    if result.returncode:
        raise RuntimeError(f"{' '.join(command)}: {result.stderr.strip().splitlines()[-1]}")


def _environment(extra: dict[str, str]) -> dict[str, str]:
    own = {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "TF_CPP_MIN_LOG_LEVEL": "3"}
    return {**os.environ, **own, **extra}


if __name__ == "__main__":
    sys.exit(main())

"""How often the gate promotes: `python -m benchmarks.gate --edge 1 --seeds 1 2 3 4 5`.

Each seed is a world of its own: the local exchange is stopped at the end of its history, every stage runs in an
empty folder as the nightly flow would run it, and the verdict is read. One JSON line a seed, then one with the count.
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, get_args

from benchmarks import stage_runs
from flows.stage_tasks import stage_names
from pipelines.core.artifacts import read_json
from pipelines.core.command_line import exit_status, number
from simulator.markets.price_model import World


def main(argv: Sequence[str] | None = None) -> int:
    """Exit status 0; the lines are the result."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gate", description=__doc__)
    parser.add_argument("--edge", type=number(0, 1), default=1.0)
    parser.add_argument("--world", choices=get_args(World), default="reversion", help="which errors quotes make")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3, 4, 5])
    parser.add_argument("--set", nargs="*", default=[], metavar="section.key=value", help="other parameters")
    arguments = parser.parse_args(argv)
    verdicts = []
    for seed in arguments.seeds:
        outcome = judge(seed, arguments.edge, [f"simulator.world={arguments.world}", *arguments.set])
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
        stage_runs.pull(folder, [f"simulator.seed={seed}", f"simulator.edge={edge}", *assignments])
        for stage in stage_names(stage_runs.ROOT / "dvc.yaml")[1:]:
            stage_runs.run(folder, stage)
        gate, backtest = read_json(folder / "reports/gate.json"), read_json(folder / "reports/backtest.json")
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


if __name__ == "__main__":
    sys.exit(exit_status("gate", main))

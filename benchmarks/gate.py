"""How often the gate promotes: `python -m benchmarks.gate --edge 1 --seeds 1 2 3 4 5`.

Each seed is a world of its own: the local exchange is stopped at the end of its history, every stage runs in an
empty folder as the nightly flow would run it, and the verdict is read. The bundle then trades LATER_DAYS more
days of its world, which no stage has read: `later_pnl_pusd`, after costs, with every limit. One JSON line a seed; the
last one counts the promoted worlds and gives the mean of what promoted and held bundles earned later, with its 95 %
interval (Student's t over worlds). Finished worlds are kept in var/benchmarks/gate.jsonl.
"""

import argparse
import contextlib
import json
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

import numpy as np
from scipy import stats

from benchmarks import stage_runs
from benchmarks.kept_rows import KeptRows
from flows.stage_tasks import stage_names
from pipelines.core import params
from pipelines.core.artifacts import read_json
from pipelines.core.command_line import exit_status, number
from pipelines.core.products import BUNDLE, WINDOW
from pipelines.gate import forecasts
from pipelines.gate.contender import Traded, trade
from pipelines.inference.bundle import Bundle
from pipelines.inference.verdict import PROMOTE
from pipelines.replay import market_history
from simulator.markets.price_model import World

KEPT = Path("var/benchmarks/gate.jsonl")
SOURCES = ("pipelines", "simulator/markets", "benchmarks/gate.py", "params.yaml")
LATER_DAYS = 2


def main(argv: Sequence[str] | None = None) -> int:
    """Exit status 0; the lines are the result."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gate", description=__doc__)
    parser.add_argument("--edge", type=number(0, 1), default=1.0)
    parser.add_argument("--world", choices=get_args(World), default="reversion", help="which errors quotes make")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3, 4, 5])
    parser.add_argument("--set", nargs="*", default=[], metavar="section.key=value", help="other parameters")
    arguments = parser.parse_args(argv)
    kept = KeptRows(KEPT, SOURCES)
    rows = []
    for seed in arguments.seeds:
        asked = {"seed": seed, "edge": arguments.edge, "world": arguments.world, "set": arguments.set}
        assignments = [f"simulator.world={arguments.world}", *arguments.set]
        rows.append(kept.once(asked, lambda: judge(seed, arguments.edge, assignments)))  # noqa: B023
    print(json.dumps({"edge": arguments.edge, "world": arguments.world, **summary(rows)}), flush=True)
    return 0


def summary(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Number of promoted worlds; later P&L of promoted and of held bundles in pUSD, mean and 95 % interval."""
    promoted = [row["later_pnl_pusd"] for row in rows if row["verdict"] == PROMOTE]
    held = [row["later_pnl_pusd"] for row in rows if row["verdict"] != PROMOTE]
    return {
        "seeds": len(rows),
        "promoted": len(promoted),
        "promoted_later_pusd": t_interval(promoted),
        "held_later_pusd": t_interval(held),
    }


def t_interval(values: Sequence[float]) -> list[float] | None:
    """Mean and its 95 % interval by Student's t, which suits few worlds; None of fewer than two."""
    if len(values) < 2:
        return None
    mean, error = float(np.mean(values)), float(stats.t.ppf(0.975, len(values) - 1) * stats.sem(values))
    return [round(one, 1) for one in (mean, mean - error, mean + error)]


def judge(seed: int, edge: float, assignments: Sequence[str]) -> dict[str, Any]:
    """Verdict, evidence and seconds of one world."""
    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        stage_runs.pull(folder, [f"simulator.seed={seed}", f"simulator.edge={edge}", *assignments])
        for stage in stage_names(stage_runs.ROOT / "dvc.yaml")[1:]:
            stage_runs.run(folder, stage)
        gate, backtest = read_json(folder / "reports/gate.json"), read_json(folder / "reports/backtest.json")
        later = earned_later(folder, seed, edge, assignments)
    evidence = gate["evidence"]
    return {
        "verdict": gate["verdict"],
        "failed": [one["name"] for one in gate["criteria"] if not one["passed"]],
        "policy": backtest["chosen"],
        **{key: evidence.get(key) for key in ("skill", "lower_bound", "pnl_pusd", "pnl_lower_bound_pusd", "events")},
        "later_pnl_pusd": round(later.figures.pnl_pusd, 2),
        "later_events": len(later.by_event),
        "selection_pnl_pusd": {key: round(row["pnl_pusd"], 2) for key, row in backtest["strategies"].items()},
        "seconds": round(time.perf_counter() - started, 1),
    }


def earned_later(judged: Path, seed: int, edge: float, assignments: Sequence[str]) -> Traded:
    """Trade the bundle of a judged folder on the LATER_DAYS after its last bar: figures and P&L by event."""
    bundle, ended_s = Bundle.open(judged / BUNDLE), read_json(judged / WINDOW)["as_of_s"]
    days = params.read(judged / "params.yaml").simulator.history_days + LATER_DAYS
    longer = [f"simulator.history_days={days}", f"pull.history_days={LATER_DAYS + 1}"]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        world = [f"simulator.seed={seed}", f"simulator.edge={edge}", *assignments, *longer]
        stage_runs.pull(folder, world)
        for stage in ("validate", "featurize"):
            stage_runs.run(folder, stage)
        with contextlib.chdir(folder):
            given, predictor = params.read(Path("params.yaml")), bundle.predictor()
            found = (
                forecasts.forecast_rows(predictor, one, np.flatnonzero(one.ts_s > ended_s), given.execution)
                for one in market_history.read_series(market_history.read_markets())
            )
            histories = [one for one in found if one is not None]
            return trade(bundle, histories, given, market_history.bar_length_s())


if __name__ == "__main__":
    sys.exit(exit_status("gate", main))

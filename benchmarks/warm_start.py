"""Nights that begin from yesterday's models against nights from scratch: `python -m benchmarks.warm_start`.

One JSON line. Every night has two arms on the same window: one trains from scratch, the other begins from what it had
the night before (`forecast.warm_start`, `agent.warm_start`). Both forecasters are judged on the bars of the day that
follows: `skill_scratch`, `skill_warm`, and `skill_difference` with its 95 % interval over nights. `seconds_scratch` and
`seconds_warm` are those of the training; with --agent `pnl_difference_pusd` is that of the agents on their held-out
events. Every night is kept in --out; --minutes ends a run between two nights.
"""

import argparse
import json
import shutil
import sys
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

from benchmarks import stage_runs
from benchmarks.changed_nights import DAY_S, Nights, skill
from benchmarks.kept_rows import KeptRows
from flows.edit_params import change
from pipelines.core.artifacts import read_json, write_json
from pipelines.core.command_line import exit_status, number, whole
from pipelines.core.products import FORECASTER, START, report_json
from pipelines.inference.predictor import Predictor
from pipelines.inference.start_point import PARTS
from pipelines.replay import market_history
from simulator.markets.events import EPOCH_S

DAYS, MARKETS = 8, 2
"""Length of a night's window, and markets in an event."""
ARMS = ("scratch", "warm")
SOURCES = ("pipelines/forecast", "pipelines/agent", "pipelines/inference", "benchmarks/warm_start.py")


def main(argv: Sequence[str] | None = None) -> int:
    """Exit status 0; the line is the result."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.warm_start", description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("var/benchmarks/warm-start"), help="what is measured already")
    parser.add_argument("--nights", type=whole(1), default=8, help="nights in a row; the first two compare nothing (8)")
    parser.add_argument("--kind", default="mlp", help="forecast.kind (mlp); ssm is the filter alone")
    parser.add_argument("--agent", action="store_true", help="train the agents too")
    parser.add_argument("--minutes", type=number(0, 10_000), default=0.0, help="begin no night later (0: no end)")
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args(argv)
    ends = time.monotonic() + 60.0 * asked.minutes if asked.minutes else float("inf")
    kept = KeptRows(asked.out / "nights.jsonl", SOURCES)
    rows: list[dict[str, Any]] = []
    for night in range(asked.nights):
        about = {"night": night, "kind": asked.kind, "agent": asked.agent, "seed": asked.seed}
        if kept.find(about) is None and time.monotonic() >= ends:
            break
        rows.append(kept.once(about, partial(_night, asked, night)))
    print(json.dumps(_line(rows) | {"left": asked.nights - len(rows)}), flush=True)
    return 0


def _line(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The first night begins both arms alike and is left out of the comparison."""

    def of(name: str) -> list[float]:
        return [float(row[name]) for row in rows if row.get(name) is not None]

    def difference(name: str) -> list[float] | None:
        return _interval([a - b for a, b in zip(of(f"{name}_warm"), of(f"{name}_scratch"), strict=True)])

    names = [f"{name}_{arm}" for name in ("skill", "seconds", "filter_s") for arm in ARMS]
    return {
        "nights": len(rows),
        **{name: round(float(np.mean(of(name))), 5) if of(name) else None for name in names},
        "skill_difference": difference("skill"),
        "pnl_difference_pusd": difference("pnl"),
    }


def _interval(values: Sequence[float]) -> list[float] | None:
    """Mean with its 95 % interval by Student's t; None with fewer than two."""
    if len(values) < 2:
        return None
    half = float(stats.t.ppf(0.975, len(values) - 1) * np.std(values, ddof=1) / np.sqrt(len(values)))
    return [round(float(np.mean(values)) + shift, 6) for shift in (0.0, -half, half)]


def _night(asked: argparse.Namespace, night: int) -> dict[str, Any]:
    """One window: the last night's forecasters judged on its last day, then both arms trained on it."""
    row: dict[str, Any] = {}
    out, now_s = asked.out.absolute() / f"{asked.kind}-{asked.seed}", EPOCH_S + (DAYS + night) * DAY_S
    nights = Nights(out, asked.seed, (f"forecast.kind={asked.kind}",), DAYS, MARKETS, ("edge=1",))
    with nights.working(out / "work"):
        nights.raw(now_s - DAYS * DAY_S, now_s, nights.changed(), asked.seed)
        for stage in ("validate", "featurize"):
            stage_runs.run(Path.cwd(), stage)
        # Night 1's day was forecast by night 0, on which both arms are the same.
        series = list(market_history.read_series(market_history.read_markets())) if night > 1 else []
        for arm in ARMS:
            before = out / arm
            if series:
                row[f"skill_{arm}"] = skill([(now_s - DAY_S, Predictor(before / FORECASTER))], series, now_s)
            shutil.rmtree("models", ignore_errors=True)
            if night and arm == "warm":
                _begin_from(before)
            warm = "true" if arm == "warm" else "false"
            change([f"forecast.warm_start={warm}", f"agent.warm_start={warm}"], Path("params.yaml"))
            for stage in ("forecast", "agent") if asked.agent else ("forecast",):
                stage_runs.run(Path.cwd(), stage)
            if night:
                report = read_json(report_json("forecast"))
                row |= {f"seconds_{arm}": report["training_s"], f"filter_s_{arm}": report["filter_s"]}
                if asked.agent:
                    row[f"pnl_{arm}"] = read_json(report_json("agent"))["held_out_best_pusd"]
            shutil.rmtree(before, ignore_errors=True)
            shutil.copytree("models", before / "models")
    return row


def _begin_from(before: Path) -> None:
    """Write models/start as the window command does, from the products of the night before."""
    write_json(START / "start.json", {"champion": "0" * 64, "why": ""})
    for source, name in PARTS:
        if (before / source).is_file():
            shutil.copyfile(before / source, START / name)


if __name__ == "__main__":
    sys.exit(exit_status("warm_start", main))

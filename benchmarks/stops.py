"""What the distance of stops is worth: `python -m benchmarks.stops --edge 1 0.5 --worlds 30`.

The threshold rule trades the later part of a world with every limit, after costs, in a compiled replay that is equal to
the event-driven one; only `risk.stop_cost_multiple` differs, or there are no stops. Forecasts are the Kalman limit's
(`--world` names other generators, whose forecast is that of their own limit). With `--believed 1` at edge 0 the rule
acts on an edge that is not there. Finished worlds are kept in var/benchmarks/stops.jsonl. The last line is JSON: by
world and distance the mean P&L, its difference from the distance NEAR with a 95 % interval over worlds, paired, the
mean of the largest drawdowns, and the worst event of all.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import Any, get_args

import numpy as np

from benchmarks.contest import LENGTH_S
from benchmarks.kept_rows import KeptRows, Row
from benchmarks.null import BELIEVED
from benchmarks.worlds import world
from pipelines.core.command_line import exit_status, number, whole
from pipelines.core.money import MICRO
from pipelines.core.params import Params, read
from pipelines.replay.account import AccountTape, play_rule, rule_numbers
from pipelines.replay.lanes import field, parameters
from pipelines.replay.signals import sizing_table, threshold_params
from simulator.markets.price_model import World

KEPT = Path("var/benchmarks/stops.jsonl")
SOURCES = ("pipelines/trading", "pipelines/replay", "simulator/markets", "benchmarks/stops.py", "benchmarks/worlds.py")
EVENTS = 42
NEAR = "2"
"""The distance that others are compared with, in round trips."""
DISTANCES = (NEAR, "3", "4", "6", "8", "none")
FIRST = 601
"""Seed of the first world; no parameter was chosen on these."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure what is missing and print one JSON line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.stops", description=__doc__)
    parser.add_argument("--edge", type=number(0, 1), nargs="+", default=[1.0, 0.5])
    parser.add_argument("--world", choices=get_args(World), nargs="+", default=["reversion"])
    parser.add_argument("--believed", type=number(0, 1), help="edge that the filter and the sizes believe in")
    parser.add_argument("--worlds", type=whole(2), default=30)
    asked = parser.parse_args(arguments)
    params, kept = read(Path("params.yaml")), KeptRows(KEPT, SOURCES)
    found = {}
    for kind, edge in product(asked.world, asked.edge):
        rows = []
        for seed in range(FIRST, FIRST + asked.worlds):
            about = {"world": kind, "edge": edge, "believed": asked.believed, "seed": seed}
            made = kept.once(about, lambda: one_world(seed, edge, kind, asked.believed, params))  # noqa: B023
            rows.append(made)
        found[f"{kind} {edge:g}"] = {distance: summary(rows, distance) for distance in DISTANCES}
    print(json.dumps({"benchmark": "stops", "believed": asked.believed, "worlds": asked.worlds, "found": found}))


def one_world(seed: int, edge: float, kind: World, believed: float | None, params: Params) -> Row:
    """By distance: P&L in pUSD, largest drawdown as a share, worst event in pUSD, entries."""
    made = world(seed, edge, EVENTS, params.execution, believed_edge=believed, kind=kind)
    table = sizing_table(made.earlier, params) if believed is None else BELIEVED
    impact, turn = params.execution.impact_share, params.execution.turn
    flat = field(made.later, made.scaler, impact, forecast_block=False)
    tape = AccountTape.of(made.later, flat, impact, turn=turn)
    numbers, cash = rule_numbers(threshold_params(params, LENGTH_S).rule), params.backtest.cash_pusd * MICRO
    found: Row = {}
    for distance in DISTANCES:
        played = play_rule(tape, parameters(with_stops(params, distance), table, LENGTH_S), numbers, cash)
        equity = np.concatenate(([cash], played.equity_micro))
        events = played.event_pnl_pusd(tape)
        found[distance] = {
            "pnl_pusd": round(played.pnl_pusd, 2),
            "drawdown": round(float((1.0 - equity / np.maximum.accumulate(equity)).max()), 4),
            "worst_event_pusd": round(float(events.min()), 2),
            "entries": played.entries,
        }
    return found


def with_stops(params: Params, distance: str) -> Params:
    """The parameters with stops that far away in round trips, or without any."""
    off = {"stop_loss": 0.0, "take_profit": 0.0, "trailing_stop": 0.0}
    update = off if distance == "none" else {"stop_cost_multiple": float(distance)}
    return params.model_copy(update={"risk": params.risk.model_copy(update=update)})


def summary(rows: Sequence[Row], distance: str, samples: int = 2_000) -> dict[str, Any]:
    """The figures of a distance over worlds."""
    pnl, near = (np.array([row[name]["pnl_pusd"] for row in rows]) for name in (distance, NEAR))
    gained = pnl - near
    drawn = gained[np.random.default_rng(0).integers(0, len(gained), (samples, len(gained)))].mean(axis=1)
    return {
        "pnl_pusd": round(float(pnl.mean()), 1),
        "more_pusd": [round(float(one), 1) for one in (gained.mean(), *np.quantile(drawn, (0.025, 0.975)))],
        "drawdown": round(float(np.mean([row[distance]["drawdown"] for row in rows])), 4),
        "worst_event_pusd": min(row[distance]["worst_event_pusd"] for row in rows),
    }


if __name__ == "__main__":
    sys.exit(exit_status("stops", main))

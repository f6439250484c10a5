"""P&L of the threshold rule by the distance of its stops: `python -m benchmarks.stops --edge 1 0.5 --worlds 30`.

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
from benchmarks.mean_interval import mean_interval
from benchmarks.null import BELIEVED
from benchmarks.worlds import world
from pipelines.core.command_line import exit_status, number, whole
from pipelines.core.money import MICRO
from pipelines.core.params import Params, read
from pipelines.replay.account import AccountTape, Played, play_rule, rule_numbers, tape_of
from pipelines.replay.lanes import parameters
from pipelines.replay.signals import sizing_table, threshold_params
from pipelines.trading.sizing import SizingTable
from simulator.markets.price_model import World

KEPT = Path("var/benchmarks/stops.jsonl")
SOURCES = ("pipelines/trading", "pipelines/replay", "simulator/markets", "benchmarks/stops.py", "benchmarks/worlds.py")
EVENTS = 42
NEAR = "2"
"""The distance that others are compared with, in round trips."""
DISTANCES = {NEAR: 2.0, "3": 3.0, "4": 4.0, "6": 6.0, "8": 8.0, "none": None}
"""Name -> round trips; None: no stops."""
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
    tape, cash = tape_of(made.later, made.scaler, params, forecast_block=False), params.backtest.cash_pusd * MICRO
    found: Row = {}
    for distance, round_trips in DISTANCES.items():
        result = played(tape, with_stops(params, round_trips), table)
        equity = np.concatenate(([cash], result.equity_micro))
        events = result.event_pnl_pusd(tape)
        found[distance] = {
            "pnl_pusd": round(result.pnl_pusd, 2),
            "drawdown": round(float((1.0 - equity / np.maximum.accumulate(equity)).max()), 4),
            "worst_event_pusd": round(float(events.min()), 2),
            "entries": result.entries,
        }
    return found


def played(tape: AccountTape, params: Params, table: SizingTable) -> Played:
    """The threshold rule on a tape with the limits of some parameters."""
    rule, cash = threshold_params(params, LENGTH_S).rule, params.backtest.cash_pusd * MICRO
    return play_rule(tape, parameters(params, table, LENGTH_S), rule_numbers(rule), cash)


def with_stops(params: Params, round_trips: float | None) -> Params:
    """The parameters with stops no nearer than so many round trips; None: without stops."""
    off = {"stop_loss": 0.0, "take_profit": 0.0, "trailing_stop": 0.0}
    update = off if round_trips is None else {"stop_cost_multiple": round_trips}
    return params.model_copy(update={"risk": params.risk.model_copy(update=update)})


def summary(rows: Sequence[Row], distance: str) -> dict[str, Any]:
    """The figures of a distance over worlds."""
    pnl, near = (np.array([row[name]["pnl_pusd"] for row in rows]) for name in (distance, NEAR))
    return {
        "pnl_pusd": round(float(pnl.mean()), 1),
        "more_pusd": [round(one, 1) for one in mean_interval(pnl - near)],
        "drawdown": round(float(np.mean([row[distance]["drawdown"] for row in rows])), 4),
        "worst_event_pusd": min(row[distance]["worst_event_pusd"] for row in rows),
    }


if __name__ == "__main__":
    sys.exit(exit_status("stops", main))

"""What the sizing table measures, and what that earns: `python -m benchmarks.sizing --edge 1 0.5 --worlds 10`.

Two tables from the earlier part of a world: of the moves of 24 bars after a signal (until 2026-11), and of the trades
that the threshold rule makes of it (`pipelines.replay.signals.sizing_table`). The threshold rule trades the later part
with either, with every limit, after costs. Forecasts are the Kalman limit's; with `--believed 1` at edge 0 they are of
an edge that is not there. Finished worlds are kept in var/benchmarks/sizing.jsonl. The last line is JSON: by edge the
range of Kelly shares of each table, P&L with each, and the difference with a 95 % interval over worlds, paired.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks.kept_rows import KeptRows, Row
from benchmarks.mean_interval import mean_interval
from benchmarks.stops import EVENTS, played
from benchmarks.worlds import world
from pipelines.core.command_line import exit_status, number, whole
from pipelines.core.money import PRICE_SCALE
from pipelines.core.params import Params, read
from pipelines.replay.account import tape_of
from pipelines.replay.market_history import History
from pipelines.replay.signals import HOLD_ROWS, entries, signals, sizing_table
from pipelines.trading.sizing import SizingTable

KEPT = Path("var/benchmarks/sizing.jsonl")
SOURCES = ("pipelines/trading", "pipelines/replay", "simulator/markets", "benchmarks/sizing.py", "benchmarks/worlds.py")
FIRST = 41
"""Seed of the first world."""
MOVES, TRADES = "moves", "trades"


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure what is missing and print one JSON line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.sizing", description=__doc__)
    parser.add_argument("--edge", type=number(0, 1), nargs="+", default=[1.0, 0.5])
    parser.add_argument("--believed", type=number(0, 1), help="edge that the filter believes in")
    parser.add_argument("--worlds", type=whole(2), default=10)
    asked = parser.parse_args(arguments)
    params, kept = read(Path("params.yaml")), KeptRows(KEPT, SOURCES)
    found = {}
    for edge in asked.edge:
        rows = []
        for seed in range(FIRST, FIRST + asked.worlds):
            about = {"edge": edge, "believed": asked.believed, "seed": seed}
            rows.append(kept.once(about, lambda: one_world(seed, edge, asked.believed, params)))  # noqa: B023
        found[f"{edge:g}"] = summary(rows)
    print(json.dumps({"benchmark": "sizing", "believed": asked.believed, "worlds": asked.worlds, "found": found}))


def one_world(seed: int, edge: float, believed: float | None, params: Params) -> Row:
    """By table: Kelly share, and P&L of the threshold rule in pUSD."""
    made = world(seed, edge, EVENTS, params.execution, believed_edge=believed)
    tape = tape_of(made.later, made.scaler, params, forecast_block=False)
    tables = {MOVES: of_moves(made.earlier, params), TRADES: sizing_table(made.earlier, params)}
    return {
        name: {"kelly": round(table.kelly, 4), "pnl_pusd": round(played(tape, params, table).pnl_pusd, 2)}
        for name, table in tables.items()
    }


def of_moves(histories: Sequence[History], params: Params) -> SizingTable:
    """What the move of 24 bars after a signal earned after the costs of a round trip."""
    outcomes = [np.zeros(0)]
    for history in histories:
        rows = np.flatnonzero(entries(history, params)[:-HOLD_ROWS])
        seen = signals(history, params.execution.impact_share)
        moved = history.mid_units[rows + HOLD_ROWS] - history.mid_units[rows + params.execution.latency_bars]
        outcomes.append((np.sign(seen.move_units[rows]) * moved - seen.cost_units[rows]) / PRICE_SCALE)
    return SizingTable.from_trades(np.concatenate(outcomes), events=0)


def summary(rows: Sequence[Row]) -> dict[str, object]:
    """The figures over worlds."""
    by_table = {}
    for name in (MOVES, TRADES):
        shares, pnl = ([row[name][key] for row in rows] for key in ("kelly", "pnl_pusd"))
        by_table[name] = {"kelly": [min(shares), max(shares)], "pnl_pusd": round(float(np.mean(pnl)), 1)}
    more = [row[TRADES]["pnl_pusd"] - row[MOVES]["pnl_pusd"] for row in rows]
    return by_table | {"more_pusd": [round(one, 1) for one in mean_interval(more)]}


if __name__ == "__main__":
    sys.exit(exit_status("sizing", main))

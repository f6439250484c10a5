"""Learned agents on markets of kinds they did not learn on: `python -m benchmarks.learning_elsewhere`.

The agents and rules of `benchmarks.learning --edge 1` trade worlds of other generators, worlds without an edge whose
filter believes in one, and recordings, and say what training on varied worlds is worth there (`ppo_varied` against
`ppo_scratch`, paired). Where nothing is to be earned the sizing table alone would forbid every entry, so agents get
the table of a world with an edge there: only they can hold back. One JSON line; a table in docs/results.
"""

import argparse
import itertools
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import numpy as np

from benchmarks.evaluate import iqm
from benchmarks.learning import CHOOSING, Study, difference, sections
from benchmarks.learning_varied import recorded, recordings
from benchmarks.learning_worlds import LENGTH_S, Tapes, tapes
from pipelines.core.artifacts import write_bytes
from pipelines.core.command_line import exit_status, whole
from pipelines.core.params import Params, read
from pipelines.replay.lanes import parameters
from pipelines.replay.policy_search import Trained
from pipelines.trading.sizing import SizingTable
from simulator.markets.price_model import World

ROWS = ("threshold", "tuned", "ppo_scratch-1", "ppo_varied-1")
FIRST = 301
"""Seed of the first world of another generator; nobody learned from these."""
NO_EDGE = "no edge, a filter that believes in one"
RECORDED = "recordings"

Place = tuple[str, Tapes | None, Trained]
"""Kind of market, its world (None for a recording), and the tape with its limits and costs."""


def places(params: Params, table: SizingTable, worlds: int) -> Iterator[Place]:
    """Everything that is traded; of each generator and edge `worlds` worlds."""
    others = [kind for kind in get_args(World) if kind != "reversion"]
    for edge, (at, kind) in itertools.product((1.0, 0.5), enumerate(others)):
        for seed in range(FIRST + at * worlds, FIRST + (at + 1) * worlds):
            made = tapes(seed, edge, params, kind=kind)
            yield f"other generators, edge {edge:g}", made, made.trained(params, "later")
    for seed in range(1, 4 * worlds + 1):
        made = tapes(seed, 0.0, params, believed=1.0)
        yield NO_EDGE, made, made.trained(params, "later", table)
    allowed = parameters(params, table, LENGTH_S)
    for path in recordings():
        for one in recorded(path, params):
            yield RECORDED, None, replace(one, par=allowed)


def measured(worlds: int) -> dict[str, Any]:
    """P&L of every row at every place (interquartile mean), its entries (mean), and the difference of varied worlds."""
    params = read(Path("params.yaml"))
    study = Study(1.0, params, None)
    players = {name: study.player(name) for name in ROWS}
    earned: dict[str, list[list[float]]] = {}
    entries: dict[str, list[list[int]]] = {}
    for name, made, one in places(params, study.world(CHOOSING[0]).table, worlds):
        # Only Kelly, which is no row here, reads the world.
        played = [players[row](made, one) for row in ROWS]  # type: ignore[arg-type]
        earned.setdefault(name, []).append([result.pnl_pusd for result in played])
        entries.setdefault(name, []).append([result.entries for result in played])
    found: dict[str, Any] = {
        "benchmark": "learning_elsewhere",
        "worlds": {name: len(rows) for name, rows in earned.items()},
    }
    found["iqm_pusd"], found["entries"], found["varied_minus_scratch"] = {}, {}, {}
    scratch, varied = ROWS.index("ppo_scratch-1"), ROWS.index("ppo_varied-1")
    for name, rows in earned.items():
        pnl, sent = np.array(rows), np.array(entries[name])
        found["iqm_pusd"][name] = {row: round(iqm(pnl[:, at]), 1) for at, row in enumerate(ROWS)}
        found["entries"][name] = dict(zip(ROWS, np.round(sent.mean(axis=0), 1).tolist(), strict=True))
        found["varied_minus_scratch"][name] = difference(pnl[:, varied] - pnl[:, scratch])
    return found


def page(found: dict[str, Any]) -> str:
    """The table."""
    lines = [
        "# Learned agents on markets of other kinds",
        "",
        "P&L in pUSD after costs (interquartile mean over worlds), and entries, of agents and rules that were learned",
        "on simulated markets of one kind with edge 1 and Kalman forecasts (`ppo_varied`: on varied worlds and",
        "recordings). Where nothing is to be earned they have the sizing table of a world with an edge, which the real",
        "bot would not have: there the table of its own past forbids every entry. The difference is the interquartile",
        "mean of pairs with its 95 % bootstrap interval. Made by `python -m benchmarks.learning_elsewhere`.",
        "",
        f"| where | worlds | {' | '.join(ROWS)} | varied against scratch |",
        f"|---|---|{'---|' * len(ROWS)}---|",
    ]
    for name, count in found["worlds"].items():
        pnl, sent = found["iqm_pusd"][name], found["entries"][name]
        each = " | ".join(f"{pnl[row]:+,.0f} ({sent[row]:,.0f})" for row in ROWS)
        value, low, high = found["varied_minus_scratch"][name]
        lines.append(f"| {name} | {count} | {each} | {value:+,.0f} [{low:,.0f}, {high:,.0f}] |")
    return "\n".join(lines) + "\n"


def main(arguments: Sequence[str] | None = None) -> None:
    """Trade everywhere, print one line and write the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.learning_elsewhere", description=__doc__)
    parser.add_argument("--worlds", type=whole(1), default=5, help="of each other generator and edge (5)")
    parser.add_argument("--out", type=Path, default=Path("docs/results"))
    asked = parser.parse_args(arguments)
    found = measured(asked.worlds)
    path = asked.out / "learning-elsewhere.md"
    write_bytes(path, (page(found) + sections(path)).encode())
    print(json.dumps(found))


if __name__ == "__main__":
    sys.exit(exit_status("learning_elsewhere", main))

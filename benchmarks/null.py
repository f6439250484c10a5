"""False positives, skill or profit found on markets without any edge: `python -m benchmarks.null --seeds 25`.

It writes docs/results/null.md, or null-foreign.md for worlds that `--world` names.

Markets at edge 0 are martingales: nobody can earn on them, in the default's world nor in those of other generators
(`--world`: heavy tails, shocks that markets of an event share). Strategies trade there all the same, on forecasts that
are sure and wrong (the Kalman filter of markets with edge 1) and with a sizing table that allows entries, with costs
and at the mid without any. A trial is one strategy in one world; it is fooled when the 95 % interval of its P&L
(Student's t over whole events) lies above 0. At most one trial in twenty may be.
"""

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import get_args

import numpy as np
from scipy import stats

from benchmarks.contest import Contest
from benchmarks.worlds import world
from pipelines.core.command_line import exit_status, whole
from pipelines.core.params import Params, read
from pipelines.replay.loop import Result
from pipelines.replay.performance import pnl_by_event
from pipelines.trading.sizing import SizingTable
from simulator.markets.price_model import World

EVENTS = 42
DEFAULT_WORLD: World = "reversion"
RULES = ("buy_and_hold", "threshold", "kelly", "ensemble", "spike_fading")
BELIEVED = SizingTable(0.6, 0.05, 0.04, 0, 0)
"""What a system thinks that was fitted when there was an edge: without it nothing would be entered."""


@dataclass(frozen=True)
class Trial:
    """One strategy in one world. Money in pUSD."""

    world: str
    seed: int
    strategy: str
    costs: bool
    pnl: float
    low: float
    high: float
    trades: int

    @property
    def fooled(self) -> bool:
        """Whether the interval lies above 0."""
        return self.low > 0.0


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the trials, print one JSON line and write the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.null", description=__doc__)
    parser.add_argument("--seeds", type=whole(1), default=25)
    parser.add_argument("--world", choices=get_args(World), nargs="+", default=[DEFAULT_WORLD], help="simulator.world")
    parser.add_argument("--agent-seeds", type=whole(0), default=3, help="worlds in which PPO is trained and judged too")
    parser.add_argument("--events", type=whole(6), default=EVENTS)
    parser.add_argument("--out", type=Path, default=Path("docs/results"))
    asked = parser.parse_args(arguments)
    params = read(Path("params.yaml"))
    trials: list[Trial] = []
    for kind, seed in product(asked.world, range(1, asked.seeds + 1)):
        trials += one_seed(kind, seed, asked.events, params, agent=seed <= asked.agent_seeds)
        fooled = sum(one.fooled for one in trials)
        print(json.dumps({"world": kind, "seed": seed, "trials": len(trials), "fooled": fooled}), flush=True)
    asked.out.mkdir(parents=True, exist_ok=True)
    name = "null.md" if asked.world == [DEFAULT_WORLD] else "null-foreign.md"
    (asked.out / name).write_text(render(trials), encoding="utf-8")
    shares = {name: share([one for one in trials if one.costs is costs]) for name, costs in KINDS.items()}
    print(json.dumps({"benchmark": "null", **shares}))


KINDS = {"with costs": True, "without costs": False}


def one_seed(kind: World, seed: int, events: int, params: Params, *, agent: bool) -> Iterator[Trial]:
    """Trials of one world, with costs and without; those that never traded are left out."""
    made = world(seed, 0.0, events, params.execution, believed_edge=1.0, kind=kind)
    for costs in KINDS.values():
        contest = Contest.of(made, params, BELIEVED, free=not costs)
        results = {rule: contest.rule(rule) for rule in RULES}
        results["random"] = contest.random(results["threshold"], seed)
        if agent:
            results["ppo"] = contest.agent("ppo", seed)
        for name, result in results.items():
            if result.fills:
                yield trial(kind, seed, name, costs, contest, result)


def trial(kind: str, seed: int, name: str, costs: bool, contest: Contest, result: Result) -> Trial:
    """P&L with its 95 % interval over whole events (Student's t: events are independent, their number is small)."""
    by_event = np.array(list(pnl_by_event(result, contest.markets).values()))
    total, count = float(by_event.sum()), len(by_event)
    error = float(np.std(by_event, ddof=1) * np.sqrt(count) * stats.t.ppf(0.975, count - 1))
    return Trial(kind, seed, name, costs, round(total, 2), total - error, total + error, len(result.closed))


def share(trials: Sequence[Trial]) -> dict[str, float]:
    """Share of trials that were fooled, with its exact binomial 95 % interval (Clopper and Pearson)."""
    fooled, count = sum(one.fooled for one in trials), len(trials)
    interval = stats.binomtest(fooled, count).proportion_ci(0.95, method="exact")
    low, high = float(interval.low), float(interval.high)
    return {"trials": count, "fooled": fooled, "share": fooled / count, "low": low, "high": high}


def render(trials: Sequence[Trial]) -> str:
    """The table as Markdown: all trials, then by strategy."""
    worlds = list(dict.fromkeys(one.world for one in trials))
    seeds = len({(one.world, one.seed) for one in trials})
    command = "python -m benchmarks.null" + ("" if worlds == [DEFAULT_WORLD] else f" --world {' '.join(worlds)}")
    lines = [
        "# How often luck looks like skill: markets without an edge",
        "",
        f"{len(trials)} trials (strategy x world, {seeds} worlds at edge 0). The strategies believe in an edge:",
        "forecasts of the Kalman filter for edge 1, a sizing table that allows entries. A trial is fooled when the",
        "95 % interval of its P&L (Student's t over whole events) lies above 0; 2.5 % are expected, 5 % allowed.",
        "Strategies of one world share its markets, so the binomial interval is too narrow. Made by",
        f"`{command}`. [Worlds of other generators](../synthetic-markets.md#foreign-worlds) have other shocks: with",
        "heavy tails (`regimes`), shared by the markets of an event (`lead_lag`).",
        "",
        "| | trials | fooled | share | 95 % interval | mean P&L | mean trades |",
        "|---|---|---|---|---|---|---|",
    ]
    for kind, costs in KINDS.items():
        chosen = [one for one in trials if one.costs is costs]
        lines.append(_line(f"**{kind}**", chosen))
        for about in ("world", "strategy"):
            names = list(dict.fromkeys(getattr(one, about) for one in chosen))
            shown = names if about == "strategy" or len(names) > 1 else []
            parts = {name: [one for one in chosen if getattr(one, about) == name] for name in shown}
            lines += [_line(f"world {name}" if about == "world" else name, part) for name, part in parts.items()]
    return "\n".join(lines) + "\n"


def _line(name: str, trials: Sequence[Trial]) -> str:
    row = share(trials)
    pnl, trades = (float(np.mean([getattr(one, key) for one in trials])) for key in ("pnl", "trades"))
    interval = f"{row['low']:.1%} to {row['high']:.1%}"
    cells = (f"{row['trials']:.0f}", f"{row['fooled']:.0f}", f"{row['share']:.1%}", interval)
    return f"| {name} | {' | '.join(cells)} | {pnl:+,.0f} | {trades:,.0f} |"


if __name__ == "__main__":
    sys.exit(exit_status("null", main))

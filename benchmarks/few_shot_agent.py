"""P&L that an agent gains by adapting to the first bars of new markets: `python -m benchmarks.few_shot_agent`.

An agent that imitates the threshold rule is trained on worlds of the default's kind. Then a world of another generator
comes (forecasts are the best possible there). On the first K bars of its markets PPO goes on from that agent
(`adapted`), from one that Reptile prepared on the worlds before (`reptile`), or from nothing (`anew`), and the later
part of the world is traded with every limit, after costs, against the agent that does not adapt. The sizes are those of
the worlds before. Differences are paired by world, with their 95 % interval. Finished worlds are kept in
var/benchmarks/few-shot-agent.jsonl. One JSON line.

Source of Reptile: Nichol, A., Achiam, J. and Schulman, J. (2018), On first-order meta-learning algorithms.
"""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, get_args

import numpy as np
import torch

from benchmarks.evaluate import EVENTS
from benchmarks.kept_rows import KeptRows, Row
from benchmarks.learning_agents import FROM_REWARDS, choose_with, joined
from benchmarks.learning_worlds import LENGTH_S
from benchmarks.mean_interval import mean_interval
from benchmarks.worlds import World as Built
from benchmarks.worlds import world
from pipelines.agent import algorithms, training, warm_start
from pipelines.agent.judge import Dataset
from pipelines.agent.schedules import Schedules
from pipelines.core.command_line import exit_status, number, whole
from pipelines.core.domain import FloatArray
from pipelines.core.money import MICRO
from pipelines.core.params import Params, read
from pipelines.replay.account import AccountTape, play_policy, tape_of
from pipelines.replay.lanes import parameters
from pipelines.replay.market_history import History
from pipelines.replay.signals import sizing_table
from pipelines.trading.observation import MarketScaler
from simulator.markets.price_model import World

KEPT = Path("var/benchmarks/few-shot-agent.jsonl")
SOURCES = (
    "pipelines/agent", "pipelines/replay", "pipelines/trading", "simulator/markets", "benchmarks/few_shot_agent.py",
    "benchmarks/worlds.py",
)  # fmt: skip
BARS = (30, 120, 480)
"""K: market minutes of the new family that are seen."""
PRETRAINING = range(701, 707)
"""Seeds of the worlds of the default's kind."""
FIRST = 711
"""Seed of the first new world."""
STEPS, ANEW_STEPS = 65_536, 131_072
"""Decisions of an adaptation, and of a training from nothing."""
LANES = 256
REPTILE_SHARE, REPTILE_BARS = 0.3, 480
"""Step size of Reptile's outer loop; market minutes of a world that its inner loop adapts to."""

Weights = dict[str, torch.Tensor]


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure what is missing and print one JSON line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.few_shot_agent", description=__doc__)
    parser.add_argument("--world", choices=get_args(World), nargs="+", default=["regimes", "threshold"])
    parser.add_argument("--edge", type=number(0, 1), default=1.0)
    parser.add_argument("--worlds", type=whole(2), default=10)
    asked = parser.parse_args(arguments)
    torch.set_num_threads(1)
    params, kept = read(Path("params.yaml")), KeptRows(KEPT, SOURCES)
    pretrained = cache(lambda: Pretrained(params))
    found = {}
    for kind in asked.world:
        rows = []
        for seed in range(FIRST, FIRST + asked.worlds):
            about = {"world": kind, "edge": asked.edge, "seed": seed}
            rows.append(kept.once(about, lambda: one_world(kind, asked.edge, seed, pretrained())))  # noqa: B023
        found[kind] = summary(rows)
    print(json.dumps({"benchmark": "few_shot_agent", "edge": asked.edge, "worlds": asked.worlds, "found": found}))


class Pretrained:
    """Trained on worlds of the default generator: the sizing table and limits, an agent that imitates the threshold
    rule, and an agent whose weights Reptile prepared for adapting."""

    def __init__(self, params: Params) -> None:
        agent = params.agent.model_copy(update={"learner": "ppo_entries", "decisions": "entries"})
        self.params = params.model_copy(update={"agent": agent})
        built = [world(seed, 1.0, EVENTS, params.execution) for seed in PRETRAINING]
        self.par = parameters(params, sizing_table([one for made in built for one in made.earlier], params), LENGTH_S)
        self.scaler = built[0].scaler
        tapes = [_tape(made.earlier, self.scaler, params) for made in built]
        self.bar_pusd = training.earned_by_bar([(tape, self.par) for tape in tapes], params, LENGTH_S)
        self.imitating = self._imitating(joined(tapes))
        self.reptile = self.imitating
        for made in built:
            there = self.trained(made.earlier, REPTILE_BARS, STEPS, self.reptile)
            self.reptile = {name: old + REPTILE_SHARE * (there[name] - old) for name, old in self.reptile.items()}

    def _imitating(self, tape: AccountTape) -> Weights:
        data = self.data(tape)
        learner = algorithms.untrained(training.vector_env(data, self.params, 64, 1), self.params)
        shown = training.demonstrations(data, self.params)
        warm_start.imitate(learner, shown, epochs=self.params.agent.imitation_epochs, seed=1)
        return copied(learner)

    def data(self, tape: AccountTape) -> Dataset:
        """Training data of a tape, with the opportunity cost of the pretraining worlds."""
        return training.of_tape(tape, self.par, self.params, LENGTH_S, self.bar_pusd)

    def trained(self, histories: Sequence[History], bars: int, steps: int, start: Weights | None) -> Weights:
        """The agent after so many decisions on the first `bars` market minutes of a world, from `start` or from
        nothing; it learns in whole accounts. One that no entry is offered in stays as it was."""
        rewards = {"critic_steps": 0} if start is not None else {"critic_steps": 0, **FROM_REWARDS}
        params = self.params.with_learner(timesteps=steps, n_envs=LANES, **rewards)
        tape = _tape(first_bars(histories, bars), self.scaler, self.params)
        env = training.vector_env(self.data(tape), params, LANES, 1)
        learner = algorithms.untrained(env, params)
        if start is not None:
            learner.policy.load_state_dict(start)
        learner.learn(steps, callback=Schedules(params.ppo_entries, warm=False))
        return copied(learner)

    def pnl_pusd(self, state: Weights, tape: AccountTape) -> float:
        """P&L of an agent on a tape in pUSD, after costs."""
        data = self.data(tape)
        learner = algorithms.untrained(training.vector_env(data, self.params, 1, 1), self.params)
        learner.policy.load_state_dict(state)
        choose, cash = choose_with(algorithms.actor(learner)), self.params.backtest.cash_pusd * MICRO
        return play_policy(tape, self.par, choose, cash, data.keep).pnl_pusd


def copied(learner: Any) -> Weights:
    """The weights of a learner's policy."""
    return {name: value.detach().clone() for name, value in learner.policy.state_dict().items()}


def _tape(histories: Sequence[History], scaler: MarketScaler, params: Params) -> AccountTape:
    return tape_of(histories, scaler, params, forecast_block=params.agent.forecast_block)


def first_bars(histories: Sequence[History], bars: int) -> list[History]:
    """The markets of a world as they were after so many market minutes; those that have begun by then."""
    ends_s = min(int(one.ts_s[0]) for one in histories) + bars * LENGTH_S
    cut = [one.where(one.ts_s <= ends_s) for one in histories]
    return [one for one in cut if len(one) > 1]


def one_world(kind: World, edge: float, seed: int, pretrained: Pretrained) -> Row:
    """P&L in pUSD on the later part of a new world: without adaptation, and by method and K."""
    made: Built = world(seed, edge, EVENTS, pretrained.params.execution, kind=kind)
    late = _tape(made.later, pretrained.scaler, pretrained.params)
    found: Row = {"none": round(pretrained.pnl_pusd(pretrained.imitating, late), 2)}
    starts: dict[str, tuple[Weights | None, int]] = {
        "adapted": (pretrained.imitating, STEPS), "reptile": (pretrained.reptile, STEPS), "anew": (None, ANEW_STEPS),
    }  # fmt: skip
    found["reptile 0"] = round(pretrained.pnl_pusd(pretrained.reptile, late), 2)
    for bars in BARS:
        for method, (start, steps) in starts.items():
            state = pretrained.trained(made.earlier, bars, steps, start)
            found[f"{method} {bars}"] = round(pretrained.pnl_pusd(state, late), 2)
    return found


def summary(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Mean P&L without adaptation, and what each method and K earns more, with its interval."""
    still: FloatArray = np.array([row["none"] for row in rows])
    names = [name for name in rows[0] if " " in name]
    more = {name: np.array([row[name] for row in rows]) - still for name in names}
    return {
        "none_pusd": round(float(still.mean()), 1),
        "more_pusd": {name: [round(one, 1) for one in mean_interval(values)] for name, values in more.items()},
    }


if __name__ == "__main__":
    sys.exit(exit_status("few_shot_agent", main))

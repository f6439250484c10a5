"""Speed of the trading engine and of its peers: `python -m benchmarks.trading [--peers] [--only NAME ...]`.

One JSON line. Peers (gym-anytrading, vectorbt, nautilus_trader) run in virtual environments of their own under
var/peers, made here; without --peers, or where one cannot be installed, its figure is null with the reason.
"""

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import guide_decision, peers, throughput
from benchmarks.contest import with_agent
from benchmarks.worlds import World, world
from pipelines.agent.env import MarketEnv
from pipelines.core.domain import FeeSchedule
from pipelines.core.money import MICRO
from pipelines.core.params import Params, read
from pipelines.core.products import FORECASTER
from pipelines.replay import recorded_books as recorded
from pipelines.replay import rules, signals
from pipelines.replay.event_split import split
from pipelines.replay.lanes import FRACTION_OF, Field, Lanes, field, parameters, screen
from pipelines.replay.loop import replay, tape
from pipelines.trading import book_replay
from pipelines.trading.threshold_rule import Rule

CASH = 10_000 * MICRO
LENGTH_S = 60
SWEEP_COMBINATIONS = 300
SWEEP_BARS = 50_000


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure what is asked for and print one line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.trading", description=__doc__)
    parser.add_argument("--peers", action="store_true", help="install and run the peers too")
    parser.add_argument("--only", nargs="*", help="names of measurements")
    asked = parser.parse_args(arguments)
    params = read(Path("params.yaml"))
    made = world(1, 1.0, 24, params.execution)
    bench = Bench(made, params)
    figures: dict[str, Any] = {"benchmark": "trading", "cores": os.cpu_count(), "load": round(os.getloadavg()[0], 2)}
    for name, measure in bench.measurements().items():
        if not asked.only or name in asked.only:
            found = measure()
            figures |= found if isinstance(found, dict) else {name: found}
            print(f"{name}: {found}", file=sys.stderr)
    if asked.peers:
        figures |= peers.run_all(asked.only)
    print(json.dumps(figures))


def best(work: Callable[[], int], repeats: int = 3) -> float:
    """Units per second of the fastest of some repeats; `work` returns how many units it did."""
    speeds = []
    for _ in range(repeats):
        began = time.perf_counter()
        done = work()
        speeds.append(done / (time.perf_counter() - began))
    return round(max(speeds), 1)


class Bench:
    """Everything that is measured on one synthetic world."""

    def __init__(self, made: World, params: Params) -> None:
        self._params = params
        self._later = made.later
        self._scaler = made.scaler
        self._table = signals.sizing_table(made.earlier, params)
        self._field: Field = field(made.earlier, made.scaler, params.execution.impact_share, forecast_block=True)
        self._par = parameters(params, self._table, LENGTH_S)
        self._made = made

    def measurements(self) -> dict[str, Callable[[], Any]]:
        """Name -> measurement."""
        return {
            "env_batched_steps_per_s": lambda: best(self._batched),
            "env_single_steps_per_s": lambda: best(self._single),
            "bars_per_s": lambda: best(self._screen),
            "sweep_s": self._sweep,
            "decide_bars_per_s": lambda: best(self._decide),
            "replay_events_per_s": lambda: best(self._replay_book),
            "ppo_steps_per_s": lambda: self._ppo("ppo", 4_096),
            "tuned_ppo_steps_per_s": lambda: self._ppo("ppo_tuned", 65_536),
            "guide_ppo_steps_per_s": lambda: peers.guide_ppo(4_096),
            "decisions_per_s": lambda: throughput.measure(self._made, self._params, FORECASTER),
            "guide_decisions_per_s": lambda: round(1_000.0 / guide_decision.measure(), 2),
            "time_to_return_ratio": self._time_to_return,
        }

    def _lanes(self, count: int) -> Lanes:
        lanes = Lanes(self._field, self._par, count, CASH)
        rng = np.random.default_rng(0)
        chosen = rng.integers(0, len(self._field.first), count)
        lanes.place(np.arange(count), self._field.first[chosen], self._field.last[chosen])
        return lanes

    def _batched(self) -> int:
        """Random actions in 1,024 lanes, 1,000 steps."""
        lanes = self._lanes(1_024)
        rng = np.random.default_rng(1)
        directions = rng.integers(-1, 2, (16, 1_024))
        fractions = FRACTION_OF[rng.integers(0, 9, 1_024)]
        for step in range(1_000):
            lanes.step(directions[step % 16], fractions)
        return 1_000 * 1_024

    def _single(self) -> int:
        """The Gymnasium environment, unwrapped, one step at a time."""
        env = MarketEnv(self._field, self._par, CASH, episode_bars=1_000)
        env.reset(seed=1)
        actions = np.random.default_rng(1).integers(0, 9, 50_000).tolist()
        for action in actions:
            _, _, terminated, truncated, _ = env.step(action)
            if terminated or truncated:
                env.reset()
        return len(actions)

    def _signals(self) -> tuple[Any, Any]:
        seen = signals.concatenated(self._made.earlier, self._params.execution.impact_share)
        return seen.move_units, seen.cost_units

    def _screen(self) -> int:
        """The threshold rule over all bars of all markets, with every limit."""
        moves, costs = self._signals()
        for multiple in (0.5, 1.0, 1.5, 2.0):
            screen(self._field, self._par, moves, costs, Rule(multiple, 0.2, 3_600), CASH)
        return 4 * len(moves)

    def _sweep(self) -> float:
        """Seconds for 300 parameter combinations over 50,000 bars."""
        moves, costs = self._signals()
        share = SWEEP_BARS / len(moves)
        combinations = [(multiple, hold) for multiple in np.linspace(0.25, 5, 30) for hold in range(600, 6_600, 600)]

        def work() -> float:
            began = time.perf_counter()
            for multiple, hold in combinations[:SWEEP_COMBINATIONS]:
                screen(self._field, self._par, moves, costs, Rule(float(multiple), 0.2, hold), CASH)
            return (time.perf_counter() - began) * share

        return round(min(work() for _ in range(2)), 3)

    def _decide(self) -> int:
        """The event-driven tier: every bar through decide() with the threshold rule."""
        made = tape(self._later, None, self._params.execution.model_depth_shares)
        strategy = rules.make("threshold", self._params, self._table, None, LENGTH_S)
        return replay(made, strategy, CASH).decisions

    def _replay_book(self) -> int:
        """A million book events of one market with an order every thousand, each taking or resting for a while."""
        rng = np.random.default_rng(1)
        count, middle = 1_000_000, 500 + np.cumsum(rng.integers(-1, 2, 1_000_000)) // 50
        side, away = rng.integers(0, 2, count), rng.integers(1, 12, count)
        level = np.clip(np.where(side == book_replay.BIDS, middle - away, middle + away), 1, 999)
        kind = np.where(rng.random(count) < 0.05, book_replay.TRADE, book_replay.LEVEL)
        shares = rng.integers(0, 2_000, count) * MICRO
        events = np.column_stack((np.arange(count), kind, side, level, shares))
        arrives = np.arange(0, count, 1_000)
        limit = np.clip(middle[arrives] + rng.integers(-3, 4, len(arrives)), 1, 999)
        orders = np.column_stack((arrives, arrives + 2_000, rng.integers(0, 2, len(arrives)), limit, shares[arrives]))
        recorded.replay(events, orders, 10, FeeSchedule(0.05), "neutral")
        return count

    def _time_to_return(self) -> dict[str, Any]:
        """Wall seconds to half of the threshold rule's P&L on the held-out events, in as many steps: the tuned setting
        with its warm start over the guide's without one. Where the latter never gets there the ratio is an upper bound.
        """
        from pipelines.agent.training import dataset, train  # noqa: PLC0415

        _, late = split(self._made.earlier)
        data = dataset(late, self._params, self._table, self._scaler, LENGTH_S)
        seen = signals.concatenated(late, self._params.execution.impact_share)
        rule, flat = signals.threshold_params(self._params, LENGTH_S), data.field
        equity = screen(flat, data.par, seen.move_units, seen.cost_units, rule.rule, CASH)
        target = (equity[flat.last] - CASH).sum() / MICRO / 2.0
        times = {}
        for name, agent in (("tuned", "ppo_tuned"), ("guide", "ppo_from_rewards_alone")):
            params = with_agent(self._params, agent).with_learner(timesteps=self._params.ppo_tuned.timesteps)
            _, measured = train(self._made.earlier, params, self._table, self._scaler, LENGTH_S)
            judged = zip(measured["held_out_seconds"], measured["held_out_curve"], strict=True)
            reached = [seconds for seconds, (_, pnl) in judged if pnl >= target]
            times[name] = (reached[0] if reached else measured["held_out_seconds"][-1], bool(reached))
        (ours, found), (guide, guide_found) = times["tuned"], times["guide"]
        return {
            "time_to_return_ratio": round(ours / guide, 3) if found else None,
            "time_to_return_s": ours if found else None,
            "guide_time_to_return_s": guide if guide_found else f"not within {guide} s",
        }

    def _ppo(self, agent: str, timesteps: int) -> float:
        """Steps per second of SB3's PPO on the compiled lanes, gradient updates included."""
        import torch  # noqa: PLC0415

        from pipelines.agent.algorithms import untrained  # noqa: PLC0415
        from pipelines.agent.training import dataset, vector_env  # noqa: PLC0415

        torch.set_num_threads(1)
        params = with_agent(self._params, agent)
        data = dataset(self._made.earlier, params, self._table, self._scaler, LENGTH_S)
        learner = untrained(vector_env(data, params, params.learner.n_envs, 1), params)

        def work() -> int:
            learner.learn(timesteps)
            return timesteps

        work()
        return best(work)


if __name__ == "__main__":
    main()

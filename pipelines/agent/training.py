"""Training: imitation, then PPO (or DQN, SAC) on the compiled lanes; the best policy on the held-out events is kept."""

import copy
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from stable_baselines3.common.callbacks import BaseCallback

from pipelines.agent.algorithms import untrained
from pipelines.agent.imitation import Teacher, collect, imitate
from pipelines.agent.vector import MarketVecEnv
from pipelines.core import log
from pipelines.core.domain import FloatArray
from pipelines.core.money import MICRO
from pipelines.core.params import AgentParams, Params
from pipelines.engine.history import History
from pipelines.engine.lanes import Field, Lanes, decoded, field, parameters
from pipelines.engine.signals import signals
from pipelines.trading import compiled
from pipelines.trading.observation import MarketScaler
from pipelines.trading.sizing import SizingTable

LOG = log.get("agent")
VALIDATION_SHARE = 0.25
"""Share of the agent slice's events, the last in time, on which the kept policy is chosen."""
EPISODE_BARS = 512
TEACHER_STEPS = 4096


@dataclass(frozen=True)
class Ground:
    """What an agent is trained or judged on."""

    field: Field
    par: FloatArray
    teacher: Teacher


def ground(
    histories: Sequence[History], params: Params, table: SizingTable, scaler: MarketScaler, length_s: int
) -> Ground:
    """Flat arrays, limits and teacher of histories."""
    impact = params.execution.impact_share
    flat = field(histories, scaler, impact, forecast_block=params.agent.forecast_block)
    seen = [signals(history, impact) for history in histories]
    moves = np.concatenate([one.move_units for one in seen])
    costs = np.concatenate([one.cost_units for one in seen])
    hold_s = params.policy.max_hold_bars * length_s
    teacher = Teacher(flat, moves, costs, params.policy.cost_multiple, hold_s)
    return Ground(flat, parameters(params, table, length_s), teacher)


def split(histories: Sequence[History]) -> tuple[list[History], list[History]]:
    """Histories of the earlier events and of the last quarter of events (at least one of each where there are two)."""
    starts: dict[str, int] = {}
    for history in histories:
        event = history.market.event_id
        starts[event] = min(starts.get(event, int(history.ts_s[0])), int(history.ts_s[0]))
    events = sorted(starts, key=lambda event: (starts[event], event))
    late = set(events[len(events) - max(1, round(VALIDATION_SHARE * len(events))) :]) if len(events) > 1 else set()
    early = [history for history in histories if history.market.event_id not in late]
    return early, [history for history in histories if history.market.event_id in late] or list(histories)


def vector_env(where: Ground, agent: AgentParams, cash_micro: int, seed: int) -> MarketVecEnv:
    """The training environment."""
    lanes = Lanes(where.field, where.par, agent.n_envs, cash_micro)
    return MarketVecEnv(lanes, EPISODE_BARS, seed, continuous=agent.algorithm == "sac")


def evaluate(policy: Any, where: Ground, cash_micro: int) -> float:
    """Sum of P&L after costs in pUSD of the deterministic policy, every market from its first bar to its last."""
    count = len(where.field.first)
    lanes = Lanes(where.field, where.par, count, cash_micro)
    lanes.place(np.arange(count), where.field.first, where.field.last)
    total, alive = 0.0, np.ones(count, dtype=bool)
    while alive.any():
        actions = policy.predict(lanes.observations, deterministic=True)[0]
        lanes.step(*decoded(actions))
        total += float(lanes.rewards[alive].sum())
        alive &= ~lanes.dones
        stopped = lanes.state[:, compiled.ROW] >= where.field.last
        lanes.state[stopped, compiled.ROW] = where.field.last[stopped] - 1
    return total


class KeepBest(BaseCallback):
    """Judges the policy on the held-out events every so many steps and remembers the best weights."""

    def __init__(self, held_out: Ground, cash_micro: int, every: int) -> None:
        super().__init__()
        self.best = float("-inf")
        self.curve: list[tuple[int, float]] = []
        self._weights: dict[str, Any] = {}
        self._ground = held_out
        self._cash = cash_micro
        self._every = every
        self._judged = 0

    def judge(self, policy: Any, steps: int) -> None:
        """Measure now."""
        pnl = evaluate(policy, self._ground, self._cash)
        self._judged = steps
        self.curve.append((steps, round(pnl, 2)))
        LOG.info("held-out events", steps=steps, pnl_pusd=round(pnl, 2))
        if pnl > self.best:
            self.best = pnl
            self._weights = copy.deepcopy(policy.state_dict())

    def restore(self, policy: Any) -> None:
        """Give the policy its best weights back."""
        if self._weights:
            policy.load_state_dict(self._weights)

    def _on_step(self) -> bool:
        return True

    def _on_rollout_start(self) -> None:
        """The policy that the last update made is judged before it collects again."""
        if self.num_timesteps - self._judged >= self._every:
            self.judge(self.model.policy, self.num_timesteps)


def train(
    histories: Sequence[History], params: Params, table: SizingTable, scaler: MarketScaler, length_s: int
) -> tuple[Any, dict[str, Any]]:
    """A trained learner and what was measured: the curve on held-out events, speed, the imitation's loss."""
    torch.set_num_threads(1)
    agent = params.agent
    cash = params.backtest.cash_pusd * MICRO
    early, late = split(histories)
    where = ground(early, params, table, scaler, length_s)
    env = vector_env(where, agent, cash, agent.seed)
    learner = untrained(env, agent)
    judge = KeepBest(ground(late, params, table, scaler, length_s), cash, every=max(1, agent.timesteps // 6))
    loss = None
    if agent.imitation_epochs and agent.algorithm == "ppo":
        seen = collect(env, where.teacher, TEACHER_STEPS, agent.gamma, 0.05, agent.seed)
        loss = imitate(learner.policy, *seen, epochs=agent.imitation_epochs, seed=agent.seed)
    judge.judge(learner.policy, 0)
    started = time.perf_counter()
    if table.kelly <= 0.0:
        LOG.info("no signal has paid, so nothing may be entered: the agent stays as it was warm-started")
    elif agent.timesteps:
        learner.learn(agent.timesteps, callback=judge)
        judge.judge(learner.policy, learner.num_timesteps)
    seconds = time.perf_counter() - started
    judge.restore(learner.policy)
    return learner, {
        "imitation_loss": loss,
        "held_out_curve": judge.curve,
        "held_out_best_pusd": judge.best,
        "timesteps": learner.num_timesteps,
        "steps_per_s": learner.num_timesteps / max(seconds, 1e-9),
        "train_markets": len(early),
        "held_out_markets": len(late),
    }

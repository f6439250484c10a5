"""Training: imitation, then PPO, DQN or SAC on the compiled lanes; the best policy on the held-out events is kept."""

import time
from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any

import torch
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.logger import Logger

from pipelines.agent.algorithms import KINDS, untrained
from pipelines.agent.checkpoint import Checkpoint
from pipelines.agent.imitation import Demonstrations, Teacher, collect
from pipelines.agent.judge import Dataset, KeepBest
from pipelines.agent.vector import MarketVecEnv
from pipelines.agent.warm_start import imitate
from pipelines.core import log
from pipelines.core.errors import Stopped
from pipelines.core.interruption import StopRequest, on_sigterm
from pipelines.core.money import MICRO
from pipelines.core.params import Params
from pipelines.replay.lanes import Lanes, field, parameters
from pipelines.replay.market_history import History
from pipelines.replay.signals import concatenated, threshold_params
from pipelines.trading.observation import MarketScaler
from pipelines.trading.sizing import SizingTable

LOG = log.get("agent")
VALIDATION_SHARE = 0.25
"""Share of the agent slice's events, the last in time, on which the kept policy is chosen."""
EPISODE_BARS = 512
TEACHER_LANES = 256
TEACHER_STEPS = 4096
"""At most, of every lane; few markets are passed TEACHER_PASSES times instead."""
TEACHER_PASSES = 16
TEACHER_STRAYS = 0.05
"""Share of its steps that are random: the learner should know the way back too."""


def dataset(
    histories: Sequence[History], params: Params, table: SizingTable, scaler: MarketScaler, length_s: int
) -> Dataset:
    """Flat arrays, limits and teacher of histories."""
    impact = params.execution.impact_share
    flat = field(histories, scaler, impact, forecast_block=params.agent.forecast_block)
    seen = concatenated(histories, impact)
    teacher = Teacher(flat, seen.move_units, seen.cost_units, threshold_params(params, length_s).rule)
    return Dataset(flat, parameters(params, table, length_s), teacher)


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


def vector_env(data: Dataset, params: Params, lanes: int, seed: int) -> MarketVecEnv:
    """Markets to train on in that many lanes, with the actions and the rewards of the learner."""
    agent = params.agent
    abreast = Lanes(data.field, data.par, lanes, params.backtest.cash_pusd * MICRO)
    continuous = agent.algorithm == "sac"
    return MarketVecEnv(abreast, EPISODE_BARS, seed, continuous=continuous, risk_aversion=agent.risk_aversion)


class Keeper(BaseCallback):
    """Keeps a checkpoint after every judgement, and at once when the process is told to stop."""

    def __init__(self, checkpoint: Checkpoint, env: MarketVecEnv, judge: KeepBest, asked: StopRequest) -> None:
        super().__init__()
        self._checkpoint, self._env, self._judge, self._asked = checkpoint, env, judge, asked
        self._kept = 0

    def _on_step(self) -> bool:
        return True

    def _on_rollout_start(self) -> None:
        judged = len(self._judge.curve)
        if self._asked.seen or judged > self._kept:
            self._checkpoint.save(self.model, self._env, self._judge)
            self._kept = judged
        if self._asked.seen:
            done = f"{self.num_timesteps} of {self.model._total_timesteps} steps"
            raise Stopped(
                f"told to stop after {done}; they are kept in {self._checkpoint.path}, the same command goes on"
            )


def train(
    histories: Sequence[History],
    params: Params,
    table: SizingTable,
    scaler: MarketScaler,
    length_s: int,
    checkpoint: Checkpoint | None = None,
) -> tuple[Any, dict[str, Any]]:
    """A trained learner and what was measured: the curve on held-out events, speed, the imitation's loss.

    With a checkpoint the training goes on where an earlier one was stopped.

    Raises:
        Stopped: if a SIGTERM came and the state was kept.
    """
    torch.set_num_threads(1)
    agent, timesteps = params.agent, params.learner.timesteps
    cash = params.backtest.cash_pusd * MICRO
    early, late = split(histories)
    data = dataset(early, params, table, scaler, length_s)
    env = vector_env(data, params, params.learner.n_envs, agent.seed)
    judge = KeepBest(dataset(late, params, table, scaler, length_s), cash, every=max(1, timesteps // 6))
    learner = checkpoint.restore(KINDS[agent.algorithm], env, judge) if checkpoint else None
    resumed_at, loss = learner.num_timesteps if learner else 0, None
    with on_sigterm() if checkpoint else nullcontext() as asked:
        if learner is None:
            learner, loss = _started(env, data, params)
            judge.judge(learner.policy, 0)
        else:
            LOG.info("going on", steps=resumed_at)
        learner.set_logger(Logger(None, []))  # SB3's own would leave an empty folder behind after every training
        watchers = [judge, Keeper(checkpoint, env, judge, asked)] if checkpoint and asked else [judge]
        began = time.perf_counter()
        if table.kelly <= 0.0:
            LOG.info("no signal has paid, so nothing may be entered: the agent stays as it was warm-started")
        elif timesteps > resumed_at:
            learner.learn(timesteps - resumed_at, callback=watchers, reset_num_timesteps=resumed_at == 0)
            judge.judge(learner.policy, learner.num_timesteps)
    seconds = time.perf_counter() - began
    judge.give_back(learner.policy)
    return learner, {
        "imitation_loss": loss,
        "held_out_curve": judge.curve,
        "held_out_seconds": judge.seconds,
        "held_out_best_pusd": judge.best,
        "timesteps": learner.num_timesteps,
        "resumed_at": resumed_at,
        "steps_per_s": (learner.num_timesteps - resumed_at) / max(seconds, 1e-9),
        "train_markets": len(early),
        "held_out_markets": len(late),
    }


def _started(env: MarketVecEnv, data: Dataset, params: Params) -> tuple[Any, float | None]:
    """A fresh learner, warm-started where the parameters say so, and the loss of its imitation."""
    learner, agent = untrained(env, params), params.agent
    if not agent.imitation_epochs:
        return learner, None
    return learner, imitate(learner, demonstrations(data, params), epochs=agent.imitation_epochs, seed=agent.seed)


def demonstrations(data: Dataset, params: Params) -> Demonstrations:
    """What the teacher does on the training's markets: the same for every learner, however many lanes it has.

    A lane trades one market with all the money; the agent will serve an account with other markets in it. So the
    demonstrations hold for any cash that the exposure limit leaves: the teacher does not look at it.
    """
    bars = int((data.field.last - data.field.first).sum())
    steps = min(TEACHER_STEPS, -(-TEACHER_PASSES * bars // TEACHER_LANES))
    env = vector_env(data, params, TEACHER_LANES, params.agent.seed)
    seen = collect(env, data.teacher, steps, params.learner.gamma, TEACHER_STRAYS, params.agent.seed)
    return seen.with_money_elsewhere(params.risk.max_exposure_fraction, params.agent.seed)

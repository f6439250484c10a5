"""Training: imitation, then PPO, DQN or SAC on the compiled lanes; the best policy on the held-out events is kept."""

import time
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import torch
from stable_baselines3.common.callbacks import BaseCallback

from pipelines.agent.algorithms import untrained
from pipelines.agent.checkpoint import Checkpoint
from pipelines.agent.curves import Curves, logger
from pipelines.agent.explanation import explained
from pipelines.agent.imitation import Demonstrations, Teacher, collect
from pipelines.agent.judge import Dataset, KeepBest, against, rule_pnl
from pipelines.agent.mean_weights import MeanWeights
from pipelines.agent.schedules import Schedules
from pipelines.agent.vector import MarketVecEnv
from pipelines.agent.warm_start import imitate
from pipelines.core import log
from pipelines.core.domain import FloatArray
from pipelines.core.errors import Stopped
from pipelines.core.interruption import StopRequest, on_sigterm
from pipelines.core.money import MICRO
from pipelines.core.params import Params
from pipelines.core.sections import PpoParams
from pipelines.inference.start_point import StartPoint
from pipelines.replay.account import AccountTape, play_rule, rule_numbers, tape_of
from pipelines.replay.account_lanes import AccountLanes
from pipelines.replay.event_split import split
from pipelines.replay.lanes import Lanes, parameters
from pipelines.replay.market_history import History
from pipelines.replay.signals import threshold_params
from pipelines.trading.compiled_account import MOVE, ROUND_TRIP
from pipelines.trading.observation import MarketScaler
from pipelines.trading.sizing import SizingTable

LOG = log.get("agent")
EPISODE_BARS = 512
ACCOUNT_BARS = 1_440
"""Of an episode where entries alone are decided: a day, so that an account has time to fill its places."""
ENTRY_REWARD = 5.0
"""Factor of the rewards where entries alone are decided: those of a trade are of the order of one then."""
ENTRY_BARS = 25
"""Bars that are worth one offered entry to a warm start: so many times fewer steps are shown."""
TEACHER_LANES = 256
TEACHER_STEPS = 4096
"""At most, of every lane; few markets are passed TEACHER_PASSES times instead."""
TEACHER_PASSES = 16
TEACHER_STRAYS = 0.05
"""Share of its steps that are random: the learner should know the way back too."""


def dataset(
    histories: Sequence[History], params: Params, table: SizingTable, scaler: MarketScaler, length_s: int
) -> Dataset:
    """Flat arrays, limits, teacher and tape of histories."""
    tape = tape_of(histories, scaler, params, forecast_block=params.agent.forecast_block)
    par = parameters(params, table, length_s)
    return of_tape(tape, par, params, length_s, earned_by_bar([(tape, par)], params, length_s))


def earned_by_bar(accounts: Sequence[tuple[AccountTape, FloatArray]], params: Params, length_s: int) -> float:
    """P&L per bar of an account under the threshold rule in pUSD, without compounding: the log growth times the cash, a
    mean over accounts; 0 where the rule loses."""
    numbers, cash = rule_numbers(threshold_params(params, length_s).rule), params.backtest.cash_pusd
    each = [
        float(np.log(play_rule(tape, par, numbers, cash * MICRO).equity_micro[-1] / (cash * MICRO))) / len(tape.edges)
        for tape, par in accounts
    ]
    return max(float(np.mean(each)) * cash, 0.0)


def of_tape(tape: AccountTape, par: FloatArray, params: Params, length_s: int, bar_pusd: float) -> Dataset:
    """What an agent is trained or judged on, from a tape, its limits and the P&L per bar of the rule there."""
    seen = tape.signals
    moves, costs = (np.ascontiguousarray(seen[:, column]) for column in (MOVE, ROUND_TRIP))
    teacher = Teacher(tape.field, moves, costs, threshold_params(params, length_s).rule)
    return Dataset(tape.field, par, teacher, tape, params.agent.decisions == "entries", bar_pusd)


def vector_env(data: Dataset, params: Params, lanes: int, seed: int, pars: FloatArray | None = None) -> MarketVecEnv:
    """Markets to train on in that many lanes, with the actions, decisions and rewards of the learner. `pars` holds sets
    of limits and costs (one a row) of which each episode draws one, where it decides entries alone."""
    agent, cash = params.agent, params.backtest.cash_pusd * MICRO
    continuous, scale = agent.algorithm == "sac", 1.0
    if data.entries_only:
        sets, scale = (data.par[None] if pars is None else pars), ENTRY_REWARD
        bar = agent.holding_cost_share * data.bar_pusd / params.risk.max_markets
        seen, rule = data.teacher.signals, data.teacher.rule
        abreast: Lanes = AccountLanes(data.tape, sets, lanes, cash, seen, rule, ACCOUNT_BARS, bar)
    else:
        abreast = Lanes(data.field, data.par, lanes, cash)
    return MarketVecEnv(
        abreast, EPISODE_BARS, seed, continuous=continuous, risk_aversion=agent.risk_aversion, reward_scale=scale
    )


class Keeper(BaseCallback):
    """Keeps a checkpoint after every judgement, and at once when the process is told to stop."""

    def __init__(
        self, checkpoint: Checkpoint, env: MarketVecEnv, judge: KeepBest, mean: MeanWeights, asked: StopRequest
    ) -> None:
        super().__init__()
        self._checkpoint, self._env, self._judge, self._mean, self._asked = checkpoint, env, judge, mean, asked
        self._kept = 0

    def _on_step(self) -> bool:
        return True

    def _on_rollout_start(self) -> None:
        judged = len(self._judge.curve)
        if self._asked.seen or judged > self._kept:
            self._checkpoint.save(self.model, self._env, self._judge, self._mean)
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
    events: Path | None = None,
    start: StartPoint | None = None,
) -> tuple[Any, dict[str, Any]]:
    """A trained learner and what was measured: the curve on held-out events, speed, the imitation's loss.

    With a checkpoint the training goes on where an earlier one was stopped. `events` is a folder for TensorBoard.
    It begins from the agent of `start` where that has the same form, else as the parameters say.

    Raises:
        Stopped: if a SIGTERM came and the state was kept.
    """
    torch.set_num_threads(1)
    agent, timesteps = params.agent, params.learner.timesteps
    cash = params.backtest.cash_pusd * MICRO
    early, late = split(histories)
    data, held_out = (dataset(part, params, table, scaler, length_s) for part in (early, late))
    env = vector_env(data, params, params.learner.n_envs, agent.seed)
    judge, mean = KeepBest(held_out, cash, every=max(1, timesteps // 6)), MeanWeights(timesteps)
    learner = checkpoint.restore(lambda: untrained(env, params), env, judge, mean) if checkpoint else None
    resumed_at, loss = learner.num_timesteps if learner else 0, None
    with on_sigterm() if checkpoint else nullcontext() as asked:
        if learner is None:
            learner, loss = _started(env, data, params, start)
            judge.judge(learner.policy, 0)
        else:
            LOG.info("going on", steps=resumed_at)
        curves = Curves()
        learner.set_logger(logger(curves, events))
        watchers: list[BaseCallback] = [judge]
        if isinstance(params.learner, PpoParams):
            watchers += [Schedules(params.learner, warm=agent.imitation_epochs > 0), mean]
        if checkpoint and asked:
            watchers.append(Keeper(checkpoint, env, judge, mean, asked))
        began = time.perf_counter()
        if table.kelly <= 0.0:
            LOG.info("no signal has paid, so nothing may be entered: the agent stays as it was warm-started")
        elif timesteps > resumed_at:
            learner.learn(timesteps - resumed_at, callback=watchers, reset_num_timesteps=resumed_at == 0)
            judge.judge(learner.policy, learner.num_timesteps)
            if mean.give(learner.policy):
                judge.judge(learner.policy, learner.num_timesteps, once=True)
    seconds = time.perf_counter() - began
    judge.give_back(learner.policy)
    assert judge.pnl is not None, "the policy is judged before it learns"
    return learner, {
        "imitation_loss": loss,
        "held_out_curve": judge.curve,
        "held_out_seconds": judge.seconds,
        "held_out_best_pusd": judge.best,
        "held_out": judge.rows,
        "against_rule": against(judge.pnl, rule_pnl(held_out, cash)),
        "curves": curves.thinned(),
        "explanation": explained(learner.policy, held_out, cash),
        "decisions": agent.decisions,
        "warm_start": None if start is None else start.bundle,
        "timesteps": learner.num_timesteps,
        "resumed_at": resumed_at,
        "steps_per_s": (learner.num_timesteps - resumed_at) / max(seconds, 1e-9),
        "train_markets": len(early),
        "held_out_markets": len(late),
    }


def _started(env: MarketVecEnv, data: Dataset, params: Params, start: StartPoint | None) -> tuple[Any, float | None]:
    """A fresh learner, with the champion's parameters or warm-started where the parameters say so, and the loss of its
    imitation."""
    learner, agent = untrained(env, params), params.agent
    if begins_from(learner, start):
        return learner, None
    if not agent.imitation_epochs:
        return learner, None
    return learner, imitate(learner, demonstrations(data, params), epochs=agent.imitation_epochs, seed=agent.seed)


def begins_from(learner: Any, start: StartPoint | None) -> bool:
    """Give a learner the champion's parameters where they have its names and shapes; whether they have."""
    own = learner.policy.state_dict()
    given = None if start is None else start.agent
    if given is None or {name: tuple(value.shape) for name, value in own.items()} != {
        name: value.shape for name, value in given.items()
    }:
        return False
    learner.policy.load_state_dict({name: torch.from_numpy(value) for name, value in given.items()})
    return True


def demonstrations(data: Dataset, params: Params) -> Demonstrations:
    """What the teacher does on the training's markets: the same for every learner, however many lanes it has.

    A lane trades one market with all the money; the agent will serve an account with other markets in it. So the
    demonstrations hold for any cash that the exposure limit leaves: the teacher does not look at it.
    """
    bars = int((data.field.last - data.field.first).sum())
    steps = min(TEACHER_STEPS, -(-TEACHER_PASSES * bars // TEACHER_LANES))
    if data.entries_only:
        steps = -(-steps // ENTRY_BARS)
    env = vector_env(data, params, TEACHER_LANES, params.agent.seed)
    seen = collect(env, data.teacher, steps, params.learner.gamma, TEACHER_STRAYS, params.agent.seed)
    if data.entries_only:
        return seen  # the lanes show it already
    return seen.with_money_elsewhere(params.risk.max_exposure_fraction, params.agent.seed)

"""Judging a policy on the held-out events while it learns, and keeping the best weights."""

import copy
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
from stable_baselines3.common.callbacks import BaseCallback

from pipelines.agent.imitation import Teacher
from pipelines.core import log
from pipelines.core.domain import FloatArray
from pipelines.replay.lanes import Field, Lanes, decoded
from pipelines.trading import compiled

LOG = log.get("agent")


@dataclass(frozen=True)
class Dataset:
    """What an agent is trained or judged on."""

    field: Field
    par: FloatArray
    teacher: Teacher


def evaluate(policy: Any, data: Dataset, cash_micro: int) -> FloatArray:
    """P&L after costs in pUSD of the deterministic policy on each market from its first bar to its last, (markets,)."""
    count = len(data.field.first)
    lanes = Lanes(data.field, data.par, count, cash_micro)
    lanes.place(np.arange(count), data.field.first, data.field.last)
    total, alive = np.zeros(count), np.ones(count, dtype=bool)
    while alive.any():
        actions = policy.predict(lanes.observations, deterministic=True)[0]
        lanes.step(*decoded(actions))
        total[alive] += lanes.rewards[alive]
        alive &= ~lanes.dones
        stopped = lanes.state[:, compiled.ROW] >= data.field.last
        lanes.state[stopped, compiled.ROW] = data.field.last[stopped] - 1
    return total


def gained(now: FloatArray, before: FloatArray) -> bool:
    """Whether P&L by market is larger in sum by more than one standard error of the difference over markets.

    A policy is judged many times: without that margin the luckiest judgement would win.
    """
    more = now - before
    error = np.std(more, ddof=1) * np.sqrt(len(more)) if len(more) > 1 else 0.0
    return bool(more.sum() > error)


class KeepBest(BaseCallback):
    """Judges the policy every so many steps and remembers the weights of the last one that gained on those before."""

    def __init__(self, held_out: Dataset, cash_micro: int, every: int) -> None:
        super().__init__()
        self.best = float("-inf")
        """P&L of the kept weights, pUSD."""
        self._pnl: FloatArray | None = None
        self.curve: list[tuple[int, float]] = []
        self.seconds: list[float] = []
        """Wall seconds since the judge was made, of each judgement of this process."""
        self._made = time.perf_counter()
        self._weights: dict[str, Any] = {}
        self._held_out = held_out
        self._cash = cash_micro
        self._every = every
        self._judged = 0

    def judge(self, policy: Any, steps: int) -> None:
        """Measure now."""
        pnl = evaluate(policy, self._held_out, self._cash)
        total = float(pnl.sum())
        self._judged = steps
        self.curve.append((steps, round(total, 2)))
        self.seconds.append(round(time.perf_counter() - self._made, 2))
        LOG.info("held-out events", steps=steps, pnl_pusd=round(total, 2))
        if self._pnl is None or gained(pnl, self._pnl):
            self.best, self._pnl = total, pnl
            self._weights = copy.deepcopy(policy.state_dict())

    def give_back(self, policy: Any) -> None:
        """Give the policy the kept weights back."""
        if self._weights:
            policy.load_state_dict(self._weights)

    def snapshot(self) -> dict[str, Any]:
        """What was judged so far."""
        kept = ("best", "curve", "_pnl", "_weights", "_judged")
        return {name: getattr(self, name) for name in kept}

    def restore(self, kept: dict[str, Any]) -> None:
        """Go on from a snapshot."""
        self.__dict__.update(kept)

    def due(self) -> bool:
        """Whether it is time to judge again."""
        return self.num_timesteps - self._judged >= self._every

    def _on_step(self) -> bool:
        return True

    def _on_rollout_start(self) -> None:
        """The policy that the last update made is judged before it collects again."""
        if self.due():
            self.judge(self.model.policy, self.num_timesteps)

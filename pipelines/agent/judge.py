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
from pipelines.engine.lanes import Field, Lanes, decoded
from pipelines.trading import compiled

LOG = log.get("agent")


@dataclass(frozen=True)
class Dataset:
    """What an agent is trained or judged on."""

    field: Field
    par: FloatArray
    teacher: Teacher


def evaluate(policy: Any, data: Dataset, cash_micro: int) -> float:
    """Sum of P&L after costs in pUSD of the deterministic policy, every market from its first bar to its last."""
    count = len(data.field.first)
    lanes = Lanes(data.field, data.par, count, cash_micro)
    lanes.place(np.arange(count), data.field.first, data.field.last)
    total, alive = 0.0, np.ones(count, dtype=bool)
    while alive.any():
        actions = policy.predict(lanes.observations, deterministic=True)[0]
        lanes.step(*decoded(actions))
        total += float(lanes.rewards[alive].sum())
        alive &= ~lanes.dones
        stopped = lanes.state[:, compiled.ROW] >= data.field.last
        lanes.state[stopped, compiled.ROW] = data.field.last[stopped] - 1
    return total


class KeepBest(BaseCallback):
    """Judges the policy every so many steps and remembers the best weights."""

    def __init__(self, held_out: Dataset, cash_micro: int, every: int) -> None:
        super().__init__()
        self.best = float("-inf")
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
        self._judged = steps
        self.curve.append((steps, round(pnl, 2)))
        self.seconds.append(round(time.perf_counter() - self._made, 2))
        LOG.info("held-out events", steps=steps, pnl_pusd=round(pnl, 2))
        if pnl > self.best:
            self.best = pnl
            self._weights = copy.deepcopy(policy.state_dict())

    def give_back(self, policy: Any) -> None:
        """Give the policy its best weights back."""
        if self._weights:
            policy.load_state_dict(self._weights)

    def snapshot(self) -> dict[str, Any]:
        """What was judged so far."""
        return {"best": self.best, "curve": self.curve, "_weights": self._weights, "_judged": self._judged}

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

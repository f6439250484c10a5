"""What the forecast-threshold rule does in the environment: the demonstrations of a warm start."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from pipelines.agent.vector import MarketVecEnv
from pipelines.core.domain import FloatArray
from pipelines.features import spec
from pipelines.replay.lanes import DIRECTION_OF, FRACTION_OF, Field
from pipelines.trading import compiled
from pipelines.trading.threshold_rule import Rule, pays_each

CASH, POSITION = (len(spec.MARKET_OBS) + spec.PORTFOLIO_OBS.index(name) for name in ("cash", "position"))

NEAR = 0.4
"""Share of the entry threshold from which on a bar teaches something; of the others one in ten is kept."""

WHOLE_CAP = 6
"""Actions 6, 7, 8 are short, close and long with the whole cap."""


class Teacher:
    """The threshold rule over lanes: expected moves and costs per row, the state of the lane decides the rest."""

    def __init__(self, field: Field, moves: FloatArray, costs: FloatArray, rule: Rule) -> None:
        self._bars = field.bars
        self._moves = moves
        self._costs = costs
        self.rule = rule
        self._near = pays_each(moves, costs, NEAR * rule.cost_multiple)

    @property
    def signals(self) -> tuple[FloatArray, FloatArray]:
        """Expected moves and round trips of every row, in price units."""
        return self._moves, self._costs

    def tells(self, state: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Where there is something to learn: a position is held, or the move is within reach of its cost."""
        rows = state[:, compiled.ROW]
        told: NDArray[np.bool_] = (state[:, compiled.DIRECTION] != 0) | self._near[rows]
        return told

    def actions(self, state: NDArray[np.int64]) -> NDArray[np.int64]:
        """One action per lane: the direction that pays, the one that is held while it is kept, else close."""
        wanted = np.empty(len(state), dtype=np.int64)
        compiled.threshold_directions(state, self._bars, self._moves, self._costs, *self.rule, wanted)
        return WHOLE_CAP + 1 + wanted


@dataclass(frozen=True)
class Demonstrations:
    """Observations (n, 20 or 27), the teacher's actions (n,) of nine, and the discounted returns that followed (n,)."""

    seen: NDArray[np.float32]
    labels: NDArray[np.int64]
    returns: NDArray[np.float32]

    def with_money_elsewhere(self, most: float, seed: int) -> "Demonstrations":
        """The same demonstrations for accounts that hold other markets too, worth up to the share `most` of equity."""
        seen = self.seen.copy()
        seen[:, CASH] -= np.random.default_rng(seed).uniform(0.0, most, len(seen)).astype(np.float32)
        return replace(self, seen=seen)


def collect(env: MarketVecEnv, teacher: Teacher, steps: int, gamma: float, explore: float, seed: int) -> Demonstrations:
    """Lanes follow the teacher, now and then act at random; most bars with nothing to decide are left out."""
    rng = np.random.default_rng(seed)
    seen, labels, rewards, ends, kept = [], [], [], [], []
    observation = env.reset()
    for _ in range(steps):
        chosen = teacher.actions(env.lanes.state)
        kept.append(teacher.tells(env.lanes.state) | (rng.random(env.num_envs) < 0.1))
        seen.append(observation)
        labels.append(chosen)
        stray = rng.random(env.num_envs) < explore
        taken = np.where(stray, rng.integers(0, 9, env.num_envs), chosen)
        env.step_async(continuous(taken) if env.continuous else taken)
        observation, reward, done, _ = env.step_wait()
        rewards.append(reward)
        ends.append(done)
    returns = _discounted(np.array(rewards), np.array(ends), gamma)
    use = np.concatenate(kept)
    return Demonstrations(np.concatenate(seen)[use], np.concatenate(labels)[use], returns.reshape(-1)[use])


def continuous(actions: NDArray[np.int64]) -> NDArray[np.float32]:
    """The same actions for the Box variant, (n, 1) in [-1, 1]."""
    values: NDArray[np.float32] = (DIRECTION_OF[actions] * FRACTION_OF[actions]).astype(np.float32)[:, None]
    return values


def _discounted(rewards: NDArray[np.float32], ends: NDArray[np.bool_], gamma: float) -> NDArray[np.float32]:
    returns = np.zeros_like(rewards)
    running = np.zeros(rewards.shape[1], dtype=np.float32)
    for step in range(len(rewards) - 1, -1, -1):
        running = rewards[step] + gamma * np.where(ends[step], 0.0, running).astype(np.float32)
        returns[step] = running
    return returns

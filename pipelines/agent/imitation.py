"""A warm start: the agent imitates the forecast-threshold rule before it learns from rewards."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from pipelines.agent.vector import MarketVecEnv
from pipelines.core.domain import FloatArray
from pipelines.engine.lanes import Field
from pipelines.trading import compiled

NEAR = 0.4
"""Share of the entry threshold from which on a bar teaches something; of the others one in ten is kept."""

WHOLE_CAP = 6
"""Actions 6, 7, 8 are short, close and long with the whole cap."""


class Teacher:
    """The threshold rule over lanes: expected moves and costs per row, the state of the lane decides the rest."""

    def __init__(self, field: Field, moves: FloatArray, costs: FloatArray, multiple: float, hold_s: int) -> None:
        self._bars = field.bars
        self._moves = moves
        self._pays = np.abs(moves) > multiple * costs
        self._near = np.abs(moves) > NEAR * multiple * costs
        self._hold_s = hold_s

    def tells(self, state: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Where there is something to learn: a position is held, or the move is within reach of its cost."""
        rows = state[:, compiled.ROW]
        told: NDArray[np.bool_] = (state[:, compiled.DIRECTION] != 0) | self._near[rows]
        return told

    def actions(self, state: NDArray[np.int64]) -> NDArray[np.int64]:
        """One action per lane: the direction that pays, the one that is held while its sign agrees, else close."""
        rows = state[:, compiled.ROW]
        sign = np.sign(self._moves[rows]).astype(np.int64)
        held = state[:, compiled.DIRECTION]
        young = self._bars[rows, compiled.TS] - state[:, compiled.OPENED] < self._hold_s
        keep = np.where((held == sign) & young, held, 0)
        wanted = np.where(held != 0, keep, np.where(self._pays[rows], sign, 0))
        return WHOLE_CAP + 1 + wanted


def collect(
    env: MarketVecEnv, teacher: Teacher, steps: int, gamma: float, explore: float, seed: int
) -> tuple[NDArray[np.float32], NDArray[np.int64], NDArray[np.float32]]:
    """Observations, the teacher's actions and discounted returns of lanes that follow it, now and then at random;
    most bars on which there is nothing to decide are left out."""
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
        env.step_async(taken)
        observation, reward, done, _ = env.step_wait()
        rewards.append(reward)
        ends.append(done)
    returns = _discounted(np.array(rewards), np.array(ends), gamma)
    use = np.concatenate(kept)
    return np.concatenate(seen)[use], np.concatenate(labels)[use], returns.reshape(-1)[use]


def _discounted(rewards: NDArray[np.float32], ends: NDArray[np.bool_], gamma: float) -> NDArray[np.float32]:
    returns = np.zeros_like(rewards)
    running = np.zeros(rewards.shape[1], dtype=np.float32)
    for step in range(len(rewards) - 1, -1, -1):
        running = rewards[step] + gamma * np.where(ends[step], 0.0, running).astype(np.float32)
        returns[step] = running
    return returns


def imitate(
    policy: Any,
    seen: NDArray[np.float32],
    labels: NDArray[np.int64],
    returns: NDArray[np.float32],
    *,
    epochs: int,
    seed: int,
    batch_size: int = 512,
    learning_rate: float = 1e-3,
) -> float:
    """Fit action and value networks of an SB3 actor-critic; the last epoch's mean loss."""
    generator = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.Adam(policy.parameters(), lr=learning_rate)
    inputs, targets, values = torch.from_numpy(seen), torch.from_numpy(labels), torch.from_numpy(returns)
    weights = _class_weights(labels)
    mean_loss = 0.0
    for _ in range(epochs):
        losses = []
        for batch in torch.split(torch.randperm(len(inputs), generator=generator), batch_size):
            value, log_prob, entropy = policy.evaluate_actions(inputs[batch], targets[batch])
            chosen = -(log_prob * weights[targets[batch]]).mean()
            loss = chosen + 0.5 * torch.nn.functional.mse_loss(value.flatten(), values[batch]) - 0.01 * entropy.mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(float(loss.detach()))
        mean_loss = float(np.mean(losses))
    return mean_loss


def _class_weights(labels: NDArray[np.int64]) -> torch.Tensor:
    """Rare actions weigh more, by the root of their rarity."""
    counts = np.bincount(labels, minlength=9)
    weights = np.where(counts > 0, np.sqrt(len(labels) / np.maximum(counts, 1)), 0.0)
    return torch.from_numpy((weights / (weights * counts).sum() * len(labels)).astype(np.float32))

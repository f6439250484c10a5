"""A warm start: the networks of PPO, DQN or SAC are fitted to what the forecast-threshold rule does."""

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import torch
from sb3_contrib import QRDQN
from stable_baselines3 import DQN, PPO
from torch.nn.functional import mse_loss

from pipelines.agent.imitation import POSITION, Demonstrations, continuous

MARGIN = 0.1
"""The teacher's action is to be worth this much more than any other, in per cent of the cash (as in DQfD)."""
QUIET_LOG_SD = -1.5
"""SAC begins with this log deviation of its noise: at 0 the teacher's habits would be drowned."""

LEARNING_RATE = 2e-3
UPDATES = 100
"""Of an epoch, where batches of BATCH (the least and the most) allow it."""
BATCH = (64, 2048)

Loss = Callable[[torch.Tensor], torch.Tensor]


def imitate(learner: Any, demonstrations: Demonstrations, *, epochs: int, seed: int) -> float:
    """Fit the networks that choose and that value actions; the last epoch's mean loss."""
    policy = learner.policy
    if isinstance(learner, PPO):
        make = _actor_critic
    elif isinstance(learner, (DQN, QRDQN)):
        make = _q_network
    else:
        make = _squashed
    parameters, loss_of = make(policy, demonstrations)
    generator = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.Adam(parameters, lr=LEARNING_RATE)
    mean_loss = 0.0
    batch_size = int(np.clip(len(demonstrations.seen) // UPDATES, *BATCH))
    for _ in range(epochs):
        losses = []
        for batch in torch.split(torch.randperm(len(demonstrations.seen), generator=generator), batch_size):
            loss = loss_of(batch)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            losses.append(float(loss.detach()))
        mean_loss = float(np.mean(losses))
    for online, target in (
        ("q_net", "q_net_target"),
        ("quantile_net", "quantile_net_target"),
        ("critic", "critic_target"),
    ):
        if hasattr(policy, target):
            getattr(policy, target).load_state_dict(getattr(policy, online).state_dict())
    return mean_loss


def _actor_critic(policy: Any, demonstrations: Demonstrations) -> tuple[Iterable[torch.nn.Parameter], Loss]:
    """PPO: the likelihood of the teacher's actions, and the value of the states that the teacher saw."""
    seen, labels, returns, weights = _tensors(demonstrations)

    def loss_of(batch: torch.Tensor) -> torch.Tensor:
        value, log_prob, entropy = policy.evaluate_actions(seen[batch], labels[batch])
        chosen = -(log_prob * weights[batch]).mean()
        loss: torch.Tensor = chosen + 0.5 * mse_loss(value.flatten(), returns[batch]) - 0.01 * entropy.mean()
        return loss

    return policy.parameters(), loss_of


def _q_network(policy: Any, demonstrations: Demonstrations) -> tuple[Iterable[torch.nn.Parameter], Loss]:
    """DQN: the teacher's action is worth what followed it, every other one less by a margin (Hester et al. 2018)."""
    seen, labels, returns, weights = _tensors(demonstrations)
    quantiles = hasattr(policy, "quantile_net")
    network = policy.quantile_net if quantiles else policy.q_net

    def loss_of(batch: torch.Tensor) -> torch.Tensor:
        values = network(seen[batch]).mean(dim=1) if quantiles else network(seen[batch])
        chosen = values.gather(1, labels[batch][:, None])[:, 0]
        rivals = values + MARGIN * (torch.arange(values.shape[1]) != labels[batch][:, None])
        behind = ((rivals.max(dim=1).values - chosen) * weights[batch]).mean()
        loss: torch.Tensor = behind + 0.5 * mse_loss(chosen, returns[batch])
        return loss

    return network.parameters(), loss_of


def _squashed(policy: Any, demonstrations: Demonstrations) -> tuple[Iterable[torch.nn.Parameter], Loss]:
    """SAC: the mean action comes near the teacher's, and the critics value it with what followed."""
    seen, _, returns, weights = _tensors(demonstrations)
    wanted = torch.from_numpy(continuous(demonstrations.labels))
    policy.actor.log_std.bias.data.fill_(QUIET_LOG_SD)

    def loss_of(batch: torch.Tensor) -> torch.Tensor:
        mean = torch.tanh(policy.actor.mu(policy.actor.latent_pi(seen[batch])))
        error = (((mean - wanted[batch])[:, 0] ** 2) * weights[batch]).mean()
        valued = policy.critic(seen[batch], wanted[batch])
        return error + sum(0.5 * mse_loss(value[:, 0], returns[batch]) for value in valued)

    return [*policy.actor.parameters(), *policy.critic.parameters()], loss_of


def _tensors(demonstrations: Demonstrations) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Observations, labels, returns and weights: rare actions weigh more, by the root of their rarity.

    To close is another action with a position than without: exits are rare, and nearly all that closes is nothing.
    """
    held = np.sign(demonstrations.seen[:, POSITION]).astype(np.int64) + 1
    action = 3 * demonstrations.labels + held
    counts = np.bincount(action, minlength=27)
    rarity = np.where(counts > 0, np.sqrt(len(action) / np.maximum(counts, 1)), 0.0)
    weight = (rarity / (rarity * counts).sum() * len(action)).astype(np.float32)
    arrays = (demonstrations.seen, demonstrations.labels, demonstrations.returns, weight[action])
    seen, labels, returns, weights = (torch.from_numpy(array) for array in arrays)
    return seen, labels, returns, weights

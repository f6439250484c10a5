"""A trained actor as ONNX: observation (n, 20 or 27) -> action (n,), an integer or a number in [-1, 1].

Scaling comes before it, in `trading.observation`.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch

from pipelines.core.errors import ArtifactError
from pipelines.trading.policies.learned import Learned


class Actor(torch.nn.Module):
    """The most probable action of an SB3 actor-critic."""

    def __init__(self, policy: Any) -> None:
        super().__init__()
        self.policy = policy

    def forward(self, obs: torch.Tensor) -> torch.Tensor:
        """Actions (n,) as int64."""
        features = self.policy.extract_features(obs, self.policy.pi_features_extractor)
        logits = self.policy.action_net(self.policy.mlp_extractor.forward_actor(features))
        return torch.argmax(logits, dim=1)


class GreedyQ(torch.nn.Module):
    """The action of the largest value of an SB3 Q network."""

    def __init__(self, policy: Any) -> None:
        super().__init__()
        self.network = policy.q_net

    def forward(self, obs: torch.Tensor) -> torch.Tensor:
        """Actions (n,) as int64."""
        return torch.argmax(self.network(obs), dim=1)


class GreedyQuantiles(torch.nn.Module):
    """The action with the largest mean of its quantiles, of an sb3-contrib QR-DQN."""

    def __init__(self, policy: Any) -> None:
        super().__init__()
        self.network = policy.quantile_net

    def forward(self, obs: torch.Tensor) -> torch.Tensor:
        """Actions (n,) as int64."""
        return torch.argmax(self.network(obs).mean(dim=1), dim=1)


class Squashed(torch.nn.Module):
    """The mean action in [-1, 1] of an SB3 SAC actor."""

    def __init__(self, policy: Any) -> None:
        super().__init__()
        self.actor = policy.actor

    def forward(self, obs: torch.Tensor) -> torch.Tensor:
        """Actions (n,) as float32."""
        return torch.tanh(self.actor.mu(self.actor.latent_pi(obs)))[:, 0]


def export(
    actor: torch.nn.Module,
    size: int,
    path: Path,
    keep: Mapping[str, float] | None = None,
    *,
    samples: int = 2000,
    seed: int = 0,
) -> float:
    """Write the actor, and return the share of random observations on which ONNX agrees with torch.

    `keep` is the rule that leaves what is held, where the actor decides entries alone (`learned.KEEP`).

    Raises:
        ArtifactError: if fewer than 99.9 % agree.
    """
    actor.eval()
    example = torch.zeros(1, size)
    torch.onnx.export(
        actor,
        (example,),
        str(path),
        dynamo=False,
        opset_version=17,
        input_names=["obs"],
        output_names=["action"],
        dynamic_axes={"obs": {0: "batch"}, "action": {0: "batch"}},
    )
    if keep is not None:
        model = onnx.load(str(path))
        onnx.helper.set_model_props(model, {name: repr(float(value)) for name, value in keep.items()})
        onnx.save(model, str(path))
    observations = np.random.default_rng(seed).normal(size=(samples, size)).astype(np.float32)
    with torch.no_grad():
        expected = actor(torch.from_numpy(observations)).numpy()
    agreement = float(np.mean(np.abs(Learned(path).actions(observations) - expected) < 1e-4))
    if agreement < 0.999:
        raise ArtifactError(f"ONNX and torch agree on {agreement:.2%} of {samples} observations; train the agent again")
    return agreement

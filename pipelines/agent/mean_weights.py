"""The mean of the weights that a policy had in the later part of its training.

Each update of PPO follows the noise of its own rollout as well, and the last weights hold that of the last ones. Their
mean holds less of it (Polyak and Juditsky 1992; Izmailov et al. 2018).
"""

from typing import Any

import torch
from stable_baselines3.common.callbacks import BaseCallback

SINCE = 0.3
"""Share of the training after which weights count."""


class MeanWeights(BaseCallback):
    """Takes the weights before each rollout, from SINCE of `timesteps` on."""

    def __init__(self, timesteps: int) -> None:
        super().__init__()
        self._from = SINCE * timesteps
        self._mean: dict[str, torch.Tensor] = {}
        self._count, self._taken = 0, 0

    def give(self, policy: Any) -> bool:
        """Give the policy the mean weights; False where none were taken."""
        if self._count == 0:
            return False
        policy.load_state_dict(self._mean)
        return True

    def snapshot(self) -> dict[str, Any]:
        """What was taken so far."""
        return {"mean": self._mean, "count": self._count, "taken": self._taken}

    def restore(self, kept: dict[str, Any]) -> None:
        """Go on from a snapshot."""
        self._mean, self._count, self._taken = dict(kept["mean"]), int(kept["count"]), int(kept["taken"])

    def _on_step(self) -> bool:
        return True

    def _on_rollout_start(self) -> None:
        # A training that goes on begins with the rollout before which it was stopped.
        if self.num_timesteps < max(self._from, self._taken + 1):
            return
        self._count, self._taken = self._count + 1, self.num_timesteps
        for name, value in self.model.policy.state_dict().items():
            before = self._mean.get(name)
            self._mean[name] = value.clone() if before is None else before + (value - before) / self._count

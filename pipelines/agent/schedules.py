"""What changes while PPO learns: the bonus for entropy falls, and after a warm start the critic learns first."""

from dataclasses import dataclass
from typing import Any

from stable_baselines3.common.callbacks import BaseCallback

from pipelines.core.sections import PpoParams


@dataclass(frozen=True)
class Falling:
    """A learning rate that falls in a line. A class and no closure: a saved learner names it, where of a closure it
    would hold the code with the path of its file."""

    first: float
    last: float

    def __call__(self, left: float) -> float:
        """The rate at a share of the training that is left."""
        return self.last + (self.first - self.last) * left


def learning_rate(params: PpoParams) -> float | Falling:
    """SB3's learning rate: a constant, or a function of the share of the training that is left."""
    first, last = params.learning_rate, params.learning_rate_end
    return first if last is None else Falling(first, last)


class Schedules(BaseCallback):
    """Before each rollout: the weight of the entropy, and whether the actor may learn.

    A critic that knows nothing would ruin a warm-started actor with its first advantages.
    """

    def __init__(self, params: PpoParams, warm: bool) -> None:
        super().__init__()
        self._params = params
        self._critic_steps = params.critic_steps if warm else 0

    def _on_rollout_start(self) -> None:
        model: Any = self.model
        params = self._params
        if params.ent_until is not None:
            done = self.num_timesteps / max(params.timesteps, 1)
            model.ent_coef = params.ent_coef * max(1.0 - done / max(params.ent_until, 1e-9), 0.0)
            self.logger.record("train/ent_coef", model.ent_coef)
        learns = self.num_timesteps >= self._critic_steps
        for part in (model.policy.mlp_extractor.policy_net, model.policy.action_net):
            part.requires_grad_(learns)

    def _on_step(self) -> bool:
        return True

"""PPO, DQN, SAC (Stable-Baselines3) and QR-DQN (sb3-contrib) with the numbers of params.yaml, behind one function."""

from typing import Any

import torch
from sb3_contrib import QRDQN
from stable_baselines3 import DQN, PPO, SAC

from pipelines.agent.export import Actor, GreedyQ, GreedyQuantiles, Squashed
from pipelines.agent.schedules import learning_rate
from pipelines.agent.vector import MarketVecEnv
from pipelines.core.params import Params
from pipelines.core.sections import PpoParams

KINDS: dict[str, type[Any]] = {"ppo": PPO, "dqn": DQN, "qrdqn": QRDQN, "sac": SAC}

QUANTILES = 50
"""Of QR-DQN: its loss compares each with each, and sb3-contrib's 200 cost sixteen times as much."""
WARM_EXPLORATION = 0.1
"""Share of random actions with which a warm-started DQN begins: at 1 it would first unlearn what it was taught."""


def untrained(env: MarketVecEnv, params: Params) -> Any:
    """An SB3 learner of the algorithm and with the hyper-parameters that `agent.learner` names."""
    ours = {"timesteps", "n_envs", "learning_rate_end", "ent_until", "critic_steps"}
    chosen = params.learner.model_dump(exclude=ours)
    kind = KINDS[params.agent.algorithm]
    if isinstance(params.learner, PpoParams):
        chosen["learning_rate"] = learning_rate(params.learner)
    off_policy = {} if kind is PPO else _off_policy(params)
    return kind("MlpPolicy", env, **chosen, **off_policy, seed=params.agent.seed, device="cpu")


def _off_policy(params: Params) -> dict[str, Any]:
    """What DQN and SAC also need. SB3 acts at random until the first update, which a warm-started
    learner need not."""
    warm, learner = params.agent.imitation_epochs > 0, params.learner
    shared: dict[str, Any] = {
        "train_freq": 1,
        "learning_starts": learner.n_envs if warm else min(10_000, learner.timesteps // 10),
    }
    if params.agent.algorithm == "sac":
        return shared | {"policy_kwargs": {"net_arch": [64, 64]}}
    if params.agent.algorithm == "qrdqn":
        shared["policy_kwargs"] = {"n_quantiles": QUANTILES}
    exploration = {"exploration_initial_eps": WARM_EXPLORATION if warm else 1.0, "exploration_final_eps": 0.02}
    return shared | exploration | {"target_update_interval": 10_000}


def actor(learner: Any) -> torch.nn.Module:
    """The network that `export` writes: the deterministic policy."""
    if isinstance(learner, SAC):
        return Squashed(learner.policy)
    if isinstance(learner, QRDQN):
        return GreedyQuantiles(learner.policy)
    return Actor(learner.policy) if isinstance(learner, PPO) else GreedyQ(learner.policy)

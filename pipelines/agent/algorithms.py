"""PPO, DQN and SAC of Stable-Baselines3 with the parameters of params.yaml, behind one function."""

from typing import Any

import torch
from stable_baselines3 import DQN, PPO, SAC

from pipelines.agent.export import Actor, GreedyQ, Squashed
from pipelines.agent.vector import MarketVecEnv
from pipelines.core.sections import AgentParams

KINDS: dict[str, type[PPO] | type[DQN] | type[SAC]] = {"ppo": PPO, "dqn": DQN, "sac": SAC}

WARM_EXPLORATION = 0.1
"""Share of random actions with which a warm-started DQN begins: at 1 it would first unlearn what it was taught."""


def untrained(env: MarketVecEnv, agent: AgentParams) -> Any:
    """An SB3 learner of the algorithm that is asked for."""
    return {"ppo": _ppo, "dqn": _dqn, "sac": _sac}[agent.algorithm](env, agent)


def actor(learner: Any) -> torch.nn.Module:
    """The network that `export` writes: the deterministic policy."""
    if isinstance(learner, SAC):
        return Squashed(learner.policy)
    return Actor(learner.policy) if isinstance(learner, PPO) else GreedyQ(learner.policy)


def _ppo(env: MarketVecEnv, agent: AgentParams) -> PPO:
    return PPO(
        "MlpPolicy",
        env,
        learning_rate=agent.learning_rate,
        n_steps=agent.n_steps,
        batch_size=agent.batch_size,
        n_epochs=agent.n_epochs,
        gamma=agent.gamma,
        gae_lambda=agent.gae_lambda,
        clip_range=agent.clip_range,
        ent_coef=agent.ent_coef,
        vf_coef=agent.vf_coef,
        max_grad_norm=agent.max_grad_norm,
        seed=agent.seed,
        device="cpu",
    )


def _dqn(env: MarketVecEnv, agent: AgentParams) -> DQN:
    return DQN(
        "MlpPolicy",
        env,
        learning_rate=agent.learning_rate,
        buffer_size=agent.dqn_buffer,
        learning_starts=_learning_starts(agent),
        batch_size=min(agent.batch_size, 512),
        gamma=agent.gamma,
        train_freq=1,
        gradient_steps=agent.dqn_gradient_steps,
        target_update_interval=10_000,
        exploration_fraction=agent.dqn_exploration,
        exploration_initial_eps=WARM_EXPLORATION if agent.imitation_epochs else 1.0,
        exploration_final_eps=0.02,
        max_grad_norm=agent.max_grad_norm,
        seed=agent.seed,
        device="cpu",
    )


def _learning_starts(agent: AgentParams) -> int:
    """Steps before the first update; SB3 acts at random until then, which a warm-started learner need not."""
    return agent.n_envs if agent.imitation_epochs else min(10_000, agent.timesteps // 10)


def _sac(env: MarketVecEnv, agent: AgentParams) -> SAC:
    return SAC(
        "MlpPolicy",
        env,
        learning_rate=agent.learning_rate,
        buffer_size=agent.dqn_buffer,
        learning_starts=_learning_starts(agent),
        batch_size=min(agent.batch_size, 512),
        gamma=agent.gamma,
        train_freq=1,
        gradient_steps=max(1, agent.dqn_gradient_steps // 2),
        policy_kwargs={"net_arch": [64, 64]},
        seed=agent.seed,
        device="cpu",
    )

"""The warm start teaches each algorithm what the threshold rule does."""

import sys
from pathlib import Path

import numpy as np
import pytest

from pipelines.agent.algorithms import untrained
from pipelines.agent.imitation import collect, continuous
from pipelines.agent.training import dataset, vector_env
from pipelines.agent.warm_start import imitate
from pipelines.engine.lanes import decoded

sys.path.insert(0, str(Path(__file__).parents[1] / "engine"))
from test_engine_identity import PARAMS, TABLE, history, scaler


@pytest.mark.parametrize("learner", ["ppo", "ppo_tuned", "dqn", "sac"])
def test_the_teachers_directions_are_learned(learner):
    """After the warm start PPO, DQN and SAC enter and leave mostly as the rule does, on lanes they have not seen."""
    agent = PARAMS.agent.model_copy(update={"learner": learner})
    params = PARAMS.model_copy(update={"agent": agent})
    data = dataset([history(seed) for seed in range(6)], params, TABLE, scaler(), 60)
    env = vector_env(data, params, 8, 1)
    made = untrained(env, params)
    unseen = collect(vector_env(data, params, 8, 2), data.teacher, 200, 0.99, 0.05, 2)

    def agreement():
        actions = made.policy.predict(unseen.seen, deterministic=True)[0]
        wanted = decoded(continuous(unseen.labels))[0]
        directions = decoded(actions)[0]
        return np.mean([(directions == wanted)[wanted == side].mean() for side in (-1, 0, 1)])

    before = agreement()
    loss = imitate(made, collect(env, data.teacher, 800, 0.99, 0.05, 1), epochs=12, seed=1)
    assert np.isfinite(loss)
    assert before < 0.6
    assert agreement() > 0.8

"""The warm start teaches each algorithm what the threshold rule does."""

import sys
from pathlib import Path

import numpy as np
import pytest

from pipelines.agent.algorithms import untrained
from pipelines.agent.imitation import CASH, collect, continuous
from pipelines.agent.training import dataset, demonstrations, vector_env
from pipelines.agent.warm_start import imitate
from pipelines.replay.lanes import decoded

sys.path.insert(0, str(Path(__file__).parents[1] / "replay"))
from test_replay_identity import PARAMS, TABLE, history, scaler

EVERY_BAR = PARAMS.model_copy(update={"agent": PARAMS.agent.model_copy(update={"decisions": "bars"})})
DATA = dataset([history(seed) for seed in range(6)], EVERY_BAR, TABLE, scaler(), 60)


@pytest.mark.parametrize("learner", ["ppo_entries", "ppo_tuned", "dqn", "qrdqn", "sac"])
def test_the_teachers_directions_are_learned(learner):
    """After the warm start every learner enters and leaves mostly as the rule does, on lanes it has not seen and in
    accounts that hold other markets too."""
    agent = EVERY_BAR.agent.model_copy(update={"learner": learner})
    params = EVERY_BAR.model_copy(update={"agent": agent})
    env = vector_env(DATA, params, 8, 1)
    made = untrained(env, params)
    unseen = collect(vector_env(DATA, params, 8, 2), DATA.teacher, 200, 0.99, 0.05, 2)
    unseen = unseen.with_money_elsewhere(0.3, 2)

    def agreement():
        actions = made.policy.predict(unseen.seen, deterministic=True)[0]
        wanted = decoded(continuous(unseen.labels))[0]
        directions = decoded(actions)[0]
        return np.mean([(directions == wanted)[wanted == side].mean() for side in (-1, 0, 1)])

    before = agreement()
    told = collect(env, DATA.teacher, 800, 0.99, 0.05, 1).with_money_elsewhere(0.3, 1)
    loss = imitate(made, told, epochs=12, seed=1)
    assert np.isfinite(loss)
    assert before < 0.6
    assert agreement() > 0.8


def test_money_elsewhere_changes_the_cash_alone():
    """Demonstrations for accounts with other markets have less cash, by at most that share; all else is as it was."""
    env = vector_env(DATA, EVERY_BAR, 8, 1)
    told = collect(env, DATA.teacher, 50, 0.99, 0.05, 1)
    other = told.with_money_elsewhere(0.3, 1)
    less = told.seen - other.seen
    assert np.flatnonzero(less.any(axis=0)).tolist() == [CASH]
    assert 0.0 <= less[:, CASH].min() < 0.05
    assert 0.25 < less[:, CASH].max() <= 0.3 + 1e-6
    assert np.array_equal(told.labels, other.labels)
    assert np.array_equal(told.returns, other.returns)


def test_demonstrations_are_the_same_for_any_number_of_lanes():
    """What is imitated depends on the markets, not on how many environments the learner trains with."""
    few, many = (demonstrations(DATA, EVERY_BAR.with_learner(n_envs=count)) for count in (2, 32))
    assert np.array_equal(few.seen, many.seen)
    assert np.array_equal(few.labels, many.labels)

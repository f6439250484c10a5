import sys
import warnings
from dataclasses import replace
from pathlib import Path

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium.error import InvalidAction, ResetNeeded
from gymnasium.utils.env_checker import check_env
from hypothesis import given, settings
from hypothesis import strategies as st
from stable_baselines3.common.env_checker import check_env as check_sb3

import pipelines.agent  # noqa: F401 - registers the environment
from pipelines.agent.algorithms import actor
from pipelines.agent.env import MarketEnv
from pipelines.agent.export import export
from pipelines.agent.imitation import Teacher, collect
from pipelines.agent.judge import gained
from pipelines.agent.training import train
from pipelines.agent.vector import MarketVecEnv
from pipelines.replay.lanes import Lanes, decoded, field, parameters
from pipelines.replay.loop import replay, tape
from pipelines.replay.rules import make
from pipelines.replay.signals import signals
from pipelines.trading import compiled
from pipelines.trading.sizing import NO_SIGNALS
from pipelines.trading.threshold_rule import Rule

sys.path.insert(0, str(Path(__file__).parents[1] / "replay"))
from test_replay_identity import CASH, PARAMS, TABLE, history, limits, scaler

BLOCK = field([history(seed) for seed in (1, 2)], scaler(), PARAMS.execution.impact_share, forecast_block=True)
PAR = parameters(PARAMS, TABLE, 60)


def test_gymnasium_and_sb3_find_nothing():
    """Both libraries' environment checkers pass without a complaint."""
    env = gymnasium.make("oddsmith/Market-v0", field=BLOCK, par=PAR)
    box = gymnasium.make("oddsmith/Market-v0", field=BLOCK, par=PAR, continuous=True)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for one in (env, box):
            check_env(one.unwrapped, skip_render_check=True)
            check_sb3(one.unwrapped)
    assert env.action_space.n == 9
    assert box.action_space.shape == (1,)
    assert env.observation_space.shape == (27,)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.booleans(), st.sampled_from([None, 0, 1_000_000]), st.sampled_from([1.0, 1_000.0]))
def test_every_observation_lies_in_the_space(seed, block, payout, wild):
    """Whatever is played, with forecasts however wide, no input leaves its finite bounds, at a payout either."""
    past = history(seed, bars=120)
    made = {name: getattr(past, name) * wild for name in ("features", "mean", "lower", "upper")}
    past = replace(past, payout_micro=payout, **made)
    flat = field([past], scaler(), PARAMS.execution.impact_share, forecast_block=block)
    env = MarketEnv(flat, parameters(limits(PARAMS, free=True), TABLE, 60), CASH, episode=(0, 119))
    space = env.observation_space
    assert np.isfinite(space.low).all()
    assert np.isfinite(space.high).all()
    assert space.contains(env.reset(seed=0)[0])
    actions = np.repeat(np.random.default_rng(seed).integers(0, 9, 24), 5)
    assert all(space.contains(env.step(action)[0]) for action in actions[:119])
    assert MarketVecEnv(Lanes(flat, PAR, 2, CASH), 60, 1).observation_space == space


def test_the_registered_environment_needs_no_arguments():
    """`gymnasium.make` alone gives an environment that steps and trades."""
    env = gymnasium.make("oddsmith/Market-v0")
    env.reset(seed=3)
    rewards = [env.step(8)[1] for _ in range(30)]
    assert any(reward != 0.0 for reward in rewards)


def test_an_episode_is_truncated_not_terminated():
    """The end of the data is no resolution: `truncated` is set, `terminated` never."""
    env = MarketEnv(BLOCK, PAR, episode_bars=10)
    env.reset(seed=1)
    flags = [env.step(1)[2:4] for _ in range(10)]
    assert flags[-1] == (False, True)
    assert not any(terminated for terminated, _ in flags)


def test_the_resolution_of_a_market_terminates():
    """The end of a resolved market is `terminated` in both environments, and what is held is worth its payout."""
    past = replace(history(1), payout_micro=1_000_000)
    flat = field([past], scaler(), PARAMS.execution.impact_share, forecast_block=True)
    env = MarketEnv(flat, PAR, CASH, episode=(200, 239))
    env.reset(seed=1)
    played = [env.step(8) for _ in range(39)]
    assert [step[2:4] for step in played[-2:]] == [(False, False), (True, False)]
    assert env.state[compiled.SHARES] > 0
    assert env.equity_micro == env.state[compiled.CASH] + env.state[compiled.SHARES]
    lanes = MarketVecEnv(Lanes(flat, PAR, 2, CASH), episode_bars=1_000, seed=1)
    lanes.reset()
    ends = [info for _ in range(300) for info in lanes.step(np.full(2, 1))[3] if info]
    assert ends
    assert not any(info["TimeLimit.truncated"] for info in ends)


def test_what_no_episode_allows_is_refused():
    """A step without an episode and an action that does not exist are errors, not numbers; a Box action is clipped."""
    env = MarketEnv(BLOCK, PAR, CASH, episode=(0, 2))
    with pytest.raises(ResetNeeded):
        env.step(1)
    env.reset()
    for action in (-1, 9):
        with pytest.raises(InvalidAction):
            env.step(action)
    assert [env.step(1)[3] for _ in range(2)] == [False, True]
    with pytest.raises(ResetNeeded):
        env.step(1)
    assert decoded(np.array([[5.0]]))[1].tolist() == [1.0]


def test_risk_aversion_charges_the_square_of_a_reward():
    """The plain reward is the change of equity; a risk-averse one is less by its square, alike in both environments."""
    rewards = {}
    for aversion in (0.0, 0.5):
        lanes = MarketVecEnv(Lanes(BLOCK, PAR, 1, CASH), episode_bars=60, seed=3, risk_aversion=aversion)
        lanes.reset()
        rewards[aversion] = np.array([lanes.step(np.array([8]))[1][0] for _ in range(50)])
    plain = rewards[0.0]
    assert np.abs(plain).max() > 0.0
    np.testing.assert_allclose(rewards[0.5], plain - 0.5 * plain**2, atol=1e-6)
    alone = {}
    for aversion in (0.0, 0.5):
        env = MarketEnv(BLOCK, PAR, CASH, episode=(0, 60), risk_aversion=aversion)
        env.reset(seed=1)
        alone[aversion] = 100.0 * 1e6 / CASH * np.array([env.step(8)[1] for _ in range(50)])
    np.testing.assert_allclose(alone[0.5], alone[0.0] - 0.5 * alone[0.0] ** 2, atol=1e-9)


def test_the_vector_environment_reports_last_observations():
    """A lane that ends gives its terminal observation and starts again elsewhere."""
    env = MarketVecEnv(Lanes(BLOCK, PAR, 4, CASH), episode_bars=5, seed=1)
    env.reset()
    for _ in range(5):
        observation, _, dones, infos = env.step(np.full(4, 1))
    assert dones.all()
    assert all(info["TimeLimit.truncated"] for info in infos)
    assert all(info["terminal_observation"].shape == (27,) for info in infos)
    assert not np.array_equal(infos[0]["terminal_observation"], observation[0])


def test_equal_seeds_give_equal_rollouts():
    """The seed decides markets and starts, given at first or set later."""
    seen = []
    for _ in range(2):
        env = MarketVecEnv(Lanes(BLOCK, PAR, 4, CASH), episode_bars=50, seed=7 + len(seen))
        env.seed(7)
        env.reset()
        seen.append(np.concatenate([env.step(np.full(4, 8))[1] for _ in range(60)]))
    np.testing.assert_array_equal(*seen)


def test_the_teacher_plays_the_threshold_rule():
    """From flat, the teacher enters exactly where the expected move exceeds the round trip."""
    past = [history(seed) for seed in (1, 2)]
    seen = [signals(one, PARAMS.execution.impact_share) for one in past]
    moves, costs = (np.concatenate([getattr(one, name) for one in seen]) for name in ("move_units", "cost_units"))
    teacher = Teacher(BLOCK, moves, costs, Rule(1.0, 0.0, 3_600))
    state = np.zeros((len(moves), Lanes(BLOCK, PAR, 1, CASH).state.shape[1]), dtype=np.int64)
    state[:, 0] = np.arange(len(moves))
    entered = teacher.actions(state) != 7
    np.testing.assert_array_equal(entered, np.abs(moves) > costs)
    env = MarketVecEnv(Lanes(BLOCK, PAR, 2, CASH), 50, 1)
    demonstrations = collect(env, teacher, 8, 0.99, 0.0, 1)
    assert demonstrations.seen.shape[1] == 27
    assert len(demonstrations.seen) == len(demonstrations.labels) == len(demonstrations.returns) <= 16


@pytest.mark.slow
@pytest.mark.parametrize(
    ("learner", "block"),
    [
        ("ppo", True),
        ("ppo_tuned", False),
        ("dqn", True),
        pytest.param("sac", True, marks=pytest.mark.nightly),
        pytest.param("qrdqn", True, marks=pytest.mark.nightly),
    ],
)
def test_a_small_training_runs_and_exports(tmp_path, learner, block):
    """PPO, DQN and SAC, with and without forecasts, end in an ONNX policy that agrees with torch and decides."""
    update = {"learner": learner, "forecast_block": block, "imitation_epochs": 1}
    params = PARAMS.model_copy(update={"agent": PARAMS.agent.model_copy(update=update)})
    rollout = {"n_steps": 64} if params.agent.algorithm == "ppo" else {}
    params = params.with_learner(timesteps=512, n_envs=4, batch_size=64, **rollout)
    trained, measured = train([history(seed) for seed in range(4)], params, TABLE, scaler(), 60)
    size = 27 if block else 20
    assert measured["timesteps"] == 512
    assert len(measured["held_out_curve"]) >= 2
    assert export(actor(trained), size, tmp_path / "policy.onnx") >= 0.999
    assert torch.get_num_threads() == 1
    rules = make(params.agent.algorithm, params, TABLE, scaler(), 60, tmp_path)
    assert replay(tape([history(9)], scaler(), 1500), rules, CASH).decisions > 200


def test_without_a_signal_that_paid_nothing_is_trained():
    """Where Kelly is not positive no entry can pass, so no time is spent on learning to make one."""
    agent = PARAMS.agent.model_copy(update={"imitation_epochs": 1})
    params = PARAMS.model_copy(update={"agent": agent})
    _, measured = train([history(seed) for seed in range(4)], params, NO_SIGNALS, scaler(), 60)
    assert measured["timesteps"] == 0
    assert measured["held_out_best_pusd"] == 0.0


def test_a_later_policy_has_to_gain_more_than_chance():
    """A judgement replaces the one before only where the gain over markets exceeds its standard error."""
    before = np.array([10.0, -5.0, 3.0, 0.0])
    assert gained(before + 1.0, before)
    assert not gained(before - 1.0, before)
    assert not gained(before, before)
    assert not gained(before + np.array([9.0, -8.0, 0.5, 0.0]), before)
    assert gained(np.array([2.0]), np.array([1.0]))

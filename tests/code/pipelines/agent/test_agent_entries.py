"""An agent that decides entries alone: its environment, its schedules, and the rule that travels with its network."""

import base64
import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from stable_baselines3.common.save_util import data_to_json, json_to_data

from pipelines.agent.algorithms import actor, untrained
from pipelines.agent.export import export
from pipelines.agent.judge import against, rule_pnl
from pipelines.agent.schedules import Schedules, learning_rate
from pipelines.agent.stage import keep_of
from pipelines.agent.training import dataset, earned_by_place, train, vector_env
from pipelines.core.sections import PpoParams
from pipelines.replay.account import AccountTape, play_policy, rule_numbers
from pipelines.replay.lanes import DIRECTION_OF, FRACTION_OF, decoded, field, parameters
from pipelines.replay.loop import replay, tape
from pipelines.replay.market_history import touches
from pipelines.replay.rules import around
from pipelines.replay.signals import threshold_params
from pipelines.trading import compiled
from pipelines.trading.policies.learned import Ppo

sys.path.insert(0, str(Path(__file__).parents[1] / "replay"))
from test_replay_identity import CASH, PARAMS, TABLE, history, limits, scaler

PAST = [history(seed) for seed in range(4)]


def deciding(decisions, learner="ppo_entries", **update):
    """The parameters with an agent that decides entries or every bar."""
    agent = PARAMS.agent.model_copy(update={"learner": learner, "decisions": decisions, **update})
    return PARAMS.model_copy(update={"agent": agent})


def test_a_step_ends_where_an_entry_is_open():
    """Between two decisions no lane holds, waits or is forbidden to enter; rewards add up to the change of equity."""
    params = deciding("entries", holding_cost_share=0.0)
    data = dataset(PAST, params, TABLE, scaler(), 60)
    env = vector_env(data, params, 16, 1)
    env.reset()
    rng, equity, total = np.random.default_rng(0), np.full(16, CASH), np.zeros(16)
    bars, par = data.field.bars, data.par
    seen_bars = 0
    for _ in range(60):
        before = env.lanes.state[:, compiled.ROW].copy()
        env.step_async(rng.integers(0, 9, 16))
        _, rewards, dones, _ = env.step_wait()
        lanes = env.lanes.state
        total = np.where(dones, 0.0, total + rewards)
        for lane in np.flatnonzero(~dones):
            row = lanes[lane, compiled.ROW]
            number = bars[row, compiled.MARKET]
            assert lanes[lane, compiled.SIDE] == 0
            assert compiled.sellable_micro(lanes[lane, compiled.SHARES]) < data.field.markets[number, 1]
            assert compiled.open_row(bars[row], data.field.confidences[row], par)
            seen_bars += row - before[lane]
            expected = 5.0 * 100.0 * (lanes[lane, compiled.EQUITY] - equity[lane]) / CASH
            assert total[lane] == pytest.approx(expected, abs=1e-3)
    assert seen_bars > 16 * 60, "some steps last more than a bar"


def test_a_position_costs_more_the_less_room_there_is():
    """A bar with a position costs nothing in an empty account, at the exposure limit a share of what a place earns."""
    data = replace(dataset(PAST, deciding("entries"), TABLE, scaler(), 60), place_pusd=2.0)
    gained = {}
    for share in (0.0, 0.5):
        env = vector_env(data, deciding("entries", holding_cost_share=share), 3, 1)
        env.reset()
        env.lanes.elsewhere[:] = 0.0, 0.15, 0.3
        env.lanes.place(np.arange(3), *(np.repeat(rows[:1], 3) for rows in (data.field.first, data.field.last)))
        assert np.ptp(env.lanes.state[:, compiled.ROW]) == 0
        buy = int(np.flatnonzero((DIRECTION_OF == 1) & (FRACTION_OF == 1.0))[0])
        total = np.zeros(3)
        for _ in range(8):
            env.lanes.step(DIRECTION_OF[np.full(3, buy)], FRACTION_OF[np.full(3, buy)])
            total += env.lanes.rewards
        gained[share] = total
    paid = gained[0.0] - gained[0.5]
    assert paid[0] == pytest.approx(0.0)
    assert paid[2] > 0.0
    assert paid[2] == pytest.approx(round(paid[2]))
    assert paid[2] == pytest.approx(2.0 * paid[1])


def test_a_place_earns_what_the_rule_earns_by_bar_and_place():
    """P&L of the rule by bars and places; nothing where it loses."""
    data = dataset(PAST, deciding("entries"), TABLE, scaler(), 60)
    earned = rule_pnl(data, CASH).sum()
    bars, places = len(data.tape.edges) - 1, data.par[compiled.MAX_MARKETS]
    assert data.place_pusd == pytest.approx(max(earned / (bars * places), 0.0))
    dear = data.par.copy()
    dear[compiled.IMPACT] *= 50.0
    assert rule_pnl(replace(data, par=dear), CASH).sum() < 0.0
    assert earned_by_place([(data.tape, dear)], PARAMS, 60) == 0.0


def test_an_episode_has_money_elsewhere_and_costs_of_its_own():
    """Each episode shows less cash, by a share of its own, and plays one of the sets of costs."""
    params = deciding("entries")
    data = dataset(PAST, params, TABLE, scaler(), 60)
    dear = data.par.copy()
    dear[compiled.IMPACT] *= 4.0
    env = vector_env(data, params, 64, 1, np.array([data.par, dear]))
    cash = env.reset()[:, 15]
    assert set(env.lanes.kinds.tolist()) == {0, 1}
    assert 0.7 <= cash.min() < 0.8 < 0.9 < cash.max() <= 1.0
    kept = env.snapshot()
    env.reset()
    env.restore(kept)
    assert env.lanes.observations[:, 15].tolist() == cash.tolist()


@pytest.mark.parametrize("free", [True, False])
def test_an_exported_agent_trades_through_decide_as_in_the_compiled_account(tmp_path, free):
    """The network with its keep rule is worth the same after every bar in the compiled account and through `decide`."""
    params = limits(deciding("entries"), free)
    torch.manual_seed(0)
    data = dataset(PAST, params, TABLE, scaler(), 60)
    learner = untrained(vector_env(data, params, 2, 1), params)
    export(actor(learner), data.field.observation_size, tmp_path / "policy.onnx", keep_of(params, 60))
    agent = Ppo(tmp_path / "policy.onnx")
    rule = threshold_params(params, 60).rule
    assert agent.keep == (rule.exit_multiple, float(rule.max_hold_s), params.execution.impact_share)
    flat = field(PAST, scaler(), params.execution.impact_share, forecast_block=True)
    made = AccountTape.of(PAST, flat, params.execution.impact_share, turn=params.execution.turn)
    played = play_policy(
        made, parameters(params, TABLE, 60), lambda seen, _: decoded(agent.actions(seen)), CASH, rule_numbers(rule)
    )
    result = replay(
        tape(PAST, scaler(), params.execution.model_depth_shares), around(agent, params, TABLE, scaler(), 60), CASH
    )
    assert played.equity_micro.tolist() == list(result.equity_micro)
    assert played.entries > 0
    assert sum(played.exits.values()) > 0


def test_a_network_without_a_rule_is_asked_for_every_bar(tmp_path):
    """An agent that decides every bar, as in the guide, carries no keep rule."""
    params = deciding("bars", "ppo")
    data = dataset(PAST, params, TABLE, scaler(), 60)
    learner = untrained(vector_env(data, params, 2, 1), params)
    export(actor(learner), data.field.observation_size, tmp_path / "policy.onnx", keep_of(params, 60))
    assert Ppo(tmp_path / "policy.onnx").keep is None


def test_after_a_warm_start_the_critic_learns_first():
    """Up to `critic_steps` the weights that choose actions stay as they were imitated; the bonus for entropy falls."""
    params = deciding("entries", imitation_epochs=1)
    changed = {"n_envs": 4, "n_steps": 16, "batch_size": 64, "ent_coef": 0.01, "ent_until": 0.5, "timesteps": 256}
    params = params.with_learner(**changed, critic_steps=10_000)
    assert isinstance(params.learner, PpoParams)
    data = dataset(PAST, params, TABLE, scaler(), 60)
    learner = untrained(vector_env(data, params, 4, 1), params)
    before = {name: value.clone() for name, value in learner.policy.state_dict().items()}
    learner.learn(256, callback=[Schedules(params.learner, warm=True)])
    after = learner.policy.state_dict()
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    assert moved
    assert all("value" in name for name in moved)
    assert learner.ent_coef == 0.0


@pytest.mark.slow
def test_rewards_alone_teach_to_trade_on_a_forecast_that_knows():
    """Without a warm start PPO earns on unseen events where the forecasts know the moves, and says so in a sentence."""

    def known(seed):
        past = history(seed, bars=400)
        mid = (5_000 + 2_000 * np.sin(np.arange(400) / 40 + seed)).astype(np.int64) // 50 * 50
        bid, ask = touches(past.ts_s, mid, np.zeros(400, np.int64), 100, 215.0)
        odds = np.log(mid / (10_000 - mid))
        mean = np.stack([np.append(odds[h:], np.full(h, odds[-1])) - odds for h in range(1, 25)], axis=1)
        waves = replace(past, mid_units=mid, bid_units=bid, ask_units=ask, confidence=np.full(400, 0.9))
        return replace(waves, mean=mean, lower=mean - 0.1, upper=mean + 0.1)

    params = deciding("entries", imitation_epochs=0)
    small = {"n_envs": 64, "timesteps": 60_000, "batch_size": 512, "learning_rate": 1e-3, "ent_coef": 0.01}
    _, measured = train([known(seed) for seed in range(8)], params.with_learner(**small), TABLE, scaler(), 60)
    assert measured["held_out_curve"][0][1] < measured["held_out_best_pusd"]
    assert measured["held_out_best_pusd"] > 0.0
    assert measured["against_rule"]["sentence"].startswith("The agent ")
    assert {"step", "entropy", "value_error", "reward"} <= set(measured["curves"][-1])
    judged = [row for row in measured["curves"] if "held_out/pnl_pusd" in row]
    assert judged
    assert all(any(name.startswith("exits/") for name in row) for row in judged)


@pytest.mark.parametrize(("more", "said"), [(5.0, "beat"), (-5.0, "lost to"), (0.0, "did not beat")])
def test_the_report_says_whether_the_agent_beat_the_rule(more, said):
    """One sentence names the difference, its interval and the verdict that follows from it."""
    rule = np.random.default_rng(1).normal(0.0, 1.0, 30)
    noise = np.random.default_rng(2).normal(0.0, 1.0, 30)
    assert against(rule + noise + more, rule)["sentence"].startswith(f"The agent {said} the threshold rule on 30")


def test_a_saved_learner_does_not_say_where_its_code_was():
    """The rate that falls is named and not copied: two checkouts save the same learner in the same bytes."""
    rate = learning_rate(PARAMS.ppo_entries)
    saved = data_to_json({"learning_rate": rate})

    assert rate(1.0) == pytest.approx(PARAMS.ppo_entries.learning_rate)
    assert rate(0.0) == pytest.approx(PARAMS.ppo_entries.learning_rate_end)
    assert b"schedules.py" not in base64.b64decode(json.loads(saved)["learning_rate"][":serialized:"])
    assert json_to_data(saved)["learning_rate"] == rate

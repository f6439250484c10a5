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
from pipelines.agent.training import dataset, earned_by_bar, train, vector_env
from pipelines.core.sections import PpoParams
from pipelines.replay.account import AccountTape, play_policy, rule_numbers
from pipelines.replay.lanes import DIRECTION_OF, Lanes, decoded, field, parameters
from pipelines.replay.loop import replay, tape
from pipelines.replay.market_history import touches
from pipelines.replay.rules import around
from pipelines.replay.signals import threshold_params
from pipelines.trading import compiled
from pipelines.trading.compiled_account import EVENT
from pipelines.trading.compiled_offers import AT, FREE_AT, NOW, NUMBER, STAKE
from pipelines.trading.policies.learned import Ppo
from pipelines.trading.threshold_rule import keeps

sys.path.insert(0, str(Path(__file__).parents[1] / "replay"))
from test_replay_identity import CASH, PARAMS, TABLE, history, limits, scaler

PAST = [history(seed) for seed in range(4)]


def deciding(decisions, learner="ppo_entries", **update):
    """The parameters with an agent that decides entries or every bar."""
    agent = PARAMS.agent.model_copy(update={"learner": learner, "decisions": decisions, **update})
    return PARAMS.model_copy(update={"agent": agent})


def begun(share, bar_pusd=2.0, count=16):
    """Accounts that have begun, their environment and data; a bar costs a share of what an account earns."""
    params = deciding("entries", holding_cost_share=share)
    data = replace(dataset(PAST, params, TABLE, scaler(), 60), bar_pusd=bar_pusd)
    env = vector_env(data, params, count, 1)
    env.reset()
    return env, data


def may_be_offered(row, now, places, data):
    """Whether an account whose taken places are `places` may enter at a row."""
    number, about = data.field.bars[row, compiled.MARKET], data.tape.about
    taken = places[places[:, FREE_AT] > now]
    related = (about[taken[:, NUMBER], EVENT] == about[number, EVENT]).sum()
    room = 0.3 * CASH - taken[:, STAKE].sum() >= 1_000_000
    return (
        room
        and len(taken) < data.par[compiled.MAX_MARKETS]
        and number not in taken[:, NUMBER]
        and related < data.par[compiled.MAX_RELATED]
        and row < data.field.last[number]
        and bool(compiled.open_row(data.field.bars[row], data.field.confidences[row], data.par))
    )


def test_a_step_ends_at_the_next_entry_that_the_limits_leave_open():
    """An account is offered the first open market of a time while places, exposure and its event leave room; after an
    entry the next one of the same time, after a refusal one of a later time."""
    env, data = begun(0.0)
    rng, rows, edges, full = np.random.default_rng(0), data.tape.rows, data.tape.edges, 0
    for _ in range(60):
        cursors, actions = env.lanes.cursors.copy(), rng.integers(0, 9, 16)
        env.step_async(actions)
        dones = env.step_wait()[2]
        for lane in np.flatnonzero(~dones).tolist():
            now, at, _ = env.lanes.cursors[lane].tolist()
            places = env.lanes.places[lane]
            assert env.lanes.state[lane, compiled.ROW] == rows[at]
            assert env.lanes.state[lane, compiled.SHARES] == env.lanes.state[lane, compiled.SIDE] == 0
            assert may_be_offered(rows[at], now, places, data)
            entered = DIRECTION_OF[actions[lane]] != 0
            since = cursors[lane, AT] + 1 if entered else edges[cursors[lane, NOW] + 1]
            assert at >= since
            for skipped in range(max(since, edges[now]), at):
                assert not may_be_offered(rows[skipped], now, places, data)
            stake = places[places[:, FREE_AT] > now, STAKE].sum()
            full += stake > 0
            assert env.lanes.observations[lane, 15] == pytest.approx(1.0 - stake / CASH)
    assert full > 100, "accounts hold other markets"


def test_an_entry_earns_what_it_earns_in_its_market_alone():
    """The reward of an entry is the P&L of the same entry in an account of one market that leaves by the same rule."""
    env, data = begun(0.0)
    alone, rule = Lanes(data.field, data.par, 16, CASH), data.teacher.rule
    moves, costs = data.teacher.signals
    rows = env.lanes.state[:, compiled.ROW].copy()
    directions = np.where(moves[rows] > 0.0, 1, -1)
    env.lanes.step(directions, np.ones(16))
    alone.place(np.arange(16), rows, data.field.last[data.field.bars[rows, compiled.MARKET]])
    earned, free = np.zeros(16), np.zeros(16, dtype=bool)
    wanted = directions
    for _ in range(1_000):
        running = ~free & (alone.state[:, compiled.ROW] < alone.state[:, compiled.LAST])
        if not running.any():
            break
        kept = alone.state.copy()
        alone.state[~running, compiled.ROW] = data.field.first[0]
        alone.step(np.where(running, wanted, 0), np.ones(16))
        alone.state[~running] = kept[~running]
        earned += np.where(running, alone.rewards, 0.0)
        state = alone.state
        held = state[:, compiled.SHARES] > 0
        free |= running & ~held & (state[:, compiled.SIDE] == 0)
        at, side = state[:, compiled.ROW], state[:, compiled.DIRECTION]
        stays = [
            held[lane] and keeps(moves[at[lane]], costs[at[lane]], rule.exit_multiple, rule.max_hold_s, side[lane],
                                 data.field.bars[at[lane], compiled.TS] - state[lane, compiled.OPENED])
            for lane in range(16)
        ]  # fmt: skip
        wanted = np.where(stays, side, 0)
    assert np.abs(earned).max() > 0.0
    assert env.lanes.rewards == pytest.approx(earned)


def test_each_bar_of_a_place_costs_its_share_of_what_an_account_earns():
    """An entry pays for the bars that it takes a place, and a step for each bar that places are free until the next
    offer: a share of what an account earns a bar, by its places."""
    paid, due, most = {}, np.zeros(16), int(PARAMS.risk.max_markets)
    for share in (0.0, 0.5, 1.0):
        env, _ = begun(share)
        paid[share] = np.zeros(16)
        for step in range(12):
            before, now = env.lanes.places.copy(), env.lanes.cursors[:, NOW].copy()
            buys = (np.arange(16) + step) % 2
            env.lanes.step(buys, buys.astype(float))
            paid[share] += env.lanes.rewards
            if share > 0.0:
                continue
            for lane, places in enumerate(env.lanes.places):
                taken = (places != before[lane]).any(axis=1)
                assert taken.sum() == buys[lane]
                due[lane] += (places[taken, FREE_AT] - now[lane]).sum()
                passed = range(now[lane], env.lanes.cursors[lane, NOW])
                due[lane] += sum(most - (places[:, FREE_AT] > at).sum() for at in passed)
    assert paid[0.0] - paid[1.0] == pytest.approx(due * 2.0 / most)
    assert paid[0.0] - paid[0.5] == pytest.approx(due * 1.0 / most)


def test_a_bar_earns_what_the_rule_makes_of_the_account():
    """The growth of the account under the rule by bars, times the cash; nothing where it loses."""
    data = dataset(PAST, deciding("entries"), TABLE, scaler(), 60)
    growth = 1.0 + rule_pnl(data, CASH).sum() / (CASH / 1e6)
    assert data.bar_pusd == pytest.approx(max(np.log(growth) / len(data.tape.edges) * CASH / 1e6, 0.0), rel=1e-3)
    dear = data.par.copy()
    dear[compiled.IMPACT] *= 50.0
    assert rule_pnl(replace(data, par=dear), CASH).sum() < 0.0
    assert earned_by_bar([(data.tape, dear)], PARAMS, 60) == 0.0


def test_an_episode_has_costs_of_its_own_and_can_be_kept():
    """Each episode begins with an empty account and draws one of the sets of costs; a snapshot brings it all back."""
    params = deciding("entries")
    data = dataset(PAST, params, TABLE, scaler(), 60)
    dear = data.par.copy()
    dear[compiled.IMPACT] *= 4.0
    env = vector_env(data, params, 64, 1, np.array([data.par, dear]))
    assert set(env.reset()[:, 15].tolist()) == {1.0}
    assert set(env.lanes.kinds.tolist()) == {0, 1}
    for _ in range(8):
        env.step_async(np.full(64, 8))
        env.step_wait()
    kept, seen = env.snapshot(), []
    for _ in range(2):
        env.restore(kept)
        for _ in range(8):
            env.step_async(np.full(64, 8))
            seen.append(env.step_wait()[:2])
    for first, again in zip(seen[:8], seen[8:], strict=True):
        assert (first[0] == again[0]).all()
        assert (first[1] == again[1]).all()


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

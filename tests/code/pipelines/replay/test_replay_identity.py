"""One engine: environment, event-driven backtest and ledger give the same money for the same actions."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.agent.env import MarketEnv
from pipelines.core.domain import Direction, FeeSchedule, Market
from pipelines.core.params import read
from pipelines.decide import Rules
from pipelines.features.scale import Scaler
from pipelines.features.spec import SCALED
from pipelines.replay.lanes import Lanes, field, parameters, screen
from pipelines.replay.loop import replay, tape
from pipelines.replay.market_history import History, touches
from pipelines.replay.rules import make
from pipelines.replay.signals import signals
from pipelines.trading import compiled
from pipelines.trading.observation import MarketScaler
from pipelines.trading.policies.base import DEAD_ZONE, Target
from pipelines.trading.policies.learned import ACTIONS
from pipelines.trading.sizing import SizingTable
from pipelines.trading.threshold_rule import Rule

SHIPPED = read(Path("params.yaml"))
PARAMS = SHIPPED.model_copy(update={"risk": SHIPPED.risk.model_copy(update={"stop_cost_multiple": 2.0})})
"""Near stops, so that short random markets hit them."""
TABLE = SizingTable(0.7, 0.05, 0.03, 500, 9)
WHOLE = SizingTable(1.0, 0.05, 0.0, 500, 9)
"""Signals that never lost: Kelly asks for the whole account."""
CASH = 10_000_000_000
START = 1_767_225_600 + 85_000


def scaler():
    """Standardisation by made-up statistics."""
    names = tuple(feature.name for feature in SCALED)
    transforms = tuple(feature.transform for feature in SCALED)
    return MarketScaler(Scaler(names, transforms, np.zeros(16), np.ones(16), 8.0))


SIZES = [0, 5_000, 33_337_777, 200_000_000, 5_000_000_000]
"""Recorded at a touch, in base units: nothing, less than an order can take, off the grid, and more."""


def history(seed, bars=240, tick=100, rate=0.05, exponent=1.0, sized=False):
    """A random market with forecasts that mean nothing, with recorded sizes or without; its scheduled end lies ten bars
    after its last."""
    rng = np.random.default_rng(seed)
    moves = 50 * rng.choice([-2, -1, 0, 0, 1, 2], bars)
    mid = np.clip(5_000 + np.cumsum(moves), 150, 9_850).astype(np.int64)
    spread = np.where(rng.random(bars) < 0.5, 0, 2 * tick).astype(np.int64)
    ts_s = START + 60 * np.arange(bars)
    about = Market(
        market_id=f"0x{seed:064x}",
        event_id=f"e{seed}",
        question="q",
        token_yes="1",
        token_no="2",
        tick_units=tick,
        min_size_micro=5_000_000,
        fee=FeeSchedule(rate, exponent),
        start_s=None,
        end_s=int(ts_s[-1]) + 600,
        topic="",
    )
    bid, ask = touches(ts_s, mid, spread, tick, 10_000 * PARAMS.execution.model_spread)
    mean = rng.normal(0, 0.1, (bars, 24))
    confidence = rng.uniform(0.6, 0.95, bars)
    volume = rng.integers(0, 8_000, bars) * 1_000_000
    half = np.random.default_rng(seed).uniform(0.05, 0.4, (bars, 1))
    return History(
        about, ts_s, mid, bid, ask, volume, spread, rng.normal(size=(bars, 15)), np.zeros(bars),
        mean, mean - half, mean + half, confidence, sizes_micro=rng.choice(SIZES, (bars, 2)) if sized else None,
    )  # fmt: skip


class Scripted:
    """Plays given actions bar by bar, as an agent would."""

    kind = "scripted"
    uses_forecast = True
    reads_observation = True

    def __init__(self, actions, first_s):
        self._actions, self._first = actions, first_s
        self.seen = []

    def target(self, inputs, position, observation):
        self.seen.append(observation)
        action = self._actions[(inputs.bar.ts_s - self._first) // 60]
        if isinstance(action, np.integer):
            return ACTIONS[action]
        flat = abs(action) <= DEAD_ZONE
        return Target(Direction(0 if flat else int(np.sign(action))), 0.0 if flat else float(abs(action)))


def limits(params, free):
    """The limits of params.yaml, or none that a single market could meet."""
    if not free:
        return params
    risk = params.risk.model_copy(
        update={
            "stop_loss": 0.0, "take_profit": 0.0, "trailing_stop": 0.0, "min_confidence": 0.5,
            "daily_loss_fraction": 1.0, "max_drawdown_fraction": 1.0, "max_position_fraction": 1.0,
            "max_exposure_fraction": 1.0,
        }
    )  # fmt: skip
    policy = params.policy.model_copy(update={"min_price": 0.0})
    sizing = params.sizing.model_copy(update={"max_position_fraction": 1.0, "kelly_fraction": 1.0})
    return params.model_copy(update={"risk": risk, "policy": policy, "sizing": sizing})


EXECUTIONS = st.fixed_dictionaries(
    {
        "latency_bars": st.integers(1, 3),
        "order_ttl_bars": st.integers(1, 4),
        "entry": st.sampled_from(["take", "rest"]),
        "queue": st.sampled_from(["pessimistic", "neutral", "optimistic", "evidence"]),
        "model_depth_shares": st.sampled_from([40, 400, 1_500]),
    }
)
MARKETS = st.fixed_dictionaries(
    {
        "tick": st.sampled_from([10, 100]),
        "rate": st.sampled_from([0.0, 0.04, 0.07, 0.25]),
        "exponent": st.sampled_from([1.0, 2.0]),
        "sized": st.booleans(),
    }
)
PAYOUTS = st.sampled_from([None, 0, 500_000, 1_000_000])


VARIANCES = st.tuples(st.sampled_from([0.0, 1.5, 4.0]), st.sampled_from([0.0, 0.004]))


def uncertain(params, stop_deviations, max_deviation_fraction):
    """The parameters with stops and sizes that follow the predicted variance."""
    risk = params.risk.model_copy(update={"stop_deviations": stop_deviations})
    sizing = params.sizing.model_copy(update={"max_deviation_fraction": max_deviation_fraction})
    return params.model_copy(update={"risk": risk, "sizing": sizing})


def executing(params, **update):
    """The parameters with another way of executing orders."""
    return params.model_copy(update={"execution": params.execution.model_copy(update=update)})


def both(seed, actions, params, payout=None, market=None, **update):
    """Rewards of the environment and the backtest's result for the same actions: integers, or floats of the Box."""
    params = executing(params, **update)
    past = replace(history(seed, **(market or {})), payout_micro=payout)
    flat = field([past], scaler(), PARAMS.execution.impact_share, forecast_block=True)
    numbers, box = parameters(params, TABLE, 60), actions.dtype == np.float32
    env = MarketEnv(flat, numbers, CASH, episode=(0, len(past) - 1), continuous=box)
    first, _ = env.reset(seed=0)
    observations, rewards = [first], []
    for action in actions[: len(past) - 1]:
        observation, reward, terminated, truncated, _ = env.step(np.array([action]) if box else action)
        observations.append(observation)
        rewards.append(reward)
    assert (terminated, truncated) == (payout is not None, payout is None)
    policy = Scripted(actions, START)
    rules = Rules(policy, TABLE, scaler(), params.risk, params.sizing, params.execution, params.policy, 60, 24)
    result = replay(tape([past], None, params.execution.model_depth_shares), rules, CASH)
    return env, observations, rewards, policy, result


def test_a_wider_spread_shows_less():
    """The modelled size of a level falls inversely with the spread in ticks, and never exceeds that of one tick."""
    past = history(1)
    bid, ask = touches(past.ts_s, past.mid_units, past.spread_units, 100, 100.0)
    made = tape([replace(past, bid_units=bid, ask_units=ask)], None, 1_500)
    shown = {
        step[0].quote.spread_units // 100: (step[0].quote.bid_size_micro, step[0].quote.ask_size_micro)
        for _, step in made.steps
    }
    assert shown[2] == (750_000_000, 750_000_000)
    assert shown[1] == (1_500_000_000, 1_500_000_000)


def test_the_touch_shows_what_was_recorded():
    """Where a size was recorded at the touch it is shown, on the grid; where none was, and behind the touch, the
    model's depth is."""
    past = replace(history(1, bars=4), sizes_micro=np.array([[0, 33_337_777], [5_000, 0], [0, 0], [10**9, 10**9]]))
    past = replace(past, bid_units=np.full(4, 4_900), ask_units=np.full(4, 5_000))
    quotes = [step[0].quote for _, step in tape([past], None, 1_500).steps]

    assert [(one.bid_size_micro, one.ask_size_micro) for one in quotes] == [
        (1_500_000_000, 33_330_000), (0, 1_500_000_000), (1_500_000_000, 1_500_000_000), (10**9, 10**9),
    ]  # fmt: skip


@settings(max_examples=120, deadline=None)
@given(
    st.integers(0, 10_000),
    st.booleans(),
    st.booleans(),
    st.sampled_from([0.02, 0.2, 1.0]),
    EXECUTIONS,
    MARKETS,
    PAYOUTS,
)
def test_rewards_equal_the_backtest_to_the_base_unit(seed, free, box, activity, execution, market, payout):
    """Sum of rewards = final equity - initial equity = the backtester's P&L, with the limits and without them, for the
    nine actions and the Box, any tick, fee, latency, time to live, depth, recorded sizes, entry and queue, resolved or
    not."""
    rng = np.random.default_rng(seed)
    wanted = rng.uniform(-1.0, 1.0, 240).astype(np.float32) if box else rng.integers(0, 9, 240)
    held = np.maximum.accumulate(np.where(rng.random(240) < activity, np.arange(240), 0))
    played = both(seed, wanted[held], limits(PARAMS, free), payout, market, **execution)
    env, observations, rewards, policy, result = played
    gained = sum(round(reward * 1e6) for reward in rewards)
    assert gained == env.equity_micro - CASH
    assert gained == result.equity_micro[-1] - CASH
    assert env.state[compiled.FEES] == result.fees_micro
    if execution["latency_bars"] == execution["order_ttl_bars"] == 1:
        np.testing.assert_allclose(np.array(policy.seen), np.array(observations)[: len(policy.seen)], rtol=1e-5)


@settings(max_examples=120, deadline=None)
@given(
    st.integers(0, 10_000),
    st.booleans(),
    st.sampled_from([0.0, 0.5, 1.0, 2.0]),
    st.sampled_from([0.0, 0.2, 1.5]),
    st.integers(1, 100),
    EXECUTIONS,
    MARKETS,
    PAYOUTS,
)
def test_the_compiled_screen_equals_the_event_driven_tier(seed, free, multiple, leave, hold, execution, market, payout):
    """Both tiers of the backtest are worth the same after every bar of random histories, with limits and without, for
    any tick, fee, latency, time to live, depth, recorded sizes, entry and queue, resolved at the end or not."""
    params = executing(limits(PARAMS, free), **execution)
    past = replace(history(seed, **market), payout_micro=payout)
    flat = field([past], scaler(), PARAMS.execution.impact_share, forecast_block=False)
    seen = signals(past, params.execution.impact_share)
    rule = Rule(multiple, leave, hold * 60)
    screened = screen(flat, parameters(params, TABLE, 60), seen.move_units, seen.cost_units, rule, CASH)
    limits_of = {"exit_multiple": leave, "max_hold_bars": hold, "bar_length_s": 60}
    policy = {"cost_multiple": multiple, "impact_share": params.execution.impact_share, **limits_of}
    rules = make("threshold", params, TABLE, None, 60, given=policy)
    result = replay(tape([past], None, params.execution.model_depth_shares), rules, CASH)
    assert screened.tolist() == list(result.equity_micro)


def test_something_is_traded():
    """The identity is not the identity of doing nothing."""
    rng = np.random.default_rng(3)
    actions = np.repeat(rng.integers(0, 9, 24), 10)
    _, _, _, _, result = both(3, actions, limits(PARAMS, free=True))
    assert len(result.fills) > 4


def test_the_four_fill_models_give_four_results():
    """Orders that rest are filled without a fee, and what fills them changes the P&L: three guesses about the queue, or
    recorded books."""
    actions = np.repeat(np.random.default_rng(3).integers(0, 9, 24), 10)
    gained = set()
    for queue in ("pessimistic", "neutral", "optimistic", "evidence"):
        waits = {"order_ttl_bars": 5, "entry": "rest", "queue": queue, "model_depth_shares": 4_000}
        _, _, _, _, result = both(3, actions, limits(PARAMS, free=True), **waits)
        resting = [fill for fill in result.fills if fill.fill_id.endswith("-rest") and fill.side == "BUY"]
        assert all(fill.fee_micro == 0 for fill in resting)
        assert resting
        gained.add(result.equity_micro[-1])
    assert len(gained) == 4


def test_what_a_market_holds_is_locked_until_it_is_redeemed():
    """A position of a market that has ended frees no cash in the backtest: nobody has redeemed it yet."""
    past, long = history(1, bars=60), history(2, bars=240)
    stuck = replace(past, market=replace(past.market, end_s=None))
    actions = np.where(np.arange(240) < 200, 8, 7)
    policy = Scripted(actions, START)
    params = limits(PARAMS, free=True)
    rules = Rules(policy, TABLE, scaler(), params.risk, params.sizing, params.execution, params.policy, 60, 24)
    result = replay(tape([stuck, long], None, 1500), rules, CASH)
    assert result.at_stake_micro[-1] > 0
    assert stuck.market.market_id in result.open_pnl_micro
    assert result.equity_micro[-1] - result.at_stake_micro[-1] < CASH


@pytest.mark.parametrize(("payout", "wait_s"), [(1_000_000, 600), (0, 600), (500_000, 600), (1_000_000, 10**6)])
def test_a_resolved_market_pays_and_frees_its_money_after_the_redemption(payout, wait_s):
    """What is held of a resolved market is worth its payout from its last bar on: locked at first, then cash."""
    past, long = replace(history(1, bars=60), payout_micro=payout), history(2, bars=240)
    past = replace(past, market=replace(past.market, end_s=None))
    params = limits(PARAMS, free=True)
    execution = params.execution.model_copy(update={"redemption_s": wait_s})
    rules = Rules(
        Scripted(np.full(240, 8), START), TABLE, scaler(), params.risk, params.sizing, execution, params.policy, 60, 24
    )
    result = replay(tape([past, long], None, 1500), rules, CASH)
    market = past.market.market_id
    bought = [fill for fill in result.fills if fill.market_id == market]
    shares = sum(fill.shares_micro for fill in bought)
    cost = sum(fill.shares_micro * fill.price_units // 10_000 + fill.fee_micro for fill in bought)
    gained = shares * payout // 1_000_000 - cost
    settled = [one for one in result.closed if one.market_id == market]
    if wait_s > 240 * 60:
        assert settled == []
        assert result.open_pnl_micro[market] == gained
        return
    (one,) = settled
    assert (one.reason, one.closed_s - int(past.ts_s[-1])) == ("settled", wait_s)
    assert int(one.pnl * 1_000_000) == gained


def test_an_order_of_a_market_that_has_ended_holds_no_money_back():
    """What was ordered in a market's last bars is cancelled with it, so that its money buys in other markets later."""
    ended = [replace(history(seed, bars=60), payout_micro=0) for seed in range(3, 12)]
    ended = [replace(one, market=replace(one.market, end_s=None)) for one in ended]
    long = history(2, bars=240)
    actions = np.where(np.arange(240) < 58, 7, 8)
    params = limits(PARAMS, free=True)
    execution = params.execution.model_copy(update={"latency_bars": 3, "redemption_s": 0})
    rules = Rules(
        Scripted(actions, START), TABLE, scaler(), params.risk, params.sizing, execution, params.policy, 60, 24
    )
    result = replay(tape([*ended, long], None, 1500), rules, CASH)
    assert {fill.market_id for fill in result.fills} == {long.market.market_id}


def test_lanes_do_not_mix():
    """Many lanes stepped in one call give what each gives alone."""
    past = [history(seed) for seed in (1, 2, 3)]
    flat = field(past, scaler(), PARAMS.execution.impact_share, forecast_block=False)
    par = parameters(PARAMS, TABLE, 60)
    rng = np.random.default_rng(0)
    directions, fractions = rng.integers(-1, 2, (200, 3)), np.ones(3)
    together = Lanes(flat, par, 3, CASH)
    together.place(np.arange(3), flat.first, flat.last)
    for row in directions:
        together.step(row, fractions)
    for lane in range(3):
        alone = Lanes(flat, par, 1, CASH)
        alone.place(np.zeros(1, np.int64), flat.first[lane : lane + 1], flat.last[lane : lane + 1])
        for row in directions:
            alone.step(row[lane : lane + 1], fractions[:1])
        assert alone.state[0].tolist() == together.state[lane].tolist()


class Crowd(Scripted):
    """Plays actions of its own in every market."""

    def target(self, inputs, position, observation):
        market = int(inputs.market.market_id, 16) % len(self._actions)
        return ACTIONS[self._actions[market, (inputs.bar.ts_s - self._first) // 60]]


@settings(max_examples=25, deadline=None)
@given(
    st.integers(0, 10_000),
    st.integers(1, 3),
    st.integers(1, 4),
    st.sampled_from([0.05, 0.5]),
    st.sampled_from(["take", "rest"]),
    st.sampled_from([(0.05, 1.0), (0.25, 2.0)]),
)
def test_no_actions_in_many_markets_make_cash_negative(seed, latency, ttl, activity, entry, fee):
    """Without limits, whatever is wanted at once in six markets, working buys hold back their fees too: cash never
    falls below 0."""
    rng = np.random.default_rng(seed)
    wanted = rng.integers(0, 9, (6, 120))
    kept = np.maximum.accumulate(np.where(rng.random(120) < activity, np.arange(120), 0))
    past = [history(6 * seed + number, bars=120, rate=fee[0], exponent=fee[1]) for number in range(6)]
    params = limits(PARAMS, free=True)
    risk = params.risk.model_copy(update={"max_markets": 6, "max_related_markets": 6})
    update = {"latency_bars": latency, "order_ttl_bars": ttl, "entry": entry}
    execution = params.execution.model_copy(update=update)
    rules = Rules(Crowd(wanted[:, kept], START), WHOLE, scaler(), risk, params.sizing, execution, params.policy, 60, 24)
    result = replay(tape(past, None, execution.model_depth_shares), rules, CASH)
    assert min(np.subtract(result.equity_micro, result.at_stake_micro)) >= 0


def test_orders_of_one_bar_share_cash_and_room():
    """Five markets of five events that all want the whole cap at once stay within exposure and count limits."""
    past = [history(seed) for seed in range(1, 9)]
    policy = Scripted(np.full(240, 8), START)
    table = SizingTable(0.9, 0.05, 0.01, 500, 9)
    rules = Rules(policy, table, scaler(), PARAMS.risk, PARAMS.sizing, PARAMS.execution, PARAMS.policy, 60, 24)
    result = replay(tape(past, None, 1500), rules, CASH)
    assert max(result.at_stake_micro) <= 0.31 * CASH
    assert {"exposure_cap", "max_markets"} & set(result.refusals)


def test_a_leaked_forecast_earns_and_a_shuffled_one_does_not():
    """Canary: knowing the next mids earns a lot through the same engine; the same forecasts shuffled earn nothing."""
    past = history(5, bars=1_000)
    mid = (5_000 + 2_000 * np.sin(np.arange(1_000) / 40)).astype(np.int64) // 50 * 50
    bid, ask = touches(past.ts_s, mid, np.zeros(1_000, np.int64), 100, 10_000 * PARAMS.execution.model_spread)
    odds = np.log(mid / (10_000 - mid))
    future = np.stack([np.append(odds[h:], np.full(h, odds[-1])) - odds for h in range(1, 25)], axis=1)
    gains = []
    for mean in (future, np.random.default_rng(0).permutation(future)):
        known = replace(
            past, mid_units=mid, bid_units=bid, ask_units=ask, mean=mean, lower=mean, upper=mean,
            confidence=np.ones(1_000),
        )  # fmt: skip
        result = replay(tape([known], None, 1500), make("threshold", PARAMS, TABLE, None, 60), CASH)
        gains.append(result.equity_micro[-1] - CASH)
    assert gains[0] > CASH // 10
    assert gains[1] < 0


@pytest.mark.parametrize("block", [True, False])
def test_observation_sizes(block):
    """27 inputs with the forecast block, the guide's 20 without."""
    flat = field([history(1)], scaler(), PARAMS.execution.impact_share, forecast_block=block)
    assert flat.observation_size == (27 if block else 20)

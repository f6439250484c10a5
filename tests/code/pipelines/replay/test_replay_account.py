"""The compiled replay of whole tapes is the event-driven one: equal after every bar, to the base unit."""

from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from test_replay_identity import (
    CASH,
    EXECUTIONS,
    MARKETS,
    PARAMS,
    PAYOUTS,
    TABLE,
    VARIANCES,
    executing,
    history,
    limits,
    scaler,
    uncertain,
)

from pipelines.core.artifacts import write_json
from pipelines.decide import Rules
from pipelines.replay.account import AccountTape, play_policy, play_rule, rule_numbers
from pipelines.replay.lanes import decoded, field, parameters
from pipelines.replay.loop import replay, tape
from pipelines.replay.rules import make
from pipelines.trading.policies.learned import ACTIONS
from pipelines.trading.threshold_rule import Rule
from pipelines.trading.tuned_rule import NAMES


def crowd(seed, market, payout):
    """Seven markets of four events and two topics that begin and end at different times."""
    rng = np.random.default_rng(seed)
    made = []
    for number in range(7):
        bars = int(rng.integers(60, 200))
        past = replace(history(8 * seed + number, bars=bars, **market), payout_micro=payout if number % 2 else None)
        shift = 60 * int(rng.integers(0, 120))
        about = replace(
            past.market,
            event_id=f"e{number // 2}",
            topic="" if number < 3 else f"t{number % 2}",
            end_s=past.market.end_s + shift,
        )
        made.append(replace(past, market=about, ts_s=past.ts_s + shift))
    return made


def limited(params, places, related, exposure):
    """The parameters with other numbers of places and another exposure."""
    update = {"max_markets": places, "max_related_markets": related, "max_exposure_fraction": exposure}
    return params.model_copy(update={"risk": params.risk.model_copy(update=update)})


def compiled_tape(past, params):
    """The flat arrays of histories and their compiled tape."""
    flat = field(past, scaler(), params.execution.impact_share, forecast_block=True)
    return AccountTape.of(past, flat, params.execution.impact_share, turn=params.execution.turn)


TURNS = ("id", "move")
LIMITS = st.tuples(st.integers(1, 6), st.integers(1, 3), st.sampled_from([0.1, 0.3, 1.0]), st.sampled_from([0, 300]))
NUMBERS = st.tuples(
    st.floats(0.0, 1.5), st.floats(-2.0, 2.0), st.floats(-0.5, 0.5), st.floats(-1.0, 1.0), st.floats(-1.0, 1.0),
    st.floats(-2.0, 2.0), st.sampled_from([0.0, 0.3]), st.floats(-1.0, 1.0), st.floats(-0.02, 0.02),
    st.floats(-0.1, 0.1), st.floats(0.0, 1.0), st.floats(-1.0, 1.0), st.floats(-1.0, 1.0),
    st.sampled_from([0.0, 1.5]), st.integers(1, 90).map(lambda bars: 60.0 * bars),
)  # fmt: skip


@settings(max_examples=40, deadline=None)
@given(
    st.integers(0, 5_000),
    st.booleans(),
    NUMBERS,
    LIMITS,
    EXECUTIONS,
    MARKETS,
    PAYOUTS,
    st.sampled_from(TURNS),
    VARIANCES,
)
def test_the_compiled_account_equals_the_event_driven_replay(
    tmp_path_factory, seed, free, numbers, bounds, execution, market, payout, turn, variance
):
    """The tuned rule on seven markets at once is worth the same after every bar in compiled code and through `decide`.

    That holds for any numbers of the rule, places, exposure, costs, latency, recorded sizes, kind of order, redemption,
    turn, and stops and sizes by the predicted variance.
    """
    params = executing(limited(limits(PARAMS, free), *bounds[:3]), redemption_s=bounds[3], turn=turn, **execution)
    params, past = uncertain(params, *variance), crowd(seed, market, payout)
    played = play_rule(compiled_tape(past, params), parameters(params, TABLE, 60), np.array(numbers), CASH)
    folder = tmp_path_factory.mktemp("tuned")
    write_json(folder / "tuned.json", {"numbers": dict(zip(NAMES, numbers, strict=True))})
    rules = make("tuned", params, TABLE, scaler(), 60, folder)
    result = replay(tape(past, scaler(), params.execution.model_depth_shares), rules, CASH)
    assert played.equity_micro.tolist() == list(result.equity_micro)
    assert round(played.pnl_pusd * 1e6) == result.equity_micro[-1] - CASH


class Noisy:
    """Nine actions that follow from the observation alone, like those of a network."""

    kind = "noisy"
    uses_forecast = True
    reads_observation = True

    def __init__(self, size):
        self._weights = np.random.default_rng(0).normal(size=(size, 9)).astype(np.float32)

    def actions(self, observations):
        return np.argmax(np.einsum("ij,jk->ik", observations, self._weights), axis=1)

    def target(self, inputs, position, observation):
        return ACTIONS[int(self.actions(observation[None])[0])]


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 5_000), st.booleans(), LIMITS, EXECUTIONS, PAYOUTS)
def test_a_policy_asked_in_batches_trades_as_when_asked_bar_by_bar(seed, free, bounds, execution, payout):
    """A policy that reads observations is worth the same after every bar in compiled code and through `decide`."""
    params = executing(limited(limits(PARAMS, free), *bounds[:3]), redemption_s=bounds[3], **execution)
    past = crowd(seed, {"tick": 100, "rate": 0.04, "exponent": 1.0, "sized": True}, payout)
    made = compiled_tape(past, params)
    policy = Noisy(made.field.observation_size)
    played = play_policy(made, parameters(params, TABLE, 60), lambda seen, _: decoded(policy.actions(seen)), CASH)
    rules = Rules(policy, TABLE, scaler(), params.risk, params.sizing, params.execution, params.policy, 60, 24)
    result = replay(tape(past, scaler(), params.execution.model_depth_shares), rules, CASH)
    assert played.equity_micro.tolist() == list(result.equity_micro)


def test_the_predicted_variance_moves_stops_and_sizes():
    """A stop at more predicted deviations closes fewer positions, and a bound on their deviation stakes less."""
    past = crowd(1, {"tick": 100, "rate": 0.0, "exponent": 1.0}, None)
    rule, stops, stakes = rule_numbers(Rule(1.0, 1e9, 7_200)), [], []
    for deviations, fraction in ((0.0, 0.0), (4.0, 0.0), (0.0, 0.001)):
        params = uncertain(PARAMS, deviations, fraction)
        played = play_rule(compiled_tape(past, params), parameters(params, TABLE, 60), rule, CASH)
        stops.append(played.exits["exits/stop_loss"])
        stakes.append(np.abs(np.diff(played.equity_micro)).sum())
    assert stops[0] > stops[1] > 0
    assert stakes[2] < 0.5 * stakes[0]


def test_the_threshold_rule_is_a_tuned_rule():
    """With nothing but its own three numbers the tuned rule trades as the threshold rule, and it trades."""
    past = crowd(1, {"tick": 100, "rate": 0.04, "exponent": 1.0}, 1_000_000)
    params = limited(limits(PARAMS, free=True), 2, 2, 1.0)
    played = play_rule(
        compiled_tape(past, params), parameters(params, TABLE, 60), rule_numbers(Rule(1.0, 0.2, 3_600)), CASH
    )
    policy = {"cost_multiple": 1.0, "exit_multiple": 0.2, "max_hold_bars": 60, "bar_length_s": 60}
    policy["impact_share"] = params.execution.impact_share
    rules = make("threshold", params, TABLE, None, 60, given=policy)
    result = replay(tape(past, None, params.execution.model_depth_shares), rules, CASH)
    assert played.equity_micro.tolist() == list(result.equity_micro)
    assert played.entries > 10
    assert played.crowded > 0

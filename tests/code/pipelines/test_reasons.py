"""Every decision has a reason, derived from what was seen, and the reason is true."""

import re
from dataclasses import replace

import numpy as np
import pytest
from test_decide_limits import NOW, account, held, inputs, rules

from pipelines.core.domain import Forecast, Outcome
from pipelines.decide import decide
from pipelines.reasons import reason, weighed
from pipelines.trading.policies.ensemble import Ensemble
from pipelines.trading.policies.kelly import Kelly
from pipelines.trading.policies.threshold import Threshold

GIVEN = {"impact_share": 0.125, "bar_length_s": 60}
POLICIES = [Threshold.make(GIVEN), Ensemble.make(GIVEN), Kelly.make(GIVEN | {"cap_fraction": 0.1})]


def moving(log_odds):
    """A bar whose forecast moves by so much from the next bar to the horizon."""
    mean = np.linspace(0.0, log_odds, 24)
    one = inputs()
    features = np.full(15, one.bar.mid_units / 10_000)
    return replace(one, forecast=Forecast(mean, mean - 0.01, mean + 0.01, 0.8), features=features)


@pytest.mark.parametrize("policy", POLICIES, ids=lambda policy: policy.kind)
@pytest.mark.parametrize("log_odds", [-0.3, -0.1, -0.03, -0.01, 0.0, 0.004, 0.02, 0.06, 0.1, 0.2, 0.5])
def test_an_entry_is_wanted_exactly_where_the_move_exceeds_what_the_reason_names(policy, log_odds):
    """A hold without a position names the move and the smallest one that would have been an entry."""
    given, limits = moving(log_odds), rules(policy=policy)
    made = decide(given, account(), limits)
    found = weighed(given, None, limits)

    assert (made.direction != 0) is (abs(found.move_units) > found.needed_units)
    if made.direction == 0:
        said = reason(given, None, made, limits)
        expected, needed = (float(number) for number in re.findall(r"([+-]?\d+\.\d+) ¢", said))
        assert expected == pytest.approx(found.move_units / 100, abs=0.006)
        assert needed == pytest.approx(found.needed_units / 100, abs=0.006)


@pytest.mark.parametrize("policy", POLICIES, ids=lambda policy: policy.kind)
@pytest.mark.parametrize("outcome", [Outcome.YES, Outcome.NO])
@pytest.mark.parametrize("log_odds", [-0.2, -0.02, -0.004, 0.004, 0.02, 0.2])
def test_a_position_is_kept_until_the_move_that_the_reason_names(policy, outcome, log_odds):
    """The reason of a position that is kept names the move at which it is left, with its sign."""
    position, limits, given = held(outcome), rules(policy=policy), moving(log_odds)
    position = replace(position, opened_s=NOW - 60)
    made = decide(given, account(positions={"0x01": position}), limits)
    found = weighed(given, position, limits)
    sign = 1 if outcome is Outcome.YES else -1

    assert (made.action == "hold") is (found.move_units * sign > found.needed_units * sign)
    if made.action == "hold":
        assert reason(given, position, made, limits).startswith("kept: expected ")


def test_no_decision_is_without_a_reason():
    """Orders, refusals, waits, cold windows and policies of unknown kinds all have one."""
    limits, given = rules(), moving(0.1)
    made = decide(given, account(), limits)
    cold = replace(given, warm=False)
    cases = [
        (given, made),
        (given, decide(given, account(kill=True), limits)),
        (given, replace(made, action="wait", intent=None)),
        (cold, decide(cold, account(), limits)),
        (given, decide(given, account(), rules(direction=0))),
    ]
    texts = [reason(one, None, decision, limits) for one, decision in cases]

    assert all(texts)
    assert texts[0].startswith("enter: buy ")
    assert "kill switch" in texts[1]
    assert texts[4].startswith("the policy wants cash: expected ")

"""The search for the tuned rule's numbers: what it finds earns, and it is accepted on events that it did not see."""

import sys
from pathlib import Path

import numpy as np
import pytest

from pipelines.agent.tuned_search import kept, tuned
from pipelines.core.artifacts import write_json
from pipelines.core.errors import ArtifactError
from pipelines.replay.account import AccountTape, play_rule, rule_numbers
from pipelines.replay.lanes import field, parameters
from pipelines.replay.policy_search import Trained, interval, search
from pipelines.trading.policies.tuned import Tuned
from pipelines.trading.threshold_rule import Rule
from pipelines.trading.tuned_rule import NAMES, enters

sys.path.insert(0, str(Path(__file__).parents[1] / "replay"))
from test_replay_identity import CASH, PARAMS, TABLE, history, limits, scaler

RANDOM = [history(seed) for seed in range(8)]


def test_the_search_finds_numbers_that_earn_more_than_the_start():
    """On the markets it searches on, the found numbers earn at least what the start does, and the same again."""
    params = limits(PARAMS, free=True)
    flat = field(RANDOM, scaler(), params.execution.impact_share, forecast_block=False)
    data = Trained(AccountTape.of(RANDOM, flat, params.execution.impact_share), parameters(params, TABLE, 60))
    start = rule_numbers(Rule(1.0, 0.2, 3_600))
    before = play_rule(data.tape, data.par, start, CASH).pnl_pusd
    found, again = (search([data], start, CASH, seed=1, generations=4, population=8) for _ in range(2))
    assert before < 0.0, "the forecasts of these markets mean nothing: trading on them costs"
    assert found.mean_pnl_pusd > before
    assert found.numbers.tolist() == again.numbers.tolist()
    assert found.trials == 1 + 4 * 8 + 3, "the start, the tries, two means of a generation and the mean of these"


def test_what_loses_on_unseen_events_is_cash():
    """Where neither the found numbers nor the rule earn on the held-out events, the numbers kept never enter."""
    document = tuned(RANDOM, PARAMS, TABLE, scaler(), 60, generations=1)
    assert document["kept"] == "cash"
    flat = field(RANDOM, scaler(), PARAMS.execution.impact_share, forecast_block=False)
    tape = AccountTape.of(RANDOM, flat, PARAMS.execution.impact_share)
    numbers = np.array([document["numbers"][name] for name in NAMES])
    assert play_rule(tape, parameters(PARAMS, TABLE, 60), numbers, CASH).entries == 0


@pytest.mark.parametrize(
    ("found", "rule", "expected"),
    [
        ([9.0, 10.0, 11.0], [1.0, 1.0, 1.0], "found"),
        ([40.0, -20.0, 1.0], [1.0, 1.0, 1.0], "threshold"),
        ([-1.0, -1.0, 1.0], [-2.0, -2.0, -2.0], "cash"),
        ([50.0], [1.0], "threshold"),
    ],
)
def test_luck_in_one_event_is_no_gain(found, rule, expected):
    """Found numbers replace the rule only where they gain more than one standard error over events."""
    assert kept(np.array(found), np.array(rule)) == expected


def test_the_interval_holds_the_sum():
    """The bootstrap interval of a sum over events contains it."""
    values = np.random.default_rng(1).normal(1.0, 1.0, 50)
    low, high = interval(values)
    assert low < values.sum() < high


def test_numbers_of_another_version_are_refused(tmp_path):
    """A tuned.json with other numbers than this version has is refused by name."""
    write_json(tmp_path / "tuned.json", {"numbers": {"cost_multiple": 1.0}})
    with pytest.raises(ArtifactError, match="cost_multiple"):
        Tuned.make({"impact_share": 0.1, "bar_length_s": 60}, tmp_path)


def test_a_place_in_a_dear_token_has_to_promise_more():
    """`earning` asks a return of each pUSD: of two markets with one move and one cost, the cheap token is entered."""
    numbers = rule_numbers(Rule(1.0, 0.2, 3_600))
    numbers[NAMES.index("earning")] = 0.02
    move, cost, left = 200.0, 100.0, 86_400.0
    cheap, dear = (enters(numbers, move, 0.0, cost, 0.0, 100, mid, left, 0.9)[0] for mid in (2_000, 8_000))
    assert (cheap, dear) == (1, 0)
    assert enters(numbers, -move, 0.0, cost, 0.0, 100, 8_000, left, 0.9)[0] == -1, "its other token is the cheap one"

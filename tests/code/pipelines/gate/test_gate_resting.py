"""A policy whose orders rest is promoted only with fills that recorded books confirm, measured as it was judged."""

import json

import pytest

from pipelines.core.params import load
from pipelines.gate import resting
from pipelines.gate.contender import Traded
from pipelines.trading.fill_model import NAMES, QUEUE_NAMES

RESTS = Traded(None, {}, {0: 1.0, 1: 2.0}, by_forecast=False, rests=True)
SHIPPED = load().execution
JUDGED = SHIPPED.model_copy(update={"queue": "evidence"})
REPORT = {
    "one_sided_on_loser_share": 0.97,
    "one_sided": 40.0,
    "one_sided_windows": 10,
    "look_s": 1,
    "weights": dict(zip(NAMES, SHIPPED.fill_weights, strict=True)),
    "queue_weights": dict(zip(QUEUE_NAMES, SHIPPED.fill_queue_weights, strict=True)),
    "trade_share": SHIPPED.fill_trade_share,
    "reference_weight": SHIPPED.fill_reference_weight,
    "adverse_charged_units": SHIPPED.fill_adverse_units,
    "adverse_most_units": SHIPPED.fill_adverse_most_units,
}


def found(report=REPORT, execution=JUDGED, length_s=1):
    """The criterion of a policy that rests."""
    (one,) = resting.criterion(RESTS, report, execution, length_s)
    json.dumps(one.document(), allow_nan=False)
    return one


def test_a_candidate_judged_as_the_report_was_measured_passes():
    """The same weights, the fills of the model, and bars of the report's looks or shorter."""
    assert found().passed
    assert found({**REPORT, "look_s": 5}, length_s=2).passed


@pytest.mark.parametrize(
    ("report", "words"),
    [
        ({**REPORT, "one_sided_on_loser_share": 0.70}, ["70%", "95%"]),
        ({**REPORT, "one_sided_on_loser_share": float("nan")}, ["loser"]),
        ({**REPORT, "one_sided_on_loser_share": 1.0, "one_sided": 3.0}, ["on 3 one-sided", "20 are needed"]),
        ({**REPORT, "one_sided": float("nan")}, ["20 are needed"]),
        ({**REPORT, "one_sided": 400.0, "one_sided_windows": 9}, ["from 9 windows", "10 are needed", "outcome"]),
        ({**REPORT, "one_sided_windows": float("nan")}, ["10 are needed"]),
        ({name: value for name, value in REPORT.items() if name != "one_sided_windows"}, ["does not say"]),
        ({}, ["missing", "benchmarks.fills BOOKS"]),
        ({name: value for name, value in REPORT.items() if name != "look_s"}, ["does not say", "benchmarks.fills"]),
        ({name: value for name, value in REPORT.items() if name != "weights"}, ["does not say"]),
        ({**REPORT, "weights": {"intercept": -1.3}}, ["does not say"]),
        ({name: value for name, value in REPORT.items() if name != "queue_weights"}, ["does not say"]),
        ({**REPORT, "trade_share": None}, ["does not say"]),
        ({name: value for name, value in REPORT.items() if name != "adverse_charged_units"}, ["does not say"]),
    ],
)
def test_a_report_that_flatters_or_says_too_little_promotes_no_maker(report, words):
    """Too small a share, too few fills, no report, and one that does not say what it was measured with."""
    one = found(report)

    assert not one.passed
    assert all(word in one.text for word in [*words, "pipelines gate"])


@pytest.mark.parametrize("queue", ["neutral", "optimistic", "pessimistic"])
def test_fills_of_another_queue_are_not_those_of_the_report(queue):
    """The shipped parameters fill by a fixed queue: what the report confirms says nothing of these fills."""
    one = found(execution=SHIPPED.model_copy(update={"queue": queue}))

    assert not one.passed
    assert f"execution.queue: {queue}" in one.text
    assert "set execution.queue: evidence" in one.text


@pytest.mark.parametrize("place", range(len(NAMES)))
def test_every_weight_has_to_be_the_reports(place):
    """One weight that differs, however little, is another model; the text has both lists."""
    weights = list(SHIPPED.fill_weights)
    weights[place] += 0.01
    one = found(execution=JUDGED.model_copy(update={"fill_weights": weights}))

    assert not one.passed
    assert str(weights) in one.text
    assert f"{SHIPPED.fill_weights}; write these" in one.text


@pytest.mark.parametrize(
    "update",
    [
        {"fill_queue_weights": [-7.0, *SHIPPED.fill_queue_weights[1:]]},
        {"fill_trade_share": 0.5},
        {"fill_reference_weight": 9.0},
        {"fill_adverse_units": 0},
        {"fill_adverse_most_units": 9_000},
    ],
)
def test_fills_by_trades_have_to_be_the_reports(update):
    """Another queue at the touch is another model; the text names the parameter and both values."""
    one = found(execution=JUDGED.model_copy(update=update))
    ((name, value),) = update.items()

    assert not one.passed
    assert f"execution.{name}: {value}" in one.text
    assert str(getattr(SHIPPED, name)) in one.text


def test_bars_longer_than_the_looks_are_not_what_was_measured():
    """Between two looks that lie further apart the model flatters, so the report has to have been measured so."""
    one = found(length_s=5)

    assert not one.passed
    assert "bars are 5 s long" in one.text
    assert "--look-s 5" in one.text


def test_all_that_differs_is_said_at_once():
    """Who mends one thing does not learn of the next only after another judgement."""
    one = found(execution=SHIPPED.model_copy(update={"fill_weights": [0.0] * 7}), length_s=60)

    assert all(word in one.text for word in ("execution.queue", "execution.fill_weights", "bars are 60 s"))


def test_a_policy_that_takes_is_not_asked_for_resting_fills():
    """Without resting orders the fill model says nothing of it."""
    assert resting.criterion(Traded(None, {}, {}, by_forecast=False), {}, SHIPPED, 60) == []

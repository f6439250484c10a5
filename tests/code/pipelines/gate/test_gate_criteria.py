import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks import tiny_bundle
from pipelines.core.artifacts import write_json
from pipelines.core.params import read
from pipelines.gate import criteria, paired, stage
from pipelines.gate.contender import Contender, Traded, common
from pipelines.gate.criteria import Criterion
from pipelines.gate.evidence import Losses, Skill
from pipelines.gate.look_ahead import Proof
from pipelines.gate.paired import compare, difference
from pipelines.inference import rival
from pipelines.inference.bundle import Bundle
from pipelines.replay import trials
from pipelines.replay.luck import Deflated
from pipelines.replay.performance import Figures

sys.path.insert(0, str(Path(__file__).parent))
from test_gate_evidence import histories

PARAMS = read(Path("params.yaml"))
GATE = PARAMS.gate.model_copy(update={"min_events": 5})


def figures(pnl=10.0):
    """A table with a P&L."""
    return Figures(pnl, 0.0, None, None, 0.0, 3, None, None, 0.0, 0.0, 0.0, None, 3, 6, {})


def contender(losses, pnl, coverage=0.9):
    """What was measured of a bundle: loss and P&L by event; persistence loses 1 in each."""
    by_event = {f"e{k}": (float(loss), 1.0) for k, loss in enumerate(losses)}
    traded = Traded(figures(float(np.sum(pnl))), {f"e{k}": float(value) for k, value in enumerate(pnl)})
    return Contender(None, Losses(by_event, np.ones((2, 2)), 100), coverage, traded)


LUCKY, SURE = Deflated(0.94, 0.4, 0.3, 50, 9), Deflated(0.99, 0.9, 0.3, 50, 9)
EVENTS = np.arange(12) % 3
GOOD = contender(0.90 + 0.01 * EVENTS, 10.0 + EVENTS)


@pytest.mark.parametrize(
    ("made", "name"),
    [
        (lambda: criteria.enough_events(4, GATE), "events"),
        (lambda: criteria.skill(Skill(0.02, -0.001, 12), Skill(0.02, 0.01, 8), GATE)[0], "skill_by_event"),
        (lambda: criteria.skill(Skill(0.02, 0.01, 12), Skill(0.02, 0.0, 8), GATE)[1], "skill_by_period"),
        (lambda: criteria.earnings("kelly", GOOD.traded, -0.5, "pnl", ""), "pnl"),
        (lambda: criteria.luck("kelly", LUCKY, 0.1, GATE)[0], "deflated_sharpe"),
        (lambda: criteria.luck("kelly", None, 0.1, GATE)[0], "deflated_sharpe"),
        (lambda: criteria.luck("kelly", SURE, 0.9, GATE)[1], "overfitting"),
        (lambda: criteria.luck("kelly", SURE, None, GATE)[1], "overfitting"),
        (lambda: criteria.covered(replace(GOOD, coverage=0.86), PARAMS), "coverage"),
        (lambda: criteria.covered(replace(GOOD, coverage=0.94), PARAMS), "coverage"),
        (lambda: criteria.fast_enough(501.0, 80, GATE), "latency"),
        (lambda: criteria.no_look_ahead(Proof(9, ("the features of 0x1 at 60 change",))), "look_ahead"),
        (lambda: criteria.no_look_ahead(Proof(0, ())), "look_ahead"),
        (lambda: criteria.same_as_source(None), "onnx"),
        (lambda: criteria.same_as_source(0.01), "onnx"),
    ],
)
def test_each_criterion_can_fail_and_says_so(made, name):
    """A value beyond its limit fails its criterion by name, with value and limit in the document."""
    found = made()
    assert not found.passed
    assert found.name == name
    json.dumps(found.document(), allow_nan=False)


def test_a_policy_that_was_kept_cannot_be_overfitted():
    """Where the policy is the champion's nothing was picked tonight; its deflated Sharpe ratio is asked as ever."""
    made = criteria.luck("kelly", SURE, 0.9, GATE, kept=True)
    assert [one.passed for one in made] == [True, True]
    assert "not picked tonight" in made[0].text
    assert not criteria.luck("kelly", LUCKY, 0.1, GATE, kept=True)[0].passed


def test_every_try_of_a_kept_policy_counts(tmp_path, monkeypatch):
    """A policy that stayed is charged for each backtest of its kind on data that reach into the slice, so that trying
    forecast after forecast with it is no free draw; not for the kinds that nobody picked from."""
    monkeypatch.chdir(tmp_path)
    for kind in ("threshold", "kelly", "threshold", "tuned"):
        trials.append("backtest", {"policy": kind, "name": kind, "candidate": True}, {"t_events": 1.0})
    shown = {"strategies": {kind: {"kind": kind} for kind in ("threshold", "kelly", "tuned")}}
    assert stage.trials_of(shown, histories(1, 0.0, 1), PARAMS, "threshold").count == 2
    assert stage.trials_of(shown, histories(1, 0.0, 1), PARAMS, "ensemble").count == 0
    assert stage.trials_of(shown, histories(1, 0.0, 1), PARAMS, None).count == 4


@pytest.mark.parametrize(("proven", "kept"), [(True, True), (False, False)])
def test_a_policy_counts_as_kept_only_where_it_passed_the_gate(tmp_path, proven, kept):
    """The same files and numbers as the champion's; a champion that a person deployed has proven nothing."""
    tiny_bundle.make(tmp_path / "champion", pull=1.0)
    tiny_bundle.make(tmp_path / "candidate", pull=1.5)
    tiny_bundle.make(tmp_path / "other", pull=1.5, length_s=120)
    champion, mine, other = (Bundle.open(tmp_path / name) for name in ("champion", "candidate", "other"))
    assert stage.kept_policy(mine, rival.Rival(champion, proven=proven)) is kept
    assert not stage.kept_policy(other, rival.Rival(champion, proven=proven))
    assert not stage.kept_policy(mine, rival.Rival(None, "nothing trades yet"))


def test_a_candidate_in_cash_needs_no_profit_and_picked_no_luck():
    """Cash passes P&L, deflated Sharpe and overfitting: it trades nothing."""
    made = [criteria.earnings("cash", GOOD.traded, float("-inf"), "pnl", ""), *criteria.luck("cash", None, None, GATE)]
    assert all(one.passed for one in made)


def test_without_a_champion_the_gate_says_so_and_judges_against_the_null():
    """The criterion passes and names why there is nothing to compare with."""
    found = criteria.against_champion(None, "nothing trades yet", GATE)
    assert found.passed
    assert "No champion to compare with: nothing trades yet" in found.text


@pytest.mark.parametrize(
    ("candidate", "passes", "words", "by"),
    [
        (contender(0.85 + 0.01 * EVENTS, 10.0 + EVENTS), True, "better (forecasts)", "lower bound of the losses"),
        (contender(0.90 + 0.01 * EVENTS, 20.0 + EVENTS), True, "better (P&L)", "lower bound of the P&L"),
        (contender(0.90 + 0.01 * EVENTS, [11.0] * 12), True, "not worse, with less risk", "lower bound of the losses"),
        (contender(0.90 + 0.01 * EVENTS, 10.0 + EVENTS), False, "no less risk", "risk"),
        (contender(0.95 + 0.01 * EVENTS, 10.0 + EVENTS), False, "not surely better", "lower bound of the losses"),
        (contender(0.85 + 0.01 * EVENTS, 2.0 + EVENTS), False, "not surely better", "mean of the P&L"),
    ],
)
def test_a_candidate_follows_when_it_is_better_or_level_with_less_risk(candidate, passes, words, by):
    """Better in losses or P&L without losing the other, or within the margin in both with less risk; the criterion has
    the number that decided and its limit, and the two agree with the verdict."""
    found = compare(candidate, GOOD, 0.95)
    criterion = criteria.against_champion(found, "", GATE)
    assert found.decided(GATE.champion_margin).passed is criterion.passed is passes
    assert words in criterion.text
    assert f"Decided by the {by}: " in criterion.text
    value, limit = criterion.document()["value"], criterion.document()["limit"]
    assert (value < limit if by == "risk" else value >= limit) is passes


BROKEN = contender(1.10 + 0.01 * EVENTS, EVENTS - 1.5)
"""A champion whose world is gone: worse than persistence, and it loses money."""


@pytest.mark.parametrize(
    ("champion", "passes"),
    [
        (BROKEN, True),
        (replace(BROKEN, traded=contender(1.1 + 0.01 * EVENTS, 5.0 + EVENTS).traded), False),
        (replace(BROKEN, in_cash=True), True),
        (contender(0.90 + 0.01 * EVENTS, EVENTS - 1.0), False),
    ],
    ids=["broken", "broken, and earns", "broken, in cash", "as good"],
)
def test_forecasts_alone_follow_a_champion_that_they_beat_and_that_earned_nothing(champion, passes):
    """In cash a candidate has no P&L and no risk: its forecasts have to be surely better, where the champion earned
    nothing."""
    without = paired.compare(replace(GOOD, in_cash=True), champion, 0.95)
    assert (without.risk_pusd, replace(GOOD, in_cash=True).policy) == (0.0, "cash")
    assert criteria.against_champion(without, "", GATE).passed is passes


@pytest.mark.parametrize(
    ("own", "in_cash", "verdict"),
    [
        ([True, True], [True], "promote"),
        ([True, False], [True, True], "promote_in_cash"),
        ([True, False], [True, False], "hold"),
        ([False], [], "hold"),
    ],
)
def test_forecasts_are_promoted_alone_where_the_policy_fails_and_there_is_a_champion(own, in_cash, verdict):
    """Every criterion in cash has to hold; without a champion to follow there are none, and the verdict is hold."""
    made = [[Criterion("one", passed, None, None, "") for passed in group] for group in (own, in_cash)]
    assert stage.Findings(*made, {}, None).verdict == verdict


def test_the_difference_of_equal_models_is_nothing():
    """A candidate equal to the champion has a statistic of 0 and is not better."""
    found = difference(np.zeros(9), 1.0, 0.95)
    assert (found.mean, found.statistic, found.lower > 0.0) == (0.0, 0.0, False)


def test_two_models_of_equal_skill_seldom_look_different():
    """Diebold-Mariano at 95 % calls at most one of twenty equal candidates better: 16 of 200 is the binomial limit."""
    rng = np.random.default_rng(1)
    drawn = [difference(rng.standard_t(4, 25), 1.0, 0.95).lower > 0.0 for _ in range(200)]
    assert sum(drawn) <= 16


def test_fewer_than_two_shared_events_decide_nothing():
    """A champion that was measured on other events cannot be followed on this evidence."""
    alone = paired.compare(GOOD, contender([], []), 0.95)
    decision = alone.decided(0.05)
    assert (decision.passed, decision.words) == (False, "they share fewer than two events")
    assert (decision.by.value, decision.by.limit) == (0, 2)
    json.dumps(alone.document(), allow_nan=False)


def test_both_are_judged_on_the_bars_that_both_have():
    """Bars and markets that one of the two cannot forecast are left out of both."""
    whole = histories(2, 1.0, 1, bars=50)
    shorter = [
        replace(
            one, **{name: getattr(one, name)[5:] for name in vars(one) if isinstance(getattr(one, name), np.ndarray)}
        )
        for one in whole[1:]
    ]
    mine, theirs = common(whole, shorter)
    assert [len(one) for one in mine] == [len(one) for one in theirs] == [45, 45, 45]


def test_the_champion_of_the_window_is_the_rival(tmp_path, monkeypatch):
    """Without a note, with an empty one, and with one that names a bundle which is nowhere, there is no rival."""
    monkeypatch.chdir(tmp_path)
    note = tmp_path / "champion.json"
    assert rival.find("ab", note).why == "none was named"
    write_json(note, {"champion": None, "why": "nothing trades yet"})
    assert rival.find("ab", note).why == "nothing trades yet"
    write_json(note, {"champion": "cd" * 32, "why": ""})
    assert "no longer on this machine" in rival.find("ab", note).why
    assert rival.find("cd" * 32, note).why == "the candidate is the champion"


def test_a_missing_bundle_is_held(tmp_path, monkeypatch):
    """Without an intact bundle the verdict is hold, with what is missing."""
    monkeypatch.chdir(tmp_path)
    document = stage.judge(PARAMS)
    assert document["verdict"] == "hold"
    assert "not intact" in document["reasons"][0]


@pytest.mark.parametrize(
    ("report", "difference"),
    [
        ({"hash": "ab", "parity": {}}, 0.0),
        ({"hash": "ab", "parity": {"forecaster": {"mean": 1e-7, "bound": 2e-7}, "policy": 0.0}}, 2e-7),
        ({"hash": "cd", "parity": {}}, None),
    ],
)
def test_a_bundle_without_a_network_differs_from_nothing(tmp_path, monkeypatch, report, difference):
    """The filter alone has no ONNX file to compare; only a report that is missing, or another bundle's, is unknown."""
    monkeypatch.setattr(stage, "PACKAGE", tmp_path / "package.json")
    assert stage.onnx_difference("ab") is None
    write_json(tmp_path / "package.json", report)
    assert stage.onnx_difference("ab") == difference

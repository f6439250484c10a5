"""The champion's policy in the backtest of a night: when it stays, and what is sealed of it."""

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks import tiny_bundle
from pipelines.backtest import incumbent, stage
from pipelines.backtest.strategies import Comparison, done, job
from pipelines.core.artifacts import write_json
from pipelines.core.products import CHAMPION
from pipelines.inference.bundle import seal
from pipelines.replay import rules

sys.path.insert(0, str(Path(__file__).parents[1] / "replay"))
sys.path.insert(0, str(Path(__file__).parent))
from test_backtest_choice import with_pnl
from test_replay_identity import PARAMS, TABLE, history, scaler

LENGTH_S = 60


@pytest.fixture(scope="module")
def comparison():
    """Six random markets."""
    return Comparison([history(seed) for seed in range(1, 7)], PARAMS, TABLE, scaler(), LENGTH_S)


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """Make a bundle with a policy the champion that a night compares with: its hash."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("BENTOML_HOME", raising=False)

    def with_champion(kind="threshold", params=None, said="promote"):
        folder = Path("var/bento/bentos/oddsmith/one/src/bundle")
        tiny_bundle.make(folder)
        manifest = {name: value for name, value in manifest_of(folder).items() if name not in {"files", "hash"}}
        values = rules.policy_params(kind, PARAMS, LENGTH_S) if params is None else params
        (folder / "manifest.json").unlink()
        made = seal(folder, manifest | {"policy": {"kind": kind, "params": values}})
        tiny_bundle.approve(folder, said=said)
        write_json(CHAMPION, {"champion": made, "why": ""})
        return made

    return with_champion


def manifest_of(folder):
    """What a bundle says of itself."""
    return tiny_bundle.read_json(folder / "manifest.json")


def earning(comparison, kind, pnl, name=None):
    """A run of a kind with the same P&L in every market, but for a little."""
    run = done(comparison, job(comparison, kind, name=name))
    return with_pnl(run, {market: pnl + 0.1 * k for k, market in enumerate(comparison.tape.markets)})


def test_a_policy_that_passed_the_gate_is_found(machine):
    """The one of the champion that the window named, with its numbers and the folder of its files."""
    name = machine()
    found = incumbent.find(PARAMS, LENGTH_S)
    assert (found.bundle, found.kind) == (name, "threshold")
    assert found.params == rules.policy_params("threshold", PARAMS, LENGTH_S)


@pytest.mark.parametrize("said", ["promote_in_cash", "hold"])
def test_a_policy_that_did_not_pass_is_no_incumbent(machine, said):
    """A champion in cash, and one that a person deployed against the verdict, have proven no policy."""
    machine(said=said)
    assert incumbent.find(PARAMS, LENGTH_S) is None


def test_without_a_champion_there_is_none(machine):
    """None was named, or the named one is not on this machine."""
    assert incumbent.find(PARAMS, LENGTH_S) is None
    write_json(CHAMPION, {"champion": "ab" * 32, "why": ""})
    assert incumbent.find(PARAMS, LENGTH_S) is None


def test_cash_is_no_incumbent(machine):
    """Cash has nothing to keep: the first policy that earns takes its place, as ever."""
    machine("cash", {})
    assert incumbent.find(PARAMS, LENGTH_S) is None


def test_a_number_that_you_changed_counts_at_once(machine):
    """A champion whose parameters are no longer those of params.yaml stays no longer; learned ones may differ."""
    asked = rules.policy_params("threshold", PARAMS, LENGTH_S)
    machine("threshold", asked | {"max_hold_bars": asked["max_hold_bars"] + 1})
    assert incumbent.find(PARAMS, LENGTH_S) is None
    asked = rules.policy_params("ensemble", PARAMS, LENGTH_S)
    machine("ensemble", asked | {"forecast_weight": 0.123})
    assert incumbent.find(PARAMS, LENGTH_S).params["forecast_weight"] == 0.123


def test_a_rule_that_is_played_already_is_not_played_twice(machine, comparison):
    """A rule with the numbers of params.yaml is its own row; one with learned numbers gets a row of its own."""
    machine()
    jobs = [job(comparison, kind) for kind in ("threshold", "kelly")]
    assert incumbent.find(PARAMS, LENGTH_S).among(jobs, comparison) == (jobs, "threshold")
    machine("ensemble", rules.policy_params("ensemble", PARAMS, LENGTH_S) | {"forecast_weight": 0.123})
    more, name = incumbent.find(PARAMS, LENGTH_S).among(jobs, comparison)
    assert (more[:2], name) == (jobs, "champion's ensemble")
    assert more[2].rules.policy.parameters.forecast_weight == 0.123


def test_the_champions_policy_stays_until_another_is_surely_better(comparison):
    """More P&L on the slice is not enough: the difference has to be above 0 by its interval."""
    markets = comparison.tape.markets
    cash, mine = done(comparison, job(comparison, "cash")), earning(comparison, "threshold", 100.0)
    luckier = with_pnl(done(comparison, job(comparison, "kelly")), {next(iter(markets)): 900.0})
    surely = earning(comparison, "kelly", 150.0)
    assert luckier.figures.pnl_pusd > mine.figures.pnl_pusd
    assert stage.choose([cash, mine, luckier], markets, 0, "threshold") is mine
    assert stage.choose([cash, mine, surely], markets, 0, "threshold") is surely
    assert stage.choose([cash, mine, surely], markets, 0) is surely


def test_many_candidates_are_charged_for_together(comparison):
    """What one rival shows by its interval, the luckiest of thirty has to show with more."""
    markets = comparison.tape.markets
    mine = earning(comparison, "threshold", 100.0)
    gains = dict(zip(markets, (60.0, 20.0, 140.0, 90.0, -20.0, 120.0), strict=True))
    better = with_pnl(
        done(comparison, job(comparison, "kelly")),
        {market: 100.0 + 0.1 * k + gains[market] for k, market in enumerate(markets)},
    )
    others = [replace(mine, name=f"same {k}") for k in range(30)]
    assert not incumbent.stays(mine, [mine, better], markets, 0.95)
    assert incumbent.stays(mine, [mine, better, *others], markets, 0.95)


def test_a_champions_policy_that_lost_stays_no_longer(comparison):
    """Where it lost on the slice the choice is as it is without a champion."""
    cash, mine = done(comparison, job(comparison, "cash")), earning(comparison, "threshold", -1.0)
    other = earning(comparison, "kelly", 5.0)
    assert stage.choose([cash, mine], comparison.tape.markets, 0, "threshold") is cash
    assert stage.choose([cash, mine, other], comparison.tape.markets, 0, "threshold") is other

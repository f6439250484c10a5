import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pipelines.backtest import stage
from pipelines.backtest.selection_bias import Trials, deflated_sharpe, overfitting_probability
from pipelines.backtest.strategies import Comparison, done, job, randoms
from pipelines.replay import trials
from pipelines.replay.performance import drawdown, sharpe
from pipelines.replay.turnover import entries

sys.path.insert(0, str(Path(__file__).parents[1] / "replay"))
from test_replay_identity import PARAMS, TABLE, history, scaler


@pytest.fixture(scope="module")
def comparison():
    """Six random markets."""
    return Comparison([history(seed) for seed in range(1, 7)], PARAMS, TABLE, scaler(), 60)


def run_one(comparison, kind, given=None):
    """One strategy in the comparison."""
    return done(comparison, job(comparison, kind, given))


def with_pnl(run, by_event, trips=3):
    """A run whose P&L is given by market."""
    micro = {market: int(pnl * 1e6) for market, pnl in by_event.items()}
    run.result.open_pnl_micro, run.result.closed = micro, []
    figures = run.figures.__class__(
        **{**run.figures.document(), "pnl_pusd": sum(by_event.values()), "round_trips": trips}
    )
    return replace(run, figures=figures)


def test_an_even_gain_beats_a_lucky_one(comparison):
    """A P&L that comes from one event is charged for it: the smaller, even one is chosen."""
    ids = list(comparison.tape.markets)
    lucky = with_pnl(run_one(comparison, "threshold"), {ids[0]: 700.0})
    even = with_pnl(run_one(comparison, "kelly"), dict.fromkeys(ids, 100.0))
    assert stage.choose([run_one(comparison, "cash"), lucky, even], comparison.tape.markets, 0) is even


def test_a_handful_of_trades_says_nothing(comparison):
    """A policy with enough round trips is chosen before one that earned more in a few."""
    few = with_pnl(run_one(comparison, "threshold"), dict.fromkeys(comparison.tape.markets, 300.0), trips=4)
    many = with_pnl(run_one(comparison, "kelly"), dict.fromkeys(comparison.tape.markets, 100.0), trips=40)
    runs = [run_one(comparison, "cash"), few, many]
    assert stage.choose(runs, comparison.tape.markets, 10) is many
    assert stage.choose(runs[:2], comparison.tape.markets, 10) is few


def test_cash_is_chosen_when_nothing_earns(comparison):
    """Cash is a position: without a candidate that earned, nothing is traded."""
    loser = with_pnl(run_one(comparison, "threshold"), {next(iter(comparison.tape.markets)): -5.0})
    assert stage.choose([run_one(comparison, "cash"), loser], comparison.tape.markets, 0).kind == "cash"


def test_where_cash_is_chosen_the_best_candidate_is_shown(comparison):
    """Trades and costs are shown of the best candidate that traded; where one was chosen, of that one."""
    cash, kelly = run_one(comparison, "cash"), run_one(comparison, "kelly")
    poor, better = (run_one(comparison, "threshold") for _ in range(2))
    runs = [cash, replace(poor, figures=replace(poor.figures, pnl_pusd=-9_000.0)), better]
    assert stage.detailed(runs, cash, comparison) is better
    assert stage.detailed(runs, kelly, comparison) is kelly
    assert stage.detailed([cash], cash, comparison) is cash


def test_random_entries_match_the_turnover(comparison):
    """Random entries come about as often and with about the turnover of the reference's, in an actual replay."""
    reference = run_one(comparison, "kelly")
    played = [done(comparison, one) for one in randoms(comparison, reference)]
    entered = np.mean([entries(run.result) for run in played])
    turnover = np.mean([run.figures.turnover_pusd for run in played])
    assert entries(reference.result) > 10
    assert 0.75 < entered / entries(reference.result) < 1.33
    assert 0.5 < turnover / reference.figures.turnover_pusd < 2.0


def test_baselines_are_not_stopped(comparison):
    """Buying and holding meets no stop and no loss limit: nothing is sold before a market ends."""
    run = run_one(comparison, "buy_and_hold")
    assert run.result.fills
    assert {trade.reason for trade in run.result.closed} <= {"market_ending", "settled"}


def test_equal_runs_are_equal(comparison):
    """Random policies draw from a hash: the same seed trades the same."""
    given = {"seed": 1, "entry_probability": 0.1, "hold_bars": 5.0, "fraction": 0.5}
    first, second = (run_one(comparison, "random_matched", given) for _ in range(2))
    assert first.result.fills == second.result.fills
    assert first.result.fills


def test_sharpe_and_drawdown_by_hand():
    """Sharpe is mean over deviation times the root of the periods; drawdown is the largest fall from a peak."""
    assert sharpe(np.array([1.0, 2.0, 3.0]), 4.0) == pytest.approx(4.0)
    assert sharpe(np.array([1.0, 1.0, 1.0]), 4.0) is None
    assert drawdown(np.array([100.0, 120.0, 90.0, 130.0])) == pytest.approx(0.25)


def test_every_trial_is_a_line(tmp_path):
    """A trial is appended as one JSON line and never replaces another."""
    for number in range(3):
        trials.append("backtest", {"policy": "threshold"}, {"pnl_pusd": number}, tmp_path / "trials.jsonl")
    rows = [json.loads(line) for line in (tmp_path / "trials.jsonl").read_text().splitlines()]
    assert [row["measured"]["pnl_pusd"] for row in rows] == [0, 1, 2]


def test_every_attempt_counts(tmp_path):
    """Backtests of candidates, combinations of a sweep and settings of a study are trials; cash and bots are not."""
    path = tmp_path / "trials.jsonl"
    trials.append("backtest", {"policy": "threshold"}, {"sharpe_bar": 10.0}, path)
    trials.append("backtest", {"policy": "cash"}, {"sharpe_bar": None}, path)
    trials.append("bots", {"policy": "threshold"}, {"sharpe_bar": 3.0}, path)
    trials.append("sweep", {"policy": "threshold"}, {"sharpe_bar": 20.0}, path)
    trials.append("sweep", {"policy": "threshold"}, {"sharpe_bar": None}, path)
    trials.append("tune", {"number": 0}, {"held_out_pnl_pusd": 5.0}, path)
    assert Trials.of_ledger(100.0, ("threshold", "ppo"), path) == Trials([1.0, 2.0], 4)
    assert Trials.of_ledger(100.0, ("threshold",), tmp_path / "none.jsonl") == Trials([], 0)


def test_an_agent_that_was_trained_again_before_its_backtest_counts(tmp_path):
    """Of three seeds in a row the first two are trials of their own, the third counts with its backtest; the newest
    training is the one that the present backtest counts."""
    path = tmp_path / "trials.jsonl"
    for seed in (1, 2, 3):
        trials.append("agent", {"learner": "ppo", "seed": seed}, {"held_out_pnl_pusd": 1.0 * seed}, path)
    assert Trials.of_ledger(100.0, ("ppo",), path) == Trials([], 2)
    trials.append("backtest", {"policy": "cash"}, {"sharpe_bar": None}, path)
    trials.append("backtest", {"policy": "ppo"}, {"sharpe_bar": 10.0}, path)
    trials.append("agent", {"learner": "ppo", "seed": 4}, {"held_out_pnl_pusd": 4.0}, path)
    assert Trials.of_ledger(100.0, ("ppo",), path) == Trials([1.0], 3)


def test_luck_is_charged_for():
    """The more trials, the higher the Sharpe ratio that luck alone explains, and the lower the deflated one."""
    rng = np.random.default_rng(1)
    changes = rng.normal(0.05, 1.0, 5_000)
    few, many = (Trials([0.01 * k / n for k in range(n)], n) for n in (3, 300))
    alone = deflated_sharpe(changes, Trials((), 0))["probability"]
    assert alone > 0.99
    assert deflated_sharpe(changes, many)["probability"] < deflated_sharpe(changes, few)["probability"] <= alone


def test_noise_is_overfitted_and_an_edge_is_not():
    """Among strategies of pure noise the best half is no better later; one with an edge stays best."""
    rng = np.random.default_rng(2)
    noise = {f"n{k}": rng.normal(0, 1, 2_000) for k in range(20)}
    edge = noise | {"edge": rng.normal(0.3, 1, 2_000)}
    assert overfitting_probability(edge) == 0.0
    assert overfitting_probability(noise) > 0.2


def test_where_nothing_moves_nothing_can_be_overfitted():
    """Strategies that never trade leave nothing to choose: there is no probability, not a certain one."""
    still = {name: np.zeros(2_000) for name in ("threshold", "kelly", "ppo")}
    assert overfitting_probability(still) is None


def test_equal_strategies_are_neither_above_nor_below_each_other():
    """Copies of one strategy share the middle rank, so that choosing between them is right as often as wrong."""
    moves = np.random.default_rng(3).normal(0, 1, 2_000)
    assert overfitting_probability(dict.fromkeys("abc", moves)) == 0.5
    assert overfitting_probability({"a": moves, "b": moves, "worst": moves - 1.0}) == 0.0

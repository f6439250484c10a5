import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pipelines.backtest import stage
from pipelines.backtest.selection_bias import overfitting_probability, rivals
from pipelines.backtest.strategies import Comparison, done, job, randoms
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


def losers(count=12):
    """Baselines that surely lose, as rules do that pay the spread for nothing."""
    rng = np.random.default_rng(4)
    return {f"base{k}": rng.normal(-1.0, 1.0, 2_000) for k in range(count)}


def test_losing_baselines_do_not_make_noise_look_chosen_well():
    """The best of noise is above the median of a field of losers: the field of the choice has none of them."""
    rng = np.random.default_rng(2)
    noise = {f"n{k}": rng.normal(0, 1, 2_000) for k in range(8)}
    cash = np.zeros(2_000)
    assert overfitting_probability(noise | losers() | {"cash": cash}) < 0.1
    assert overfitting_probability(rivals(noise, cash)) > 0.3


def test_copies_and_rules_that_never_trade_are_no_rivals():
    """Two rules of one course are one, and a rule without a trade is cash; the choice among them is as it was."""
    moves = np.random.default_rng(3).normal(0, 1, (2, 2_000))
    cash = np.zeros(2_000)
    field = rivals({"a": moves[0], "copy": moves[0].copy(), "b": moves[1], "still": cash.copy()}, cash)
    assert list(field) == ["cash", "a", "b"]


def test_a_choice_between_one_candidate_and_cash_can_be_wrong():
    """A single candidate of noise is chosen over cash in one half and loses to it in the other in many splits; one
    that earns evenly never does."""
    rng = np.random.default_rng(5)
    cash = np.zeros(2_000)
    assert overfitting_probability(rivals({"noise": rng.normal(0, 1, 2_000)}, cash)) > 0.3
    assert overfitting_probability(rivals({"edge": rng.normal(0.3, 1, 2_000)}, cash)) == 0.0

"""What luck explains: trials are counted, and a lucky rule and a rule with an edge are told apart."""

import json

import numpy as np

from pipelines.core.artifacts import write_json
from pipelines.core.products import WINDOW
from pipelines.replay import trials
from pipelines.replay.luck import Trials, deflated_sharpe, statistic

EVENTS = 50
LIMIT = 0.95


def noise(rng, rules, events=EVENTS):
    """P&L by event of rules without skill, skewed as bets on prices near 0 and 1 are, shape (rules, events)."""
    return rng.gamma(1.0, 10.0, (rules, events)) - 10.0


def tried(field):
    """A night's trials."""
    return Trials([statistic(one) for one in field], len(field))


def test_every_trial_is_a_line(tmp_path):
    """A trial is appended as one JSON line and never replaces another."""
    for number in range(3):
        trials.append("backtest", {"policy": "threshold"}, {"pnl_pusd": number}, tmp_path / "trials.jsonl")
    rows = [json.loads(line) for line in (tmp_path / "trials.jsonl").read_text().splitlines()]
    assert [row["measured"]["pnl_pusd"] for row in rows] == [0, 1, 2]


def test_every_attempt_counts(tmp_path):
    """Backtests of candidates, combinations of a sweep and settings of a study are trials; cash and bots are not."""
    path = tmp_path / "trials.jsonl"
    trials.append("backtest", {"policy": "threshold"}, {"t_events": 1.5}, path)
    trials.append("backtest", {"policy": "mine", "candidate": True}, {"t_events": 0.5}, path)
    trials.append("backtest", {"policy": "cash"}, {"t_events": None}, path)
    trials.append("bots", {"policy": "threshold"}, {"sharpe_bar": 3.0}, path)
    trials.append("sweep", {"policy": "threshold"}, {"sharpe_bar": 20.0}, path)
    trials.append("tune", {"number": 0}, {"held_out_pnl_pusd": 5.0}, path)
    assert Trials.of_ledger(("threshold", "ppo"), 0, path) == Trials([1.5, 0.5], 4)
    assert Trials.of_ledger(("threshold",), 0, tmp_path / "none.jsonl") == Trials([], 0)


def test_an_agent_that_was_trained_again_before_its_backtest_counts(tmp_path):
    """Of three seeds in a row the first two are trials of their own, the third counts with its backtest."""
    path = tmp_path / "trials.jsonl"
    for seed in (1, 2, 3):
        trials.append("agent", {"learner": "ppo", "seed": seed}, {"held_out_pnl_pusd": 1.0 * seed}, path)
    assert Trials.of_ledger(("ppo",), 0, path) == Trials([], 2)
    trials.append("backtest", {"policy": "cash"}, {"t_events": None}, path)
    trials.append("backtest", {"policy": "ppo"}, {"t_events": 1.0}, path)
    trials.append("agent", {"learner": "ppo", "seed": 4}, {"held_out_pnl_pusd": 4.0}, path)
    assert Trials.of_ledger(("ppo",), 0, path) == Trials([1.0], 3)


def test_a_trial_whose_data_ended_before_the_slice_learned_nothing_from_it(tmp_path, monkeypatch):
    """Trials count from the first window on that reaches into the slice; one of an unknown window counts."""
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "trials.jsonl"
    trials.append("backtest", {"policy": "ppo"}, {"t_events": 0.0}, path)
    for end_s in (1_000, 2_000, 3_000):
        write_json(WINDOW, {"as_of_s": end_s})
        trials.append("backtest", {"policy": "ppo"}, {"t_events": end_s / 1_000}, path)
    assert Trials.of_ledger(("ppo",), 2_000, path) == Trials([0.0, 3.0], 2)


def test_luck_is_charged_for():
    """The more trials, the higher the Sharpe ratio that luck alone explains, and the lower the deflated one."""
    rng = np.random.default_rng(1)
    earned = rng.normal(0.6, 1.0, EVENTS)
    alone, few, many, most = (deflated_sharpe(earned, Trials([], n)).probability for n in (1, 9, 300, 5_000))
    assert alone > few > many > most
    assert most < LIMIT < few


def test_rules_that_do_the_same_are_charged_as_nearly_one():
    """Two hundred copies with a little noise charge less than two hundred independent rules, and true differences
    between rules charge no more than independent luck."""
    rng = np.random.default_rng(2)
    same = Trials((1.0 + 0.1 * rng.normal(size=200)).tolist(), 200)
    apart, wide = Trials(rng.normal(size=200).tolist(), 200), Trials((5.0 * rng.normal(size=200)).tolist(), 200)
    assert same.luckiest() < 0.2 * apart.luckiest()
    assert wide.luckiest() == Trials([], 200).luckiest()
    assert Trials([2.0], 1).luckiest() == 0.0


def test_the_luckiest_of_many_noise_rules_fails_even_where_it_was_picked():
    """The best of 200 rules without skill passes in at most 5 % of 200 worlds (17 is the binomial limit), judged on
    the very events on which it was the best: the worst that looking at a slice again and again can do."""
    rng = np.random.default_rng(3)
    fooled = 0
    for _ in range(200):
        field = noise(rng, 200)
        best = max(field, key=statistic)
        fooled += deflated_sharpe(best, tried(field)).probability >= LIMIT
    assert fooled <= 17


def test_a_rule_that_was_lucky_before_fails_on_later_events():
    """The best of nine rules without skill on the selection slice passes on other events in at most 5 % of 400 worlds
    (28 is the binomial limit)."""
    rng = np.random.default_rng(4)
    fooled = 0
    for _ in range(400):
        field = noise(rng, 9)
        fooled += deflated_sharpe(noise(rng, 1)[0], tried(field)).probability >= LIMIT
    assert fooled <= 28


def test_a_true_edge_passes_among_noise_and_losers():
    """A rule that earns 0.65 standard deviations an event, as the shipped world's does, passes in 80 % of worlds among
    four rules of noise and four that surely lose; the spread between them is no luck."""
    rng = np.random.default_rng(5)
    passed = 0
    for _ in range(200):
        edge = rng.normal(0.65, 1.0, (2, EVENTS))
        field = [edge[0], *noise(rng, 4), *(noise(rng, 4) - 10.0)]
        passed += deflated_sharpe(edge[1], tried(field)).probability >= LIMIT
    assert passed >= 160


def test_where_nothing_varies_there_is_no_ratio():
    """Fewer than three events, or the same P&L in each, give no deflated Sharpe ratio."""
    assert deflated_sharpe(np.array([1.0, 2.0]), Trials([], 1)) is None
    assert deflated_sharpe(np.zeros(20), Trials([], 1)) is None

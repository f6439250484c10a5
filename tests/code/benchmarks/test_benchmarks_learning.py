"""The portfolio figures of `benchmarks.learning`: who gets the places, and which strategy gets the money."""

import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks.learning import Study, difference, measured, sections
from benchmarks.learning_agents import full, joined
from benchmarks.learning_elsewhere import ROWS, page
from benchmarks.learning_page import render
from benchmarks.learning_portfolio import BLOCK_S, RegimeChooser, hedge, regimes
from benchmarks.learning_varied import costs, dearer
from pipelines.core.errors import Stopped
from pipelines.replay.account import AccountTape, play_rule, rule_numbers
from pipelines.replay.lanes import field, parameters
from pipelines.replay.policy_search import Trained
from pipelines.trading import compiled
from pipelines.trading.compiled_account import MOVE, ROUND_TRIP
from pipelines.trading.threshold_rule import Rule

sys.path.insert(0, str(Path(__file__).parents[1] / "pipelines" / "replay"))
from test_replay_identity import CASH, PARAMS, TABLE, history, scaler


def tape(seeds):
    """The compiled tape of some random markets."""
    past = [history(seed) for seed in seeds]
    flat = field(past, scaler(), PARAMS.execution.impact_share, forecast_block=True)
    return AccountTape.of(past, flat, PARAMS.execution.impact_share)


def test_the_largest_move_is_asked_for_first():
    """Ranked tapes hold the same rows at the same times, those with the largest move in round trips first."""
    made = tape(range(4))
    other = made.ranked()
    ratio = np.abs(made.signals[:, MOVE]) / np.maximum(made.signals[:, ROUND_TRIP], 1.0)
    for left, right in zip(made.edges[:-1], made.edges[1:], strict=True):
        assert set(made.rows[left:right]) == set(other.rows[left:right])
        assert (np.diff(ratio[other.rows[left:right]]) <= 0.0).all()


def test_the_online_chooser_follows_what_earns():
    """Where one strategy always earns and another always loses, the chooser ends near the one that earns, and between
    them everywhere else."""
    ts_s = BLOCK_S * np.arange(40)
    good = CASH + 400_000_000 * np.arange(40)
    bad = CASH - 100_000_000 * np.arange(40)
    chosen = hedge(ts_s, [good, bad], CASH)
    assert chosen.hindsight_pusd == 400.0 * 39
    assert 0.9 * chosen.hindsight_pusd < chosen.online_pusd < chosen.hindsight_pusd
    assert hedge(ts_s, [good, good], CASH).regret_pusd == 0.0


def test_a_regime_chooser_takes_what_paid_when_the_market_looked_the_same():
    """Where one strategy earns after wide spreads and another after narrow ones, each gets its blocks; where the
    market's state says nothing, the one with the larger mean gets all; where all lose, cash."""
    rng = np.random.default_rng(1)
    seen = rng.normal(size=(400, 2))
    wide = np.append(True, seen[:-1, 0] > 0.0)
    earned = np.where(wide, 100.0, -100.0)
    noise = rng.normal(0.0, 20.0, (2, 400))
    chooser = RegimeChooser([(seen, np.vstack([np.zeros(400), earned + noise[0], noise[1] - earned]))])
    taken = chooser.chosen(seen)[1:]
    assert np.mean(taken == np.where(wide[1:], 1, 2)) > 0.9
    level = np.array([[0.0], [5.0], [9.0]]) + np.vstack([np.zeros(400), noise])
    assert set(RegimeChooser([(0.0 * seen, level)]).chosen(seen)) == {2}
    assert set(RegimeChooser([(0.0 * seen, level - np.array([[0.0], [50.0], [50.0]]))]).chosen(seen)) == {0}


def test_regimes_are_means_over_the_bars_of_a_block():
    """Six figures a block; the spread of a block is that of its bars."""
    made = tape(range(4))
    seen = regimes(made)
    bars = made.field.bars[made.rows]
    blocks = bars[:, compiled.TS] // BLOCK_S
    first = blocks == blocks.min()
    assert seen.shape == (len(np.unique(blocks)), 6)
    assert seen[0, 3] == pytest.approx(np.mean(bars[first, compiled.ASK] - bars[first, compiled.BID]))
    assert np.isfinite(seen).all()


def test_dearer_costs_move_costs_alone():
    """Doubled fees and impact raise every round trip and lower the P&L; at one times nothing changes."""
    made = tape(range(4))
    par = parameters(PARAMS, TABLE, 60)
    one, numbers = Trained(made, par), rule_numbers(Rule(1.0, 0.2, 3_600))
    same, double = dearer(one, 1.0), dearer(one, 2.0)
    assert np.array_equal(same.tape.signals, made.signals)
    assert (double.tape.signals[:, ROUND_TRIP] > made.signals[:, ROUND_TRIP]).all()
    assert double.par[compiled.IMPACT] == 2.0 * par[compiled.IMPACT]
    before = play_rule(made, par, numbers, CASH)
    assert play_rule(same.tape, same.par, numbers, CASH).pnl_pusd == before.pnl_pusd


def test_joined_worlds_keep_their_markets_apart():
    """The lanes of joined tapes see each market's own bars, costs and limits."""
    one, two = tape(range(2)), tape(range(2, 5))
    both = joined([one, two])
    assert len(both.field.first) == 5
    at = both.field.first[3]
    assert both.field.bars[at, compiled.MARKET] == 3
    assert np.array_equal(both.field.bars[at, :3], two.field.bars[two.field.first[1], :3])


def test_wider_spreads_cost_more_and_stay_on_the_grid():
    """Two-sided books widen or narrow around their mid by whole ticks, to one tick at least, and the round trips that
    a forecast is measured in follow; the order of bars and mids stays."""
    made = tape(range(4))
    one = Trained(made, parameters(PARAMS, TABLE, 60))
    before, tick = made.field.bars, made.field.markets[made.field.bars[:, compiled.MARKET], compiled.TICK]
    spread = before[:, compiled.ASK] - before[:, compiled.BID]
    for multiple in (0.5, 2.0):
        field, signals = (found := dearer(one, 1.0, multiple)).tape.field, found.tape.signals
        bars = field.bars
        wide = bars[:, compiled.ASK] - bars[:, compiled.BID]
        assert (wide >= np.minimum(tick, spread)).all()
        assert (bars[:, compiled.BID] % tick == 0).all()
        assert (bars[:, compiled.BID] < bars[:, compiled.MID]).all()
        assert 0.7 * multiple < wide.mean() / spread.mean() < 1.3 * multiple
        assert np.array_equal(np.sign(wide - spread), np.sign(signals[:, ROUND_TRIP] - made.signals[:, ROUND_TRIP]))
        rest = [at for at in range(bars.shape[1]) if at not in (compiled.BID, compiled.ASK)]
        assert np.array_equal(bars[:, rest], before[:, rest])


def test_varied_costs_have_every_fill_model():
    """Half of the sets take; the others rest long enough to be filled, one for each fill model."""
    sets = costs([parameters(PARAMS, TABLE, 60)])
    rests = sets[sets[:, compiled.RESTS] > 0.0]
    assert len(sets) == 2 * len(rests) == 8
    assert (rests[:, compiled.ORDER_TTL] > 1.0).all()
    models = rests[:, [compiled.AHEAD_SHARE, compiled.EVIDENCE]].tolist()
    assert sorted(models) == [[0.0, 0.0], [0.5, 0.0], [1.0, 0.0], [1.0, 1.0]]
    assert set(sets[:, compiled.LATENCY]) == {1.0, 2.0}
    assert len(set(sets[:, compiled.IMPACT])) == 3


def test_a_difference_has_its_interval():
    """The interquartile mean of paired differences lies inside its bootstrap interval."""
    value, low, high = difference(np.random.default_rng(0).normal(100.0, 50.0, 30))
    assert low < value < high
    assert low > 0.0


def test_full_positions_are_as_large_as_the_limit_allows():
    """Full positions double those of the shipped sizing, and change no other limit."""
    par = parameters(PARAMS, TABLE, 60)
    large = full(par)
    assert large[compiled.MAX_FRACTION] == par[compiled.RISK_FRACTION]
    assert np.flatnonzero(large != par).tolist() == [compiled.MAX_FRACTION]


class Kept:
    """A study with results and nothing learned."""

    def __init__(self, rows):
        self.edge, self.rows = 1.0, rows

    def values(self, name, worlds):
        """P&L of a row."""
        return self.rows[name]

    def learn(self, name):
        """Nothing was learned here."""
        return {"choosing_pusd": 0.0, "seconds": 1.0}


def test_allocation_is_paired_with_both_orders_at_equal_limits():
    """The line and the page say what allocator and order of moves are worth, at shipped and at full positions."""
    rng = np.random.default_rng(1)
    base = rng.normal(1_000.0, 300.0, 20)
    gains = {"threshold_plain": -50.0, "threshold by_id": 0.0, "threshold": 100.0, "allocator": 130.0}
    gains |= {"threshold by_id full": 10.0, "threshold full": 210.0, "allocator_full full": 200.0}
    gains |= {"chooser": 20.0, "static": 60.0, "kelly": 5.0, "ppo_warm-1": 5.0}
    found = measured(Kept({name: base + more for name, more in gains.items()}), list(gains), range(20))
    assert found["allocation"]["allocator_minus_id"] == [130.0] * 3
    assert found["allocation"]["allocator_minus_move"] == [30.0] * 3
    assert found["allocation"]["move_minus_id full"] == [200.0] * 3
    assert found["allocation"]["allocator_minus_move full"] == [-10.0] * 3
    assert found["chooser_minus_static"] == [-40.0] * 3
    assert "Allocation, `allocator_minus_id`: +130 [130, 130] pUSD." in render(found, "edge-1-kalman")


def test_nothing_begins_after_the_minutes():
    """A study whose minutes are over says so and that the same command goes on, instead of beginning a world."""
    study = Study(1.0, PARAMS, None, minutes=1e-9)
    with pytest.raises(Stopped, match="the same command goes on"):
        study.world(1)


def test_what_was_measured_is_found_by_the_same_code_and_parameters_alone(tmp_path, monkeypatch):
    """A row that was kept is found again; with other parameters it is not."""
    monkeypatch.chdir(tmp_path)
    one = Study(1.0, PARAMS, None)
    one._folder.mkdir(parents=True)
    one._rows.write_text('{"row": "kelly", "world": 1, "pnl_pusd": 5.0}\n')
    other = PARAMS.model_copy(update={"ppo_entries": PARAMS.ppo_entries.model_copy(update={"timesteps": 7})})
    assert Study(1.0, PARAMS, None).results == {"kelly": {1: 5.0}}
    assert Study(1.0, other, None).results == {}


def test_a_new_table_keeps_the_sections_that_were_written_by_hand(tmp_path):
    """What follows the first heading of its own stays where a page is made anew."""
    page = tmp_path / "learning-edge-1-kalman.md"
    assert sections(page) == ""
    page.write_text("# Table\n\n| row |\n\n## Allocation\n\nby hand\n")
    assert sections(page) == "\n## Allocation\n\nby hand\n"


def test_the_page_of_elsewhere_has_a_line_for_each_place():
    """P&L with entries of every row, and the difference with its interval."""
    rows = dict.fromkeys(ROWS, 12.4)
    found = {"worlds": {"recordings": 4}, "iqm_pusd": {"recordings": rows}, "entries": {"recordings": rows}}
    text = page(found | {"varied_minus_scratch": {"recordings": [5.0, -1.0, 9.0]}})
    assert f"| recordings | 4 |{' +12 (12) |' * len(ROWS)} +5 [-1, 9] |" in text

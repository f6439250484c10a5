"""Worlds of series are judged by the gate's own criteria, and kept with the code and parameters that they depend on."""

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from benchmarks import constraints, series
from benchmarks.basket_world import ladders
from benchmarks.fills import FIT_SHARE
from benchmarks.recorded_books import BookSource
from benchmarks.series_recorded import CLOSING_BARS, MAKER, history, resting, windows
from benchmarks.series_verdict import Choice, PlayedPolicy, judged
from benchmarks.series_world import LENGTH_S, world
from pipelines.core.domain import Quote
from pipelines.core.money import MICRO
from pipelines.core.params import load
from pipelines.gate import contender
from pipelines.replay import rules
from pipelines.trading.sizing import NO_SIGNALS
from simulator.series.kinds import Series

BOOK = ("bid_px1", "bid_sz1", "ask_px1", "ask_sz1")


@pytest.fixture(scope="module")
def late():
    """Ten windows whose quotes follow the price two seconds late."""
    return world(Series("BTC", "5m", 60, 2), 1, 10).histories


def bot(kind, params, **given):
    """A policy on bars of a second."""
    chosen = {**rules.policy_params(kind, params, LENGTH_S), **given}
    return replace(rules.make(kind, params, NO_SIGNALS, None, LENGTH_S, given=chosen), horizon_bars=CLOSING_BARS)


def test_what_was_tried_and_an_overfitted_choice_count_against_a_promotion(late):
    """The P&L is the same; a choice that CSCV calls overfitted, or that nobody measured, is held."""
    trial = PlayedPolicy.of(bot("temporal_arbitrage", load()), late, load())
    plain = judged(trial, Choice([trial.statistic], 0.0), {})

    assert "overfitting" not in plain.failed
    assert "overfitting" in judged(trial, Choice([trial.statistic], 0.9), {}).failed
    assert "overfitting" in judged(trial, Choice([trial.statistic], None), {}).failed
    assert "overfitting" not in judged(trial, Choice([trial.statistic], None, chosen=False), {}).failed
    assert "deflated_sharpe" in judged(trial, Choice([-40.0, 40.0] * 5_000, 0.0), {}).failed
    assert plain.promoted == (plain.failed == ())


def test_the_p_and_l_has_to_hold_with_dearer_fees_too(late, monkeypatch):
    """A P&L that is sure at the fees of the day is held where a replay with dearer fees earns nothing."""
    monkeypatch.setattr(contender, "DEARER", 50.0)
    trial = PlayedPolicy.of(bot("temporal_arbitrage", load()), late, load())
    sure = {str(k): 10.0 + k for k in range(10)}
    traded = replace(trial.traded, by_event=sure, by_period=dict(enumerate(sure.values())))

    assert judged(replace(trial, traded=traded), Choice([1.0], 0.0), {}).failed == ("pnl_fees_2x",)


def test_a_maker_without_measured_fills_is_held(late):
    """`resting_fills` is asked of a policy whose orders rest, and of no other."""
    params = resting()
    trial = PlayedPolicy.of(bot(MAKER, params, least_spread_units=100), late[:4], params)

    assert "resting_fills" in judged(trial, Choice([1.0], chosen=False), {}).failed
    assert "events" in judged(trial, Choice([1.0], chosen=False), {}).failed
    takes = PlayedPolicy.of(bot("temporal_arbitrage", params), late[:4], params)
    assert "resting_fills" not in judged(takes, Choice([1.0], chosen=False), {}).failed


def test_a_world_is_measured_again_when_the_code_or_a_parameter_changed(tmp_path, monkeypatch):
    """Kept rows are those of the same code and parameters; an older row never stands in for a new measurement."""
    asked = []

    def judge(lag_s, seed, params):
        asked.append((lag_s, seed))
        return {"promoted": True, "gate_alone": True, "pnl_pusd": 1.0}

    monkeypatch.setattr(series, "judge", judge)
    kept = tmp_path / "series.jsonl"
    kept.write_text('{"lag_s": 2, "seed": 1, "promoted": false}\n')
    first = series.seeds(1, 1, kept)

    assert asked == [(2, 1), (0, 1)]
    assert series.seeds(1, 1, kept) == first
    assert len(asked) == 2

    params = load()
    changed = params.model_copy(update={"gate": params.gate.model_copy(update={"min_events": 6})})
    monkeypatch.setattr(series, "load", lambda: changed)
    series.seeds(1, 0, kept)
    assert asked[2:] == [(2, 1)]

    monkeypatch.setattr(series, "SOURCES", ("benchmarks/series_world.py",))
    series.seeds(1, 0, kept)
    assert asked[3:] == [(2, 1)]


def test_bots_are_judged_on_windows_that_the_fills_were_not_fitted_on(tmp_path):
    """Of each recording the later third is judged, and what is learned is learned on the earlier part."""
    begins = [1_776_323_400 + 300 * number for number in range(6)]
    columns = {
        "slug": [f"btc-updown-5m-{begin_s}" for begin_s in begins for _ in range(300)],
        "server_ms": [(begin_s + second) * 1_000 for begin_s in begins for second in range(300)],
        **{name: [value] * 1_800 for name, value in zip(BOOK, (0.96, 50.0, 0.98, 50.0), strict=True)},
    }
    pq.write_table(pa.table(columns), tmp_path / "top5.parquet")
    first, later = windows([BookSource(tmp_path / "top5.parquet")])

    assert len(first) == round(FIT_SHARE * 6)
    assert not {one.name for one in first} & {one.name for one in later}
    assert max(one.name for one in first) < min(one.name for one in later)
    made = history(later[0])
    assert made.payout_micro == MICRO
    assert np.diff(made.ts_s).tolist() == [1] * (len(made.ts_s) - 1)


def test_a_ladder_that_contradicts_itself_is_an_episode():
    """A lower level that costs less than a higher one is sold for pays surely; a consistent ladder does not."""
    rungs = next(ladders(1, 1, 0.0)).markets[:2]
    size = 100 * MICRO
    right = [(rungs[0], Quote(6_000, 6_100, size, size)), (rungs[1], Quote(4_000, 4_100, size, size))]
    wrong = [(rungs[0], Quote(3_000, 3_100, size, size)), (rungs[1], Quote(6_000, 6_100, size, size))]
    counted = [constraints._summed([constraints._counted({1: one, 2: one}, nested=True)], 1) for one in (right, wrong)]

    assert [one["episodes"] for one in counted] == [0, 1]
    assert counted[1]["median_life_s"] == 2
    assert counted[1]["best_pusd"] > 20.0

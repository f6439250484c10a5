"""Value at risk: the two tests, the loss, and distributions that read nothing later than the bar."""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks import risk
from benchmarks.judged_bars import JUDGED
from benchmarks.league_data import Course
from benchmarks.risk_models import HORIZONS, Volatilities, models
from benchmarks.risk_page import page
from pipelines.core.params import load

sys.path.insert(0, str(Path(__file__).parents[1] / "pipelines/forecast"))
from test_forecast_windows import make_rows


@pytest.fixture(scope="module")
def course():
    """Random walks whose volatility comes in waves of 200 bars, four times as high in one half of each wave."""
    runs, bars = [(f"m{number}", 500, 0) for number in range(24)], 500
    names = ["fit"] * 12 * bars + ["calibration"] * 6 * bars + ["selection"] * 6 * bars
    rows = make_rows(runs, slices=names, seed=4)
    rng = np.random.default_rng(4)
    loud = np.where((np.arange(bars) // 100) % 2 == 1, 0.06, 0.015)
    odds = np.cumsum(rng.normal(size=(24, bars)) * loud, axis=1)
    odds -= odds.mean(axis=1, keepdims=True)
    rows.mid_units[:] = np.clip(10_000 / (1.0 + np.exp(-odds)), 300, 9_700).round().ravel()
    params = load()
    short = params.forecast.model_copy(update={"lookback_bars": 40})
    return Course("made up", rows, params.model_copy(update={"forecast": short}), "h", {}, JUDGED, False, None)


@pytest.mark.parametrize("level", [0.01, 0.05])
def test_kupiec_accepts_the_right_share_and_refuses_others(level):
    """The p-value is uniform where the share is right: below 0.05 in about one of twenty samples, and nearly always
    below it where exceedances are twice as frequent."""
    rng = np.random.default_rng(0)
    right = [risk.kupiec(rng.random(2_000) < level, level) for _ in range(400)]
    wrong = [risk.kupiec(rng.random(2_000) < 2 * level, level) for _ in range(50)]
    assert 0.02 < np.mean(np.array(right) < 0.05) < 0.09
    assert np.mean(np.array(wrong) < 0.05) > 0.9


def test_kupiec_has_the_published_regions():
    """Of 255 days the test accepts 7 to 20 exceedances at 5 % and up to 6 at 1 % (Kupiec, 1995, table 3)."""
    for level, accepted in ((0.05, range(7, 21)), (0.01, range(7))):
        found = [count for count in range(60) if risk.kupiec(np.arange(255) < count, level) > 0.05]
        assert found[-1] == accepted[-1]
        assert found[0] == accepted[0] or level == 0.01


def test_christoffersen_finds_exceedances_that_follow_each_other():
    """Independent exceedances pass; ones in clusters of five do not; a pair across the end of a run is no pair."""
    rng = np.random.default_rng(1)
    runs = np.repeat(np.arange(10), 500)
    assert risk.christoffersen(rng.random(5_000) < 0.05, runs) > 0.05
    assert risk.christoffersen(np.repeat(rng.random(1_000) < 0.05, 5), runs) < 1e-6
    ends = np.zeros(40, dtype=bool)
    ends[9::10] = ends[10::10] = True
    assert risk.christoffersen(ends, np.repeat(np.arange(4), 10)) != risk.christoffersen(ends, np.zeros(40, int))


def test_the_gain_is_that_of_the_true_quantile():
    """The true conditional quantile has a smaller loss than one for all; a model gains nothing over itself."""
    rng = np.random.default_rng(2)
    scale = np.where(rng.random(20_000) < 0.5, 1.0, 4.0)
    moved, event = scale * rng.normal(size=20_000), rng.integers(0, 30, 20_000)
    flat = risk.pinball(moved, np.full(20_000, np.quantile(moved, 0.05)), 0.05)
    value, low, high = risk.gain(risk.pinball(moved, -1.645 * scale, 0.05), flat, event)
    assert 0.1 < low < value < high
    assert risk.gain(flat, flat, event) == [0.0, 0.0, 0.0]


def test_a_scale_that_follows_the_volatility_beats_one_for_all(course):
    """On waves of volatility GARCH gains over one scale for all, and its exceedances are nearly the stated share."""
    made = {name: risk.judge(course, one) for name, one in models(course, {}).items()}
    figures = {name: risk._figures(one, made) for name, one in made.items()}
    assert figures["historical"]["1 0.05"]["gain_over_garch"][0] < -0.02
    assert abs(figures["garch"]["1 0.05"]["exceeded"] - 0.05) < 0.03
    assert set(figures["garch"]) == {f"{h} {level:g}" for h in HORIZONS for level in risk.LEVELS}
    text = page([{"data": "made up", "models": figures}])
    assert text[text.index("## made up") :].count("| Historical simulation") == 6


def test_no_model_reads_what_comes_after_the_bar(course):
    """Prices after a bar change neither mean nor scale there."""
    at = np.array([18 * 500 + 200])
    later = course.rows.mid_units.copy()
    later[at[0] + 1 :] = 5_000
    before = {name: one(at) for name, one in models(course, {}).items()}
    changed = models(replace(course, rows=replace(course.rows, mid_units=later)), {})
    for name, (mean, scale) in before.items():
        again = changed[name](at)
        assert np.array_equal(mean, again[0]), name
        assert np.array_equal(scale, again[1]), name


def test_variance_goes_back_to_its_level(course):
    """The variance of a long sum is that of the long run for each bar, wherever it begins."""
    known = Volatilities.of(course)
    level = known.garch.omega / (1.0 - min(known.garch.alpha + known.garch.beta, 0.9999))
    high, low = (known.ahead(np.array([start]), 5_000)[0] / 5_000 for start in (10 * level, level / 10))
    assert known.ahead(np.array([level]), 1)[0] == pytest.approx(level)
    assert high > low
    assert abs(high - low) < 0.2 * level or known.garch.alpha + known.garch.beta > 0.99

"""The league: baselines, the online ensemble, figures of a row, and the page."""

import json
import sys
from argparse import Namespace
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from benchmarks import classical, league, league_data, league_online, league_row
from benchmarks.kept_rows import KeptRows
from benchmarks.league_data import Course
from benchmarks.league_members import LIMIT, Made, forecast
from benchmarks.league_page import page
from benchmarks.league_summary import summary
from benchmarks.without_inputs import without
from flows.local.folder_lock import held
from pipelines.core.errors import AlreadyRunning, DataError, ParameterError
from pipelines.core.params import load
from pipelines.features.market_context import CONTEXT
from pipelines.features.scale import log_odds
from pipelines.forecast import baselines
from pipelines.forecast.accuracy import measure
from pipelines.inference.predictor import Forecasts

sys.path.insert(0, str(Path(__file__).parents[1] / "pipelines/forecast"))
from test_forecast_windows import make_rows


def _params():
    params = load()
    short = params.forecast.model_copy(update={"lookback_bars": 12, "horizon_bars": 6})
    few = params.conformal.model_copy(update={"windows": 1000})
    return params.model_copy(update={"forecast": short, "conformal": few})


def _reverting():
    """Two slices of runs whose prices jump around a level: every move is given back at once."""
    runs = [(f"m{i}", 400, 0) for i in range(12)]
    rows = make_rows(runs, slices=["fit"] * 2400 + ["calibration"] * 1200 + ["selection"] * 1200, seed=5)
    rows.mid_units[:] = 5000 + np.random.default_rng(5).integers(-3, 4, len(rows.mid_units)) * 50
    return rows


def test_the_autoregression_finds_reversal_and_persistence_finds_nothing():
    """On prices that revert the autoregression has skill; persistence has exactly none; both intervals cover."""
    rows, params = _reverting(), _params()
    positions = rows.positions("selection", 12, 6)
    null = measure(rows, positions, baselines.fit("persistence", rows, params).forecast(rows, positions))
    linear = measure(rows, positions, baselines.fit("ar", rows, params).forecast(rows, positions))
    assert abs(null["skill_price"]["1"]) < 1e-9
    assert linear["skill_price"]["1"] > 0.15
    for made in (null, linear):
        assert abs(made["coverage"]["5"] - 0.9) < 0.06


def _course(rows, params):
    return Course("made up", rows, params, "hash", {}, ("selection",), trades=False, fitted=None)


def _row(course, name, **more):
    one = baselines.fit(name, course.rows, course.params)
    positions = course.positions()
    made = Made(positions, one.forecast(course.rows, positions), 1.0, 2.0)
    about = {"kind": name, "data": course.name, "size": "small", "seed": 1}
    return {**about, **league_row.judge(course, made), **more}


def test_value_at_risk_rewards_the_right_bound():
    """A bound at the true 5 % quantile is exceeded by 5 % and has a smaller loss than any other constant."""
    moves = np.random.default_rng(0).normal(size=50_000)
    right = league_row.value_at_risk(moves, np.full(50_000, -1.645))
    assert abs(right["exceeded"] - 0.05) < 0.004
    for other in (-3.0, -1.2):
        assert league_row.value_at_risk(moves, np.full(50_000, other))["loss"] > right["loss"]


def test_an_unknown_forecaster_is_refused():
    """A name that is not in the league is refused with the names that are."""
    with pytest.raises(ParameterError, match="'arma'; known are persistence"):
        league.run(Namespace(kinds=["arma"]))


def test_an_unknown_world_is_refused():
    """A world that the simulator does not make is refused with those that it makes."""
    with pytest.raises(ParameterError, match="'mars'; known are reversion"):
        league.run(Namespace(kinds=[], world=["mars"], edge=[1.0]))


def test_one_league_runs_in_a_folder_at_a_time(tmp_path, monkeypatch):
    """A second league would train in the places of the first; it is told who is at work."""
    monkeypatch.setenv("ODDSMITH_VAR", str(tmp_path))
    with held(tmp_path / "league.lock", "a league"), pytest.raises(AlreadyRunning, match="a league"):
        league.run(Namespace(kinds=["ar"], world=[], edge=[1.0]))


def test_a_row_says_whether_a_forecast_is_calibrated():
    """The slope in price units is near 1 for the calibrated autoregression and half of it for twice its forecast; the
    interval's distance from 90 % is measured at every horizon, and one that is too narrow is named."""
    course = _course(_reverting(), _params())
    row = _row(course, "ar")
    assert 0.9 < row["price_slope"]["1"] < 1.3
    assert len(row["coverage"]["by_horizon"]) == 6
    assert row["coverage"]["within_3_points"]
    positions = course.positions()
    made = baselines.fit("ar", course.rows, course.params).forecast(course.rows, positions)
    sure = replace(made, mean=2.0 * made.mean)
    assert league_row.price_slope(course.rows, positions, sure.mean)["1"] < 0.7
    narrow = Forecasts(made.mean, 0.3 * made.lower, 0.3 * made.upper, made.confidence)
    assert not league_row.coverage(course.rows, positions, narrow, 0.9)["within_3_points"]


def test_every_period_weighs_the_same():
    """A day in which prices move ten times as far decides the pooled skill and not the one by period."""
    rows, params = _reverting(), _params()
    positions = rows.positions("selection", 12, 6)
    wild = rows.ts_s[positions] >= np.quantile(rows.ts_s[positions], 0.9)
    mean = baselines.fit("ar", rows, params).forecast(rows, positions).mean
    right, wrong = (league_row.by_period(rows, positions, one, slice(0, 1))[0] for one in (mean, -mean))
    mixed = np.where(wild[:, None], -mean, mean)
    assert wrong < 0.0 < right
    assert abs(league_row.by_period(rows, positions, mixed, slice(0, 1))[0] - (0.9 * right + 0.1 * wrong)) < 0.05


@pytest.mark.nightly
def test_arima_finds_its_own_process():
    """Fitted on runs of an ARMA(1, 1) process of returns it forecasts with the coefficients of that process, and its
    recursion gives the forecast that the process's formula gives."""
    rng, bars = np.random.default_rng(1), 6_000
    shocks, returns = 0.05 * rng.normal(size=bars), np.zeros(bars)
    for bar in range(1, bars):
        returns[bar] = 0.5 * returns[bar - 1] + shocks[bar] - 0.8 * shocks[bar - 1]
    odds = np.cumsum(returns) - 0.02 * np.cumsum(np.cumsum(returns) * 0)
    rows = make_rows([("m", bars, 0)])
    rows.mid_units[:] = np.clip(10_000 / (1.0 + np.exp(-(odds - odds.mean()))), 300, 9_700).round()
    fitted = classical.fit_arima(rows, _params())
    assert fitted.ar[0] == pytest.approx(0.5, abs=0.15)
    assert fitted.ma[0] == pytest.approx(-0.8, abs=0.15)
    known = classical.Arima(np.array([0.5, 0.0]), np.array([-0.8, 0.0]))
    ahead = known.forecast(odds[None, :500], 3)[0]
    step = 0.5 * returns[499] - 0.8 * shocks[499]
    assert ahead == pytest.approx(np.cumsum([step, step / 2, step / 4]), abs=1e-6)


@pytest.mark.nightly
def test_arima_reads_nothing_after_the_bar():
    """What comes after a bar changes nothing in its forecast."""
    rows, params = _reverting(), _params()
    means, at = classical.arima(rows, params), np.array([3_700, 4_000])
    before = means(rows, at)
    changed = rows.mid_units.copy()
    changed[4_001:] = 2_000
    changed[3_701:3_990] = 7_000
    again = means(replace(rows, mid_units=changed), at[:1])
    assert np.array_equal(before[0], again[0])
    assert log_odds(np.array([5_000]))[0] == 0.0


def test_the_online_ensemble_uses_what_was_known():
    """It learns who is right; the forecast of a bar does not change with moves that were not known at that bar; and its
    regret is within the bound."""
    rows, params = _reverting(), _params()
    positions = rows.positions("selection", 12, 6)
    means = {name: baselines.fit(name, rows, params).forecast(rows, positions).mean for name in ("persistence", "ar")}
    means["wrong"] = -means["ar"]
    found = league_online.combined(rows, positions, means, 12)
    assert found.weights["ar"] > 0.8 > 0.2 > found.weights["wrong"]
    assert found.regret <= found.bound
    late = rows.ts_s >= np.quantile(rows.ts_s[positions], 0.5)
    other = replace(rows, mid_units=np.where(late, 5_000, rows.mid_units))
    early = rows.ts_s[positions] < np.quantile(rows.ts_s[positions], 0.5)
    assert np.array_equal(league_online.combined(other, positions, means, 12).mean[early], found.mean[early])
    measured = measure(rows, positions, Forecasts(found.mean, found.mean, found.mean, np.zeros(len(positions))))
    assert measured["skill_price"]["1"] > 0.1


def test_the_page_has_the_guides_columns_and_both_intervals():
    """Each row has the error columns, skill, two intervals, calibration and times; persistence comes first; what a row
    adds to another is said; the Kalman limit is named or missed."""
    course = _course(_reverting(), _params())
    rows = [_row(course, "ar"), _row(course, "persistence"), _row(course, "ar") | {"kind": "ridge"}]
    text = page([*rows, _row(course, "ar") | {"kind": "hybrid"}], None, course.params)
    lines = [line for line in text[text.index("## made up") :].splitlines() if line.startswith("|")]
    assert {line.count("|") for line in lines} == {19}
    assert "Persistence" in lines[2]
    assert "`hybrid`: +0.00 [+0.00, +0.00] over `ridge`" in text
    assert "not measured" in text
    limit = {"edge": 1.0, "seed": 1, "horizons": {"5": {"skill_pct": 4.86}}}
    assert "skill 4.9 % at h = 5" in page(rows, limit, course.params)


def test_a_foreign_world_is_named_in_key_and_page(tmp_path, monkeypatch):
    """Rows of a foreign world carry its name and edge, never the default's; its course is another; a world without an
    edge is refused."""
    rows, params = _reverting(), _params()
    asked_of = []

    def made(seed, edge, of_world, days):
        asked_of.append(of_world.simulator.world)
        return Namespace(rows=rows)

    monkeypatch.setattr(league_data, "skill_world", made)
    monkeypatch.setattr(league_data.state_space_fit, "fit", lambda *_: None)
    asked = Namespace(world=["reversion", "seasonal"], edge=[0.5], worlds=1, recorded=[], size="small")
    courses = list(league._courses(asked, params))
    assert asked_of == ["reversion", "seasonal"]
    assert [one.name for one in courses] == ["edge 0.5, seed 1", "world seasonal, edge 0.5, seed 1"]
    assert [(one.world, one.edge) for one in courses] == [("reversion", 0.5), ("seasonal", 0.5)]
    kept = KeptRows(tmp_path / "rows.jsonl", ["benchmarks/kept_rows.py"])
    for course in [replace(one, slices=("selection",)) for one in courses]:
        one = baselines.fit("ar", rows, course.params)
        positions = course.positions()
        forecast = Made(positions, one.forecast(rows, positions), 1.0, 2.0)
        about = {"data": course.name, "size": "small", "seed": 1, "kind": "ar"}
        league._keep(course, forecast, about, tmp_path / course.name, kept)
    assert [(row["world"], row["edge"]) for row in kept.rows] == [("reversion", 0.5), ("seasonal", 0.5)]
    text = page(kept.rows, None, params)
    assert "## world seasonal, edge 0.5, seed 1" in text
    assert "## edge 0.5, seed 1" in text
    with pytest.raises(ParameterError, match="without --edge"):
        league.run(Namespace(kinds=["ar"], world=["seasonal"], edge=[]))


def test_the_summary_pools_worlds_and_averages_training_seeds():
    """Worlds of a kind are one column, whose skill is that of their errors together; training seeds of a world count
    once; a row that a world lacks is no figure; a part that adds nothing is said to add nothing."""

    def row(kind, data, seed, errors, edge=1.0):
        about = {"kind": kind, "data": data, "seed": seed, "size": "small", "world": "reversion", "edge": edge}
        return {**about, "metrics": {"events": 2}, "events": {"forecast": errors, "null": [4.0, 4.0]}}

    rows = [row("persistence", data, 1, [4.0, 4.0]) for data in ("a", "b")]
    rows += [row("ridge", data, 1, [1.0, 1.0]) for data in ("a", "b")]
    rows += [row("hybrid", "a", seed, [1.0 + seed, 1.0 - seed]) for seed in (0.5, -0.5)]
    rows += [row("hybrid", "b", 1, [1.0, 1.0]), row("lstm", "a", 1, [1.0, 1.0])]
    lines = summary(rows, {kind: kind for kind in ("persistence", "ridge", "hybrid", "lstm")})
    assert "| Model | reversion, edge 1<br>2 / 2 / 4 |" in lines
    assert "| hybrid | 50.00 [50.00, 50.00] |" in lines
    assert "| lstm | - |" in lines
    assert "| *added by the network, over filter and linear path* | +0.00 [+0.00, +0.00] |" in lines


def test_the_limit_is_of_synthetic_worlds_alone():
    """The limit forecasts as the generator says, whatever the calibration slice says of it; data without a known limit
    has no such row and says why when it is asked for."""
    course = _course(_reverting(), _params())
    with pytest.raises(ParameterError, match="no known limit"):
        forecast(course, LIMIT, Path("unused"))
    wrong = replace(course, limit=lambda rows, positions: np.full((len(positions), 6), 0.5))
    assert np.all(forecast(wrong, LIMIT, Path("unused")).forecasts.mean == 0.5)


def test_arima_of_prices_that_stand_still_is_persistence():
    """Where hardly a price moves no model is fitted, and the forecast is that the price stays."""
    rows = make_rows([("m", 2_000, 0)])
    rows.mid_units[:] = 5_000
    rows.mid_units[::400] = 5_100
    means = classical.arima(rows, _params())
    assert np.all(means(rows, np.array([100, 1_000])) == 0.0)


@pytest.mark.nightly
def test_a_recording_too_short_for_the_shipped_shape_gets_a_short_one(tmp_path):
    """A recording of 400 bars cannot be judged 24 bars ahead with 60 before: it gets 5 with 8 before; one of
    three bars is refused by name."""
    table = _recorded(bars=400)
    pq.write_table(table, tmp_path / "short.parquet")
    course = league_data.recording(tmp_path / "short.parquet", load())
    assert (course.params.forecast.lookback_bars, course.params.forecast.horizon_bars) == (8, 5)
    assert course.name == "short"
    assert len(course.judged())
    pq.write_table(_recorded(bars=3), tmp_path / "none.parquet")
    with pytest.raises((DataError, RuntimeError)):
        league_data.recording(tmp_path / "none.parquet", load())


def _recorded(bars):
    price = 0.5 + 0.01 * np.random.default_rng(1).integers(-3, 4, size=bars)
    ts = 1_700_000_000 + 60 * np.arange(bars)
    return pa.table({"market": ["m"] * bars, "token_id": ["1"] * bars, "timestamp": ts, "price": price})


def test_the_ablation_hides_sizes_and_nothing_else():
    """Without sizes the three columns that sizes make are 0, the spread and all others stay; the page says what each
    part adds to the hybrid."""
    rows, params = _reverting(), _params()
    context = np.random.default_rng(1).normal(size=(len(rows.mid_units), len(CONTEXT)))
    hidden = without(replace(rows, context=context), "sizes").context
    gone = [name for at, name in enumerate(CONTEXT) if not hidden[:, at].any()]
    assert gone == ["lean", "lean_spread", "micro_gap"]
    others = [at for at, name in enumerate(CONTEXT) if name not in gone]
    assert np.array_equal(hidden[:, others], context[:, others])
    course = _course(rows, params)
    weaker = ("ridge", "hybrid_without_filter", "hybrid_without_sizes")
    made = [_row(course, "ar") | {"kind": "hybrid"}, *(_row(course, "persistence") | {"kind": kind} for kind in weaker)]
    text = page(made, None, params)
    line = next(one for one in text.splitlines() if one.startswith("Ablation of `hybrid`"))
    assert all(f"against {part} off" in line for part in ("network", "filter", "sizes"))
    assert "-" not in line.split(":")[1]


def test_kept_rows_are_those_of_the_same_code(tmp_path):
    """A row is found again by another process and not measured twice; one of other code, or cut short, is none."""
    file = tmp_path / "rows.jsonl"
    kept = KeptRows(file, ["benchmarks/kept_rows.py"])
    assert kept.once({"kind": "a"}, lambda: {"value": 1}) == {"kind": "a", "value": 1}
    with file.open("a", encoding="utf-8") as stream:
        stream.write(json.dumps({"code": "other", "kind": "b"}) + "\n" + '{"kind": "c", "val')
    again = KeptRows(file, ["benchmarks/kept_rows.py"])
    assert again.once({"kind": "a"}, lambda: {"value": 2})["value"] == 1
    assert again.find({"kind": "b"}) is None
    assert len(again.rows) == 1

"""The league: baselines, value at risk, and the page."""

import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks import league
from benchmarks.league_page import Entry, page
from pipelines.core.errors import ParameterError
from pipelines.core.params import load
from pipelines.forecast import baselines
from pipelines.forecast.accuracy import measure
from pipelines.replay.performance import Figures

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


def test_value_at_risk_rewards_the_right_bound():
    """A bound at the true 5 % quantile is exceeded by 5 % and has a smaller loss than any other constant."""
    moves = np.random.default_rng(0).normal(size=50_000)
    right = league.value_at_risk(moves, np.full(50_000, -1.645), None)
    wrong = league.value_at_risk(moves, np.full(50_000, -3.0), right["loss"])
    assert abs(right["exceeded"] - 0.05) < 0.004
    assert right["improvement"] == 0.0
    assert wrong["improvement"] < 0.0


def test_an_unknown_forecaster_is_refused():
    """A name that is not in the league is refused with the names that are."""
    with pytest.raises(ParameterError, match="'arima'; known are persistence"):
        league.run(["arima"])


def test_the_page_has_the_guides_columns_beside_skill_and_limit():
    """Each row has MAPE, RMSE, MAE, Sharpe and skill; persistence stands first; the Kalman limit is named or missed."""
    rows, params = _reverting(), _params()
    positions = rows.positions("selection", 12, 6)
    figures = Figures(1.0, 0.0, None, None, 0.0, 0, None, None, 0.0, 0.0, 0.0, None, 0, 0, {})
    entries = [
        Entry(
            name,
            measure(rows, positions, baselines.fit(name, rows, params).forecast(rows, positions)),
            {"exceeded": 0.05, "loss": 1.0, "improvement": 0.0},
            figures,
            0.0,
        )
        for name in league.BASELINES
    ]
    text = page(entries, None, params, "recorded")
    lines = [line for line in text.splitlines() if line.startswith("|")]
    assert {line.count("|") for line in lines} == {15}
    assert "Persistence" in lines[2]
    assert "source recorded" in text
    assert "not measured" in text
    limit = {"edge": 1.0, "seed": 1, "horizons": {"5": {"skill_pct": 4.86}}}
    assert "skill 4.9 % at h = 5" in page(entries, limit, params, "simulated")

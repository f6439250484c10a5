"""Effect sizes of drift: bins, quiet windows, skill by market."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pipelines.drift import report
from pipelines.drift.effects import Calibration, Histogram, MarketSkill, excess_bound, loss_bound, quiet_windows
from pipelines.drift.reference import COMPARED
from pipelines.drift.residuals import FORECASTS, RESIDUALS, Made, Series, judged
from pipelines.features.scale import local_volatility, log_odds


def _draws(*shape, seed=1):
    return np.random.default_rng(seed).normal(size=shape)


def test_the_same_distribution_has_no_distance():
    """PSI of fresh draws from the reference distribution is near zero, of shifted ones it is large."""
    bins = Histogram.of(_draws(20_000))

    assert bins.psi(_draws(20_000, seed=2)) < 0.005
    assert bins.psi(_draws(20_000, seed=2) + 0.5) > 0.2


def test_ties_share_a_bin_and_noise_in_the_last_digit_is_no_difference():
    """A column that is zero half of the time, or constant up to rounding, can be compared."""
    idle = np.where(_draws(10_000) > 0, 0.0, 1.0 + np.abs(_draws(10_000, seed=3)))
    constant = np.full(1_000, 3.2)

    assert Histogram.of(idle).psi(np.zeros(1_000)) > 1.0
    assert Histogram.of(constant).psi(constant + 1e-9) == pytest.approx(0.0, abs=1e-9)


def test_missing_values_count_nowhere():
    """Bars without a forecast do not move the distribution of forecasts."""
    values = _draws(5_000)
    with_holes = np.concatenate((values, np.full(5_000, np.nan)))

    assert Histogram.of(with_holes).psi(values) == pytest.approx(0.0, abs=1e-9)


def test_quiet_windows_have_one_length_and_stay_inside_the_training_time():
    """Each window spans the asked time, and none looks beyond the last bar."""
    ts_s = np.arange(0, 10_000, 60)
    masks = list(quiet_windows(ts_s, 3_600))

    assert len(masks) == 4
    assert all(mask.sum() == 60 for mask in masks)


def _frame(markets: int, bars: int, shrink: float, seed: int) -> pd.DataFrame:
    """Moves of which the forecast explains the share `shrink`, and a market-wide factor that bars have in common."""
    random = np.random.default_rng(seed)
    signal, noise = random.normal(size=(2, markets, bars))
    scale = np.exp(0.5 * random.normal(size=(markets, 1)))
    move, residual = scale * (shrink * signal + noise), scale * noise
    names = np.repeat([f"m{i}" for i in range(markets)], bars)
    columns = {"market_id": names, "move": move.ravel(), "residual": residual.ravel(), "covered": 0.9}
    return pd.DataFrame(columns)


def test_a_loss_of_skill_is_proven_only_with_enough_markets():
    """The same loss is more certain over sixty markets than over four, however many bars each of them has."""
    before, few_before = MarketSkill.of(_frame(60, 300, 0.3, seed=1)), MarketSkill.of(_frame(4, 300, 0.3, seed=3))
    lost = MarketSkill.of(_frame(60, 300, 0.15, seed=2))

    assert loss_bound(before, lost, 0.999) > 0.01
    assert few_before.error > 1.5 * before.error

    assert MarketSkill.of(_frame(1, 300, 0.3, seed=4)).error == np.inf


def test_judged_columns_are_in_units_of_the_window_and_end_before_the_horizon():
    """A forecast is judged when its horizon has passed inside the run, by the scale the forecaster itself uses."""
    mids = (5_000 + np.cumsum(np.random.default_rng(5).integers(-20, 21, 200))).astype(np.int64)
    series = Series.of(np.array(["a"] * 120 + ["b"] * 80, object), np.arange(200) * 60, mids, 60)
    zero = np.zeros(200)

    frame = judged(series, Made(zero, zero - 0.1, zero + 0.1, zero + 0.6), 5)

    row, scale = 60, local_volatility(mids[None, :61])[0] * np.sqrt(5)
    moved = log_odds(mids[65:66])[0] - log_odds(mids[60:61])[0]
    assert frame["residual"][row] == pytest.approx(moved / scale)
    assert frame["interval_width"][row] == pytest.approx(0.2 / scale)
    assert frame["residual"][115:120].isna().all()
    assert frame["residual"][120:150].isna().all()
    assert frame["residual"][195:].isna().all()


def _world(rows: int, seed: int) -> pd.DataFrame:
    """Every column that the report compares, from one distribution."""
    random = np.random.default_rng(seed)
    names = (*COMPARED, *FORECASTS, *RESIDUALS)
    return pd.DataFrame({name: random.normal(size=rows) for name in names})


@pytest.mark.parametrize("side", [0, 1])
@pytest.mark.parametrize(("value", "reason"), [(np.inf, "infinite"), (-np.inf, "infinite")])
def test_an_infinite_column_is_left_out_of_the_report_by_name(tmp_path: Path, side: int, value: float, reason: str):
    """One infinite value costs its own column only; the others are judged and the page is written."""
    frames = [_world(400, 1), _world(400, 2)]
    frames[side].loc[3, "volume"] = value
    frames[1 - side]["sentiment"] = np.nan

    found = report.write(tmp_path / "drift.html", *frames)

    assert found["left_out"] == {"volume": reason, "sentiment": "absent"}
    assert len(found["columns"]) == len(frames[0].columns) - 2
    assert (tmp_path / "drift.html").stat().st_size > 10_000


def test_our_verdict_is_on_the_page_and_an_older_page_is_not_taken_for_it(tmp_path):
    """Reasons and figures come first; a comparison without a report of its own replaces the page of an older one."""
    page = tmp_path / "drift.html"
    page.write_text("<html><head></head><body class=x><p>Evidently</p></body></html>")
    column = {"psi": 0.41, "limit": 0.2, "drifted": True, "decides": True}
    found = {"verdict": "drift", "reasons": ["volume moved <far>"], "sample": {"bars": 1_200, "markets": 9}}
    report.head(page, found | {"columns": {"volume": column}, "evidently": {}})
    text = page.read_text()

    assert text.index("<body class=x>") < text.index("<h1>Drift</h1>") < text.index("<p>Evidently")
    assert "volume moved &lt;far&gt;" in text
    assert "1,200 recent bars of 9 markets" in text
    report.head(page, found | {"verdict": "too_little", "columns": {}, "evidently": None})
    assert "Too little data to say" in page.read_text()
    assert "Evidently</p>" not in page.read_text()


def _calibrated(events: int, pull: float, seed: int) -> pd.DataFrame:
    """Judged bars of markets whose price walks to its outcome; `pull` is the part of each price's distance from one
    half that the market takes back by the last bar."""
    random = np.random.default_rng(seed)
    price = random.uniform(0.1, 0.9, (events, 40))
    later = price - pull * (price - 0.5)
    outcome = np.where(random.uniform(size=price.shape) < later, 0.98, 0.02)
    mids = np.stack((price, outcome), axis=2).reshape(-1, 2)
    names = np.repeat([f"m{i}" for i in range(len(mids))], 2)
    units = np.rint(mids * 10_000).astype(np.int64).reshape(-1)
    series = Series.of(names, np.tile([60, 120], len(mids)), units, 60)
    flat = np.zeros(len(units))
    frame = judged(series, Made(flat, flat - 1.0, flat + 1.0, flat), 1)
    return frame.assign(event_id=np.repeat([f"e{i}" for i in range(events)], 80))


def test_prices_that_hold_have_the_brier_score_that_they_promise():
    """Calibrated probabilities show no excess while outcomes are late; overconfident ones one that is proven."""
    before, same = (Calibration.of(_calibrated(40, 0.0, seed)) for seed in (1, 2))
    over = Calibration.of(_calibrated(40, 0.5, 3))

    assert abs(same.excess) < 3.0 * same.error
    assert excess_bound(before, same, 0.999) < 0.0
    assert over.realised > over.expected
    assert excess_bound(before, over, 0.999) > 0.05
    assert excess_bound(before, Calibration.of(_calibrated(1, 0.5, 3)), 0.999) == float("-inf")


def test_the_score_reads_the_newest_price_in_place_of_the_outcome():
    """At 0.8 with a later price of 0.6 the expected score is 0.16, the realised 0.04 + 0.24; no target, no score."""
    series = Series.of(np.array(["a", "a", "b"]), np.array([60, 120, 60]), np.array([8_000, 6_000, 5_000]), 60)
    flat = np.zeros(3)
    frame = judged(series, Made(flat, flat, flat, flat), 1)

    assert frame["expected_brier"].iloc[0] == pytest.approx(0.16)
    assert frame["realised_brier"].iloc[0] == pytest.approx(0.28)
    assert frame["realised_brier"].iloc[1:].isna().all()

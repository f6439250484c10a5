"""Batch and rolling features are one implementation."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.features import spec
from pipelines.features.compute import batch
from pipelines.features.rolling import RollingFeatures

mids = st.integers(0, 10_000)
volumes = st.one_of(st.just(0), st.integers(0, 10**13))
series = st.lists(st.tuples(mids, volumes), min_size=1, max_size=120)
ends = st.one_of(st.none(), st.integers(0, 2 * 10**9))


def _rolled(ts, mid, volume, end_s):
    rolling = RollingFeatures(end_s)
    return np.stack([rolling.push(int(t), int(m), int(v)) for t, m, v in zip(ts, mid, volume, strict=True)])


def _columns(rows, length_s=60, start=1_767_225_600):
    ts = start + length_s * np.arange(len(rows), dtype=np.int64)
    return ts, np.array([m for m, _ in rows], dtype=np.int64), np.array([v for _, v in rows], dtype=np.int64)


@settings(max_examples=150, deadline=None)
@given(series, ends, st.sampled_from([1, 60, 300, 86_400]))
def test_batch_equals_rolling_to_the_bit(rows, end_s, length_s):
    """For any bars, including prices at 0 and 1 and no volume, live features equal batch features bit by bit."""
    ts, mid, volume = _columns(rows, length_s)
    assert batch(ts, mid, volume, end_s).tobytes() == _rolled(ts, mid, volume, end_s).tobytes()


@settings(max_examples=100, deadline=None)
@given(series, ends)
def test_every_feature_is_finite(rows, end_s):
    """No bar, whatever its price or volume, gives an infinite or missing feature."""
    made = batch(*_columns(rows), end_s)
    assert made.shape == (len(rows), len(spec.FEATURES))
    assert np.isfinite(made).all()


@settings(max_examples=100, deadline=None)
@given(series, series, ends)
def test_the_future_changes_nothing(past, future, end_s):
    """Features of a bar are the same whatever comes after it."""
    alone = batch(*_columns(past), end_s)
    followed = batch(*_columns(past + future), end_s)[: len(past)]
    assert alone.tobytes() == followed.tobytes()


def _named(rows, end_s=None, start=1_767_225_600):
    return dict(zip(spec.FEATURE_NAMES, batch(*_columns(rows, start=start), end_s)[-1], strict=True))


def test_definitions_by_hand():
    """Each feature is what its name says, on a series small enough to check by hand."""
    prices = [5000, 5100, 5000, 5200, 5200, 5300]
    got = _named([(m, 10_000_000 + 1_000_000 * i) for i, m in enumerate(prices)])
    assert got["price"] == 0.53
    assert got["price_change"] == 0.01
    assert got["simple_return"] == 100 / 5200
    assert np.isclose(got["log_return"], np.log(0.53 / 0.52), rtol=1e-12)
    assert got["momentum"] == 0.03
    assert got["volume"] == 15.0
    assert got["volume_change"] == 1.0
    assert got["volume_price_ratio"] == 15.0 / 0.53
    assert np.isclose(got["ma_7"], np.mean(prices) / 1e4)
    assert got["ma_30"] == got["ma_7"]
    assert got["rsi"] == 400 / 500
    assert np.isclose(got["volatility"], np.std(np.array(prices) / 1e4, ddof=1))


def test_rsi_of_extremes():
    """RSI is 1 without losses, 0 without gains, 0.5 without moves."""
    up = [(5000 + 10 * i, 0) for i in range(20)]
    assert _named(up)["rsi"] == 1.0
    assert _named(up[::-1])["rsi"] == 0.0
    assert _named([(5000, 0)] * 20)["rsi"] == 0.5


def test_clock_features():
    """Hour over 24, Monday is 0 of 7, time to the end in years: 0.5 unknown, 0 after the end."""
    thursday_13h = 1_767_225_600 + 13 * 3600 + 59 * 60
    got = _named([(5000, 0)], start=thursday_13h)
    assert got["hour"] == 13 / 24
    assert got["day_of_week"] == 3 / 7
    assert got["time_to_resolution"] == 0.5
    assert _named([(5000, 0)], end_s=thursday_13h + 365 * 86_400, start=thursday_13h)["time_to_resolution"] == 1.0
    assert _named([(5000, 0)], end_s=thursday_13h - 1, start=thursday_13h)["time_to_resolution"] == 0.0


def test_lists_agree():
    """The agent sees 15 market inputs, sentiment in the place of volume over price, and 7 of the forecast; each of
    them but the sentiment is a feature, and no feature is declared twice."""
    assert len(spec.MARKET_OBS) == 15
    assert set(spec.MARKET_OBS) - set(spec.FEATURE_NAMES) == {"sentiment"}
    assert "volume_price_ratio" in spec.FEATURE_NAMES
    assert len(set(spec.FEATURE_NAMES)) == len(spec.FEATURE_NAMES)
    assert (len(spec.PORTFOLIO_OBS), len(spec.FORECAST_BLOCK)) == (5, 7)

from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from benchmarks.guide_bots import hourly_recording
from benchmarks.guide_bots.fair import fair_up
from benchmarks.guide_bots.run import judge, with_fair
from pipelines.core.errors import DataError
from pipelines.core.params import load

HOUR = 1_753_100_000 // 3_600 * 3_600


def walk(minutes, seed=0):
    """Spot prices of an hour and the two before it."""
    rng = np.random.default_rng(seed)
    ts_s = HOUR - 7_200 + 60 * np.arange(minutes)
    return ts_s, 100_000.0 * np.exp(rng.normal(0, 0.0005, minutes).cumsum())


def test_above_the_open_is_more_likely_up():
    """A price above the open with little time left is nearly certain; at the open it is an even bet."""
    ts_s, spot = walk(180)
    spot[120:] = spot[120]
    late = fair_up(ts_s, np.where(ts_s >= HOUR + 3_000, spot * 1.01, spot), np.array([HOUR + 60, HOUR + 3_540]))
    assert late[0] == pytest.approx(0.5)
    assert late[1] > 0.99


def test_later_prices_change_nothing():
    """The fair probability at a bar reads the underlying up to that bar only."""
    ts_s, spot = walk(180)
    bars = HOUR + 60 * np.arange(1, 30)
    changed = np.where(ts_s > HOUR + 1_800, spot * 2.0, spot)
    np.testing.assert_array_equal(fair_up(ts_s, spot, bars), fair_up(ts_s, changed, bars))


def test_an_unknown_open_gives_no_opinion():
    """Without the price at the start of the hour nothing is known."""
    ts_s, spot = walk(180)
    gap = (ts_s < HOUR) | (ts_s > HOUR + 600)
    assert np.isnan(fair_up(ts_s[gap], spot[gap], np.array([HOUR + 1_200]))).all()


def test_a_lagging_market_is_traded(tmp_path):
    """Markets that quote the fair probability of three minutes ago are traded, and cash stays cash."""
    rows = []
    for number in range(6):
        ts_s, spot = walk(180, number)
        ts_s = ts_s + 3_600 * number
        hour = HOUR + 3_600 * number
        bars = hour + 60 * np.arange(1, 60)
        lagged = np.roll(fair_up(ts_s, spot, bars), 3)
        for k, now in enumerate(bars):
            mid = 0.5 if k < 3 else float(np.clip(round(lagged[k] * 100) / 100, 0.02, 0.98))
            when = datetime.fromtimestamp(int(now), UTC)
            price = spot[np.searchsorted(ts_s, now)]
            rows.append((f"m{number}", "BTC", when, mid - 0.01, mid + 0.01, price))
    names = ("market_id", "asset", "timestamp", "best_bid", "best_ask", "spot")
    pq.write_table(pa.table(dict(zip(names, zip(*rows, strict=True), strict=True))), tmp_path / "hours.parquet")
    made = with_fair(hourly_recording.read(tmp_path / "hours.parquet"), 1500)
    assert judge("cash", made, load()).pnl_pusd == 0.0
    assert judge("temporal_arbitrage", made, load()).round_trips > 0


def test_a_recording_without_spot_is_refused(tmp_path):
    """The error names the columns that are missing."""
    pq.write_table(pa.table({"market_id": ["a"], "timestamp": [0]}), tmp_path / "x.parquet")
    with pytest.raises(DataError, match="spot"):
        hourly_recording.read(tmp_path / "x.parquet")


def test_what_is_held_to_the_end_is_paid(tmp_path):
    """A recorded label settles a position; a market without one is left out where others have theirs."""
    rows = [
        (f"m{number}", "BTC", datetime.fromtimestamp(HOUR + 7_200 * number + 60 * k, UTC), 0.49, 0.51, 1.0, label)
        for number, label in enumerate((1.0, 0.0, None, 1.0))
        for k in range(1, 58)
    ]
    names = ("market_id", "asset", "timestamp", "best_bid", "best_ask", "spot", "resolved_price")
    pq.write_table(pa.table(dict(zip(names, zip(*rows, strict=True), strict=True))), tmp_path / "hours.parquet")
    read = hourly_recording.read(tmp_path / "hours.parquet")
    assert [past.payout_micro for past, _ in read] == [1_000_000, 0, 1_000_000]
    made = with_fair([(past, fair) for past, fair in read], 1500)
    assert [made.payouts_micro[name] for name in ("m0", "m1", "m3")] == [1_000_000, 0, 1_000_000]

from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from benchmarks.guide_bots import hourly_recording
from benchmarks.guide_bots.run import judge
from pipelines.core.errors import DataError
from pipelines.core.params import load
from pipelines.core.settlement import RuleKind, Settlement
from pipelines.reference.board import Board
from pipelines.reference.prices import Price
from pipelines.replay.loop import tape

HOUR = 1_753_100_000 // 3_600 * 3_600


def walk(minutes, seed=0):
    """Spot prices of an hour and the two before it."""
    rng = np.random.default_rng(seed)
    ts_s = HOUR - 7_200 + 60 * np.arange(minutes)
    return ts_s, 100_000.0 * np.exp(rng.normal(0, 0.0005, minutes).cumsum())


def fair_up(ts_s, spot, bars):
    """What the one definition of the fair value says of the hour of `bars`."""
    begin_s = int(bars[0]) // 3_600 * 3_600
    rule = Settlement(symbol="BTC", source="binance", kind=RuleKind.CANDLE, start_s=begin_s, end_s=begin_s + 3_600)
    prices = [
        Price("BTC", "binance", t * 1_000, t * 1_000, v) for t, v in zip(ts_s.tolist(), spot.tolist(), strict=True)
    ]
    return Board.of(prices).series(rule, bars, 60)[:, 0]


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
    made = tape(hourly_recording.read(tmp_path / "hours.parquet"), None, 1500)
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
    assert [past.payout_micro for past in read] == [1_000_000, 0, 1_000_000]
    made = tape(read, None, 1500)
    assert [made.payouts_micro[name] for name in ("m0", "m1", "m3")] == [1_000_000, 0, 1_000_000]

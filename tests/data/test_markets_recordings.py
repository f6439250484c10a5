"""Synthetic and replayed markets against real recordings; skipped where there are none.

ODDSMITH_RECORDINGS names the folder that holds `prices/`; without it `../shared/data` (from the checkout) is tried.
"""

import os
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from benchmarks.moments import moments, recorded, synthetic
from pipelines.core.errors import DataError
from simulator.markets import recorded_markets
from simulator.markets.events import Family
from simulator.markets.price_model import Model
from simulator.markets.recorded_source import open_source
from simulator.markets.source import SourceOptions

PRICES = Path(os.environ["ODDSMITH_RECORDINGS"]) / "prices"
RANGES = PRICES / "btc_range_daily_1min.parquet"

pytestmark = pytest.mark.skipif(
    not RANGES.exists(), reason=f"no recordings at {PRICES}; set ODDSMITH_RECORDINGS to the folder that holds prices/"
)


@pytest.mark.slow
def test_edge_one_half_has_the_moments_of_a_recording():
    """At edge 0.5 the size of moves, their reversal and their growth with time are those of real one-minute mids."""
    real = moments(recorded(RANGES))
    made = moments(synthetic(Family(3, Model(edge=0.5), event_length_min=4_320), 600))
    within = {
        "zero moves, in band": 0.15, "sd of move": 0.15, "sd of move, log-odds": 0.15, "abs move, quantile 0.5": 0.1,
        "abs move, quantile 0.75": 0.1, "abs move, quantile 0.9": 0.15, "autocorrelation, lag 1": 0.3,
        "variance ratio, 2 min": 0.15, "variance ratio, 24 min": 0.15, "variance ratio, 120 min": 0.15,
    }  # fmt: skip

    for name, share in within.items():
        assert made[name] == pytest.approx(real[name], rel=share), name


def test_a_replay_shows_the_recorded_prices():
    """Every replayed mid is the recorded one, to the half tick that bid and ask can stand on."""
    source = open_source(SourceOptions(replay=RANGES, warm_bars=1_440))
    rows = {market.question: market for market in recorded_markets.read(RANGES)}

    assert len(source.listings()) == len(rows) > 5
    for listing in source.listings():
        shown, real = source.history(listing.market_id).mid_units, rows[listing.question].mid_units
        assert len(shown) == len(real) == 1_440
        assert np.abs(shown - np.clip(real, 5, 9_995)).max() <= 5


TABLES = {"btc5m_outcomes.parquet": "market_id, price", "cs2_series_2025-09_2026-02.parquet": "timestamp, price"}
"""Files of outcomes and forecasts without price paths, with the columns that they lack."""


def _names() -> list[str]:
    return sorted(path.name for path in PRICES.glob("*.parquet")) if PRICES.exists() else []


@pytest.mark.parametrize("name", [name for name in _names() if name not in TABLES])
def test_every_recording_can_be_replayed(name):
    """Each recording opens, steps, and quotes 0 <= bid < ask <= 1 in every row."""
    source = open_source(SourceOptions(replay=PRICES / name, warm_bars=10))
    for _ in range(50):
        for row in source.advance().rows:
            assert 0 <= row.bid_units < row.ask_units <= 10_000

    assert pq.read_metadata(PRICES / name).num_rows > 0
    assert source.listings()


@pytest.mark.parametrize("name", [name for name in _names() if name in TABLES])
def test_a_table_without_price_paths_is_refused_by_its_columns(name):
    """A file that is no price recording is refused, and the error names the columns that it lacks."""
    with pytest.raises(DataError, match=TABLES[name]):
        open_source(SourceOptions(replay=PRICES / name, warm_bars=10))

"""Rules of a mix: both kinds of markets on one clock, each with its own numbers."""

from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines.core.errors import ParameterError
from simulator.markets import mixed, synthetic
from simulator.markets.events import EPOCH_S, Family
from simulator.markets.mixed import MixedMarkets
from simulator.markets.source import SourceOptions
from simulator.markets.synthetic import SyntheticMarkets


@pytest.fixture
def options(tmp_path):
    """A day of synthetic markets with a recording of half an hour."""
    times = [datetime(2025, 7, 1, tzinfo=UTC) + timedelta(minutes=k) for k in range(30)]
    prices = [0.40 + 0.005 * k for k in range(30)]
    table = pa.table({"market_id": ["recorded"] * 30, "timestamp": times, "price": prices})
    pq.write_table(table, tmp_path / "r.parquet")
    return SourceOptions(history_days=1, markets_per_event=2, replay=tmp_path / "r.parquet", warm_bars=10, mix=True)


def test_both_kinds_live_on_one_clock(options):
    """A mix lists synthetic and recorded markets; the recording's warm bars end where the synthetic history does."""
    source = mixed.open_source(options)
    recorded = next(listing for listing in source.listings() if listing.question == "recorded")

    assert source.now_s == EPOCH_S + 86_400
    assert source.history(recorded.market_id).ts_s[-1] == source.now_s
    assert len(source.history(recorded.market_id).ts_s) == 10
    assert len(source.listings()) == 2 * 7 + 1


def test_a_mix_changes_nothing_in_its_parts(options):
    """Synthetic markets in a mix have the numbers that they have alone; the recorded one has its prices."""
    source, alone = mixed.open_source(options), synthetic.open_source(options)
    market_id = alone.listings()[-1].market_id
    recorded = source.listings()[-1].market_id
    for _ in range(5):
        step = source.advance()
        alone.advance()

    assert source.history(market_id).mid_units.tolist() == alone.history(market_id).mid_units.tolist()
    assert source.history(recorded).mid_units[-1] == 4_700
    assert {row.market_id for row in step.rows} >= {market_id, recorded}
    assert source.trades(market_id).ts_s.tolist() == alone.trades(market_id).ts_s.tolist()


def test_a_mix_needs_a_recording_and_one_clock(options):
    """Without a recording, or with sources at different times, a mix is refused."""
    with pytest.raises(ParameterError, match="--replay"):
        mixed.open_source(SourceOptions(mix=True))
    with pytest.raises(ParameterError, match="share one step and one time"):
        MixedMarkets([SyntheticMarkets(Family(), EPOCH_S), SyntheticMarkets(Family(), EPOCH_S + 60)])


def test_an_unknown_market_is_a_key_error(options):
    """Asking a mix for a market that none of its sources has is a KeyError."""
    with pytest.raises(KeyError):
        mixed.open_source(options).history("0x00")

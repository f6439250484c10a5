"""Reference prices of a recording reach every history as the fair value, by the definition of the live process."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines.core.errors import DataError
from pipelines.core.raw_tables import REFERENCE
from pipelines.core.settings import Settings
from pipelines.pull import landing, recording
from pipelines.reference import recorded
from pipelines.reference.prices import Price

BEGIN_S = 1_753_088_400


def hours(path: Path, **columns) -> Path:
    """Two hourly markets, a row a minute, with a spot price."""
    minutes = np.arange(120)
    rng = np.random.default_rng(1)
    spot = 118_000.0 * np.exp(np.cumsum(5e-4 * rng.standard_normal(120)))
    names = [f"Bitcoin Up or Down - July 21, {9 + k // 60}AM ET" for k in minutes]
    table = {"market_id": names, "timestamp": BEGIN_S + 60 * minutes, "price": np.full(120, 0.5), "spot": spot}
    pq.write_table(pa.table(table | columns), path)
    return path


def test_an_hourly_recording_brings_its_rule_and_its_prices(tmp_path):
    """The title says the rule, the column `spot` the price; no other column is needed."""
    found = recording.read(hours(tmp_path / "hours.parquet"))

    rules = [one.settlement for one in found.markets]
    assert [(one.symbol, one.name, one.start_s) for one in rules] == [
        ("BTC", "candle", BEGIN_S + 3_600),
        ("BTC", "candle", BEGIN_S),
    ]
    assert len(found.prices) == 120
    assert {(one.symbol, one.source) for one in found.prices} == {("BTC", "binance")}


def test_a_folder_brings_a_table_of_prices(tmp_path):
    """`reference.parquet` beside the recording is read as prices, never as a market."""
    hours(tmp_path / "hours.parquet", spot=np.full(120, np.nan))
    pq.write_table(recorded.table([Price("BTC", "binance", 1, 2, 3.0)]), tmp_path / REFERENCE)

    found = recording.read(tmp_path)

    assert found.prices == [Price("BTC", "binance", 1, 2, 3.0)]
    assert len(found.markets) == 2


def test_a_rule_that_is_none_is_refused(tmp_path):
    """A column `settlement` holds what the recorder wrote, or the recording is refused with the value."""
    with pytest.raises(DataError, match="settlement rule was 'twap'"):
        recording.read(hours(tmp_path / "hours.parquet", settlement=["twap"] * 120))


def test_the_landing_zone_gives_the_prices_of_a_window(tmp_path):
    """Prices that were known in the window are read, with those that the volatility needs before it."""
    folder = tmp_path / "landing" / "reference" / "day=1970-01-01"
    folder.mkdir(parents=True)
    prices = [Price("BTC", "chainlink", s * 1_000, s * 1_000, 1.0) for s in (100, 10_000, 20_000)]
    pq.write_table(recorded.table(prices), folder / "1.parquet")

    assert [one.ts_ms for one in landing.prices(Settings(var=tmp_path), 10_000, 15_000)] == [10_000_000]
    assert [one.ts_ms for one in landing.prices(Settings(var=tmp_path), 7_300, 15_000)] == [100_000, 10_000_000]

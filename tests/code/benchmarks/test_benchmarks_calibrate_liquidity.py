"""How liquidity falls with the spread."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from benchmarks.calibrate_liquidity import measure, read
from pipelines.core.errors import DataError


def listing(path: Path, count: int) -> Path:
    """Markets whose liquidity is 10,000 pUSD over their spread in ticks, and one without a bid."""
    spread = np.arange(1, count + 1) % 8 + 1
    rows = {
        "bestBid": [*(0.5 - spread * 0.01), None],
        "bestAsk": [*np.full(count, 0.5), 0.5],
        "orderPriceMinTickSize": np.full(count + 1, 0.01),
        "liquidityNum": [*(10_000.0 / spread), 5.0],
    }
    pq.write_table(pa.table(rows), path)
    return path


def test_the_power_that_made_the_listing_is_found(tmp_path: Path) -> None:
    """Liquidity that falls inversely with the spread has the power -1; a market without a bid does not count."""
    found = measure(*read(listing(tmp_path / "markets.parquet", 40)))

    assert (found["markets"], found["power"]) == (40, -1.0)
    assert found["power_low"] == found["power_high"] == -1.0
    assert found["median_liquidity_pusd"]["1..1"] == 10_000
    assert found["median_liquidity_pusd"]["4..5"] == 2_250


def test_a_listing_that_cannot_be_used_says_what_is_needed(tmp_path: Path) -> None:
    """Too few markets, a file without the columns, words for prices, and no file are each named with what is needed."""
    with pytest.raises(DataError, match="holds 5 markets"):
        read(listing(tmp_path / "few.parquet", 5))
    pq.write_table(pa.table({"price": [1.0]}), tmp_path / "other.parquet")
    rows = pq.read_table(tmp_path / "few.parquet").set_column(0, "bestBid", pa.array(["low"] * 6))
    pq.write_table(rows, tmp_path / "words.parquet")
    for name in ("other.parquet", "words.parquet", "none.parquet"):
        with pytest.raises(DataError, match="liquidityNum"):
            read(tmp_path / name)

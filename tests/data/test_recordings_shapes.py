"""Every kind of file of the recordings becomes a recording, or is refused with a sentence; skipped without them."""

import os
from pathlib import Path

import pytest

from benchmarks.recorded_rows import importable
from pipelines.core.errors import DataError
from pipelines.pull import recording

DATA = Path(os.environ["ODDSMITH_RECORDINGS"])
TABLES = ("prices/btc5m_outcomes.parquet", "prices/cs2_series_2025-09_2026-02.parquet")
SIZED = (
    "prices/mlb_2026_top_of_book.parquet",
    "books/fed_2025-10_top_of_book_5min.parquet",
    "books/mlb_2025_ws_top_of_book.parquet",
    "books/mlb_2025_ws_events.parquet",
    "books/btc15m_2026-09-28_books.parquet",
)
PLAIN = ("prices/resolved_markets_10min_2026-01.parquet", "prices/us_president_2024_daily.parquet")


def _file(name):
    path = DATA / name
    if not path.exists():
        pytest.skip(f"no {name} at {DATA}; set ODDSMITH_RECORDINGS to the folder that holds prices/ and books/")
    return path


@pytest.mark.parametrize("name", [*SIZED, *PLAIN])
def test_a_price_path_of_each_shape_is_read(name, tmp_path):
    """Top of the book, whole sides, levels, one market without an id and daily prices give hundreds of points in
    [0, 1], with sizes where the file has them."""
    found = recording.read(importable(_file(name), tmp_path))
    points = found.points
    assert len(points) > 400
    assert found.markets
    assert points.mid_units.min() >= 0
    assert points.mid_units.max() <= 10_000
    assert ((points.bid_size_micro > 0) & (points.ask_size_micro > 0)).any() == (name in SIZED)


def test_how_markets_ended_is_known_apart(tmp_path):
    """The column of numbers that says how a market ended gives payouts, and no row is taken for another token's."""
    found = recording.read(importable(_file(PLAIN[0]), tmp_path))
    assert found.dropped["second_token"] == 0
    assert len(found.payouts) > 100


@pytest.mark.parametrize("name", TABLES)
def test_a_table_without_a_price_path_is_refused(name, tmp_path):
    """A table of outcomes or of forecasts is refused, and the sentence says why and what could be done."""
    with pytest.raises(DataError, match="no price path and cannot be a recording"):
        importable(_file(name), tmp_path)

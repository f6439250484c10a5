"""Whole books of recordings."""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from benchmarks.recordings import books
from pipelines.core.errors import DataError


def test_the_tick_is_the_widest_that_holds_every_price(tmp_path: Path) -> None:
    """A book without a tick gets 0.01 when all of its prices are cents, and 0.001 when one of them is not; it is named
    by its market, else by its file."""
    levels = {"bids": [{"price": "0.45", "size": "9"}], "asks": [{"price": "0.57", "size": "9"}], "condition_id": "0x1"}
    finer = {"bids": [{"price": "0.445", "size": "9"}], "asks": [{"price": "0.57", "size": "9"}]}
    path = tmp_path / "books.jsonl"
    path.write_text(json.dumps(levels) + "\n" + json.dumps(finer) + "\n")

    found = list(books(path))

    assert [(book.tick, book.market) for book in found] == [(100, "0x1")] * 2 + [(10, "books.jsonl")] * 2


def test_a_message_of_the_market_channel_is_one_book(tmp_path: Path) -> None:
    """The `book` rows of one token, hash and time are a book; rows that came twice count once, price changes not."""
    rows = [
        ("g", "1", "book", 0.45, "bid", 10.0, "a", 5), ("g", "1", "book", 0.55, "ask", 20.0, "a", 5),
        ("g", "1", "book", 0.55, "ask", 20.0, "a", 5), ("g", "1", "price_change", 0.50, "ask", 1.0, "b", 6),
        ("g", "1", "book", 0.46, "bid", 10.0, "c", 7), ("g", "1", "book", 0.55, "ask", 5.0, "c", 7),
    ]  # fmt: skip
    names = ["market_slug", "asset_id", "event_type", "price", "side", "size", "hash", "timestamp"]
    path = tmp_path / "events.parquet"
    pq.write_table(pa.Table.from_pylist([dict(zip(names, row, strict=True)) for row in rows]), path)

    first, _, second, _ = books(path)

    assert (first.asks.tolist(), first.bid, first.market) == ([[5500.0, 20.0]], 4500.0, "g")
    assert (second.asks.tolist(), second.bid) == ([[5500.0, 5.0]], 4600.0)


def test_a_file_of_other_columns_is_named(tmp_path: Path) -> None:
    """Parquet without the channel's columns is refused with the columns that are needed."""
    pq.write_table(pa.table({"price": [0.5]}), tmp_path / "other.parquet")
    with pytest.raises(DataError, match="market_slug"):
        list(books(tmp_path / "other.parquet"))

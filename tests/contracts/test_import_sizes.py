"""What an archive says of a book and of its market is what a recording has after the import, whatever the archive's
form."""

import json
from pathlib import Path

import duckdb
import pytest

from pipelines.pull import recording
from pipelines.pull.import_recording import run

AT_S = 1_790_586_000
SLUG = f"btc-updown-15m-{AT_S}"
ABOUT = f"'m' AS market_id, '{SLUG}' AS slug, 'Bitcoin?' AS question, 'e' AS event, {AT_S + 900} AS end_date"
BOOK = {
    "bids": [{"price": "0.40", "size": "5"}, {"price": "0.48", "size": "120.5"}],
    "asks": [{"price": "0.60", "size": "1"}, {"price": "0.52", "size": "80"}],
}
PAIRS = {side: [[row["price"], row["size"]] for row in rows] for side, rows in BOOK.items()}


def frame(kind: str, second: int, **content: object) -> dict:
    """A message of the market channel."""
    return {
        "market": "m",
        "asset_id": "7",
        "timestamp": str((AT_S + second) * 1_000),
        "event_type": kind,
        "hash": "",
    } | content


def change(second: int, side: str, price: str, size: str, bid: str, ask: str) -> dict:
    """A price change of one level."""
    row = {"asset_id": "7", "price": price, "size": size, "side": side, "best_bid": bid, "best_ask": ask}
    return frame("price_change", second, price_changes=[row])


def text(levels: object) -> str:
    """JSON of levels as SQL."""
    return f"'{json.dumps(levels)}'"


SHAPES = {
    "best bid and ask": "0.48 AS best_bid, 0.52 AS best_ask, 120.5 AS best_bid_size, 80 AS best_ask_size",
    "the same under other names": "0.48 AS bid_px1, 0.52 AS ask_px1, 120.5 AS bid_sz1, 80 AS ask_sz1",
    "prices": "0.5 AS price, 0.48 AS bid, 0.52 AS ask, 120.5 AS bid_size, 80 AS ask_size",
    "lists": "[0.4, 0.48] AS bid_px, [5, 120.5] AS bid_sz, [0.6, 0.52] AS ask_px, [1, 80] AS ask_sz",
    "pairs": "[[0.4, 5], [0.48, 120.5]] AS bids, [[0.6, 1], [0.52, 80]] AS asks",
    "structs": "[{'price': '0.48', 'size': '120.5'}] AS bids, [{'price': '0.52', 'size': '80'}] AS asks",
    "JSON of levels": f"{text(BOOK['bids'])} AS bids, {text(BOOK['asks'])} AS asks",
    "JSON of pairs": f"{text(PAIRS['bids'])} AS bids, {text(PAIRS['asks'])} AS asks",
    "raw frames": f"{text(frame('book', 0, **BOOK))} AS raw_data",
}


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch) -> Path:
    """An empty working folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def _read(source: str) -> recording.Recording:
    run(Path(source), Path("out.parquet"), [], replace=True)
    return recording.read(Path("out.parquet"))


@pytest.mark.parametrize("shape", SHAPES)
def test_the_touch_and_its_sizes_come_back(shape):
    """Bid, ask and the size at each are those of the best levels, in whatever order and form levels are written."""
    duckdb.sql(f"COPY (SELECT {AT_S} AS timestamp, {SHAPES[shape]}, {ABOUT}) TO 'books.parquet'")

    points = _read("books.parquet").points

    assert points.mid_units.tolist() == [5_000]
    assert points.spread_units.tolist() == [400]
    assert (points.bid_size_micro.tolist(), points.ask_size_micro.tolist()) == ([120_500_000], [80_000_000])


@pytest.mark.parametrize("shape", SHAPES)
def test_what_describes_a_market_comes_back(shape):
    """Slug, question, event and end of the file's columns are those of the market, so its settlement rule is known."""
    duckdb.sql(f"COPY (SELECT {AT_S} AS timestamp, {SHAPES[shape]}, {ABOUT}) TO 'books.parquet'")

    (market,) = _read("books.parquet").markets

    assert (market.question, market.event_id, market.end_s) == ("Bitcoin?", "e", AT_S + 900)
    assert market.settlement is not None
    assert market.settlement.name == "twap 60"


def test_fills_on_chain_keep_what_describes_their_market():
    """The columns of an archive of fills that name the market are kept too."""
    fills = "'0' AS makerAssetId, '77' AS takerAssetId, 400000 AS makerAmountFilled, 1000000 AS takerAmountFilled"
    duckdb.sql(f"COPY (SELECT {AT_S} AS timestamp, {fills}, {ABOUT}) TO 'fills.parquet'")

    (market,) = _read("fills.parquet").markets

    assert (market.question, market.end_s, market.settlement is None) == ("Bitcoin?", AT_S + 900, False)


def test_the_volume_of_books_comes_back():
    """A file of books with a traded volume keeps it; a column `size` of a book is no volume."""
    book = "0.48 AS best_bid, 0.52 AS best_ask, 7.5 AS volume, 3 AS size"
    duckdb.sql(f"COPY (SELECT {AT_S} AS timestamp, {book}, {ABOUT}) TO 'books.parquet'")

    assert _read("books.parquet").points.volume_micro.tolist() == [7_500_000]


def test_sizes_follow_the_changes_of_a_book():
    """A change at the touch sets its size; the other side's holds while its price stays; of a price that came back
    unseen no size is known; a trade in the same second adds its shares and takes no touch away."""
    frames = [
        frame("book", 0, **BOOK),
        change(1, "BUY", "0.48", "60", "0.48", "0.52"),
        change(2, "SELL", "0.51", "9", "0.48", "0.51"),
        change(3, "SELL", "0.51", "0", "0.48", "0.52"),
        change(4, "SELL", "0.52", "33", "0.48", "0.52"),
        frame("last_trade_price", 4, price="0.52", size="8"),
        frame("last_trade_price", 4, price="0.52", size="2"),
        frame("last_trade_price", 4, price="0.52", size="2"),
    ]
    Path("frames.jsonl").write_text("".join(json.dumps(one) + "\n" for one in frames))

    points = _read("frames.jsonl").points

    assert points.bid_size_micro.tolist() == [120_500_000] + [60_000_000] * 4
    assert points.ask_size_micro.tolist() == [80_000_000, 80_000_000, 9_000_000, 0, 33_000_000]
    assert points.spread_units.tolist() == [400, 400, 300, 400, 400]
    assert points.volume_micro.tolist() == [0, 0, 0, 0, 10_000_000]

"""Whole books of recordings: JSON lines as the venue's `/book` and `/books` answer, Parquet of its market channel."""

import gzip
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.core.domain import FloatArray
from pipelines.core.errors import DataError
from pipelines.core.money import PRICE_SCALE

TICKS = (100, 10, 1)
"""In 1e-4, for books without a `tick_size`: the widest that all prices of the book lie on."""


@dataclass(frozen=True, slots=True)
class RecordedBook:
    """One side to buy from: asks as (price in 1e-4, shares), best first, the bid, the tick, and the market's name."""

    asks: FloatArray
    bid: float
    tick: float
    market: str

    @property
    def spread(self) -> float:
        """In 1e-4."""
        return float(self.asks[0, 0]) - self.bid


def table(path: Path, columns: Sequence[str], kind: pa.DataType | None = None, **options: Any) -> pa.Table:
    """Those columns of a Parquet recording, all of one kind where one is given.

    Raises:
        DataError: if the file cannot be read, lacks a column, or holds values of another kind.
    """
    try:
        rows = pq.read_table(path, columns=list(columns), **options).select(list(columns))
        return rows.cast(pa.schema([(name, kind) for name in columns])) if kind else rows
    except (OSError, pa.ArrowInvalid, KeyError) as error:
        raise DataError(f"{path} is no Parquet recording with the columns {', '.join(columns)} ({error})") from error


def books(path: Path) -> Iterator[RecordedBook]:
    """The two-sided books of a file, and each once more as seen by a buyer of the other outcome.

    Raises:
        DataError: naming the file, and the line that is no book.
    """
    documents = _channel(path) if path.suffix == ".parquet" else _lines(path)
    for number, document in documents:
        try:
            for one in document.get("books", [document]):
                yield from _both_sides(one, path)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise DataError(f"line {number} of {path} is no book with bids and asks ({error!r})") from error


def _lines(path: Path) -> Iterator[tuple[int, Any]]:
    reader = gzip.open if path.suffix == ".gz" else open
    try:
        with reader(path, "rt", encoding="utf-8") as lines:
            for number, line in enumerate(lines, 1):
                yield number, json.loads(line)
    except json.JSONDecodeError as error:
        raise DataError(f"line {number} of {path} is no book with bids and asks ({error!r})") from error
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read: {error}; give JSON lines of books") from error


def _channel(path: Path) -> Iterator[tuple[int, Any]]:
    """The `book` messages of a recording with one row per level: the rows of one token, hash and time."""
    columns = ["market_slug", "asset_id", "event_type", "price", "side", "size", "hash", "timestamp"]
    rows = table(path, columns, filters=[("event_type", "==", "book")]).to_pandas()
    message = ["asset_id", "hash", "timestamp"]
    rows = rows.drop_duplicates([*message, "side", "price"])
    for number, (_, book) in enumerate(rows.groupby(message, sort=False, observed=True), 1):
        sides = {name: book[book["side"] == name] for name in ("bid", "ask")}
        levels = {f"{name}s": side[["price", "size"]].to_dict("records") for name, side in sides.items()}
        yield number, {"market": str(book["market_slug"].iloc[0]), **levels}


def _both_sides(one: Mapping[str, Any], path: Path) -> Iterator[RecordedBook]:
    bids, asks = _side(one["bids"]), _side(one["asks"])
    if len(bids) and len(asks):
        market = str(one.get("market") or one.get("condition_id") or path.name)
        tick = float(one["tick_size"]) * PRICE_SCALE if "tick_size" in one else _tick(np.concatenate((bids, asks)))
        asks = asks[np.argsort(asks[:, 0])]
        bids = bids[np.argsort(-bids[:, 0])]
        yield RecordedBook(asks, float(bids[0, 0]), tick, market)
        other = np.column_stack((PRICE_SCALE - bids[:, 0], bids[:, 1]))
        yield RecordedBook(other, PRICE_SCALE - float(asks[0, 0]), tick, market)


def _tick(levels: FloatArray) -> float:
    return float(next((tick for tick in TICKS if not np.any(levels[:, 0] % tick)), TICKS[-1]))


def _side(levels: Any) -> FloatArray:
    rows = json.loads(levels) if isinstance(levels, str) else levels
    made = np.array([(round(float(row["price"]) * PRICE_SCALE), float(row["size"])) for row in rows]).reshape(-1, 2)
    return made[made[:, 1] > 0.0]

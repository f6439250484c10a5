"""Recorded book events (one row per level, as the market channel sends them) turned into whole books.

A `book` message replaces what is known of a token, a `price_change` sets the new total of one level (0 removes it), a
`last_trade_price` is a trade. Only one token of a market is read, because the other token's book is its
mirror. Everything that happened within a second becomes visible at the end of that second.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
from numpy.typing import NDArray

from pipelines.core.errors import DataError
from simulator.markets.price_grid import IntArray

DEEPEST: Final = 20
"""Number of best levels per side that are kept."""

NAMES: Final = {
    "market": ("market_id", "condition_id", "market", "market_slug", "slug"),
    "token": ("asset_id", "token_id"),
    "kind": ("event_type",),
    "price": ("price",),
    "side": ("side",),
    "size": ("size",),
    "time": ("timestamp",),
    "hash": ("hash",),
}

IS_BID: Final = {"bid": True, "buy": True, "ask": False, "sell": False}

LevelRow = tuple[str, float, str, float, int, str]
"""Kind, price, side, size, milliseconds, hash."""


@dataclass(frozen=True, slots=True)
class Depth:
    """Whole books: arrays (T, DEEPEST) per side, best level first, 0 for a missing level.

    Prices are in units of 1e-4, sizes in 0.01 share.
    """

    bid_units: NDArray[np.int16]
    bid_size: NDArray[np.int32]
    ask_units: NDArray[np.int16]
    ask_size: NDArray[np.int32]

    def take(self, rows: IntArray) -> "Depth":
        """The books of some rows."""
        return Depth(self.bid_units[rows], self.bid_size[rows], self.ask_units[rows], self.ask_size[rows])

    def at(self, row: int) -> Iterator[tuple[bool, int, int]]:
        """Levels of one book: whether it is a bid, price in units, size in 0.01 share."""
        for is_bid, units, size in ((True, self.bid_units, self.bid_size), (False, self.ask_units, self.ask_size)):
            for price, amount in zip(units[row].tolist(), size[row].tolist(), strict=True):
                if amount:
                    yield is_bid, price, amount


@dataclass(frozen=True, slots=True)
class FoldedBooks:
    """Books of one market, one for each second with an event, and the volume and number of trades in that second."""

    market: str
    token: str
    ts_s: IntArray
    depth: Depth
    volume_micro: IntArray
    n_trades: IntArray


def holds_events(names: Iterable[str]) -> bool:
    """Whether a file with these columns holds book events."""
    lower = {name.lower() for name in names}
    return {"event_type", "side", "size", "price", "timestamp"} <= lower


def read(path: Path, market: str | None) -> FoldedBooks:
    """The books of the market that is named; without a name, of the market with the newest event.

    Raises:
        DataError: if a column is missing, or the file has no usable event of the market.
    """
    source = ds.dataset(path, format="parquet")
    lower = {name.lower(): name for name in source.schema.names}
    columns = {role: next((lower[n] for n in names if n in lower), None) for role, names in NAMES.items()}
    missing = [NAMES[role][0] for role, name in columns.items() if name is None and role != "hash"]
    if missing:
        raise DataError(f"{path} lacks the column(s) {', '.join(missing)}; it has {', '.join(source.schema.names)}")
    table = source.to_table(columns={role: ds.field(name) for role, name in columns.items() if name is not None})
    names = table.column("market").cast(pa.string())
    if market is None and len(table):
        market = str(names[int(pc.index(table.column("time"), pc.max(table.column("time"))).as_py())])
    table = table.filter(pc.fill_null(pc.equal(names, market), False))
    if not len(table):
        raise DataError(f"{path} has no event of {market!r}; give a name from its column {columns['market']}")
    tokens = table.column("token").cast(pa.string())
    token = str(tokens[0])
    table = table.filter(pc.equal(tokens, token))
    order = pc.sort_indices(table, sort_keys=[("time", "ascending")])
    return _fold(str(market), token, _rows(table.take(order)))


def _rows(table: pa.Table) -> list[LevelRow]:
    def text(role: str) -> list[str]:
        if role not in table.column_names:
            return [""] * len(table)
        return [value or "" for value in table.column(role).cast(pa.string()).to_pylist()]

    numbers = [table.column(role).cast(pa.float64()).to_pylist() for role in ("price", "size")]
    times = table.column("time").cast(pa.int64()).to_pylist()
    columns = (text("kind"), numbers[0], (side.lower() for side in text("side")), numbers[1], times, text("hash"))
    return [row for row in zip(*columns, strict=True) if row[1] is not None and row[3] is not None]


def _fold(market: str, token: str, rows: Sequence[LevelRow]) -> FoldedBooks:
    sides: tuple[dict[int, int], dict[int, int]] = ({}, {})
    books: dict[int, tuple[list[tuple[int, int]], list[tuple[int, int]]]] = {}
    traded: dict[int, list[int]] = {}
    message: tuple[int, str] | None = None
    for kind, price, side, size, at_ms, name in rows:
        second, units, amount = -(-at_ms // 1000), round(price * 10_000), round(size * 100)
        if kind == "last_trade_price":
            traded.setdefault(second, []).append(amount)
            continue
        if kind == "book" and message != (at_ms, name):
            sides[0].clear()
            sides[1].clear()
        message = (at_ms, name) if kind == "book" else None
        if side in IS_BID and 0 < units < 10_000:
            _set(sides[not IS_BID[side]], units, amount)
        best = _best(sides)
        if best is not None:
            books[second] = best
    if not books:
        raise DataError(
            f"the events of {market!r} never make a book with two sides that do not cross; check its events"
        )
    return _folded(market, token, books, traded)


def _set(levels: dict[int, int], units: int, amount: int) -> None:
    if amount > 0:
        levels[units] = amount
    else:
        levels.pop(units, None)


def _best(sides: tuple[dict[int, int], dict[int, int]]) -> tuple[list[tuple[int, int]], list[tuple[int, int]]] | None:
    """The best levels of both sides; None while a side is missing or the sides cross.

    The rows of one message arrive one by one, so the book may cross until the last of them.
    """
    bids, asks = sides
    if not bids or not asks or max(bids) >= min(asks):
        return None
    return sorted(bids.items(), reverse=True)[:DEEPEST], sorted(asks.items())[:DEEPEST]


def _folded(
    market: str,
    token: str,
    books: dict[int, tuple[list[tuple[int, int]], list[tuple[int, int]]]],
    traded: dict[int, list[int]],
) -> FoldedBooks:
    first = min(books)
    times = sorted({*books, *(at for at in traded if at > first)})
    shown = books[first]
    whole = [shown := books.get(at, shown) for at in times]
    padded = [_padded([book[side] for book in whole]) for side in (0, 1)]
    amounts = [traded.get(at, []) for at in times]
    return FoldedBooks(
        market,
        token,
        np.array(times, dtype=np.int64),
        Depth(*padded[0], *padded[1]),
        np.array([sum(found) * 10_000 for found in amounts], dtype=np.int64),
        np.array([len(found) for found in amounts], dtype=np.int64),
    )


def _padded(sides: Sequence[Sequence[tuple[int, int]]]) -> tuple[NDArray[np.int16], NDArray[np.int32]]:
    units, size = np.zeros((len(sides), DEEPEST), np.int16), np.zeros((len(sides), DEEPEST), np.int32)
    for row, levels in enumerate(sides):
        for place, (price, amount) in enumerate(levels):
            units[row, place], size[row, place] = price, min(amount, 2**31 - 1)
    return units, size

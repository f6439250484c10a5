"""Recorded books: reading them as events, and replaying orders against them under the three queue guesses."""

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from pipelines.core.domain import FeeSchedule, FloatArray
from pipelines.core.errors import DataError
from pipelines.core.money import MICRO, PRICE_SCALE
from pipelines.core.raw_tables import BoolArray
from pipelines.replay.market_history import IntArray
from pipelines.trading import book_replay, compiled
from pipelines.trading.kernel import QUEUE_AHEAD

COLUMNS = ("asset_id", "event_type", "price", "side", "size", "timestamp")


@dataclass(frozen=True)
class Replayed:
    """Orders with what became of them (columns of `trading.books`), and the best bid and ask in units after each event
    (0 without bids, 10,000 and more without asks)."""

    orders: IntArray
    quotes: IntArray


def replay(events: IntArray, orders: IntArray, tick_units: int, fee: FeeSchedule, queue: str) -> Replayed:
    """Orders (arrival, expiry, 1 to buy, limit level, shares) against one book, under one guess about the queue.

    Raises:
        DataError: if a level of an event or the limit of an order lies off the book.
    """
    levels = book_replay.empty_levels(tick_units)
    for what, column in (("event", events[:, book_replay.AT]), ("order", orders[:, book_replay.LIMIT])):
        off = np.flatnonzero((column < 0) | (column >= levels))
        if len(off):
            raise DataError(f"{what} {off[0]} is at level {column[off[0]]}; a book of this tick has 0 to {levels - 1}")
    filled = np.zeros((len(orders), book_replay.ORDER_COLUMNS), dtype=np.int64)
    filled[:, : book_replay.AHEAD] = orders
    shown, taken, traded = (np.zeros((2, levels), dtype=np.int64) for _ in range(3))
    best, quotes = np.array([-1, levels], dtype=np.int64), np.empty((len(events), 2), dtype=np.int64)
    waiting = np.empty(len(orders), dtype=np.int64)
    numbers = (tick_units, fee.rate, fee.exponent, QUEUE_AHEAD[queue])
    compiled.replay_book(events, filled, *numbers, shown, taken, traded, best, waiting, quotes)
    return Replayed(filled, np.maximum(quotes, 0) * tick_units)


def in_each_queue(events: IntArray, orders: IntArray, tick_units: int, fee: FeeSchedule) -> dict[str, Replayed]:
    """The same under all three guesses: none of them alone says what a resting order would have got."""
    return {queue: replay(events, orders, tick_units, fee, queue) for queue in QUEUE_AHEAD}


def read(path: Path, tick_units: int = 10) -> dict[str, IntArray]:
    """Token -> events of a recording of the venue's market channel, one row per level, in the order of time.

    The `book` rows of one time are a whole book, of which the levels that changed become events; a `last_trade_price`
    row is a trade (its side is the taker's), and any other row sets one level.

    Raises:
        DataError: if a column is missing or a price lies off the grid.
    """
    table = pq.read_table(path)
    if missing := set(COLUMNS) - set(table.column_names):
        raise DataError(f"{path} lacks the columns {', '.join(sorted(missing))}; a recording of books has them")
    columns = {name: table[name].to_numpy(zero_copy_only=False) for name in COLUMNS}
    level = np.rint(columns["price"].astype(np.float64) * PRICE_SCALE / tick_units)
    if not np.allclose(level * tick_units, columns["price"].astype(np.float64) * PRICE_SCALE, atol=0.01):
        raise DataError(f"{path} has prices off the grid of {tick_units / PRICE_SCALE:g}; name a finer tick")
    found = {}
    for token in dict.fromkeys(columns["asset_id"].tolist()):
        rows = columns["asset_id"] == token
        found[str(token)] = _events({name: values[rows] for name, values in columns.items()}, level[rows])
    return found


def _events(columns: dict[str, FloatArray], level: FloatArray) -> IntArray:
    order = np.argsort(columns["timestamp"], kind="stable")
    times = columns["timestamp"][order].astype(np.int64)
    sides = np.isin(columns["side"][order], ("ask", "SELL")).astype(np.int64)
    shares = np.rint(columns["size"][order].astype(np.float64) * MICRO).astype(np.int64)
    trades = columns["event_type"][order] == "last_trade_price"
    kinds = np.where(trades, book_replay.TRADE, book_replay.LEVEL).astype(np.int64)
    sides = np.where(trades, 1 - sides, sides)
    made = np.column_stack((times, kinds, sides, level[order].astype(np.int64), shares))
    return _level_changes(made, columns["event_type"][order] == "book")


def _level_changes(rows: IntArray, whole: BoolArray) -> IntArray:
    """Rows with every whole book replaced by the levels that it changes; a level that it lacks is empty now.

    A level that was traded since it was last set is named even where it shows the same: the trade was made good by new
    shares, and a later fall is not the trade's.
    """
    starts = np.flatnonzero(
        ~whole | np.append(True, ~whole[:-1] | (rows[1:, book_replay.TIME] != rows[:-1, book_replay.TIME]))
    )
    shown: dict[tuple[int, int], int] = {}
    traded: set[tuple[int, int]] = set()
    found: list[tuple[int, int, int, int, int]] = []
    for start, end in pairwise([*starts.tolist(), len(rows)]):
        message = [tuple(row) for row in rows[start:end].tolist()]
        if whole[start]:
            time = message[0][book_replay.TIME]
            book = {(side, at): shares for _, _, side, at, shares in message}
            named = [place for place in shown.keys() | book.keys() if book.get(place, 0) != shown.get(place, 0)]
            message = [(time, book_replay.LEVEL, *place, book.get(place, 0)) for place in sorted({*named, *traded})]
        for _, kind, side, at, shares in message:
            if kind == book_replay.TRADE:
                traded.add((side, at))
            else:
                shown[side, at] = shares
                traded.discard((side, at))
        found += message
    return np.array(found, dtype=np.int64).reshape(-1, 5)

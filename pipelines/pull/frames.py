"""Bars of any length from the frames that `oddsmith data record` kept: the only source of bars shorter than a minute,
because the venue's price history has none.

A frame is folded as the bot folds it: books by `venue.book`, a bar closes with the last price at or before its
boundary, a book of one side keeps the last price and counts as no observed spread. While the recorder was connected a
market without a message has the book that it had. After a gap (`segments.Continuity`: also one that nobody could write,
where a recorder was killed) its bars begin anew with the next whole book, and they end where it is unsubscribed.
"""

import math
from array import array
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np

from pipelines.core.domain import Market, Quote
from pipelines.core.errors import OddsmithError
from pipelines.features.order_flow import BOOK, NO_BOOK, TRADES, TradeFlow, as_yes, book_values
from pipelines.pull.landed import Landed
from pipelines.reference.segments import RECORDER, Continuity, lines, ordered
from pipelines.trading.kernel import fair_units, is_trusted
from pipelines.venue import clob
from pipelines.venue.book import OrderBook
from pipelines.venue.wire import Book, PriceLevelChange

COLUMNS: Final = ("ts_s", "mid_units", "volume_micro", "n_trades", "spread_units", "bid_size_micro", "ask_size_micro")
_UNREADABLE: Final = (LookupError, ValueError, TypeError, ArithmeticError, msgspec.ValidationError, OddsmithError)


FLOW: Final = (*BOOK, *TRADES)
"""The order-flow features that frames give; they do not say who traded."""


class _Market:
    """One market while its frames are read: its book, the open bar, and the bars that have closed. With `order_flow`
    it makes the order-flow features of each bar too."""

    def __init__(self, market: Market, length_s: int, *, order_flow: bool = False) -> None:
        self.book = OrderBook(market.token_yes)
        self.columns = {name: array("q") for name in COLUMNS}
        self.flow = {name: array("d") for name in FLOW} if order_flow else {}
        self._traded, self._leaning = TradeFlow(length_s), NO_BOOK
        self._no = market.token_no
        self._length, self._end_s = length_s, market.end_s
        self._boundary = 0
        self._mid = 0
        self._quote: Quote | None = None
        self._volume = self._trades = 0

    def run_to(self, ts_ms: int) -> None:
        """Close every bar that ends before a time."""
        while self._quote is not None and self._mid and self._boundary * 1_000 < ts_ms:
            if self._end_s is not None and self._boundary > self._end_s:
                break
            seen = self._quote
            book = (seen.spread_units, seen.bid_size_micro, seen.ask_size_micro) if seen.two_sided else (0, 0, 0)
            row = (self._boundary, self._mid, self._volume, self._trades, *book)
            for name, value in zip(COLUMNS, row, strict=True):
                self.columns[name].append(value)
            leaning = (*self._leaning, *self._traded.close(self._boundary, self._mid)) if self.flow else ()
            for values, number in zip(self.flow.values(), leaning, strict=True):
                values.append(number)
            self._volume = self._trades = 0
            self._boundary += self._length

    def show(self, ts_ms: int, quote: Quote) -> None:
        """A quote of a trusted book."""
        self.run_to(ts_ms)
        self._open(ts_ms)
        if quote.two_sided and (self._mid or is_trusted(quote.bid_units, quote.ask_units)):
            self._mid = fair_units(self._mid, quote.mid_units, quote.bid_units, quote.ask_units)
        self._quote = quote
        self._leaning = book_values(*self.book.levels()) if self.flow else NO_BOOK

    def trade(self, ts_ms: int, token_id: str, level: tuple[int, int], side: str) -> None:
        """A trade of either token: price in units and size in base units."""
        self.run_to(ts_ms)
        self._open(ts_ms)
        units, shares_micro = level
        self._volume += shares_micro
        self._trades += 1
        if self.flow:
            price, buys = as_yes(units, buys=side.upper() == "BUY", no=token_id == self._no)
            self._traded.trade(math.ceil(ts_ms / 1_000), price, shares_micro, buys)

    def _open(self, ts_ms: int) -> None:
        """The bar of a time, as long as no price is known. What was traded before it belongs to no bar."""
        boundary = math.ceil(ts_ms / 1_000 / self._length) * self._length
        if not self._mid and boundary != self._boundary:
            self._boundary, self._volume, self._trades = boundary, 0, 0

    def lose(self, ts_ms: int) -> None:
        """The connection is lost: bars that ended before are whole, the next ones begin with a new book."""
        self.run_to(ts_ms)
        self.book.distrust()
        self._quote, self._mid, self._volume, self._trades = None, 0, 0, 0
        self._traded, self._leaning = TradeFlow(self._length), NO_BOOK


class Frames:
    """Folds lines of segments into bars of some markets."""

    def __init__(self, markets: Iterable[Market], length_s: int, *, order_flow: bool = False) -> None:
        self._by_token: dict[str, _Market] = {}
        self.markets: dict[str, _Market] = {}
        for market in markets:
            made = self.markets[market.market_id] = _Market(market, length_s, order_flow=order_flow)
            self._by_token |= {market.token_yes: made, market.token_no: made}
        self._clock_ms = 0
        self._continuity = Continuity()
        self.unreadable = 0
        """Frames that were left out; the books that they name are not trusted until the next whole one."""

    def read(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Fold the lines of a segment that follows the one before."""
        for row in self._continuity.rows(rows):
            source = row.get("source")
            if "gap" in row:
                if source in ("market", RECORDER):
                    self.end()
            elif source == "listing":
                self._lose(row.get("ended"), "token_id")
            elif source == "market" and isinstance(frame := row.get("frame"), Mapping):
                try:
                    self._fold(frame)
                except _UNREADABLE:
                    self.unreadable += 1
                    changes = frame.get("price_changes")
                    self._lose([frame, *(changes if isinstance(changes, list) else [])], "asset_id")

    def end(self) -> None:
        """Nothing is known of the time that follows."""
        for one in self.markets.values():
            one.lose(self._clock_ms)

    def _lose(self, about: Any, key: str) -> None:
        """What follows is not known of the markets whose token each of these has under a key."""
        for one in about if isinstance(about, list) else ():
            name = one.get(key) if isinstance(one, Mapping) else None
            if (known := self._by_token.get(str(name))) is not None:
                known.lose(self._clock_ms)

    def _fold(self, frame: Mapping[str, Any]) -> None:
        kind = frame.get("event_type")
        if kind == "book":
            wire = msgspec.convert(frame, Book)
            known = self._by_token.get(wire.asset_id)
            if known is not None and known.book.token_id == wire.asset_id:
                self._at(clob.time_ms(wire))
                if known.book.snapshot(wire):
                    known.show(known.book.ts_ms, known.book.quote())
        elif kind == "price_change":
            self._changes(frame)
        elif kind == "last_trade_price":
            known = self._by_token.get(str(frame["asset_id"]))
            if known is not None:
                ts_ms = self._at(int(frame["timestamp"]))
                level = clob.level(str(frame["price"]), str(frame["size"]))
                known.trade(ts_ms, str(frame["asset_id"]), level, str(frame.get("side", "")))
        elif kind == "tick_size_change" and (known := self._by_token.get(str(frame["asset_id"]))) is not None:
            known.book.distrust()

    def _changes(self, frame: Mapping[str, Any]) -> None:
        ts_ms, touched = self._at(int(frame["timestamp"])), set[str]()
        for raw in frame["price_changes"]:
            change = msgspec.convert(raw, PriceLevelChange)
            known = self._by_token.get(change.asset_id)
            if known is not None and known.book.token_id == change.asset_id and known.book.trusted:
                known.book.fold(change, ts_ms)
                touched.add(change.asset_id)
        for token in touched:
            one = self._by_token[token]
            if one.book.settle():
                one.show(one.book.ts_ms, one.book.quote())

    def _at(self, ts_ms: int) -> int:
        self._clock_ms = max(self._clock_ms, ts_ms)
        return ts_ms


def read(
    landing: Path,
    markets: Iterable[Market],
    start_s: int,
    as_of_s: int,
    length_s: int,
    *,
    wall_from_s: int = 0,
    order_flow: bool = False,
) -> Landed:
    """Bars of (start, as_of] of some markets from all segments, the open one too, in the form of the landing zone; with
    `order_flow` they have the columns of FLOW too.

    `wall_from_s` leaves out segments that ended before a wall time.
    """
    folded = Frames(markets, length_s, order_flow=order_flow)
    for segment in _segments(landing / "frames", wall_from_s):
        folded.read(lines(segment))
    folded.end()
    bars = {name: _columns(one, start_s, as_of_s) for name, one in folded.markets.items()}
    return Landed({name: columns for name, columns in bars.items() if len(columns["ts_s"])}, [], as_of_s)


def _segments(folder: Path, wall_from_s: int) -> list[Path]:
    """Closed and open segments in the order of time. One counts until the next one begins."""
    found = ordered(folder)
    ends = [start_ms for start_ms, _ in found[1:]] + [math.inf]
    return [path for (_, path), end_ms in zip(found, ends, strict=True) if end_ms > wall_from_s * 1_000]


def _columns(one: _Market, start_s: int, as_of_s: int) -> dict[str, Any]:
    columns: dict[str, Any] = {name: np.array(values, np.int64) for name, values in one.columns.items()}
    columns |= {name: np.array(values) for name, values in one.flow.items()}
    inside = (columns["ts_s"] > start_s) & (columns["ts_s"] <= as_of_s)
    # A book after a gap may be older than the bars before it: of equal times the first counts.
    times, first = np.unique(columns["ts_s"][inside], return_index=True)
    kept = {name: values[inside][first] for name, values in columns.items()}
    return kept | {"ts_s": times, "filled": np.zeros(len(times), np.int64)}

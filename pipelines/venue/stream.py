"""Live market data: books folded from the stream, resynchronised over REST, and the trades between."""

import asyncio
import time
from collections.abc import AsyncIterator, Collection, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

import msgspec

from pipelines.core import log
from pipelines.core.domain import Market, Outcome, Quote, Side
from pipelines.core.errors import OddsmithError, VenueError, VenueUnavailable
from pipelines.venue import clob
from pipelines.venue.book import OrderBook
from pipelines.venue.channel import Channel, Garbled, Lost, Opened
from pipelines.venue.http import VenueHttp
from pipelines.venue.stamps import FAR_MS, Stamps
from pipelines.venue.wire import Book, PriceLevelChange

SILENCE_S = 60.0
"""A busy set of markets without any data for this long has a dead socket, whatever its PONGs say."""
RESYNC_EVERY_S = 1.0
"""Books that lost trust are fetched together, at most this often."""
QUIET_S = 10.0
"""After so many wall seconds without a message every book is fetched over REST, as while the socket is down."""

_READ_ERRORS = (
    LookupError,
    ValueError,
    TypeError,
    AttributeError,
    ArithmeticError,
    msgspec.ValidationError,
    OddsmithError,
)
_PASSED = frozenset({"best_bid_ask", "new_market"})
"""Documented messages that say nothing a book needs."""

Levels = tuple[list[tuple[int, int]], list[tuple[int, int]]]
"""Bids and asks of a YES book as (price units, size in base units), the best first."""


@dataclass(frozen=True, slots=True)
class QuoteUpdate:
    """The YES touch of a market changed, or was confirmed by a snapshot. `ts_ms` is market time."""

    market_id: str
    ts_ms: int
    quote: Quote
    levels: Levels | None = None
    """The first levels of the book; None where the stream is not asked for them."""


@dataclass(frozen=True, slots=True)
class TradeUpdate:
    """A trade of either token. Both tokens' shares make a market's volume; the price is the traded token's own."""

    market_id: str
    ts_ms: int
    outcome: Outcome
    side: Side
    price_units: int
    shares_micro: int


@dataclass(frozen=True, slots=True)
class TickChange:
    """A market has a new tick; its book is fetched anew."""

    market_id: str
    ts_ms: int
    tick_units: int


@dataclass(frozen=True, slots=True)
class Resolution:
    """A market is decided; `winner` is None when the venue names none."""

    market_id: str
    ts_ms: int
    winner: Outcome | None


@dataclass(frozen=True, slots=True)
class Gap:
    """The connection is lost: trades are missed until it is back; quotes come over REST."""

    reason: str


@dataclass(slots=True)
class Unread:
    """Messages that could not be read or believed since the start, and why the last one could not."""

    messages: int = 0
    stamps: int = 0
    """Those of them whose time was far from the market time."""
    reason: str = ""


Update = QuoteUpdate | TradeUpdate | TickChange | Resolution | Gap
_Queue = asyncio.Queue[Update | BaseException | None]
"""An exception (or None) says that a worker ended, which it never does by itself."""


class _FarStamp(ValueError):
    """The time of a message is far from the market time."""


class MarketStream:
    """Quotes and trades of a changing set of markets, from one socket and REST snapshots.

    While the socket is down or silent all books come over REST. The books that a message names which cannot be read or
    believed (all, where it names none) are fetched anew. `heard_at` is the monotonic time of the last message,
    `rest_error` why the last REST look failed (None when it did not). `depth` levels of each side come with a quote.
    """

    def __init__(
        self, ws_url: str, http: VenueHttp, markets: Iterable[Market] = (), *, silence_s: float = SILENCE_S
    ) -> None:
        self._http = http
        self._tokens: dict[str, tuple[Market, Outcome]] = {}
        self._books: dict[str, OrderBook] = {}
        self._stamps = Stamps()
        self._queue: _Queue = asyncio.Queue()
        self.connected = False
        self.heard_at = time.monotonic()
        self.rest_error: VenueError | None = None
        self.unread = Unread()
        self.depth = 0
        for market in markets:
            self._add(market)
        self._channel = Channel(f"{ws_url.rstrip('/')}/ws/market", self._hello, silence_s=silence_s)

    def anchor(self, market_ms: int, step_ms: int = 0) -> None:
        """Market time as the venue's books tell it, in steps of at most `step_ms`: stamps far from it are refused."""
        self._stamps.far_ms = max(FAR_MS, 3 * step_ms)
        self._stamps.anchor(market_ms)

    def advance(self, market_ms: int) -> None:
        """Market time goes on without a message."""
        self._stamps.advance(market_ms)

    def _add(self, market: Market) -> None:
        self._tokens |= {market.token_yes: (market, Outcome.YES), market.token_no: (market, Outcome.NO)}
        self._books.setdefault(market.token_yes, OrderBook(market.token_yes))

    def _hello(self) -> dict[str, Any]:
        return {
            "type": "market",
            "assets_ids": list(self._tokens),
            "custom_feature_enabled": True,
            "initial_dump": True,
        }

    @property
    def markets(self) -> list[Market]:
        """The markets that are followed."""
        return [market for market, outcome in self._tokens.values() if outcome is Outcome.YES]

    def book(self, market: Market) -> OrderBook | None:
        """The folded YES book; None when it is not followed or not trusted now."""
        found = self._books.get(market.token_yes)
        return found if found is not None and found.trusted else None

    def levels(self, market: Market) -> Levels | None:
        """The first levels of the folded YES book; None where no depth is asked for, or without a trusted book."""
        book = self.book(market)
        return None if book is None else self._first_levels(book)

    def _first_levels(self, book: OrderBook) -> Levels | None:
        if not self.depth:
            return None
        bids, asks = book.levels()
        return bids[: self.depth], asks[: self.depth]

    async def follow(self, markets: Iterable[Market]) -> None:
        """Follow exactly these markets from now on, as they are described now."""
        wanted = {m.token_yes: m for m in markets}
        gone = [token for token, (market, _) in self._tokens.items() if market.token_yes not in wanted]
        fresh = [m for token, m in wanted.items() if token not in self._tokens]
        for token in gone:
            del self._tokens[token]
            self._books.pop(token, None)
        for market in wanted.values():
            self._add(market)
        if gone:
            await self._channel.send({"operation": "unsubscribe", "assets_ids": gone})
        if fresh:
            tokens = [token for m in fresh for token in (m.token_yes, m.token_no)]
            await self._channel.send({"operation": "subscribe", "assets_ids": tokens, "custom_feature_enabled": True})

    async def updates(self) -> AsyncIterator[Update]:
        """Updates as they come, until the task is cancelled. Quotes come only from books that are trusted."""
        queue = self._queue = asyncio.Queue()
        workers = [asyncio.create_task(work(queue)) for work in (self._read, self._resync)]
        for worker in workers:
            worker.add_done_callback(lambda ended: None if ended.cancelled() else queue.put_nowait(ended.exception()))
        try:
            while True:
                update = await queue.get()
                if update is None or isinstance(update, BaseException):
                    raise VenueUnavailable(f"the market stream ended: {update!r}") from update
                yield update
        finally:
            for worker in workers:
                worker.cancel()
            await asyncio.gather(*workers, return_exceptions=True)

    async def look(self, markets: Iterable[Market]) -> set[str]:
        """Compare the books of some markets with REST: ids of those whose trusted touch is the venue's.

        A book that differs and is not the newer one has missed a message: it is distrusted, and the venue's is taken.

        Raises:
            VenueError: if the venue does not answer.
        """
        confirmed = set()
        for token, wire in (await self._fetch([m.token_yes for m in markets])).items():
            book = self._books.get(token)
            if book is None:
                continue
            if not book.trusted or (clob.top(wire) != book.quote() and clob.time_ms(wire) >= book.ts_ms):
                book.distrust()
                self._take(wire, self._queue)
            if book.trusted and clob.top(wire) == book.quote():
                confirmed.add(self._tokens[token][0].market_id)
        return confirmed

    async def _read(self, queue: _Queue) -> None:
        async for frame in self._channel.frames():
            if isinstance(frame, Opened):
                self.connected, self.heard_at = True, time.monotonic()
            elif isinstance(frame, Lost):
                self.connected = False
                self._distrust()
                queue.put_nowait(Gap(frame.reason))
            elif isinstance(frame, Garbled):
                self._leave_out((), f"not a message: {frame.text}")
            else:
                self.heard_at = time.monotonic()
                self._hear(frame, queue)

    def _hear(self, frame: Mapping[str, Any], queue: _Queue) -> None:
        try:
            for update in self._apply(frame):
                queue.put_nowait(update)
        except _READ_ERRORS as error:
            self._leave_out(self._named(frame), f"{frame.get('event_type')}: {error!r}", error)

    def _named(self, value: Any) -> set[str]:
        """Ids of the followed markets that a message names anywhere, by token or by condition id."""
        if isinstance(value, Mapping):
            return {name for inner in value.values() for name in self._named(inner)}
        if isinstance(value, list):
            return {name for inner in value for name in self._named(inner)}
        if not isinstance(value, str):
            return set()
        known = self._tokens.get(value)
        if known is not None:
            return {known[0].market_id}
        return {value} if any(market.market_id == value for market in self.markets) else set()

    def _distrust(self, named: Collection[str] = ()) -> None:
        """Wait for new snapshots of these markets; of all, where none is named."""
        for market in self.markets:
            if not named or market.market_id in named:
                self._books[market.token_yes].distrust()

    def _leave_out(self, named: Collection[str], reason: str, error: Exception | None = None) -> None:
        self._distrust(named)
        self.unread.messages += 1
        self.unread.stamps += isinstance(error, _FarStamp)
        self.unread.reason = reason
        log.get("stream").warning("message not read", reason=reason, markets=len(named) or "all")

    async def _resync(self, queue: _Queue) -> None:
        """Fetch the books that are not trusted: after a connection, a contradiction, a tick change, a new market. While
        the socket is down or silent, all."""
        while True:
            await asyncio.sleep(RESYNC_EVERY_S)
            deaf = not self.connected or time.monotonic() - self.heard_at > QUIET_S
            missing = [token for token, book in self._books.items() if deaf or not book.trusted]
            if not self._books:
                self.rest_error = None  # nothing is asked for any more
            if not missing:
                continue
            with suppress(VenueError):
                for wire in (await self._fetch(missing)).values():
                    self._take(wire, queue)

    async def _fetch(self, tokens: list[str]) -> dict[str, Book]:
        try:
            found = await clob.books(self._http, tokens)
        except VenueError as error:
            self.rest_error = error
            log.get("stream").warning("no snapshots", error=str(error))
            raise
        self.rest_error = None
        return found

    def _take(self, wire: Book, queue: _Queue) -> None:
        """Take a snapshot that came over REST."""
        try:
            for update in self._snapshot(wire):
                queue.put_nowait(update)
        except _READ_ERRORS as error:
            self._leave_out(self._named(wire.asset_id), f"book over REST: {error!r}", error)

    def _apply(self, frame: Mapping[str, Any]) -> Iterable[Update]:
        match frame.get("event_type"):
            case "book":
                yield from self._snapshot(msgspec.convert(frame, Book))
            case "price_change":
                yield from self._changes(frame)
            case "last_trade_price":
                yield from self._trade(frame)
            case "tick_size_change":
                yield from self._tick(frame)
            case "market_resolved":
                named = self._tokens.get(str(frame.get("winning_asset_id", "")))
                yield Resolution(str(frame["market"]), self._stamp(frame), named[1] if named else None)
            case kind if kind in _PASSED or (isinstance(kind, str) and not self._named(frame)):
                return
            case kind:
                raise ValueError(f"a message of kind {kind!r}")

    def _stamp(self, frame: Mapping[str, Any]) -> int:
        """Market time of a message.

        Raises:
            ValueError: if it is no number, or far from the market time.
        """
        ts_ms = int(frame["timestamp"])
        self._believe(ts_ms, str(frame.get("market") or frame.get("asset_id")))
        return ts_ms

    def _believe(self, ts_ms: int, source: str, *, may_be_old: bool = False) -> None:
        if not self._stamps.accepts(ts_ms, source, sources=len(self._books), may_be_old=may_be_old):
            raise _FarStamp(f"its time is {ts_ms} ms, the market's is {self._stamps.newest_ms} ms")

    def _snapshot(self, wire: Book) -> Iterable[Update]:
        book = self._books.get(wire.asset_id)
        if book is None:
            return
        ts_ms = clob.time_ms(wire)
        self._believe(ts_ms, wire.market, may_be_old=True)
        yield from self._ticked(wire.asset_id, clob.tick_units(wire), ts_ms)
        if book.snapshot(wire):
            yield self._quote(book)

    def _ticked(self, token_id: str, tick_units: int | None, ts_ms: int) -> Iterable[Update]:
        """A tick that is not the one we know."""
        market, _ = self._tokens[token_id]
        if tick_units is not None and tick_units != market.tick_units:
            self._add(replace(market, tick_units=tick_units))
            yield TickChange(market.market_id, ts_ms, tick_units)

    def _changes(self, frame: Mapping[str, Any]) -> Iterable[Update]:
        changes = [msgspec.convert(raw, PriceLevelChange) for raw in frame["price_changes"]]
        ours = [change for change in changes if change.asset_id in self._books]
        if not ours:
            return
        ts_ms = self._stamp(frame)
        touched: dict[str, OrderBook] = {}
        for change in ours:
            book = self._books[change.asset_id]
            if book.trusted:
                book.fold(change, ts_ms)
                touched[change.asset_id] = book
        for book in touched.values():
            if book.settle():
                yield self._quote(book)

    def _quote(self, book: OrderBook) -> QuoteUpdate:
        market_id = self._tokens[book.token_id][0].market_id
        return QuoteUpdate(market_id, book.ts_ms, book.quote(), self._first_levels(book))

    def _trade(self, frame: Mapping[str, Any]) -> Iterable[Update]:
        known = self._tokens.get(str(frame["asset_id"]))
        if known is not None:
            units, micro = clob.level(str(frame["price"]), str(frame["size"]))
            side = Side(str(frame["side"]).upper())
            yield TradeUpdate(known[0].market_id, self._stamp(frame), known[1], side, units, micro)

    def _tick(self, frame: Mapping[str, Any]) -> Iterable[Update]:
        known = self._tokens.get(str(frame["asset_id"]))
        if known is not None:
            tick_units, ts_ms = clob.tick(str(frame["new_tick_size"])), self._stamp(frame)
            self._books[known[0].token_yes].distrust()
            yield from self._ticked(known[0].token_yes, tick_units, ts_ms)

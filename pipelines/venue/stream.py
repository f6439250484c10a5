"""Live market data: books folded from the stream, resynchronised over REST, and the trades between."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from pipelines.core import log
from pipelines.core.domain import Market, Outcome, Quote, Side
from pipelines.core.errors import VenueError, VenueUnavailable
from pipelines.core.money import price_to_units, to_micro
from pipelines.venue import clob
from pipelines.venue.book import OrderBook
from pipelines.venue.channel import Channel, Lost, Opened
from pipelines.venue.http import VenueHttp
from pipelines.venue.wire import Book, PriceLevelChange

SILENCE_S = 60.0
"""A busy set of markets without any data for this long has a dead socket, whatever its PONGs say."""
RESYNC_EVERY_S = 1.0
"""Books that lost trust are fetched together, at most this often."""


@dataclass(frozen=True, slots=True)
class QuoteUpdate:
    """The YES touch of a market changed, or was confirmed by a snapshot. `ts_ms` is market time."""

    market_id: str
    ts_ms: int
    quote: Quote


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
    """The connection is lost: quotes are what they were until the next updates."""

    reason: str


Update = QuoteUpdate | TradeUpdate | TickChange | Resolution | Gap
_Queue = asyncio.Queue[Update | BaseException | None]
"""An exception (or None) says that a worker ended, which it never does by itself."""


class MarketStream:
    """Quotes and trades of a changing set of markets, from one socket and REST snapshots."""

    def __init__(
        self, ws_url: str, http: VenueHttp, markets: Iterable[Market] = (), *, silence_s: float = SILENCE_S
    ) -> None:
        self._http = http
        self._tokens: dict[str, tuple[Market, Outcome]] = {}
        self._books: dict[str, OrderBook] = {}
        for market in markets:
            self._add(market)
        self._channel = Channel(f"{ws_url.rstrip('/')}/ws/market", self._hello, silence_s=silence_s)

    def _add(self, market: Market) -> None:
        self._tokens |= {market.token_yes: (market, Outcome.YES), market.token_no: (market, Outcome.NO)}
        self._books[market.token_yes] = OrderBook(market.token_yes)

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

    async def follow(self, markets: Iterable[Market]) -> None:
        """Follow exactly these markets from now on."""
        wanted = {m.token_yes: m for m in markets}
        gone = [token for token, (market, _) in self._tokens.items() if market.token_yes not in wanted]
        fresh = [m for token, m in wanted.items() if token not in self._tokens]
        for token in gone:
            del self._tokens[token]
            self._books.pop(token, None)
        for market in fresh:
            self._add(market)
        if gone:
            await self._channel.send({"operation": "unsubscribe", "assets_ids": gone})
        if fresh:
            tokens = [token for m in fresh for token in (m.token_yes, m.token_no)]
            await self._channel.send({"operation": "subscribe", "assets_ids": tokens, "custom_feature_enabled": True})

    async def updates(self) -> AsyncIterator[Update]:
        """Updates as they come, until the task is cancelled. Quotes come only from books that are trusted."""
        queue: _Queue = asyncio.Queue()
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

    async def _read(self, queue: _Queue) -> None:
        async for frame in self._channel.frames():
            if isinstance(frame, Opened):
                continue
            if isinstance(frame, Lost):
                for book in self._books.values():
                    book.distrust()
                queue.put_nowait(Gap(frame.reason))
                continue
            try:
                for update in self._apply(frame):
                    queue.put_nowait(update)
            except (KeyError, ValueError, ArithmeticError, msgspec.ValidationError) as error:
                log.get("stream").warning("message left out", error=repr(error), kind=frame.get("event_type"))

    async def _resync(self, queue: _Queue) -> None:
        """Fetch the books that are not trusted: after a connection, a contradiction, a tick change, a new market."""
        while True:
            await asyncio.sleep(RESYNC_EVERY_S)
            missing = [token for token, book in self._books.items() if not book.trusted]
            if not missing:
                continue
            try:
                found = await clob.books(self._http, missing)
            except VenueError as error:
                log.get("stream").warning("no snapshots", error=str(error))
                continue
            for wire in found.values():
                for update in self._snapshot(wire):
                    queue.put_nowait(update)

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
                yield Resolution(str(frame["market"]), int(frame["timestamp"]), named[1] if named else None)
            case _:
                return

    def _snapshot(self, wire: Book) -> Iterable[Update]:
        book = self._books.get(wire.asset_id)
        if book is not None and book.snapshot(wire):
            yield self._quote(book)

    def _changes(self, frame: Mapping[str, Any]) -> Iterable[Update]:
        ts_ms = int(frame["timestamp"])
        touched: dict[str, OrderBook] = {}
        for raw in frame["price_changes"]:
            change = msgspec.convert(raw, PriceLevelChange)
            book = self._books.get(change.asset_id)
            if book is not None and book.trusted:
                book.fold(change, ts_ms)
                touched[change.asset_id] = book
        for book in touched.values():
            if book.settle():
                yield self._quote(book)

    def _quote(self, book: OrderBook) -> QuoteUpdate:
        return QuoteUpdate(self._tokens[book.token_id][0].market_id, book.ts_ms, book.quote())

    def _trade(self, frame: Mapping[str, Any]) -> Iterable[Update]:
        known = self._tokens.get(str(frame["asset_id"]))
        if known is not None:
            yield TradeUpdate(
                known[0].market_id,
                int(frame["timestamp"]),
                known[1],
                Side(str(frame["side"]).upper()),
                price_to_units(str(frame["price"])),
                to_micro(str(frame["size"])),
            )

    def _tick(self, frame: Mapping[str, Any]) -> Iterable[Update]:
        known = self._tokens.get(str(frame["asset_id"]))
        if known is not None:
            self._books[known[0].token_yes].distrust()
            yield TickChange(known[0].market_id, int(frame["timestamp"]), price_to_units(str(frame["new_tick_size"])))

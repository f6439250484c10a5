"""A venue of one process: a market socket that says what a test tells it, and HTTP routes that a test fills."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx2
from websockets.asyncio.server import ServerConnection, serve

from pipelines.core.domain import Bar, Market, Quote
from pipelines.news.scorers import Vader
from pipelines.venue.http import VenueHttp
from pipelines.venue.stream import MarketStream, Resolution
from serving.market.feed import Feed
from serving.market.headlines import HeadlinePoller

NOW_S = 1_780_000_000
"""Market time of the start: 20 s before the close of a bar of a minute."""


def book(market: Market, bid: str | None = "0.48", ask: str | None = "0.52", at_s: float = 0, **more: Any) -> Any:
    """A book of a market's Yes token, so many seconds after the start; a side may be missing."""
    return {
        "event_type": "book", "asset_id": market.token_yes, "market": market.market_id,
        "timestamp": str(int((NOW_S + at_s) * 1_000)),
        "bids": [{"price": bid, "size": "30"}] if bid else [], "asks": [{"price": ask, "size": "25"}] if ask else [],
    } | more  # fmt: skip


def trade(market: Market, shares: float, at_s: float) -> Any:
    """A trade of a market's Yes token, as the stream tells it."""
    return {
        "event_type": "last_trade_price", "asset_id": market.token_yes, "market": market.market_id, "price": "0.5",
        "size": str(shares), "side": "BUY", "timestamp": str(int((NOW_S + at_s) * 1_000)),
    }  # fmt: skip


def row(market: Market, **changes: Any) -> dict[str, Any]:
    """A market as Gamma lists it."""
    return {
        "conditionId": market.market_id, "slug": f"market-{market.market_id[-3:]}", "question": market.question,
        "clobTokenIds": json.dumps([market.token_yes, market.token_no]), "orderPriceMinTickSize": 0.01,
        "orderMinSize": 5, "enableOrderBook": True, "acceptingOrders": True, "closed": False, "feesEnabled": True,
        "feeSchedule": {"rate": 0.04, "exponent": 1}, "events": [{"slug": market.event_id}],
    } | changes  # fmt: skip


@dataclass
class LocalVenue:
    """What the venue says now. `status` answers a route with an error instead; `asked` counts requests by route."""

    books: list[Any] = field(default_factory=list)
    listing: Any = field(default_factory=list)
    trades: dict[str, list[tuple[float, float]]] = field(default_factory=dict)
    tape: list[dict[str, Any]] = field(default_factory=list)
    """Rows of public trades, oldest first; they come before those of `trades`."""
    holders: list[dict[str, Any]] = field(default_factory=list)
    payouts: dict[str, list[int]] = field(default_factory=dict)
    status: dict[str, int] = field(default_factory=dict)
    price: float = 0.5
    asked: list[str] = field(default_factory=list)
    sockets: list[ServerConnection] = field(default_factory=list)
    refuses: bool = False

    async def serve(self, socket: ServerConnection) -> None:
        """Hold a connection open, or close it at once."""
        if not self.refuses:
            self.sockets.append(socket)
            await socket.wait_closed()

    async def say(self, *frames: Any) -> None:
        """Send messages to the newest connection, and let them be folded."""
        for frame in frames:
            await self.sockets[-1].send(json.dumps(frame))
        await asyncio.sleep(0.05)

    def respond(self, request: httpx2.Request) -> httpx2.Response:
        """Answer one of the routes."""
        path, query = request.url.path, request.url.params
        self.asked.append(path)
        if path in self.status:
            return httpx2.Response(self.status[path], text="<html>edge page</html>")
        if path == "/v2/prices-history" and int(query["bucket_seconds"]) < 60:
            return httpx2.Response(400, json={"error": "bucket_seconds must be at least 60"})
        if path == "/books":
            tokens = {one["token_id"] for one in json.loads(request.content)}
            return httpx2.Response(200, json=[one for one in self.books if one["asset_id"] in tokens])
        if path == "/markets/keyset":
            wanted = query.get_list("condition_ids")
            rows = self.listing
            if wanted and isinstance(rows, list):
                rows = [one for one in rows if isinstance(one, dict) and one.get("conditionId") in wanted]
            return httpx2.Response(200, json={"markets": rows})
        return httpx2.Response(200, json={"data": self._archive(path, query)})

    def _archive(self, path: str, query: httpx2.QueryParams) -> list[Any]:
        if path == "/v2/prices-history":
            times = range(int(query["start"]) // 60 * 60 + 60, int(query["end"]) + 1, 60)
            return [{"timestamp": ts, "price": self.price} for ts in times]
        if path == "/v2/trades":
            found = self.trades.get(query["condition"], [])
            rows = [{"timestamp": NOW_S + at, "size": size, "price": 0.5} for at, size in reversed(found)]
            return [row for row in reversed(self.tape) if row["condition_id"] == query["condition"]] + rows
        if path == "/v2/holders":
            return self.holders
        paid = self.payouts.get(query["condition"])
        return [{"status": "resolved" if paid else "initialized", "payouts": paid}]

    def http(self) -> VenueHttp:
        """A client whose requests come here."""
        return VenueHttp("http://venue.test", attempts=1, transport=httpx2.MockTransport(self.respond))


@dataclass
class Heard:
    """What a feed told its owner."""

    reached: list[int] = field(default_factory=list)
    bars: list[list[tuple[Bar, Quote]]] = field(default_factory=list)
    resolved: list[Resolution] = field(default_factory=list)
    markets: list[Market] = field(default_factory=list)

    def of(self, market: Market) -> list[Bar]:
        """Bars of a market, oldest first."""
        return [bar for closed in self.bars for bar, _ in closed if bar.market_id == market.market_id]


@asynccontextmanager
async def feeding(
    *markets: Market, lookback: int = 4, wall: bool = False, length_s: int = 60
) -> AsyncIterator[tuple[LocalVenue, Feed, Heard]]:
    """A feed that follows markets on a local venue; its bars close as messages tell the time."""
    venue, heard = LocalVenue(), Heard()
    async with serve(venue.serve, "127.0.0.1", 0) as server:
        made = make_feed(
            venue, f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}", heard, lookback, wall=wall, length_s=length_s
        )
        await made.follow(markets)
        task = asyncio.create_task(made.run(0, NOW_S))
        try:
            await until(lambda: bool(venue.sockets))
            yield venue, made, heard
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


def make_feed(
    venue: LocalVenue, url: str, heard: Heard, lookback: int = 4, *, wall: bool = False, length_s: int = 60
) -> Feed:
    """A feed of a local venue, bars of a minute if nothing else is said."""
    return Feed(
        MarketStream(url, venue.http()),
        venue.http(),
        HeadlinePoller([], Vader()),
        lookback=lookback,
        length_s=length_s,
        max_gap_bars=5,
        wall_is_market=wall,
        on_reached=heard.reached.append,
        on_bar=heard.bars.append,
        on_resolved=heard.resolved.append,
        on_left=lambda _: None,
        on_market=heard.markets.append,
    )


async def until(condition: Callable[[], bool], limit_s: float = 5.0) -> None:
    """Wait for a condition."""
    deadline = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < deadline, f"not within {limit_s:g} s"
        await asyncio.sleep(0.01)

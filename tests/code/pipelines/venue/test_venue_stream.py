"""The stream survives drops, silence and contradictions: it subscribes first, resynchronises, invents nothing."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import pytest
from websockets.asyncio.server import ServerConnection, serve

from pipelines.core.domain import FeeSchedule, Market, Outcome, Quote
from pipelines.venue import stream
from pipelines.venue.channel import Channel, Lost, Opened
from pipelines.venue.clob_gateway import Credentials
from pipelines.venue.http import VenueHttp
from pipelines.venue.stream import Gap, MarketStream, QuoteUpdate, Resolution, TickChange, TradeUpdate
from pipelines.venue.user_stream import FillUpdate, OrderUpdate, Reconnected, Unreadable, UserStream

Handler = Callable[[ServerConnection], Awaitable[None]]
MARKET = Market(
    market_id="0xm",
    event_id="e",
    question="?",
    token_yes="11",
    token_no="22",
    tick_units=100,
    min_size_micro=5_000_000,
    fee=FeeSchedule(0.05),
    start_s=None,
    end_s=None,
    topic="other",
)
BOOK = {
    "event_type": "book", "asset_id": "11", "market": "0xm", "timestamp": "1000", "hash": "h",
    "bids": [{"price": "0.48", "size": "30"}], "asks": [{"price": "0.52", "size": "25"}],
}  # fmt: skip


@asynccontextmanager
async def served(handler: Handler) -> AsyncIterator[str]:
    """A WebSocket server; its URL."""
    async with serve(handler, "127.0.0.1", 0) as server:
        yield f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"


def rest(books: list[dict[str, Any]]) -> VenueHttp:
    """A CLOB whose `/books` gives these."""
    return VenueHttp("http://clob.test", transport=httpx2.MockTransport(lambda _: httpx2.Response(200, json=books)))


async def take(updates: AsyncIterator[Any], count: int) -> list[Any]:
    """The first few updates."""
    found = []
    async with asyncio.timeout(10):
        async for update in updates:
            found.append(update)
            if len(found) == count:
                break
    return found


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Snapshots at once."""
    monkeypatch.setattr(stream, "RESYNC_EVERY_S", 0.05)


CHANGES = {
    "event_type": "price_change",
    "market": "0xm",
    "timestamp": "2000",
    "price_changes": [
        {"asset_id": "22", "price": "0.51", "size": "7", "side": "SELL", "best_bid": "0.48", "best_ask": "0.51"},
        {"asset_id": "11", "price": "0.49", "size": "7", "side": "BUY", "best_bid": "0.49", "best_ask": "0.52"},
    ],
}
PRINT = {
    "event_type": "last_trade_price",
    "asset_id": "22",
    "market": "0xm",
    "price": "0.5",
    "size": "3",
    "side": "BUY",
    "timestamp": "2001",
}
FRAMES: list[Any] = [
    BOOK,
    [CHANGES, PRINT],
    {"event_type": "new_market", "market": "0xz"},
    {"event_type": "last_trade_price", "asset_id": "11"},
    {
        "event_type": "tick_size_change",
        "asset_id": "11",
        "market": "0xm",
        "new_tick_size": "0.001",
        "timestamp": "2002",
    },
    {"event_type": "market_resolved", "market": "0xm", "winning_asset_id": "22", "timestamp": "2003"},
]


async def test_messages_become_updates() -> None:
    """Book, changes of both tokens in one frame, trades, tick and resolution are read; others pass by."""

    async def handler(socket: ServerConnection) -> None:
        hello = json.loads(await socket.recv())
        assert hello["type"] == "market"
        assert set(hello["assets_ids"]) == {"11", "22"}
        for frame in FRAMES:
            await socket.send(json.dumps(frame))
        await socket.wait_closed()

    async with served(handler) as url:
        found = await take(MarketStream(url, rest([]), [MARKET]).updates(), 5)

    assert found[0] == QuoteUpdate("0xm", 1_000, Quote(4_800, 5_200, 30_000_000, 25_000_000))
    assert found[1] == QuoteUpdate("0xm", 2_000, Quote(4_900, 5_200, 7_000_000, 25_000_000))
    assert isinstance(found[2], TradeUpdate)
    assert (found[2].outcome, found[2].shares_micro, found[2].price_units) == (Outcome.NO, 3_000_000, 5_000)
    assert found[3] == TickChange("0xm", 2_002, 10)
    assert found[4] == Resolution("0xm", 2_003, Outcome.NO)


async def test_a_missing_book_comes_over_rest() -> None:
    """Without an initial book the snapshot is fetched."""

    async def handler(socket: ServerConnection) -> None:
        await socket.wait_closed()

    async with served(handler) as url:
        found = await take(MarketStream(url, rest([BOOK]), [MARKET]).updates(), 1)

    assert isinstance(found[0], QuoteUpdate)


async def test_a_contradiction_is_resynchronised() -> None:
    """A stated touch that is not the folded one gives no quote until a snapshot gives the right one."""
    stated = {"asset_id": "11", "price": "0.10", "size": "7", "side": "BUY", "best_bid": "0.50", "best_ask": "0.52"}
    wrong = CHANGES | {"price_changes": [stated]}
    truth = BOOK | {"timestamp": "2500", "bids": [{"price": "0.50", "size": "1"}]}

    async def handler(socket: ServerConnection) -> None:
        await socket.send(json.dumps(BOOK))
        await socket.send(json.dumps(wrong))
        await asyncio.sleep(0.2)
        books.append(truth)
        await socket.wait_closed()

    books: list[dict[str, Any]] = []
    async with served(handler) as url:
        found = await take(MarketStream(url, rest(books), [MARKET]).updates(), 2)

    assert [u.quote.bid_units for u in found] == [4_800, 5_000]


async def test_a_drop_is_a_gap_and_then_a_new_subscription() -> None:
    """After a lost connection the stream says so, subscribes again and takes a fresh book."""
    hellos: list[Any] = []

    async def handler(socket: ServerConnection) -> None:
        hellos.append(json.loads(await socket.recv()))
        await socket.send(json.dumps(BOOK | {"timestamp": str(1_000 * len(hellos))}))
        if len(hellos) > 1:
            await socket.wait_closed()

    async with served(handler) as url:
        found = await take(MarketStream(url, rest([]), [MARKET]).updates(), 3)

    assert [type(u) for u in found] == [QuoteUpdate, Gap, QuoteUpdate]
    assert hellos[0] == hellos[1]


async def test_a_silent_socket_is_replaced() -> None:
    """A socket that stays open without data is given up, whatever its PONGs say."""
    connections = 0

    async def handler(socket: ServerConnection) -> None:
        nonlocal connections
        connections += 1
        await socket.wait_closed()

    async with served(handler) as url:
        channel = Channel(url, dict, silence_s=0.2, backoff_s=(0.01, 0.02))
        found = await take(channel.frames(), 3)

    assert [type(f) for f in found] == [Opened, Lost, Opened]
    assert found[1] == Lost("no data for 0.2 s")
    assert connections == 2


async def test_following_other_markets_is_said_by_operations() -> None:
    """A change of markets sends subscribe and unsubscribe, never the first frame again."""
    said: list[Any] = []
    other = Market(
        market_id="0xo",
        event_id="e",
        question="?",
        token_yes="33",
        token_no="44",
        tick_units=100,
        min_size_micro=5_000_000,
        fee=FeeSchedule(0.05),
        start_s=None,
        end_s=None,
        topic="other",
    )

    async def handler(socket: ServerConnection) -> None:
        await socket.send(json.dumps(BOOK))
        async for text in socket:
            said.append(json.loads(text))

    async with served(handler) as url:
        market_stream = MarketStream(url, rest([]), [MARKET])
        updates = market_stream.updates()
        await anext(updates)
        await market_stream.follow([other])
        await asyncio.sleep(0.2)
        await updates.aclose()

    assert [m.market_id for m in market_stream.markets] == ["0xo"]
    assert said[1] == {"operation": "unsubscribe", "assets_ids": ["11", "22"]}
    assert said[2]["operation"] == "subscribe"
    assert said[2]["assets_ids"] == ["33", "44"]


async def test_our_orders_and_fills_are_heard() -> None:
    """The user channel authenticates first; orders and trades are read, unknown messages pass by."""
    hello: dict[str, Any] = {}
    trade = {"event_type": "trade", "id": "t1", "status": "MATCHED", "market": "0xm"}
    order = {"event_type": "order", "type": "UPDATE", "id": "0xAB", "status": "LIVE", "size_matched": "2.5"}

    async def handler(socket: ServerConnection) -> None:
        hello.update(json.loads(await socket.recv()))
        for frame in (order, {"event_type": "odd"}, trade, trade | {"status": "FAILED"}):
            await socket.send(json.dumps(frame))
        await socket.wait_closed()

    async with served(handler) as url:
        user = UserStream(url, Credentials("key", "secret", "phrase"), lambda row: [row["id"]])  # type: ignore[list-item]
        found = await take(user.updates(), 4)

    assert hello["auth"] == {"apiKey": "key", "secret": "secret", "passphrase": "phrase"}
    assert found[0] == Reconnected(first=True)
    assert found[1] == OrderUpdate("0xab", "update", "live", 2_500_000)
    assert [(f.status, f.fills) for f in found[2:] if isinstance(f, FillUpdate)] == [
        ("matched", ("t1",)),
        ("failed", ("t1",)),
    ]


@pytest.mark.parametrize(
    "frame",
    [
        "<html>",
        '{"event_type": "trade", "id": "t1", "status": null, "market": "0xm"}',
        '{"event_type": "order", "id": "0xab"}',
        '{"event_type": "order", "id": "0xab", "type": "UPDATE", "size_matched": "many"}',
    ],
)
async def test_a_message_about_us_that_cannot_be_read_is_said(frame: str) -> None:
    """What a message about our orders or trades said has to be asked for, and the next ones are heard."""
    trade = {"event_type": "trade", "id": "t2", "status": "MATCHED", "market": "0xm"}

    def fills(row: Any) -> list[Any]:
        if row["id"] == "t1":
            raise TypeError("a status that is null")
        return [row["id"]]

    async def handler(socket: ServerConnection) -> None:
        await socket.recv()
        await socket.send(frame)
        await socket.send(json.dumps(trade))
        await socket.wait_closed()

    async with served(handler) as url:
        found = await take(UserStream(url, Credentials("key", "secret", "phrase"), fills).updates(), 3)

    assert [type(update) for update in found] == [Reconnected, Unreadable, FillUpdate]

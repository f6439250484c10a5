"""A book is what the venue says now or it is not used: unreadable messages, odd stamps, silence, ticks."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import pytest
from websockets.asyncio.server import ServerConnection, serve

from pipelines.core.domain import FeeSchedule, Market
from pipelines.venue import channel, stream
from pipelines.venue.http import VenueHttp
from pipelines.venue.stamps import Stamps, seconds
from pipelines.venue.stream import Gap, MarketStream, QuoteUpdate, TickChange

NOW = 1_780_000_000_000
ONE = Market(
    market_id="0xone",
    event_id="e",
    question="?",
    token_yes="11",
    token_no="12",
    tick_units=100,
    min_size_micro=5_000_000,
    fee=FeeSchedule(0.05),
    start_s=None,
    end_s=None,
    topic="other",
)
TWO = Market(
    market_id="0xtwo",
    event_id="e",
    question="?",
    token_yes="21",
    token_no="22",
    tick_units=100,
    min_size_micro=5_000_000,
    fee=FeeSchedule(0.05),
    start_s=None,
    end_s=None,
    topic="other",
)


def book(market: Market, bid: str = "0.48", ask: str = "0.52", ts_ms: int = NOW, **more: Any) -> dict[str, Any]:
    """A book of a market's Yes token."""
    return {
        "event_type": "book", "asset_id": market.token_yes, "market": market.market_id, "timestamp": str(ts_ms),
        "bids": [{"price": bid, "size": "30"}], "asks": [{"price": ask, "size": "25"}],
    } | more  # fmt: skip


def moved(market: Market, ts_ms: int = NOW + 1_000, **more: Any) -> dict[str, Any]:
    """A better bid, with the touch after it."""
    change = {"asset_id": market.token_yes, "price": "0.49", "size": "7", "side": "BUY"}
    change |= {"best_bid": "0.49", "best_ask": "0.52"} | more
    return {
        "event_type": "price_change", "market": market.market_id, "timestamp": str(ts_ms), "price_changes": [change],
    }  # fmt: skip


class Venue:
    """A socket that says what a test tells it, and a `/books` route; `asked` are the tokens of each request."""

    def __init__(self) -> None:
        self.books: list[Any] = []
        self.asked: list[list[str]] = []
        self.sockets: list[ServerConnection] = []
        self.refuses = False

    async def serve(self, socket: ServerConnection) -> None:
        if self.refuses:
            return
        await socket.recv()
        self.sockets.append(socket)
        await socket.wait_closed()

    def respond(self, request: httpx2.Request) -> httpx2.Response:
        tokens = [row["token_id"] for row in json.loads(request.content)]
        self.asked.append(tokens)
        return httpx2.Response(200, json=[b for b in self.books if not isinstance(b, dict) or b["asset_id"] in tokens])

    async def say(self, *frames: Any) -> None:
        for frame in frames:
            await self.sockets[-1].send(frame if isinstance(frame, str) else json.dumps(frame))
        await asyncio.sleep(0.1)


@asynccontextmanager
async def following(*markets: Market) -> AsyncIterator[tuple[Venue, MarketStream, list[Any]]]:
    """A venue, a stream that follows markets on it, and the updates so far."""
    venue, heard = Venue(), []
    async with serve(venue.serve, "127.0.0.1", 0) as server:
        url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        http = VenueHttp("http://clob.test", transport=httpx2.MockTransport(venue.respond))
        found = MarketStream(url, http, markets)
        found.anchor(NOW)

        async def listen() -> None:
            async for update in found.updates():
                heard.append(update)

        task = asyncio.create_task(listen())
        await until(lambda: bool(venue.sockets))
        try:
            yield venue, found, heard
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def until(condition: Callable[[], bool], limit_s: float = 5.0) -> None:
    """Wait for a condition."""
    deadline = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < deadline, f"not within {limit_s:g} s"
        await asyncio.sleep(0.01)


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Snapshots at once."""
    monkeypatch.setattr(stream, "RESYNC_EVERY_S", 0.05)


UNREADABLE: list[tuple[str, Any]] = [
    ("best bid is null", moved(ONE, best_bid=None)),
    ("price is null", moved(ONE, price=None)),
    ("price is a word", moved(ONE, price="half")),
    ("price above 1", moved(ONE, price="1.49")),
    ("size is a word", moved(ONE, size="many")),
    ("side is a word", moved(ONE, side="UP")),
    ("no time", {k: v for k, v in moved(ONE).items() if k != "timestamp"}),
    ("time is null", moved(ONE) | {"timestamp": None}),
    ("changes are null", moved(ONE) | {"price_changes": None}),
    ("changes are an object", moved(ONE) | {"price_changes": {"11": "0.49"}}),
    ("the older schema", {"event_type": "price_change", "asset_id": "11", "changes": [["0.49", "7"]], "hash": "h"}),
    ("a new kind", {"event_type": "book_v2", "asset_id": "11"}),
    ("no kind", {"asset_id": "11", "market": "0xone"}),
    ("levels are null", book(ONE, bids=None)),
    ("a level is null", book(ONE, asks=[None])),
    ("book time is a word", book(ONE) | {"timestamp": "soon"}),
    ("tick is a word", {"event_type": "tick_size_change", "asset_id": "11", "new_tick_size": "x", "timestamp": NOW}),
    ("tick is nothing", {"event_type": "tick_size_change", "asset_id": "11", "new_tick_size": "0", "timestamp": NOW}),
    ("trade without a price", {"event_type": "last_trade_price", "asset_id": "11", "timestamp": str(NOW)}),
]


@pytest.mark.parametrize(("_name", "frame"), UNREADABLE, ids=[name for name, _ in UNREADABLE])
async def test_the_book_of_an_unreadable_message_is_fetched_anew(_name: str, frame: Any) -> None:
    """The named book is distrusted until the venue's own answer replaces it; others stay; the message is counted."""
    async with following(ONE, TWO) as (venue, found, _):
        await venue.say(book(ONE), book(TWO))
        await until(lambda: found.book(ONE) is not None and found.book(TWO) is not None)
        venue.asked.clear()
        await venue.say(frame)

        assert found.book(ONE) is None
        assert found.book(TWO) is not None
        assert found.unread.messages == 1
        venue.books = [book(ONE, "0.40", ts_ms=NOW + 2_000)]
        await until(lambda: found.book(ONE) is not None)
        assert found.book(ONE).quote().bid_units == 4_000  # type: ignore[union-attr]
        assert {token for tokens in venue.asked for token in tokens} == {"11"}


@pytest.mark.parametrize("frame", ["<html>", "[7]", '"text"', '{"a": 1}', "null"])
async def test_where_no_book_is_named_all_are_fetched_anew(frame: str) -> None:
    """Something that names nobody may have been about anybody."""
    async with following(ONE, TWO) as (venue, found, _):
        await venue.say(book(ONE), book(TWO))
        await until(lambda: found.book(TWO) is not None)
        await venue.say(frame)

        assert found.book(ONE) is None
        assert found.book(TWO) is None
        assert found.unread.messages == 1


async def test_messages_about_others_cost_no_trust() -> None:
    """New markets, the touch message and kinds that name none of ours pass by."""
    async with following(ONE) as (venue, found, _):
        await venue.say(book(ONE))
        await until(lambda: found.book(ONE) is not None)
        touch = {"event_type": "best_bid_ask", "asset_id": "11", "best_bid": None}
        await venue.say({"event_type": "new_market", "market": "0xz"}, {"event_type": "odd", "about": "0xz"}, touch)

        assert found.book(ONE) is not None
        assert found.unread.messages == 0


@pytest.mark.parametrize("factor", [1_000, 1_000_000, 0.001])
async def test_a_stamp_in_another_unit_is_refused(factor: float) -> None:
    """Microseconds, nanoseconds and seconds are not the market's time: refused, counted, the book fetched anew."""
    async with following(ONE, TWO) as (venue, found, heard):
        await venue.say(book(ONE), book(TWO))
        await until(lambda: found.book(TWO) is not None)
        heard.clear()
        await venue.say(moved(ONE, ts_ms=int((NOW + 1_000) * factor)), moved(TWO))

        assert [update.market_id for update in heard] == ["0xtwo"]
        assert (found.unread.messages, found.unread.stamps) == (1, 1)
        assert found.book(ONE) is None
        venue.books = [book(ONE, ts_ms=(NOW + 2_000) * 1_000)]
        await asyncio.sleep(0.3)
        assert found.book(ONE) is None
        venue.books = [book(ONE, ts_ms=NOW + 2_000)]
        await until(lambda: found.book(ONE) is not None)


def test_stamps_that_agree_move_the_market_time() -> None:
    """One stamp an hour off is refused; three in a row of two markets are the time, in both directions."""
    stamps = Stamps()
    stamps.anchor(NOW)
    hour = 3_600_000

    assert not stamps.accepts(NOW + hour, "a", sources=5)
    assert stamps.accepts(NOW + 1, "b", sources=5)
    assert [stamps.accepts(NOW + hour + n, name, sources=5) for n, name in enumerate("aabb")] == [0, 0, 1, 1]
    assert [stamps.accepts(NOW + n, name, sources=5) for n, name in enumerate("aab")] == [0, 0, 1]
    assert not any(stamps.accepts((NOW + n) * 1_000, name, sources=5) for n, name in enumerate("abababab"))
    assert stamps.newest_ms == NOW + 2


def test_one_market_alone_does_not_move_the_time_of_many() -> None:
    """A market whose own clock is wrong stays refused, however often it speaks."""
    stamps = Stamps()
    stamps.anchor(NOW)

    assert not any(stamps.accepts(NOW + 9_000_000, "a", sources=2) for _ in range(20))
    assert any(stamps.accepts(NOW + 9_000_000, "a", sources=1) for _ in range(3))


def test_a_quiet_markets_snapshot_may_be_old() -> None:
    """A book that has not changed for days carries the time of its last change; it moves nothing."""
    stamps = Stamps()
    stamps.anchor(NOW)

    assert stamps.accepts(NOW - 10**9, "a", may_be_old=True)
    assert not stamps.accepts(NOW - 10**9, "a")
    assert not stamps.accepts(NOW + 10**9, "a", may_be_old=True)
    assert stamps.newest_ms == NOW


async def test_a_missed_message_is_found_by_a_look() -> None:
    """A silent book whose touch is the venue's is confirmed; one that differs is replaced by the venue's."""
    async with following(ONE, TWO) as (venue, found, heard):
        await venue.say(book(ONE), book(TWO))
        await until(lambda: found.book(TWO) is not None)
        heard.clear()
        venue.books = [book(ONE, ts_ms=NOW + 9_000), book(TWO, "0.30", "0.31", ts_ms=NOW + 9_000)]

        assert await found.look([ONE, TWO]) == {"0xone", "0xtwo"}
        await asyncio.sleep(0.05)
        assert [(u.market_id, u.quote.bid_units) for u in heard if isinstance(u, QuoteUpdate)] == [("0xtwo", 3_000)]
        venue.books = [book(ONE, "0.60", "0.40", ts_ms=NOW + 9_000)]
        assert await found.look([ONE]) == set()
        assert found.book(ONE) is None


async def test_an_odd_book_leaves_the_others() -> None:
    """One book that cannot be read does not keep the others from being fetched."""
    async with following(ONE, TWO) as (venue, found, _):
        venue.books = [book(ONE, bids=None), None, book(TWO)]
        await until(lambda: found.book(TWO) is not None)

        assert found.book(ONE) is None


@pytest.mark.parametrize("way", ["message", "snapshot", "look"])
async def test_the_tick_is_what_the_venue_says_last(way: str) -> None:
    """A tick that changed while nobody listened is in the next snapshot, whichever way it comes."""
    finer = book(ONE, tick_size="0.001", ts_ms=NOW + 5_000)
    async with following(ONE) as (venue, found, heard):
        await venue.say(book(ONE, tick_size="0.01"))
        await until(lambda: found.book(ONE) is not None)
        if way == "message":
            await venue.say(finer)
        elif way == "snapshot":
            venue.books = [finer]
            await venue.sockets[-1].close()
        else:
            venue.books = [finer | {"bids": []}]
            await found.look([ONE])
        await until(lambda: any(isinstance(update, TickChange) for update in heard))

        assert [u for u in heard if isinstance(u, TickChange)] == [TickChange("0xone", NOW + 5_000, 10)]
        assert found.markets[0].tick_units == 10


async def test_while_the_socket_is_down_books_come_over_rest() -> None:
    """Every book is fetched again and again until the socket is back, trusted ones too."""
    async with following(ONE, TWO) as (venue, found, heard):
        await venue.say(book(ONE), book(TWO))
        await until(lambda: found.book(TWO) is not None)
        venue.refuses = True
        await venue.sockets[-1].close()
        await until(lambda: any(isinstance(update, Gap) for update in heard))
        for step in range(1, 4):
            venue.books = [book(market, f"0.4{step}", ts_ms=NOW + step * 1_000) for market in (ONE, TWO)]
            await until(
                lambda step=step: (
                    heard[-1].quote.bid_units == 4_000 + step * 100 if isinstance(heard[-1], QuoteUpdate) else False
                )
            )  # type: ignore[misc]

        assert not found.connected
        assert found.book(ONE) is not None


async def test_a_silent_socket_is_doubted_before_it_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stream that freezes for seconds is helped out by REST."""
    monkeypatch.setattr(stream, "QUIET_S", 0.2)
    async with following(ONE) as (venue, found, heard):
        await venue.say(book(ONE))
        await until(lambda: found.book(ONE) is not None)
        venue.books = [book(ONE, "0.45", ts_ms=NOW + 3_000)]
        await until(lambda: isinstance(heard[-1], QuoteUpdate) and heard[-1].quote.bid_units == 4_500)

        assert found.connected


async def test_a_market_of_long_bars_may_jump_by_them() -> None:
    """Where time goes in steps of a day, the next day is not far."""
    async with following(ONE) as (venue, found, _):
        found.anchor(NOW, step_ms=86_400_000)
        await venue.say(book(ONE), moved(ONE, ts_ms=NOW + 86_400_000))

        assert found.unread.messages == 0
        assert found.book(ONE) is not None


def test_stamps_in_seconds_never_become_the_market_time() -> None:
    """Seconds of several markets agree with each other for ever, and are still no milliseconds."""
    stamps = Stamps()
    stamps.anchor(NOW)

    assert not any(stamps.accepts(NOW // 1_000 + n, name, sources=2) for n, name in enumerate("abababab"))
    assert not stamps.accepts(NOW // 1_000, "a", may_be_old=True)
    assert stamps.newest_ms == NOW


@pytest.mark.parametrize("factor", [1, 1_000, 10**6, 10**9])
@pytest.mark.parametrize("as_text", [str, int])
def test_a_time_is_read_in_any_unit(factor: int, as_text: Callable[[int], Any]) -> None:
    """Seconds, milliseconds, microseconds and nanoseconds, as text or number, are the same second."""
    assert seconds(as_text(1_790_000_000 * factor)) == 1_790_000_000


@pytest.mark.parametrize("odd", [None, "", "soon", 0, -5, "NaN", "inf", 10**30, [], {}])
def test_what_is_no_time_is_named(odd: Any) -> None:
    """Nothing is taken for the year 1970 or for the end of days."""
    with pytest.raises(ValueError, match="seconds since 1970 expected"):
        seconds(odd)


@pytest.mark.parametrize("frame", [b"\xff\xfe{}", b"[" * 100_000, b'{"event_type": "\xff"}', b'{"a": NaN}', b""])
def test_a_frame_of_any_bytes_is_a_message_that_cannot_be_read(frame: bytes) -> None:
    """No bytes end the stream: what is no JSON is one message that could not be read."""
    (found,) = channel._objects(frame)

    assert isinstance(found, channel.Garbled)


@pytest.mark.parametrize("size", ["1e999", "99999999999999999999", "10000000001", "-1", "NaN"])
async def test_a_size_that_no_market_has_is_a_message_that_cannot_be_read(size: str) -> None:
    """A size beyond every machine integer is refused with its message: the turn of the bar never meets it."""
    async with following(ONE, TWO) as (venue, found, _):
        await venue.say(book(ONE), book(TWO))
        await until(lambda: found.book(TWO) is not None)
        odd = book(ONE, ts_ms=NOW + 1)
        odd["bids"][0]["size"] = size
        await venue.say(odd, moved(TWO))
        await until(lambda: found.unread.messages == 1)

        assert found.book(ONE) is None
        assert found.book(TWO) is not None

"""A recorder that runs for weeks is subscribed to what is open and to what has just ended, and misses no end."""

import asyncio
import json
import threading
import time
from collections.abc import Awaitable, Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from websockets.asyncio.server import ServerConnection, serve

from pipelines.core.domain import FeeSchedule, Market
from pipelines.core.sections import MarketsParams
from pipelines.core.settings import Settings
from pipelines.pull import recorder, subscriptions
from pipelines.pull.subscriptions import GRACE_S, LATE_S, Subscriptions
from pipelines.reference.segments import lines

STEPS, AT_ONCE = 20, 100
"""2,000 windows: so many are listed and end together."""


def market(number: int) -> Market:
    """A window of a series."""
    name = f"0x{number:064x}"
    return Market(
        market_id=name, event_id="e", question="?", token_yes=str(10 * number), token_no=str(10 * number + 1),
        tick_units=100, min_size_micro=5_000_000, fee=FeeSchedule(0.05), start_s=None, end_s=9, topic="other",
    )  # fmt: skip


class Week:
    """Subscriptions on a clock that is set by hand; a look shows these markets, of which the payouts are known."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.followed = Subscriptions(lambda: self.now_s)

    def look(self, *listed: int, others: tuple[int, ...] = (), paid: tuple[int, ...] = ()) -> tuple[list, list]:
        """Numbers of the markets that joined and left."""
        shown = [market(n) for n in listed]
        is_open = {market(n).market_id for n in (*listed, *others)}
        asked = self.followed.to_ask(is_open)
        payouts = {market(n).market_id: 1_000_000 for n in paid if market(n).market_id in asked}
        change = self.followed.look(shown, is_open, payouts)
        return [int(m.token_yes) // 10 for m in change.joined], [int(m.token_yes) // 10 for m, _ in change.left]


def test_a_market_leaves_a_while_after_its_payout():
    """Late trades and the message of the resolution still come; then the market is dropped."""
    week = Week()
    assert week.look(1, 2) == ([1, 2], [])
    week.now_s = 10
    assert week.look(2, paid=(1,)) == ([], [])
    week.now_s = 10 + LATE_S - 1
    assert week.look(2) == ([], [])
    week.now_s = 10 + LATE_S
    assert week.look(2) == ([], [1])
    assert week.followed.tokens() == ["20"]


def test_a_market_without_a_payout_leaves_after_the_grace():
    """A resolution that takes days keeps no subscription; a market that opens again in time stays."""
    week = Week()
    week.look(1, 2)
    week.look()
    week.now_s = GRACE_S - 1
    assert week.look(1) == ([], [])
    week.now_s = GRACE_S
    assert week.look(1) == ([], [2])
    week.now_s = 2 * GRACE_S
    assert week.look(1) == ([], [])


def test_a_market_that_is_less_traded_than_others_stays():
    """A listing shows the most traded ones: the others are asked for by their ids, and have not ended."""
    week = Week()
    week.look(1, 2)
    assert week.followed.unlisted([market(2)]) == [market(1).market_id]
    for week.now_s in (1.0, 2 * GRACE_S):
        assert week.look(2, others=(1,)) == ([], [])


def test_a_message_of_a_resolution_is_a_reason_to_ask_alone():
    """A false message drops nothing; a true one, of a market that is listed still, drops it once."""
    week = Week()
    week.look(1, 2)
    for n in (1, 2):
        week.followed.see({"event_type": "market_resolved", "market": market(n).market_id})
    week.look(1, 2, paid=(2,))
    week.now_s = LATE_S
    assert week.look(1, 2) == ([], [2])
    assert week.look(1, 2) == ([], [])
    assert week.look(1) == ([], [])
    assert week.look(1, 2) == ([2], [])


def row(number: int, **changes: Any) -> dict[str, Any]:
    """A window as Gamma writes it."""
    one = market(number)
    return {
        "id": str(number), "conditionId": one.market_id, "question": "?", "slug": f"w-{number}",
        "clobTokenIds": json.dumps([one.token_yes, one.token_no]), "outcomes": '["Up", "Down"]',
        "outcomePrices": '["0.5", "0.5"]', "orderPriceMinTickSize": 0.01, "orderMinSize": 5, "enableOrderBook": True,
        "acceptingOrders": True, "closed": False, "negRisk": False, "feesEnabled": False,
        "startDate": "2026-01-01T00:00:00Z", "endDate": "2027-01-02T12:00:00Z", "events": [{"id": "1", "slug": "e"}],
    } | changes  # fmt: skip


class Gamma:
    """The listing, and the answer about ended markets, over HTTP."""

    def __init__(self) -> None:
        self.open: range = range(0)
        self.paid: range = range(0)
        gamma = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                content = json.dumps(gamma.answer(parse_qs(urlsplit(self.path).query))).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        """Where it is served."""
        return f"http://127.0.0.1:{self.server.server_port}"

    def answer(self, query: dict[str, list[str]]) -> dict[str, Any]:
        """A page of rows."""
        ids = set(query.get("condition_ids", []))
        if query.get("closed") == ["true"]:
            paid = {"closed": True, "acceptingOrders": False, "outcomePrices": '["1", "0"]'}
            rows = [row(n, umaResolutionStatus="resolved", **paid) for n in self.paid]
        else:
            rows = [row(n) for n in self.open]
        rows = [one for one in rows if not ids or one["conditionId"] in ids]
        first = int(query.get("after_cursor", ["0"])[0])
        more = first + 100 < len(rows)
        return {"markets": rows[first : first + 100], "next_cursor": str(first + 100) if more else None}


class Stream:
    """The market channel: who is subscribed to what, and every message that was sent."""

    def __init__(self) -> None:
        self.tokens: set[str] = set()
        self.hellos: list[list[str]] = []
        self.most = 0
        self.sent: list[str] = []
        self.socket: ServerConnection | None = None

    async def serve(self, socket: ServerConnection) -> None:
        """Take the frames of a client."""
        self.socket, self.tokens = socket, set()
        async for text in socket:
            if text != "PING":
                self._take(json.loads(text))

    def _take(self, frame: dict[str, Any]) -> None:
        names = frame["assets_ids"]
        if frame.get("type") == "market":
            self.hellos.append(names)
        if frame.get("operation") == "unsubscribe":
            assert set(names) <= self.tokens
            self.tokens -= set(names)
        else:
            assert not self.tokens & set(names)
            self.tokens |= set(names)
        self.most = max(self.most, len(self.tokens))

    async def tell(self, numbers: range, kind: str) -> None:
        """Send a message about each market to its subscriber."""
        assert self.socket is not None
        for one in map(market, numbers):
            if one.token_yes in self.tokens:
                message = {"event_type": kind, "market": one.market_id, "asset_id": one.token_yes, "n": len(self.sent)}
                await self.socket.send(json.dumps(message))
                self.sent.append(f"{kind} {one.market_id}")


async def until(holds: Callable[[], bool]) -> None:
    """Wait for something to hold."""
    for _ in range(3_000):
        if holds():
            return
        await asyncio.sleep(0.02)
    raise AssertionError("it did not happen within a minute")


async def _windows(gamma: Gamma, stream: Stream, segments: recorder.Segments) -> None:
    """List windows and end them, with a broken connection halfway."""
    for step in range(STEPS):
        now = range(1 + step * AT_ONCE, 1 + (step + 1) * AT_ONCE)
        gamma.open = now
        await until(lambda now=now: {market(n).token_yes for n in now} <= stream.tokens)
        if step == STEPS // 2:
            assert stream.socket is not None
            await stream.socket.close()
            await until(lambda: len(stream.hellos) == 2)
        await stream.tell(now, "book")
        gamma.open = range(0)
        await stream.tell(now, "last_trade_price")
        gamma.paid = now
        await stream.tell(now, "market_resolved")
        segments.flush()
    await until(lambda: not stream.tokens)


async def _recorded(task: Awaitable[None], work: Awaitable[None]) -> None:
    """Run the recorder while the venue works."""
    running = asyncio.ensure_future(task)
    try:
        await work
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


@pytest.mark.slow
async def test_two_thousand_windows_leave_nothing_behind(tmp_path, monkeypatch):
    """Of 2,000 windows that were listed and ended, every message around the end is recorded, at no time more than
    those that are open or have just ended are subscribed to, also by a new connection, and at the end none."""
    monkeypatch.setattr(recorder, "RESCAN_S", 0.05)
    monkeypatch.setattr(subscriptions, "LATE_S", 0.2)
    gamma, stream = Gamma(), Stream()
    segments = recorder.Segments(tmp_path)
    params: Any = SimpleNamespace(markets=MarketsParams(), serving=SimpleNamespace(max_markets=1_000))
    async with serve(stream.serve, "127.0.0.1", 0) as server:
        url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        settings = Settings(gamma_url=gamma.url, clob_ws_url=url, var=tmp_path)
        await _recorded(
            recorder._markets(settings, params, segments, subscriptions.Subscriptions(time.monotonic)),
            _windows(gamma, stream, segments),
        )
    gamma.server.shutdown()
    segments.end()

    rows = [row for path in sorted((tmp_path / "frames").glob("day=*/*.jsonl.gz")) for row in lines(path)]
    frames = [row["frame"] for row in rows if "frame" in row]
    ended = [one for row in rows for one in row.get("ended", [])]
    assert [f"{one['event_type']} {one['market']}" for one in frames] == stream.sent
    assert len(stream.sent) == 3 * STEPS * AT_ONCE
    assert len(ended) == STEPS * AT_ONCE
    assert {one["payout"] for one in ended} == {1_000_000}
    assert stream.most <= 5 * AT_ONCE
    assert len(stream.hellos[1]) <= 5 * AT_ONCE

"""A WebSocket that stays open: subscribe first, PING as text, replace a silent socket, back off with jitter.

The venue's sockets have three habits (polymarket-api 2.1 and 2.4): a PING before the first subscription closes the
connection, the first frame must not be sent twice, and a socket may stay open and answer PONG while no data comes.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import msgspec
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import WebSocketException

from pipelines.core import log
from pipelines.venue import json_text
from pipelines.venue.network import NETWORK

PING_EVERY_S = 10.0
PONG_WITHIN_S = 30.0


@dataclass(frozen=True, slots=True)
class Opened:
    """A connection is up and subscribed. What happened before it may be missing: take snapshots."""

    attempt: int
    """1 for the first connection."""


@dataclass(frozen=True, slots=True)
class Lost:
    """The connection is gone, for this reason; the next `Opened` follows when it is back."""

    reason: str


@dataclass(frozen=True, slots=True)
class Garbled:
    """Something arrived that is no JSON object; whatever it was about may have changed."""

    text: str


Frame = Opened | Lost | Garbled | Mapping[str, Any]


class Channel:
    """One subscription that survives connections.

    `hello` gives the first frame at each connection, so that it names what is wanted then. After `silence_s` without
    data the socket is replaced, whatever its PONGs say. Without `pings` none are sent: an exchange answers the text
    PING with an error, which would pass for data.
    """

    def __init__(
        self,
        url: str,
        hello: Callable[[], Mapping[str, Any]],
        *,
        silence_s: float,
        backoff_s: tuple[float, float] = (0.25, 30.0),
        pings: bool = True,
    ) -> None:
        self._url = url
        self._hello = hello
        self._silence_s = silence_s
        self._backoff_s = backoff_s
        self._pings = pings
        self._socket: ClientConnection | None = None

    async def send(self, frame: Mapping[str, Any]) -> bool:
        """Send a frame if the socket is open, and say whether it was; when it was not, the next `hello` says it."""
        if self._socket is None:
            return False
        with suppress(WebSocketException):
            await self._socket.send(msgspec.json.encode(frame).decode())
            return True
        return False

    async def frames(self) -> AsyncIterator[Frame]:
        """Messages as parsed objects, one at a time, between `Opened` and `Lost`. Ends when the task is cancelled."""
        attempt, failures = 0, 0
        while True:
            reason = "the server closed the connection"
            try:
                async with NETWORK.get().socket(self._url) as socket:
                    attempt += 1
                    hello = msgspec.json.encode(self._hello()).decode()
                    # A long hello waits for the network; what joins in this time is sent after it.
                    self._socket = socket
                    await socket.send(hello)
                    yield Opened(attempt)
                    async for frame in self._live(socket):
                        failures = 0
                        yield frame
            except TimeoutError:
                reason = f"no data for {self._silence_s:g} s"
            except (OSError, WebSocketException) as error:
                reason = f"{type(error).__name__}: {error}"
            finally:
                self._socket = None
            failures += 1
            log.get("stream").warning("connection lost", url=self._url, reason=reason, failures=failures)
            yield Lost(reason)
            await asyncio.sleep(self._pause_s(failures))

    async def _live(self, socket: ClientConnection) -> AsyncIterator[Garbled | Mapping[str, Any]]:
        loop = asyncio.get_running_loop()
        heart = asyncio.create_task(_ping(socket)) if self._pings else None
        last_data = last_pong = loop.time()
        try:
            while True:
                due = last_data + self._silence_s
                if self._pings:
                    due = min(due, last_pong + PING_EVERY_S + PONG_WITHIN_S)
                # Not wait_for: on Python 3.11 it loses a cancellation that arrives together with a message.
                async with asyncio.timeout_at(due):
                    text = await socket.recv()
                if text in ("PONG", b"PONG"):
                    last_pong = loop.time()
                    continue
                for frame in _objects(text):
                    last_data = last_pong = loop.time()
                    yield frame
        finally:
            if heart is not None:
                heart.cancel()

    def _pause_s(self, failures: int) -> float:
        low, high = self._backoff_s
        longest: float = min(low * 2.0 ** min(failures - 1, 16), high)
        return random.uniform(0.5, 1.0) * longest  # noqa: S311 - jitter


async def _ping(socket: ClientConnection) -> None:
    with suppress(WebSocketException):
        while True:
            await asyncio.sleep(PING_EVERY_S)
            await socket.send("PING")


def _objects(text: str | bytes) -> list[Garbled | Mapping[str, Any]]:
    """A frame holds one object or an array of them; plain text other than PONG is a complaint of the server."""
    try:
        json_text.refuse_bomb(text)
        found = msgspec.json.decode(text)
    except (ValueError, RecursionError):
        log.get("stream").warning("not JSON", text=str(text)[:100])
        return [Garbled(str(text)[:100])]
    rows = found if isinstance(found, list) else [found]
    return [row if isinstance(row, dict) else Garbled(str(row)[:100]) for row in rows]

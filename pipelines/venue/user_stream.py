"""Our own orders and trades as they happen. Fills may arrive before the answer to the order that caused them."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pipelines.core import log
from pipelines.core.domain import Fill
from pipelines.core.errors import OddsmithError
from pipelines.core.money import to_micro
from pipelines.venue.channel import Channel, Frame, Garbled, Lost, Opened
from pipelines.venue.clients import Credentials

SILENCE_S = 3_600.0
"""An account without orders hears nothing, so silence is no sign; missing PONGs still replace the socket."""


@dataclass(frozen=True, slots=True)
class OrderUpdate:
    """An order of ours was placed, filled in part, or left the book. `status` as the venue names it, lower case."""

    order_id: str
    kind: str
    """placement | update | cancellation"""
    status: str
    matched_micro: int


@dataclass(frozen=True, slots=True)
class FillUpdate:
    """A trade of ours changed its settlement status: matched, mined, confirmed, retrying or failed.

    Repeats and reordering are normal; `fills` carry stable ids. After `failed` the fills did not happen.
    """

    trade_id: str
    status: str
    fills: tuple[Fill, ...]


@dataclass(frozen=True, slots=True)
class Reconnected:
    """The stream is up again (or for the first time): compare open orders and trades over REST before relying on it."""

    first: bool


@dataclass(frozen=True, slots=True)
class Disconnected:
    """Events may be missed from here to the next `Reconnected`."""

    reason: str


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A message about our orders or trades could not be read: ask over REST what it said."""

    reason: str


UserUpdate = OrderUpdate | FillUpdate | Reconnected | Disconnected | Unreadable


class UserStream:
    """The user channel of one account. `fills` reads a trade as the gateway does (`ClobGateway.fills`); it asks the
    venue about a market that it does not know, so `read` may block."""

    def __init__(
        self,
        ws_url: str,
        credentials: Credentials,
        fills: Callable[[Mapping[str, Any]], list[Fill]],
        *,
        silence_s: float = SILENCE_S,
    ) -> None:
        auth = {
            "apiKey": credentials.api_key,
            "secret": credentials.secret,
            "passphrase": credentials.passphrase,
        }
        self._fills = fills
        self._channel = Channel(
            f"{ws_url.rstrip('/')}/ws/user", lambda: {"type": "user", "auth": auth}, silence_s=silence_s
        )

    async def updates(self) -> AsyncIterator[UserUpdate]:
        """Updates until the task is cancelled; what a message said that cannot be read has to be asked for."""
        async for frames in self.batches():
            for frame in frames:
                update = self.read(frame)
                if update is not None:
                    yield update

    async def batches(self) -> AsyncIterator[list[Frame]]:
        """What has come since the last batch, in its order, until the task is cancelled. `read` reads it."""
        queue: asyncio.Queue[Frame | None] = asyncio.Queue()
        reader = asyncio.create_task(self._fill(queue))
        reader.add_done_callback(lambda _: queue.put_nowait(None))
        try:
            while True:
                frames = [await queue.get()]
                while not queue.empty():
                    frames.append(queue.get_nowait())
                yield [frame for frame in frames if frame is not None]
                if None in frames:
                    await reader
                    return
        finally:
            reader.cancel()
            await asyncio.gather(reader, return_exceptions=True)

    async def _fill(self, queue: "asyncio.Queue[Frame | None]") -> None:
        async for frame in self._channel.frames():
            queue.put_nowait(frame)

    def read(self, frame: Frame) -> UserUpdate | None:
        """What a message says; None where it says nothing of orders and trades."""
        if isinstance(frame, Opened):
            return Reconnected(first=frame.attempt == 1)
        if isinstance(frame, Lost):
            return Disconnected(frame.reason)
        if isinstance(frame, Garbled):
            return Unreadable(f"not a message: {frame.text}")
        try:
            return self._parse(frame)
        except (LookupError, ValueError, TypeError, AttributeError, ArithmeticError, OddsmithError) as error:
            log.get("stream").warning("message not read", error=repr(error), kind=frame.get("event_type"))
            return Unreadable(f"{frame.get('event_type')}: {error!r}")

    def _parse(self, frame: Mapping[str, Any]) -> UserUpdate | None:
        match frame.get("event_type"):
            case "order":
                status = str(frame.get("status", "")).lower()
                matched = to_micro(str(frame.get("size_matched") or "0"))
                return OrderUpdate(str(frame["id"]).lower(), str(frame["type"]).lower(), status, matched)
            case "trade":
                status = str(frame["status"]).removeprefix("TRADE_STATUS_").lower()
                return FillUpdate(str(frame["id"]), status, tuple(self._fills({**frame, "status": "MATCHED"})))
            case _:
                return None

"""WebSocket clients: a bounded queue and one sender for each; on the venue's own sockets text PING and PONG."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from simulator.api.responses import decode

MAX_QUEUED = 50_000
"""Largest number of messages queued for a slow client; above it the client is disconnected."""

POLICY_VIOLATION = 1008

Disturb = Callable[[object, list[str]], list[str] | None]
"""Changes the messages of a connection before they are sent (a fault); None closes the connection."""


class Client:
    """A client of one socket: what waits for it is sent by one task, in order."""

    def __init__(self, socket: WebSocket):
        self.socket = socket
        self._queue: list[str] = []
        self._wake = asyncio.Event()
        self._closed = False
        self._closing = False
        self._task: asyncio.Task[None] | None = None

    def push(self, message: str) -> None:
        """Queue a message."""
        if self._closed:
            return
        self._queue.append(message)
        self._wake.set()
        if len(self._queue) > MAX_QUEUED:
            self._give_up()

    def _give_up(self) -> None:
        """Disconnect a client that does not read. Its task is cancelled, because the sender waits on a full socket."""
        self._closed = True
        self._queue.clear()
        if self._task is not None:
            self._task.cancel()

    async def serve(self, receiving: Coroutine[Any, Any, None]) -> None:
        """Serve until `receiving` ends or the other side closes."""
        await self.socket.accept()
        self._task = asyncio.create_task(receiving)
        sender = asyncio.create_task(self._send())
        try:
            await self._task
        except WebSocketDisconnect:
            pass
        except asyncio.CancelledError:
            if not self._closed:
                raise
        finally:
            self._closed = True
            self._task.cancel()
            sender.cancel()
            await asyncio.gather(sender, return_exceptions=True)

    async def text(self) -> str | None:
        """The next text of the client; None once it has left."""
        message = await self.socket.receive()
        if message["type"] == "websocket.disconnect":
            return None
        text = message.get("text")
        return str(text) if text is not None else (message.get("bytes") or b"").decode("utf-8", "replace")

    def frames(self, batch: list[str]) -> list[str] | None:
        """The frames of messages that were queued together; None closes the connection."""
        return batch

    async def _send(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            batch, self._queue = self._queue, []
            frames = None if self._closing else self.frames(batch)
            if frames is None:
                await self._close(1001, "going away")
                return
            for frame in frames:
                if self.socket.application_state is WebSocketState.CONNECTED:
                    await self.socket.send_text(frame)

    def close_soon(self) -> None:
        """Close the connection soon; queued messages are lost."""
        self._queue.clear()
        self._closing = True
        self._wake.set()

    async def _close(self, code: int, reason: str) -> None:
        self._closed = True
        if self.socket.application_state is WebSocketState.CONNECTED:
            await self.socket.close(code, reason)


class Connection(Client):
    """A client of one channel of the venue. Messages that are queued together are sent as one array."""

    def __init__(self, socket: WebSocket, disturb: Disturb):
        super().__init__(socket)
        self.custom = False
        self._disturb = disturb

    async def run(self, subscribe: Callable[["Connection", dict[str, Any]], bool]) -> None:
        """Serve until either side closes. `subscribe` handles the client's JSON frames; False means that a frame is
        invalid."""
        await self.serve(self._receive(subscribe))

    def frames(self, batch: list[str]) -> list[str] | None:
        """One frame, after what a fault makes of it."""
        sent = self._disturb(self, batch)
        if not sent:
            return sent
        return [sent[0] if len(sent) == 1 else "[" + ",".join(sent) + "]"]

    async def _receive(self, subscribe: Callable[["Connection", dict[str, Any]], bool]) -> None:
        subscribed = False
        while (text := await self.text()) is not None:
            if text == "PING":
                if not subscribed:
                    await self.socket.close(POLICY_VIOLATION, "subscribe first")
                    return
                await self.socket.send_text("PONG")
                continue
            frame = _parse(text)
            is_initial = frame is not None and "operation" not in frame
            if frame is None or (is_initial and subscribed) or not (is_initial or subscribed):
                await self.socket.send_text("INVALID OPERATION")
                continue
            try:
                accepted = subscribe(self, frame)
            except PermissionError:
                await self.socket.close(POLICY_VIOLATION, "invalid auth")
                return
            if accepted:
                subscribed = True
            else:
                await self.socket.send_text("INVALID OPERATION")


def _parse(text: str) -> dict[str, Any] | None:
    try:
        frame = decode(text.encode("utf-8", "replace"))
    except ValueError:
        return None
    return frame if isinstance(frame, dict) else None


def names(frame: dict[str, Any], key: str) -> list[str] | None:
    """A list of strings in a frame: [] if the key is missing, None if the value is not a list of strings."""
    found = frame.get(key)
    if found is None:
        return []
    if not isinstance(found, list) or not all(isinstance(name, str) for name in found):
        return None
    return found

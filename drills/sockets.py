"""A WebSocket from the bot to the simulator, in memory."""

import asyncio
from types import TracebackType
from typing import Any
from urllib.parse import urlsplit

from websockets.exceptions import ConnectionClosedError

from drills.wires import ENDS, Edge, Wires


class Socket:
    """A WebSocket from the bot to the simulator."""

    def __init__(self, wires: Wires, address: str, edge: Edge) -> None:
        self._wires = wires
        self._address = address
        self._edge = edge
        self._to_bot: asyncio.Queue[str | None] = asyncio.Queue()
        self._to_venue: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._accepted: asyncio.Future[bool] = wires.loop.create_future()
        self._task: asyncio.Task[None] | None = None
        self._free_at = 0.0
        self._closed = False

    async def __aenter__(self) -> "Socket":
        self._edge("request", "socket")
        parts = urlsplit(self._address)
        scope = {
            "type": "websocket",
            "path": parts.path,
            "raw_path": parts.path.encode(),
            "query_string": b"",
            "headers": [],
            "subprotocols": [],
            **ENDS,
            "scheme": "ws",
            "server": ("127.0.0.1", parts.port),
        }
        await asyncio.sleep(self._wires.way_s())
        self._to_venue.put_nowait({"type": "websocket.connect"})
        app = self._wires.app(parts.port or 0)
        self._task = self._wires.loop.create_task(app(scope, self._to_venue.get, self._from_venue))  # type: ignore[arg-type]
        self._task.add_done_callback(self._ended)
        if not await self._accepted:
            raise OSError("the venue refused the socket")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closed = True
        self._to_venue.put_nowait({"type": "websocket.disconnect", "code": 1000})

    def _ended(self, task: "asyncio.Task[None]") -> None:
        if not task.cancelled():
            task.exception()
        self._hang_up()

    def _hang_up(self) -> None:
        if not self._accepted.done():
            self._accepted.set_result(False)
        self._deliver(None)

    async def _from_venue(self, message: Any) -> None:
        if message["type"] == "websocket.accept":
            self._accepted.set_result(True)
        elif message["type"] == "websocket.send":
            self._deliver(message["text"])
        elif message["type"] == "websocket.close":
            self._hang_up()

    def _deliver(self, text: str | None) -> None:
        """Deliver messages in their order, each after its own delay."""
        loop = self._wires.loop
        self._free_at = max(self._free_at, loop.time() + self._wires.way_s())
        loop.call_at(self._free_at, self._to_bot.put_nowait, text)

    async def recv(self) -> str:
        """The next message.

        Raises:
            ConnectionClosedError: when the venue has closed the socket.
        """
        text = None if self._closed else await self._to_bot.get()
        if text is None:
            self._closed = True
            raise ConnectionClosedError(None, None)
        self._edge("message", "socket")
        return text

    async def send(self, text: str) -> None:
        """Send a message.

        Raises:
            ConnectionClosedError: when the socket is closed.
        """
        if self._closed:
            raise ConnectionClosedError(None, None)
        self._to_venue.put_nowait({"type": "websocket.receive", "text": text})

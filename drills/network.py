"""Requests and sockets between bot and simulator, in memory: the simulator's own applications, called directly.

Each way takes a random time. A request that outlives its time limit fails for the client, and the venue goes on with
it, as on a network.
"""

import asyncio
import json
import random
from collections.abc import Callable, Coroutine, Mapping
from types import TracebackType
from typing import Any
from urllib.parse import urlencode, urlsplit

import httpx2
from websockets.exceptions import ConnectionClosedError

from drills.loop import VirtualLoop
from pipelines.venue.client_v2 import NoAnswer
from simulator.api.asgi import App

HOSTS = {"clob": 18_640, "gamma": 18_641, "data": 18_642}
"""Port of each host, all at 127.0.0.1; nothing listens there."""

READ_TIMEOUT_S, BLOCKING_TIMEOUT_S = 30.0, 5.0
"""Time limits of the asynchronous client and of the one under the client library."""

LONGEST_WAY_S = 0.05

ENDS: dict[str, Any] = {
    "scheme": "http",
    "root_path": "",
    "client": ("127.0.0.1", 1),
    "state": {},
    "extensions": {},
}
"""What every ASGI scope says of its two ends."""

Edge = Callable[[str, str], None]
"""Told of each moment at which the bot could die: kind and name. It may raise to end the bot there."""


def url(host: str, scheme: str = "http") -> str:
    """Address of a host of the virtual venue."""
    return f"{scheme}://127.0.0.1:{HOSTS[host]}"


class Answer:
    """What a client reads of an answer."""

    def __init__(self, status: int, headers: Mapping[str, str], content: bytes, request_url: str) -> None:
        self.status_code = status
        self.headers = headers
        self.content = content
        self.request = self
        self.url = request_url

    @property
    def text(self) -> str:
        """The body as text."""
        return self.content.decode("utf-8", "replace")

    def json(self) -> Any:
        """The body, parsed."""
        return json.loads(self.content)


class Wires:
    """The venue's applications by port, with the delays of one seed."""

    def __init__(self, loop: VirtualLoop, apps: Mapping[str, App], seed: str) -> None:
        self.loop = loop
        self._apps = {HOSTS[name]: app for name, app in apps.items() if name in HOSTS}
        self._chance = random.Random(f"wires {seed}")  # noqa: S311 - reproducible
        self._running: set[asyncio.Task[Any]] = set()
        self.trace: Callable[..., None] = lambda *_: None
        self.may_wait: Callable[[], bool] = lambda: True
        """Whether the venue may hold an answer back: no fault does where none is on."""

    def way_s(self) -> float:
        """Seconds that a message needs: mostly little, sometimes long."""
        return self._chance.choice((0.001, 0.001, 0.004, self._chance.uniform(0.0, LONGEST_WAY_S)))

    async def request(
        self, method: str, address: str, headers: Mapping[str, str], body: bytes, limit_s: float
    ) -> Answer | None:
        """The venue's answer; None when it did not come in time."""
        parts = urlsplit(address)
        scope = {
            "type": "http",
            "http_version": "1.1",
            "method": method,
            "path": parts.path,
            "raw_path": parts.path.encode(),
            "query_string": parts.query.encode(),
            "headers": [(name.lower().encode(), str(value).encode()) for name, value in headers.items()],
            **ENDS,
            "server": ("127.0.0.1", parts.port),
        }
        await asyncio.sleep(self.way_s())
        serving = self._serve(self._apps[parts.port or 0], scope, body, address)
        answer = await (self._within(serving, limit_s) if self.may_wait() else serving)
        if answer is None:
            self.trace("timeout", method, parts.path)
            return None
        self.trace(method, parts.path, parts.query, answer.status_code)
        await asyncio.sleep(self.way_s())
        return answer

    async def _within(self, serving: Coroutine[Any, Any, Answer], limit_s: float) -> Answer | None:
        """An answer that comes in time. The venue goes on with a request whose client has given up."""
        task = self.loop.create_task(serving)
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        await asyncio.wait({task}, timeout=limit_s)
        return task.result() if task.done() else None

    async def _serve(self, app: App, scope: dict[str, Any], body: bytes, address: str) -> Answer:
        status, headers, parts = 500, {}, []
        given = False

        async def receive() -> Any:
            nonlocal given
            if given:
                await asyncio.Event().wait()
            given = True
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: Any) -> None:
            nonlocal status, headers
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = {name.decode().lower(): value.decode() for name, value in message["headers"]}
            else:
                parts.append(message.get("body", b""))

        await app(scope, receive, send)
        return Answer(status, headers, b"".join(parts), address)


class BotNetwork:
    """The network as one life of the bot sees it; `edge` hears of each request before and after it."""

    def __init__(self, wires: Wires, edge: Edge) -> None:
        self._wires = wires
        self._edge = edge

    def client(self, base_url: str, transport: httpx2.AsyncBaseTransport | None) -> "HostClient":
        """A client of one host."""
        return HostClient(self, base_url)

    def socket(self, url: str) -> "Socket":
        """A WebSocket of the venue."""
        return Socket(self._wires, url, self._edge)

    async def exchange(
        self, method: str, address: str, headers: Mapping[str, str], body: bytes, limit_s: float
    ) -> Answer | None:
        """One request and its answer; None without one in time."""
        name = f"{method} {urlsplit(address).path}"
        self._edge("request", name)
        answer = await self._wires.request(method, address, headers, body, limit_s)
        self._edge("answer", name)
        return answer


def query_of(params: Mapping[str, Any] | None) -> str:
    """Parameters as a query, with a key for each item of a list."""
    return urlencode(params, doseq=True) if params else ""


class HostClient:
    """What `VenueHttp` needs of `httpx2.AsyncClient`."""

    def __init__(self, network: BotNetwork, base_url: str) -> None:
        self._network = network
        self.base_url = base_url

    async def request(
        self, method: str, path: str, *, params: Mapping[str, Any] | None = None, json: Any = None
    ) -> Answer:
        """One request."""
        query = query_of(params)
        address = f"{self.base_url.rstrip('/')}/{path.lstrip('/')}{'?' if query else ''}{query}"
        body = b"" if json is None else _json(json)
        answer = await self._network.exchange(method, address, _JSON_HEADERS, body, READ_TIMEOUT_S)
        if answer is None:
            raise httpx2.ReadTimeout(f"no answer within {READ_TIMEOUT_S:g} s")
        return answer

    async def aclose(self) -> None:
        """Nothing is open."""


_JSON_HEADERS = {"content-type": "application/json"}


def _json(document: Any) -> bytes:
    return json.dumps(document, separators=(",", ":")).encode()


class BlockingClient:
    """What the client library needs of `httpx.Client`; `network` gives the network of the calling life."""

    def __init__(self, loop: VirtualLoop, network: Callable[[], Any]) -> None:
        self._loop = loop
        self._network = network

    def request(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        params: Mapping[str, Any] | None = None,
        content: bytes = b"",
        json: Any = None,
    ) -> Answer:
        """One request of a thread."""
        query = query_of(params)
        address = f"{url}{('&' if '?' in url else '?') + query if query else ''}"
        body = content if json is None else _json(json)
        network = self._network()
        answer = self._loop.wait(network.exchange(method, address, headers, body, BLOCKING_TIMEOUT_S))
        if answer is None:
            raise NoAnswer(f"no answer within {BLOCKING_TIMEOUT_S:g} s")
        return answer  # type: ignore[no-any-return]


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
        app = self._wires._apps[parts.port or 0]
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
        """Messages arrive in their order, each after its own way."""
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

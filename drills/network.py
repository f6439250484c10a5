"""The network as the bot sees it: clients and sockets that reach the simulator in memory."""

import json
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlencode, urlsplit

import httpx2

from drills.loop import VirtualLoop
from drills.sockets import Socket
from drills.wires import Answer, Edge, Wires
from pipelines.venue.client_v2 import NoAnswer

READ_TIMEOUT_S, BLOCKING_TIMEOUT_S = 30.0, 5.0
"""Time limits of the asynchronous client and of the one under the client library."""


class BotNetwork:
    """The network as one process of the bot sees it. `edge` is called before and after each request."""

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
        """Send a request and return its answer; None when none came in time."""
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
    """What the client library needs of `httpx.Client`; `network` returns the network of the calling process of the
    bot."""

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

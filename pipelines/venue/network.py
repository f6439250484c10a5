"""How this process reaches the venue: over the machine's network, or over one in memory that a drill puts in its place.

Every asynchronous request and every socket to the venue is opened here; the client library's requests go through
`client_v2.use`.
"""

from contextlib import AbstractAsyncContextManager
from contextvars import ContextVar
from typing import Any, Protocol

import httpx2
from websockets.asyncio.client import connect

TIMEOUT = httpx2.Timeout(30.0, connect=5.0)


class Network(Protocol):
    """What opens connections."""

    def client(self, base_url: str, transport: httpx2.AsyncBaseTransport | None) -> Any:
        """An asynchronous client of one host, with the methods `request` and `aclose` of `httpx2.AsyncClient`."""
        ...

    def socket(self, url: str) -> AbstractAsyncContextManager[Any]:
        """A WebSocket with `send` and `recv`; its errors are OSError and WebSocketException."""
        ...


class MachineNetwork:
    """The network of this machine."""

    def client(self, base_url: str, transport: httpx2.AsyncBaseTransport | None) -> Any:
        """A client of httpx2."""
        return httpx2.AsyncClient(base_url=base_url, timeout=TIMEOUT, transport=transport, follow_redirects=False)

    def socket(self, url: str) -> AbstractAsyncContextManager[Any]:
        """A socket of `websockets`. The venue wants pings as text, so the library sends none."""
        return connect(url, ping_interval=None, max_size=None, open_timeout=10)


NETWORK: ContextVar[Network] = ContextVar("network", default=MachineNetwork())  # noqa: B039 - it holds no state
"""The network of the running task."""

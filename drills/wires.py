"""The simulator's applications, called in memory. Each request and each answer takes a random time from the seed.

When a request exceeds its time limit, the client gets an error and the venue still completes it, as on a network.
"""

import asyncio
import json
import random
from collections.abc import Callable, Coroutine, Mapping
from typing import Any
from urllib.parse import urlsplit

from drills.loop import VirtualLoop
from simulator.api.asgi import App

HOSTS = {"clob": 18_640, "gamma": 18_641, "data": 18_642}
"""Port of each host, all at 127.0.0.1; nothing listens there."""

LONGEST_WAY_S = 0.05

ENDS: dict[str, Any] = {
    "scheme": "http",
    "root_path": "",
    "client": ("127.0.0.1", 1),
    "state": {},
    "extensions": {},
}
"""Client and server of every ASGI scope."""

Edge = Callable[[str, str], None]
"""A function that is called with kind and name at each moment at which the bot can be killed; it may raise to do so."""


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
        """Says whether the venue may hold an answer back, which needs an active fault."""

    def app(self, port: int) -> App:
        """The application at a port."""
        return self._apps[port]

    def way_s(self) -> float:
        """Seconds that a message takes: mostly few, sometimes many."""
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
        serving = self._serve(self.app(parts.port or 0), scope, body, address)
        answer = await (self._within(serving, limit_s) if self.may_wait() else serving)
        if answer is None:
            self.trace("timeout", method, parts.path)
            return None
        self.trace(method, parts.path, parts.query, answer.status_code)
        await asyncio.sleep(self.way_s())
        return answer

    async def _within(self, serving: Coroutine[Any, Any, Answer], limit_s: float) -> Answer | None:
        """The answer if it comes in time. The venue completes a request also when its client has given up."""
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

"""Rate limits of an address: requests are counted per route, and those above the venue's limits get 429.

The venue's proxy delays requests before it refuses them; this one refuses at once.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from math import ceil

from simulator.api.asgi import App, Receive, Scope, Send
from simulator.api.responses import answer

TEN_S, TEN_MIN = 10.0, 600.0


@dataclass(frozen=True, slots=True)
class Rule:
    """Most requests of one address in a time window; an empty list of paths or methods means all."""

    name: str
    most: int
    paths: tuple[str, ...] = ()
    """Paths; one that ends with a slash includes all paths below it."""
    methods: tuple[str, ...] = ()
    window_s: float = TEN_S

    def covers(self, method: str, path: str) -> bool:
        """Whether a request counts."""
        if self.methods and method not in self.methods:
            return False
        return not self.paths or any(path == p or (p.endswith("/") and path.startswith(p)) for p in self.paths)


def _each(most: int, *paths: str, method: str = "GET", window_s: float = TEN_S) -> list[Rule]:
    return [Rule(f"{method} {path} in {window_s:g} s", most, (path,), (method,), window_s) for path in paths]


RULES: dict[str, list[Rule]] = {
    "clob": [
        Rule("all", 9_000),
        *_each(100, "/ok"),
        *_each(1_500, "/book", "/price", "/midpoint"),
        *_each(500, "/books", "/prices", "/midpoints", method="POST"),
        *_each(1_000, "/prices-history"),
        *_each(200, "/tick-size", "/balance-allowance"),
        *_each(50, "/balance-allowance/update"),
        *_each(500, "/data/orders", "/data/trades"),
        *_each(125, "/notifications"),
        Rule("api keys", 100, ("/auth/",)),
        *_each(5_000, "/order", method="POST"),
        *_each(120_000, "/order", method="POST", window_s=TEN_MIN),
        *_each(3_000, "/order", method="DELETE"),
        *_each(30_000, "/order", method="DELETE", window_s=TEN_MIN),
        *_each(1_000, "/orders", method="POST"),
        *_each(15_000, "/orders", method="POST", window_s=TEN_MIN),
    ],
    "gamma": [
        Rule("all", 4_000),
        Rule("markets and events", 900, ("/markets", "/markets/", "/events", "/events/")),
        Rule("markets", 300, ("/markets", "/markets/")),
        Rule("events", 500, ("/events", "/events/")),
        *_each(200, "/comments", "/tags"),
        *_each(350, "/public-search"),
    ],
    "data": [Rule("all", 800), *_each(300, "/v2/trades")],
    "news": [],
}
"""Limits by host, as published in September 2026."""


class IpLimits:
    """Passes requests on unless their address is above a rule. Windows start at multiples of their length."""

    def __init__(self, app: App, host: str, clock: Callable[[], float] = time.monotonic):
        self.app = app
        self.host = host
        self._clock = clock
        self._counts: dict[tuple[str, str], tuple[int, int]] = {}
        """Number of the window and requests in it, by address and rule."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        wait_s = self._count(scope) if scope["type"] == "http" else None
        if wait_s is None:
            await self.app(scope, receive, send)
            return
        response = answer(self._body(), 429)
        response.headers["Retry-After"] = str(max(1, ceil(wait_s)))
        await response(scope, receive, send)

    def _count(self, scope: Scope) -> float | None:
        """Seconds to wait when a rule is exceeded, else None."""
        now, address = self._clock(), (scope.get("client") or ("",))[0]
        waits = []
        for rule in RULES[self.host]:
            if rule.covers(scope["method"], scope["path"]):
                window = int(now / rule.window_s)
                known, count = self._counts.get((address, rule.name), (window, 0))
                count = count + 1 if known == window else 1
                self._counts[address, rule.name] = (window, count)
                if count > rule.most:
                    waits.append((window + 1) * rule.window_s - now)
        return max(waits, default=None)

    def _body(self) -> dict[str, object]:
        if self.host != "data":
            return {"error": "Too Many Requests"}
        return {"error": "Too Many Requests", "code": "rate_limited", "retryable": True, "trace_id": "0" * 32}

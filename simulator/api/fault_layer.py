"""Faults of the CLOB's HTTP interface, as an ASGI layer before the application."""

import asyncio
from typing import Any

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from simulator.api.asgi import App, Receive, Scope, Send
from simulator.api.responses import answer, decode, refusal
from simulator.faults.catalog import Fault
from simulator.faults.state import Faults

PLACES = ("/order", "/orders")
ORDER_ROUTES = (*PLACES, "/cancel-all", "/cancel-market-orders", "/data/orders", "/v1/heartbeats", "/heartbeats")

BLOCKED_PAGE = """<!DOCTYPE html><html lang="en-US"><head><title>Attention Required! | Cloudflare</title></head>
<body><h1>Sorry, you have been blocked</h1><h2>You are unable to access polymarket.com</h2></body></html>"""


DISABLED = ("Trading is currently disabled. Check polymarket.com for updates", "trading is disabled")
ENGINE_ERRORS = (
    "there are no matching orders",
    "the trade contains rounding issues",
    "could not insert order",
)


RETIRED = "this endpoint has been retired, see https://docs.polymarket.com/changelog"


async def _nowhere(message: Any) -> None:
    """An answer that is lost."""


class FaultLayer:
    """Passes requests on unless a fault strikes. Without faults it costs one attribute look-up."""

    def __init__(self, app: App, faults: Faults):
        self.app = app
        self.faults = faults

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        self.faults.advance()
        path = scope.get("path", "")
        if scope["type"] != "http" or not self.faults.active or path.startswith(("/admin", "/api/geoblock")):
            await self.app(scope, receive, send)
            return
        body = await Request(scope, receive).body()
        slow = self.faults.strikes("slow")
        if slow:
            await asyncio.sleep(slow.number("delay_s", 1.0))
        refused = self._refuse(scope["method"], path, body)
        if refused is not None:
            await refused(scope, receive, send)
            return
        await self._pass(scope, _replay(body, receive), send)

    async def _pass(self, scope: Scope, receive: Receive, send: Send) -> None:
        places = scope["path"] in PLACES and scope["method"] == "POST"
        broken = self.faults.strikes("engine_error") if places else None
        if broken:
            if broken.number("placed", 0):
                await self.app(scope, receive, _nowhere)
            await self._engine_error()(scope, receive, send)
            return
        lost = self.faults.strikes("lost_answer") if places else None
        late = self.faults.strikes("late_answer") if places and not lost else None
        if not lost and not late:
            await self.app(scope, receive, send)
            return
        sent: list[Any] = []

        async def keep(message: Any) -> None:
            sent.append(message)

        await self.app(scope, receive, keep)
        if lost:
            await asyncio.sleep(lost.number("hold_s", 10.0))
            await refusal("upstream timed out", 504)(scope, receive, send)
            return
        await asyncio.sleep(late.number("delay_s", 1.0) if late else 0.0)
        for message in sent:
            await send(message)

    def _refuse(self, method: str, path: str, body: bytes) -> Response | None:
        strikes = self.faults.strikes
        places = method == "POST" and path in PLACES
        writes = method in ("POST", "DELETE")
        if self._is_forbidden(writes=writes):
            return HTMLResponse(BLOCKED_PAGE, 403)
        gone = retired(self.faults, path)
        if gone is not None:
            return gone
        if writes and strikes("geoblock"):
            text = "Trading restricted in your region, please refer to available regions"
            return refusal(f"{text} - https://docs.polymarket.com/developers/CLOB/geoblock", 403)
        limited = strikes("rate_limit")
        if limited:
            return _limited(self.faults, limited)
        if (path in ORDER_ROUTES or path.startswith("/data/order")) and strikes("restart"):
            return _with(refusal("service not ready", 425), {"Retry-After": "1"})
        disabled = strikes("disabled") if path in ORDER_ROUTES and writes else None
        if disabled:
            return refusal(DISABLED[bool(disabled.number("short", 0))], 503)
        if places and strikes("cancel_only"):
            return refusal(
                "Trading is currently cancel-only. New orders are not accepted, but cancels are allowed", 503
            )
        if places and path == "/order" and not _is_post_only(body):
            only = strikes("post_only")
            if only:
                return _post_only(max(1, int(only.until_s - self.faults.clock())) if only.until_s < 1e12 else 120)
        if places and strikes("order_timeout"):
            return refusal("order timed out", 500)
        return None

    def _is_forbidden(self, *, writes: bool) -> bool:
        blocks_reads = any(f.kind == "forbidden" and f.number("reads", 0) for f in self.faults.active)
        return (writes or blocks_reads) and self.faults.strikes("forbidden") is not None

    def _engine_error(self) -> Response:
        return refusal(self.faults.choose(ENGINE_ERRORS), 500)


def retired(faults: Faults, path: str) -> Response | None:
    """The answer to a request of a retired route; None for other routes."""
    for fault in faults.active:
        if fault.kind == "route_retired" and path.startswith(fault.words.get("route", "/")):
            if faults.strikes("route_retired") is None:
                return None
            status = int(fault.number("status", 410))
            return refusal(RETIRED if status == 410 else "not found", status)
    return None


def _is_post_only(body: bytes) -> bool:
    try:
        document = decode(body)
    except ValueError:
        return False
    return isinstance(document, dict) and document.get("postOnly") is True


def _post_only(left_s: int) -> Response:
    text = "post-only mode: only post-only orders and cancels are allowed"
    document = {"error": text, "code": "post_only_mode", "retry_after_seconds": left_s}
    return _with(answer(document, 503), {"Retry-After": str(left_s)})


def _limited(faults: Faults, fault: Fault) -> Response:
    wait_s = max(1, int(fault.number("retry_after_s", 1)))
    headers = {
        "Retry-After": str(wait_s),
        "Poly-RateLimit-Remaining": "0",
        "Poly-RateLimit-Reset": str(int(faults.clock()) + wait_s),
        "Poly-RateLimit-Tier": "standard",
    }
    return _with(refusal("Too Many Requests", 429), headers)


def _with(response: Response, headers: dict[str, str]) -> Response:
    response.headers.update(headers)
    return response


def _replay(body: bytes, receive: Receive) -> Receive:
    """A receive channel that returns the body a second time."""
    given = False

    async def again() -> Any:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again

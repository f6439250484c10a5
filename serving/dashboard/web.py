"""HTTP around the bot: the page, its state, the stream of states, the kill switch and what else a person may ask."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol, TypeVar

import msgspec
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Mount, Route, WebSocketRoute
from starlette.staticfiles import StaticFiles
from starlette.websockets import WebSocket, WebSocketDisconnect

from pipelines.core.errors import OddsmithError
from serving.account import requests
from serving.dashboard import layout, past, profiles_page, site
from serving.dashboard.api_description import takes
from serving.dashboard.site import NOT_KEPT, json_response

HEARTBEAT_S = 5.0
"""A state is pushed at least this often, so that the page sees a stopped feed."""

T = TypeVar("T")


class Watched(past.Remembers, Protocol):
    """What the page shows and can do. All calls return at once."""

    def state(self, *, whole: bool) -> dict[str, Any]:
        """The picture of now; the equity curve in full, or its newest point."""
        ...

    async def changed(self, timeout_s: float) -> None:
        """Return at the next bar, or after a time."""
        ...

    async def market(self, market_id: str) -> dict[str, Any] | None:
        """What the page of a market shows; None where nothing is known of it."""
        ...

    async def kill(self, on: bool) -> None:
        """Throw the kill switch, or lift it."""
        ...

    async def ask(self, kind: str, asked_by: str, argument: str = "") -> int:
        """Write what a person asks (`serving.account.requests`) into the journal; its number."""
        ...


def application(bot: Callable[[], Watched], folder: Path, var: Callable[[], Path] = lambda: Path("var")) -> Starlette:
    """Every route of the service that is not BentoML's own; `/docs` lists them. `var` is where the flows write."""

    async def page(_request: Request) -> Response:
        """The dashboard."""
        return layout.page(folder, "index")

    async def state(_request: Request) -> Response:
        """Everything that the dashboard shows, but the curve."""
        return json_response(bot().state(whole=True))

    async def days_page(_request: Request) -> Response:
        """Looking back to a day: equity, trades, P&L, fees, slippage."""
        return layout.page(folder, "days")

    async def market_page(_request: Request) -> Response:
        """The page of one market."""
        return layout.page(folder, "market")

    async def market(request: Request) -> Response:
        """One market: prices, forecast fans, own orders and fills, book, headlines, features, decisions."""
        found = await bot().market(request.path_params["market_id"])
        if found is None:
            return JSONResponse(
                {"error": "this market is not followed, and no bar and no trade that the journal keeps is about it"},
                status_code=404,
                headers=NOT_KEPT,
            )
        return json_response(found)

    @takes(body={"on": True})
    async def kill(request: Request) -> Response:
        """Throw the kill switch: nothing is opened any more and what is held is closed; `false` lifts it."""
        wanted = await _read(request, _Switch, '{"on": true} or {"on": false}')
        if isinstance(wanted, Response):
            return wanted
        await bot().kill(wanted.on)
        return JSONResponse({"kill": wanted.on})

    @takes(body={"on": True})
    async def pause(request: Request) -> Response:
        """Pause entries from the next bar on, or let them again with `false`; what is held is sold by the rules."""
        wanted = await _read(request, _Switch, '{"on": true} or {"on": false}')
        if isinstance(wanted, Response):
            return wanted
        return await ask(request, requests.PAUSE if wanted.on else requests.RESUME)

    @takes(body={"market": "0x…"})
    async def close(request: Request) -> Response:
        """Sell one position from the next bar on, or with `{"all": true}` every one."""
        wanted = await _read(request, _Close, '{"market": "0x..."} or {"all": true}')
        if isinstance(wanted, Response):
            return wanted
        if bool(wanted.market.strip()) is wanted.all:
            return JSONResponse({"error": 'send either {"market": "0x..."} or {"all": true}'}, status_code=400)
        return await ask(request, requests.CLOSE, wanted.market.strip())

    @takes(body={})
    async def reload(request: Request) -> Response:
        """Read `risk` and `markets` of params.yaml anew; they hold from the next bar on, or nothing changes."""
        wanted = await _read(request, _Nothing, "{}")
        return wanted if isinstance(wanted, Response) else await ask(request, requests.RELOAD)

    async def ask(request: Request, kind: str, argument: str = "") -> Response:
        try:
            number = await bot().ask(kind, _who(request), argument)
        except OddsmithError as error:
            return JSONResponse({"error": str(error)}, status_code=503)
        return JSONResponse({"request": number, "kind": kind}, status_code=202, headers=NOT_KEPT)

    async def stream(socket: WebSocket) -> None:
        """The state once, and again at every bar."""
        await socket.accept()
        reader = asyncio.create_task(_until_closed(socket))
        try:
            await socket.send_text(msgspec.json.encode(bot().state(whole=True)).decode())
            while not reader.done():
                await bot().changed(HEARTBEAT_S)
                await socket.send_text(msgspec.json.encode(bot().state(whole=False)).decode())
        except (WebSocketDisconnect, RuntimeError):
            return
        finally:
            reader.cancel()

    routes: list[BaseRoute] = [
        Route("/", page),
        Route("/days", days_page),
        Route("/market/{market_id}", market_page),
        Route("/api/state", state),
        Route("/api/market/{market_id}", market),
        *past.routes(bot),
        *profiles_page.routes(folder),
        Route("/kill", kill, methods=["POST"]),
        Route("/pause", pause, methods=["POST"]),
        Route("/close", close, methods=["POST"]),
        Route("/reload", reload, methods=["POST"]),
        WebSocketRoute("/ws/state", stream),
        *site.routes(folder, var, lambda: routes),
        Mount("/static", StaticFiles(directory=folder / "static")),
    ]
    return Starlette(routes=routes, middleware=[Middleware(GZipMiddleware, minimum_size=1_000, compresslevel=4)])


class _Switch(msgspec.Struct, forbid_unknown_fields=True):
    on: bool


class _Close(msgspec.Struct, forbid_unknown_fields=True):
    market: str = ""
    all: bool = False


class _Nothing(msgspec.Struct, forbid_unknown_fields=True):
    pass


async def _read(request: Request, kind: type[T], example: str) -> T | Response:
    """The JSON of a request, or the answer to one that is none."""
    # A form or a foreign page cannot send this content type without a preflight, which is refused.
    if request.headers.get("content-type", "").partition(";")[0] != "application/json":
        return JSONResponse({"error": f"send JSON (content-type application/json): {example}"}, status_code=415)
    try:
        return msgspec.json.decode(await request.body(), type=kind)
    except (ValueError, RecursionError) as error:
        return JSONResponse({"error": f"{error}; send {example}"}, status_code=400)


def _who(request: Request) -> str:
    """Who asks, for the journal: the user that a proxy names, or the address of the browser."""
    user = request.headers.get("x-forwarded-user") or request.headers.get("remote-user")
    place = request.client.host if request.client is not None else "an unknown address"
    return f"{user[:60]} (page)" if user else f"page at {place}"


async def _until_closed(socket: WebSocket) -> None:
    while (await socket.receive())["type"] != "websocket.disconnect":
        pass

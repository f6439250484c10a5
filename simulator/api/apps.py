"""The four applications and their servers: CLOB with WebSockets, Gamma, Data API, news."""

import asyncio
import contextlib
import socket
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, WebSocketRoute
from starlette.websockets import WebSocket

from pipelines.core.errors import SettingError
from simulator.api.admin import Admin
from simulator.api.asgi import App, Receive, Scope, Send
from simulator.api.clob_account import ClobAccount
from simulator.api.clob_keys import ClobKeys
from simulator.api.clob_orders import ClobOrders
from simulator.api.clob_public import ClobPublic
from simulator.api.clob_rewards import ClobRewards
from simulator.api.clob_rfq import ClobRfq
from simulator.api.data import DataApi
from simulator.api.data_accounts import DataAccounts
from simulator.api.data_base import DataPart
from simulator.api.data_markets import DataMarkets
from simulator.api.data_standings import DataStandings
from simulator.api.data_v1 import DataV1
from simulator.api.exchange_stream import ExchangeStream
from simulator.api.fault_layer import FaultLayer
from simulator.api.gamma import Gamma
from simulator.api.market_channel import MarketChannel
from simulator.api.news import News
from simulator.api.notifications import Notifications
from simulator.api.openapi import with_page
from simulator.api.rate_limits import IpLimits
from simulator.api.record_layer import RecordLayer
from simulator.api.relayer_routes import RelayerRoutes
from simulator.api.responses import refusal
from simulator.api.rtds import RtdsChannel
from simulator.api.user_channel import UserChannel
from simulator.engine.refusals import Refused
from simulator.faults.profiles import profile
from simulator.faults.state import Faults
from simulator.venue.relayer import Relayer
from simulator.venue.venue import Venue

TITLES = {"clob": "Simulated CLOB", "gamma": "Simulated Gamma", "data": "Simulated Data API", "news": "Simulated news"}

DATA: tuple[type[DataPart], ...] = (DataApi, DataMarkets, DataAccounts, DataStandings, DataV1)

NAMES = ("clob", "gamma", "data", "news")


class Channel(Protocol):
    """What serves the clients of a socket."""

    async def serve(self, socket: WebSocket) -> None:
        """Serve one client until its connection is closed."""
        ...


@dataclass(slots=True)
class Site:
    """The venue and its parts that the applications serve; empty until the history is generated."""

    venue: Venue | None = None
    faults: Faults | None = None
    market_channel: MarketChannel | None = None
    user_channel: UserChannel | None = None
    rtds: RtdsChannel | None = None
    trades: ExchangeStream | None = None
    notifications: Notifications | None = None
    relayer: Relayer | None = None

    def open(self, venue: Venue) -> None:
        """Serve a venue from now on."""
        faults = Faults(venue)
        if venue.options.faults is not None:
            faults.script(venue.options.faults)
        if venue.options.profile != "off":
            faults.use(profile(venue.options.profile), venue.options.source.seed)
        self.market_channel = MarketChannel(venue, faults.streams.market_batch)
        self.user_channel = UserChannel(venue, faults.streams.batch)
        self.rtds = RtdsChannel(venue, faults.references.say)
        self.trades = ExchangeStream(venue, faults.references.say)
        self.notifications = Notifications(venue)
        self.relayer = Relayer(venue)
        faults.close_sockets = [self.market_channel.close_all, self.user_channel.close_all]
        self.faults = faults
        self.venue = venue

    def get(self) -> Venue:
        """The venue.

        Raises:
            Refused: 503 until it is open.
        """
        if self.venue is None:
            raise Refused("service unavailable: the venue is starting", 503)
        return self.venue

    def get_faults(self) -> Faults:
        """The venue's faults.

        Raises:
            Refused: 503 until it is open.
        """
        self.get()
        assert self.faults is not None
        return self.faults

    def get_relayer(self) -> Relayer:
        """The relayer of the venue.

        Raises:
            Refused: 503 until it is open.
        """
        self.get()
        assert self.relayer is not None
        return self.relayer

    def get_notifications(self) -> Notifications:
        """The notifications of the venue's accounts.

        Raises:
            Refused: 503 until it is open.
        """
        self.get()
        assert self.notifications is not None
        return self.notifications


def applications(site: Site, *, admin: bool, limited: bool = False) -> dict[str, App]:
    """One application per host of the venue, by name. `admin` adds /admin, `limited` adds limits by address."""
    clob: list[BaseRoute] = [
        WebSocketRoute("/ws/market", _socket(lambda: site.market_channel)),
        WebSocketRoute("/ws/user", _socket(lambda: site.user_channel)),
        WebSocketRoute("/rtds", _socket(lambda: site.rtds)),
        *(
            WebSocketRoute(path, _socket(lambda: site.trades))
            for path in ("/exchange/ws", "/exchange/ws/{stream}", "/exchange/stream")
        ),
        *ClobOrders(site.get, site.get_faults).routes(),
        *ClobAccount(site.get, site.get_faults, site.get_notifications).routes(),
        *ClobKeys(site.get, site.get_faults).routes(),
        *ClobRewards(site.get, site.get_faults).routes(),
        *ClobRfq(site.get, site.get_faults).routes(),
        *RelayerRoutes(site.get, site.get_relayer).routes(),
        *ClobPublic(site.get).routes(),
        *(Admin(site.get, site.get_faults).routes() if admin else []),
    ]
    tables = {
        "clob": clob,
        "gamma": Gamma(site.get).routes(),
        "data": [route for part in DATA for route in part(site.get).routes()],
        "news": News(site.get).routes(),
    }
    apps: dict[str, App] = {name: _starlette(with_page(TITLES[name], routes)) for name, routes in tables.items()}
    apps = {name: app if name == "news" else _faulty(app, site, name) for name, app in apps.items()}
    apps["clob"] = _publishing(apps["clob"], site)
    return {name: IpLimits(app, name) if limited else app for name, app in apps.items()}


def _starlette(routes: list[BaseRoute]) -> Starlette:
    async def missing(request: Request, error: Exception) -> Response:
        return refusal("not found", 404)

    async def wrong_method(request: Request, error: Exception) -> Response:
        return refusal("method not allowed", 405)

    async def failed(request: Request, error: Exception) -> Response:
        return refusal("internal server error", 500)

    made = Starlette(routes=routes, exception_handlers={404: missing, 405: wrong_method, 500: failed})
    made.router.redirect_slashes = False
    return made


def _faulty(app: App, site: Site, name: str) -> App:
    """An application behind its layers of faults, which are added when the venue is open."""
    layer: App | None = None

    async def run(scope: Scope, receive: Receive, send: Send) -> None:
        nonlocal layer
        if layer is None and site.faults is not None:
            layer = RecordLayer(app, site.faults, name)
            layer = FaultLayer(layer, site.faults) if name == "clob" else layer
        await (layer or app)(scope, receive, send)

    return run


def _publishing(app: App, site: Site) -> App:
    """Publish the changes of a write to WebSocket subscribers right after its answer."""

    async def run(scope: Scope, receive: Receive, send: Send) -> None:
        await app(scope, receive, send)
        if scope["type"] == "http" and scope["method"] != "GET" and site.market_channel is not None:
            site.market_channel.publish()

    return run


def _socket(channel: Callable[[], Channel | None]) -> Callable[[WebSocket], Awaitable[None]]:
    """Serves a channel once the venue is open."""

    async def serve(websocket: WebSocket) -> None:
        found = channel()
        if found is None:
            await websocket.close(1013)
            return
        await found.serve(websocket)

    return serve


class Server(uvicorn.Server):
    """A uvicorn server that does not handle signals, because one process runs four of them."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Does nothing: the command handles signals for all servers."""
        yield


def bind(host: str, port: int) -> dict[str, socket.socket]:
    """Listening sockets on `port` and the next three; port 0 takes any free ones.

    Raises:
        SettingError: if a port is taken; the text names it.
    """
    sockets: dict[str, socket.socket] = {}
    for offset, name in enumerate(NAMES):
        wanted = port + offset if port else 0
        # asyncio turns Nagle's algorithm off only if the protocol is named. With Nagle, an answer of two packets
        # waits 40 ms for an ACK.
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, wanted))
        except OSError as error:
            listener.close()
            for other in sockets.values():
                other.close()
            raise SettingError(
                f"port {wanted} on {host} for {name} cannot be used ({error.strerror}); "
                "stop what uses it or choose another --port (four in a row are needed)"
            ) from None
        listener.listen(2048)
        sockets[name] = listener
    return sockets


def servers(site: Site, *, admin: bool = False, limited: bool = False) -> dict[str, Server]:
    """One server per application."""
    return {
        name: Server(
            uvicorn.Config(
                app,
                log_config=None,
                access_log=False,
                lifespan="off",
                loop="none",
                ws="websockets-sansio",
                ws_ping_interval=None,
                ws_max_size=4 * 1024 * 1024,
                ws_per_message_deflate=False,
                timeout_graceful_shutdown=1,
                server_header=False,
            )
        )
        for name, app in applications(site, admin=admin, limited=limited).items()
    }


async def serve(all_servers: dict[str, Server], sockets: dict[str, socket.socket]) -> None:
    """Run the servers until `should_exit` of each is set."""
    await asyncio.gather(*(server.serve(sockets=[sockets[name]]) for name, server in all_servers.items()))

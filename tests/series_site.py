"""A venue with simulated series behind real sockets, in the loop of a test; steps are the test's."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import SimpleNamespace

from simulator.api.apps import Site, bind, serve, servers
from simulator.series.source import BEGINS_S, FIRST_S, SeriesMarkets, parse
from simulator.venue.options import Options
from simulator.venue.venue import Venue

SEED = 2


def first_windows(series: str = "btc-5m", lag_s: int = 0) -> SeriesMarkets:
    """Series whose first windows begin now."""
    return SeriesMarkets(parse(series, lag_s), SEED, BEGINS_S + FIRST_S, BEGINS_S)


@asynccontextmanager
async def served(series: str = "btc-5m", *, lag_s: int = 0, speed: float = 0.0) -> AsyncIterator[SimpleNamespace]:
    """Venue, site, the addresses `stream` (its sockets) and `gamma`, and whether somebody is `subscribed` to trades, as
    the first windows begin. No loop steps it."""
    source = first_windows(series, lag_s)
    venue = Venue(Options(port=0, speed=speed), source)
    venue.open_quotes()
    site = Site()
    sockets, all_servers = bind("127.0.0.1", 0), servers(site)
    site.open(venue)
    serving = asyncio.create_task(serve(all_servers, sockets))
    while not all(server.started for server in all_servers.values()):  # noqa: ASYNC110 - uvicorn has no event
        await asyncio.sleep(0.01)
    ports = {name: one.getsockname()[1] for name, one in sockets.items()}
    try:
        yield SimpleNamespace(
            venue=venue,
            site=site,
            source=source,
            stream=f"ws://127.0.0.1:{ports['clob']}",
            gamma=f"http://127.0.0.1:{ports['gamma']}",
            subscribed=lambda: any(client.streams for client in site.trades._clients),
        )
    finally:
        for server in all_servers.values():
            server.should_exit = True
        await serving

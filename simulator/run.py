"""Run a whole simulated venue in this process, until a signal stops it."""

import asyncio
import contextlib
import gc
import signal
from collections.abc import Callable
from dataclasses import replace

from simulator.api.apps import Server, Site, bind, serve, servers
from simulator.loops import run_market, run_state, run_upkeep
from simulator.markets import mixed, recorded_source, synthetic
from simulator.markets.source import MarketSource, SourceFactory
from simulator.series import source as series_source
from simulator.venue import saved_state
from simulator.venue.limits import LimitMode
from simulator.venue.options import Options
from simulator.venue.restore import restore
from simulator.venue.saved_state import SavedState
from simulator.venue.venue import Venue

URLS = {"clob": "CLOB   ", "gamma": "Gamma  ", "data": "Data   ", "news": "News   "}

Ready = Callable[[dict[str, str], Venue], None]


def source_factory(options: Options) -> SourceFactory:
    """The function that opens the markets: series, synthetic, of the named recording, or both when `mix` is set."""
    if options.source.series:
        return series_source.open_source
    if options.source.mix:
        return mixed.open_source
    if options.source.replay is not None:
        return recorded_source.open_source
    return synthetic.open_source


async def run(options: Options, ready: Ready, make_source: SourceFactory | None = None) -> None:
    """Serve until SIGINT or SIGTERM.

    Raises:
        SettingError: if a port is taken.
        ParameterError, DataError: if the markets cannot be made.
    """
    sockets = bind(options.host, options.port)
    site = Site()
    all_servers = servers(site, admin=options.admin, limited=options.rate_limits is LimitMode.ON)
    serving = asyncio.create_task(serve(all_servers, sockets))
    loops: list[asyncio.Task[None]] = []
    stop = _stop_signal()
    try:
        making = asyncio.create_task(asyncio.to_thread(_open, options, make_source or source_factory(options)))
        await asyncio.wait({making, stop}, return_when=asyncio.FIRST_COMPLETED)
        if not making.done():
            return
        kept, source = await making
        venue = Venue(options, source)
        if kept is not None:
            restore(venue, kept)
        venue.open_quotes()
        site.open(venue)
        gc.collect()
        gc.freeze()  # history stays until the process ends, so garbage collections need not scan it
        loops = start_loops(venue, site)
        ports = {name: listener.getsockname()[1] for name, listener in sockets.items()}
        ready({name: f"http://{options.host}:{port}" for name, port in ports.items()}, venue)
        done, _ = await asyncio.wait({stop, serving, *loops}, return_when=asyncio.FIRST_COMPLETED)
        for task in done - {stop}:
            task.result()
    finally:
        await _shut_down(site, options, loops, all_servers, serving)


def _open(options: Options, make_source: SourceFactory) -> tuple[SavedState | None, MarketSource]:
    kept = saved_state.read(options.state, options.source) if options.state else None
    return kept, make_source(replace(options.source, resume_s=kept.market_time_s if kept else None))


def start_loops(venue: Venue, site: Site) -> "list[asyncio.Task[None]]":
    """Start the tasks of upkeep, market time (if the speed is above 0) and saving (if a state file is named)."""

    def publish() -> None:
        if site.faults is not None:
            site.faults.advance()
        if site.relayer is not None:
            site.relayer.advance(venue.wall_s())
        if site.trades is not None:
            site.trades.advance()
        if site.market_channel is not None:
            site.market_channel.publish()

    loops = [asyncio.create_task(run_upkeep(venue, publish))]
    if venue.options.speed > 0:
        loops.append(asyncio.create_task(run_market(venue)))
    if venue.options.state:
        loops.append(asyncio.create_task(run_state(venue, venue.options.state)))
    return loops


def _stop_signal() -> "asyncio.Task[bool]":
    event = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        # Only the main thread of a process receives signals. A venue in another thread is stopped by its owner.
        with contextlib.suppress(NotImplementedError, RuntimeError):
            loop.add_signal_handler(number, event.set)
    return asyncio.create_task(event.wait())


async def _shut_down(
    site: Site,
    options: Options,
    loops: "list[asyncio.Task[None]]",
    all_servers: dict[str, Server],
    serving: "asyncio.Task[None]",
) -> None:
    if site.venue is not None:
        await site.venue.stepping.acquire()  # waits for the step under way; keeping the lock prevents another one
    for task in loops:
        task.cancel()
    await asyncio.gather(*loops, return_exceptions=True)
    for server in all_servers.values():
        server.should_exit = True
    await asyncio.gather(serving, return_exceptions=True)
    if site.venue is not None and options.state:
        saved_state.write(site.venue, options.state)

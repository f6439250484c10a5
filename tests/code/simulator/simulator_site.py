"""A served venue for tests: a small deterministic source of markets and the four servers in a thread."""

import asyncio
import threading
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import numpy as np
from simulator_bench import listing

from pipelines.core.domain import Headline, Side
from pipelines.core.money import MICRO
from simulator.api.apps import Site, bind, serve, servers
from simulator.markets.source import History, Step, Tick
from simulator.run import start_loops
from simulator.venue.limits import LimitMode
from simulator.venue.options import Options
from simulator.venue.venue import Venue

START_S = 1_767_225_600
"""2026-01-01T00:00Z"""


@dataclass
class TinySource:
    """Four markets, always quoted 0.49 to 0.51, with one trade of 30 shares per minute; the last one is resolved."""

    step_s: int = 60
    now_s: int = START_S + 120 * 60
    half_spread: int = 100
    extra: list[Any] = field(default_factory=list)

    def __post_init__(self):
        """Two ordinary markets, a negative-risk one, and a resolved one."""
        spans = [(100, 0.05, False), (10, 0.07, False), (100, 0.04, True), (100, 0.0, False)]
        self._listings = [
            replace_times(listing(n + 1, tick_units=t, rate=r, neg_risk=neg), n == 3)
            for n, (t, r, neg) in enumerate(spans)
        ]

    def listings(self):
        """All four markets."""
        return self._listings

    def resolutions(self):
        """The last market was resolved to YES."""
        return [(self._listings[3].market_id, MICRO, self._listings[3].end_s)]

    def headlines(self):
        """One headline with characters that XML must escape."""
        return [Headline("h1", (self._listings[0].market_id,), START_S + 60, START_S + 60, "Cats & dogs <win> “big”")]

    def history(self, market_id):
        """Flat prices from the start to now."""
        chosen = next(x for x in self._listings if x.market_id == market_id)
        end = min(self.now_s, chosen.end_s)
        ts_s = np.arange(chosen.start_s, end + 1, 60, dtype=np.int64)
        ones = np.ones(len(ts_s), np.int64)
        mid = 5000 + np.arange(len(ts_s), dtype=np.int64) % 2
        return History(ts_s, mid, 30 * MICRO * ones, ones, mid - self.half_spread, mid + self.half_spread)

    def trades(self, market_id):
        """One buy of 30 shares at 0.51 a minute."""
        ts_s = self.history(market_id).ts_s
        ones = np.ones(len(ts_s), np.int64)
        return SimpleNamespace(
            ts_s=ts_s, buys=ones.astype(bool), price_units=5100 * ones, shares_micro=30 * MICRO * ones
        )

    def advance(self):
        """The next minute; `extra` holds noise trades to print."""
        self.now_s += 60
        alive = [x for x in self._listings if x.end_s > self.now_s]
        trades, self.extra = tuple(self.extra), []
        low, high = 5000 - self.half_spread, 5000 + self.half_spread
        rows = [Tick(x.market_id, low, high, 1000 * MICRO, 1000 * MICRO, trades) for x in alive]
        return Step(self.now_s, rows)


def replace_times(made, over):
    """The listing with times around the start of the source."""
    length_s = 3600 if over else 10 * 86_400
    return type(made)(
        **{f: getattr(made, f) for f in made.__slots__} | {"start_s": START_S, "end_s": START_S + length_s}
    )


def until(condition: Callable[[], Any], what: str, limit_s: float = 20.0) -> Any:
    """Wait until a condition is true; returns its value."""
    deadline = time.monotonic() + limit_s
    while not (found := condition()):
        assert time.monotonic() < deadline, f"{what} did not happen within {limit_s:g} s"
        time.sleep(0.02)
    return found


@dataclass
class Running:
    """A served venue."""

    venue: Venue
    site: Site
    urls: dict[str, str]
    source: TinySource
    loop: asyncio.AbstractEventLoop

    def do(self, action: Callable[[], Any]) -> Any:
        """Call a function on the venue's thread."""

        async def run():
            return action()

        return self.wait(run())

    def wait(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        """Run a coroutine on the venue's thread."""
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(20)

    def settled(self) -> None:
        """Wait until no trade is in settlement."""
        until(lambda: self.do(lambda: not self.venue.exchange.pending), "the end of all settlements")

    def step(self, *trades: tuple[Side, int, float]) -> None:
        """One step of market time, with noise trades of (side, price units, shares)."""
        self.source.extra = [(self.source.now_s, side, units, round(n * MICRO)) for side, units, n in trades]
        self.wait(self.venue.step())


class Background:
    """The servers, running in a thread."""

    def __init__(self, **options: Any):
        self.options = Options(port=0, speed=0.0, mined_after_s=0.05, confirmed_after_s=0.1, **options)
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._main()), daemon=True)
        self.running: Running | None = None

    async def _main(self) -> None:
        source = TinySource()
        venue = Venue(self.options, source)
        venue.open_quotes()
        site = Site()
        limited = self.options.rate_limits is LimitMode.ON
        sockets, all_servers = bind("127.0.0.1", 0), servers(site, admin=self.options.admin, limited=limited)
        site.open(venue)
        loops = start_loops(venue, site)
        serving = asyncio.create_task(serve(all_servers, sockets))
        urls = {name: f"http://127.0.0.1:{s.getsockname()[1]}" for name, s in sockets.items()}
        self.stop = asyncio.Event()
        self.running = Running(venue, site, urls, source, asyncio.get_running_loop())
        while not all(server.started for server in all_servers.values()):  # noqa: ASYNC110 - uvicorn has no event
            await asyncio.sleep(0.01)
        self._ready.set()
        await self.stop.wait()
        for loop in loops:
            loop.cancel()
        for server in all_servers.values():
            server.should_exit = True
        await serving

    def __enter__(self) -> Running:
        self._thread.start()
        assert self._ready.wait(20)
        assert self.running is not None
        return self.running

    def __exit__(self, *error: object) -> None:
        assert self.running is not None
        self.running.loop.call_soon_threadsafe(self.stop.set)
        self._thread.join(10)

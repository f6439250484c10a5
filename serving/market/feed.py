"""From the venue's stream to closed bars in warm windows, for a set of markets that changes while it runs."""

import asyncio
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace

from pipelines.core import log
from pipelines.core.domain import Bar, Market, Quote
from pipelines.venue import stream
from pipelines.venue.http import VenueHttp
from pipelines.venue.stream import MarketStream
from serving import metrics
from serving.loaded_model import WarmMarket
from serving.market import history
from serving.market.bars import GRACE_S, BarClock, OpenBar
from serving.market.headlines import HeadlinePoller, MarketSentiment
from serving.market.windows import Window

IDLE_S = 0.02
"""Wall seconds between two looks at the clock of the bars when no message comes."""

SAME_CLOCK_MS = 3_600_000
"""A venue whose market time is further off the wall (the simulator's, in paper mode) has a clock of its own."""

_log = log.get("feed")


@dataclass(slots=True)
class Followed:
    """One market: its window, the bar that is open, and the last quote that was confirmed."""

    market: Market
    window: Window
    open: OpenBar = field(default_factory=OpenBar)
    quote: Quote | None = None
    confirmed_ms: int = 0
    backlog: list[Bar] = field(default_factory=list)
    warming: "asyncio.Task[None] | None" = None
    ready: bool = False
    sentiment_sum: MarketSentiment = field(default_factory=MarketSentiment)


class Feed:
    """Follows markets and closes their bars. `on_bar` is called on the event loop after every close, with the
    closed bars and the YES quotes at their close; `closed` is the newest closing with its wall time (perf_counter)."""

    def __init__(
        self,
        market_stream: MarketStream,
        archive: VenueHttp,
        news: HeadlinePoller,
        *,
        lookback: int,
        length_s: int,
        max_gap_bars: int,
        wall_is_market: bool,
        on_bar: Callable[[list[tuple[Bar, Quote]]], None],
        on_resolved: Callable[[stream.Resolution], None],
        on_left: Callable[[str], None],
    ) -> None:
        self._stream = market_stream
        self._archive = archive
        self._news = news
        self._lookback = lookback
        self._length_s = length_s
        self._max_gap_bars = max_gap_bars
        self._wall_is_market = wall_is_market
        self._on_bar = on_bar
        self._on_resolved = on_resolved
        self._on_left = on_left
        self._clock: BarClock[stream.Update] | None = None
        self._slots = asyncio.Semaphore(8)
        self.followed: dict[str, Followed] = {}
        self.connected = False
        self.features_ms = 0.0
        self.closed: tuple[int, float] = (0, 0.0)
        self.last_message = time.monotonic()

    @property
    def market_s(self) -> int | None:
        """Newest market time seen; None before the first message."""
        return self._clock.market_ms // 1_000 if self._clock and self._clock.market_ms else None

    @property
    def age_s(self) -> float:
        """Wall seconds since the last message."""
        return time.monotonic() - self.last_message

    async def follow(self, markets: Iterable[Market]) -> None:
        """Follow exactly these markets from now on; new ones warm up in the background."""
        wanted = {market.market_id: market for market in markets}
        for market_id in self.followed.keys() - wanted.keys():
            self._drop(market_id)
        for market_id in wanted.keys() - self.followed.keys():
            window = Window(self._lookback, self._length_s, wanted[market_id].end_s)
            self.followed[market_id] = Followed(wanted[market_id], window)
        self._news.learn(wanted.values())
        await self._stream.follow(wanted.values())

    def _drop(self, market_id: str) -> None:
        gone = self.followed.pop(market_id)
        self._on_left(market_id)
        if gone.warming is not None:
            gone.warming.cancel()
        self._news.forget(market_id)

    async def run(self, offset_s: int) -> None:
        """Fold the stream until cancelled."""
        self._clock = BarClock(self._length_s, offset_s, self._fold, self._close, GRACE_S)
        ticker = asyncio.create_task(self._tick(self._clock))
        try:
            async for update in self._stream.updates():
                self._take(update, self._clock)
        finally:
            ticker.cancel()
            for one in self.followed.values():
                if one.warming is not None:
                    one.warming.cancel()

    def _take(self, update: stream.Update, clock: BarClock[stream.Update]) -> None:
        started = time.perf_counter()
        if isinstance(update, stream.Gap):
            self.connected = False
            metrics.DISCONNECTS.inc()
            return
        self.connected = True
        self.last_message = time.monotonic()
        clock.receive(update.ts_ms, update, self.last_message)
        metrics.INGEST_LATENCY.observe((time.perf_counter() - started) * 1e3)

    async def _tick(self, clock: BarClock[stream.Update]) -> None:
        while True:
            now = time.monotonic()
            wall_ms = time.time_ns() // 1_000_000
            if self._wall_is_market and abs(wall_ms - clock.market_ms) < SAME_CLOCK_MS:
                clock.advance_to(wall_ms, now)
            clock.run(now)
            await asyncio.sleep(IDLE_S)

    def _fold(self, update: stream.Update) -> None:
        if isinstance(update, stream.Gap):
            return
        known = self.followed.get(update.market_id)
        if isinstance(update, stream.Resolution):
            self._on_resolved(update)
        elif known is None:
            return
        elif isinstance(update, stream.QuoteUpdate):
            known.quote, known.confirmed_ms = update.quote, update.ts_ms
        elif isinstance(update, stream.TradeUpdate):
            known.open.trade(update.shares_micro)
        elif isinstance(update, stream.TickChange):
            known.market = replace(known.market, tick_units=update.tick_units)

    def _close(self, ts_s: int) -> None:
        started = time.perf_counter()
        closed: list[tuple[Bar, Quote]] = []
        for one in self.followed.values():
            if one.quote is None:
                continue
            if self.connected and self._stream.book(one.market) is not None:
                one.confirmed_ms = max(one.confirmed_ms, min(ts_s * 1_000, self._clock.market_ms if self._clock else 0))
            bar = one.open.close(one.market.market_id, ts_s, one.quote)
            closed.append((bar, one.quote))
            if one.ready and one.window.follows(ts_s):
                self._push(one, bar)
            else:
                self._collect(one, bar)
        self.features_ms = (time.perf_counter() - started) * 1e3
        metrics.FEATURES_LATENCY.observe(self.features_ms)
        self.closed = (ts_s, started)
        self._on_bar(closed)

    def _push(self, one: Followed, bar: Bar) -> None:
        one.window.push(bar, one.sentiment_sum.at(bar.ts_s, self._news.of(one.market.market_id)))

    def _collect(self, one: Followed, bar: Bar) -> None:
        """A bar of a market whose history is still missing: keep it, and fetch what lies before the first one."""
        one.ready = False
        one.backlog.append(bar)
        if one.warming is None:
            one.warming = asyncio.create_task(self._warm(one, bar))

    async def _warm(self, one: Followed, first: Bar) -> None:
        try:
            async with self._slots:
                bars = await history.history(
                    self._archive, one.market, first, self._lookback, self._length_s, self._max_gap_bars
                )
        except Exception as error:
            _log.warning("no history", market=one.market.market_id, error=repr(error))
            metrics.API_ERRORS.labels("history").inc()
            one.backlog.clear()
            one.warming = None
            return
        one.window = Window(self._lookback, self._length_s, one.market.end_s)
        one.sentiment_sum = MarketSentiment()
        for bar in [*bars, *one.backlog[1:]]:
            self._push(one, bar)
        one.backlog.clear()
        one.ready, one.warming = True, None

    def seen(self) -> list[WarmMarket]:
        """Markets whose window is warm and ends at the newest closed bar."""
        ts_s = self.closed[0]
        found = []
        for one in self.followed.values():
            last = one.window.last
            if one.ready and one.window.warm and last is not None and last.ts_s == ts_s and one.quote is not None:
                age_s = max(0, ts_s - one.confirmed_ms // 1_000)
                found.append(WarmMarket(one.market, one.window.view(), one.quote, age_s))
        return found

    def mids(self) -> dict[str, int]:
        """Newest mid of every followed market with a quote."""
        return {key: one.quote.mid_units for key, one in self.followed.items() if one.quote is not None}

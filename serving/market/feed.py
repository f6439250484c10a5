"""From the venue's stream to closed bars in warm windows, for a set of markets that changes while it runs."""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from statistics import median

from pipelines.core import log
from pipelines.core.domain import Bar, Market, Quote, Tape
from pipelines.core.errors import VenueError, VenueForbidden
from pipelines.features import order_flow, reference_gap
from pipelines.features.state_space import StateSpace
from pipelines.trading.kernel import fair_units, is_trusted
from pipelines.venue import stream
from pipelines.venue.http import VenueHttp
from pipelines.venue.stream import MarketStream
from serving import metrics
from serving.loaded_model import WarmMarket
from serving.market import history
from serving.market.bars import GRACE_S, BarClock, OpenBar
from serving.market.headlines import HeadlinePoller, MarketSentiment
from serving.market.order_flow import NO_FLOW, BookValues, FlowValues, MarketFlow, joined
from serving.market.windows import Window, surround

IDLE_S = 0.02
"""Wall seconds between two looks at the clock of the bars when no message comes."""

LOOK_EVERY_S, CONFIRMED_FOR_MS, LOOK_AGAIN_S = 1.0, 60_000, 60.0
"""Wall seconds between two looks over REST. A look asks for the books that were not confirmed within the last minute of
market time, and for every book once in a minute of wall time."""

LATE_BARS, SHORTEST_WAIT_S = 2, 5.0
"""No closed bar for so many bar lengths (as long as they last on the wall), and at least so many seconds, is late."""

SAME_CLOCK_MS = 3_600_000
"""A venue whose market time is further off the wall (the simulator's, in paper mode) has a clock of its own."""

_log = log.get("feed")


@dataclass(slots=True)
class Followed:
    """One market: its window, the bar that is open, and the last quote with the market time of its confirmation.

    A confirmation is a message about this market, or a look at its book over REST. `mid_units` is the price that the
    last book with both sides showed (`_price`).
    """

    market: Market
    window: Window
    open: OpenBar = field(default_factory=OpenBar)
    quote: Quote | None = None
    mid_units: int | None = None
    confirmed_ms: int = 0
    looked_at: float = float("-inf")
    backlog: list[tuple[Bar, BookValues]] = field(default_factory=list)
    warming: "asyncio.Task[None] | None" = None
    ready: bool = False
    refill: bool = False
    """Whether the window has to be filled from history again: after a gap, or for another end."""
    gap_ms: int | None = None
    """Market time since which trades may be missing from the window."""
    listed_tick: int = 0
    sentiment_sum: MarketSentiment = field(default_factory=MarketSentiment)
    levels: stream.Levels | None = None
    """The first levels of the last book, where a model reads order flow."""
    flow: MarketFlow | None = None
    """Order flow of the trades, once history has told those before; None while no model reads it."""
    heard: list[stream.TradeUpdate] | None = None
    """Trades since history is fetched whose order flow is wanted."""

    def age_s(self, ts_s: int) -> int:
        """Market seconds for which quote and volume are not confirmed."""
        known_ms = self.confirmed_ms if self.gap_ms is None else min(self.confirmed_ms, self.gap_ms)
        return max(0, ts_s - known_ms // 1_000)


def _price(quote: Quote, last_units: int | None) -> int | None:
    """The YES price of a book: its mid where both sides are near, the last price within bid and ask where they are far
    apart, the last price where a side is missing. None while there was none."""
    if quote.two_sided and (last_units is not None or is_trusted(quote.bid_units, quote.ask_units)):
        return fair_units(last_units or 0, quote.mid_units, quote.bid_units, quote.ask_units)
    return last_units


class Feed:
    """Follows markets and closes their bars. `on_reached` is called on the event loop when market time has reached the
    end of a bar, and `on_bar` after every close, with the closed bars and the YES quotes at their close; `closed` is
    the newest closing with its wall time (perf_counter). `on_market` hears of a market that is described otherwise than
    before; `gaps` counts broken connections."""

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
        on_reached: Callable[[int], None],
        on_bar: Callable[[list[tuple[Bar, Quote]]], None],
        on_resolved: Callable[[stream.Resolution], None],
        on_left: Callable[[str], None],
        on_market: Callable[[Market], None],
    ) -> None:
        self.stream = market_stream
        self._archive = archive
        self._news = news
        self._lookback = lookback
        self._length_s = length_s
        self._max_gap_bars = max_gap_bars
        self._wall_is_market = wall_is_market
        self._on_reached = on_reached
        self._on_bar = on_bar
        self._reached_s: int | None = None
        self._on_resolved = on_resolved
        self._on_left = on_left
        self._on_market = on_market
        self._clock: BarClock[stream.Update] | None = None
        self._slots = asyncio.Semaphore(8)
        self._closings: deque[float] = deque([time.monotonic()], maxlen=20)
        self.followed: dict[str, Followed] = {}
        self.gaps = 0
        self.features_ms = 0.0
        self.reads_order_flow = False
        self.closed: tuple[int, float] = (0, 0.0)
        self.implied: Callable[[Market, int], tuple[float | None, float | None]] = lambda _market, _ts_s: (None, None)
        """What a reference price implies for a market at the close of a bar."""
        self.stated: Callable[[Market, int], float | None] = lambda _market, _ts_s: None
        """The external probability of a market at the close of a bar."""

    @property
    def market_s(self) -> int | None:
        """Newest market time seen; None before the first message."""
        return None if self.market_ms is None else self.market_ms // 1_000

    @property
    def market_ms(self) -> int | None:
        """Newest market time seen, in ms; None before the first message."""
        return self._clock.market_ms if self._clock and self._clock.market_ms else None

    @property
    def connected(self) -> bool:
        """Whether the socket is up."""
        return self.stream.connected

    @property
    def age_s(self) -> float:
        """Wall seconds since the last message of the stream."""
        return time.monotonic() - self.stream.heard_at

    @property
    def bar_age_s(self) -> float:
        """Wall seconds since the last bar closed, or since the start."""
        return time.monotonic() - self._closings[-1]

    @property
    def late(self) -> bool:
        """Whether no bar has closed for two bar lengths, where markets are followed."""
        return bool(self.followed) and self.bar_age_s > max(LATE_BARS * self._bar_wall_s(), SHORTEST_WAIT_S)

    def _bar_wall_s(self) -> float:
        """How long a bar lasts on the wall: its length, or what the last ones took where market time runs otherwise."""
        times = list(self._closings)
        if self._wall_is_market or len(times) < 3:
            return float(self._length_s)
        return median(later - before for before, later in pairwise(times))

    async def follow(self, markets: Iterable[Market]) -> None:
        """Follow exactly these markets from now on, as they are described now; new ones warm up in the background."""
        wanted = {market.market_id: market for market in markets}
        for market_id in self.followed.keys() - wanted.keys():
            self._drop(market_id)
        fresh = [market for market_id, market in wanted.items() if market_id not in self.followed]
        for market_id, one in self.followed.items():
            self._describe(one, wanted[market_id])
        for market in fresh:
            window = self._window(market)
            self.followed[market.market_id] = Followed(market, window, listed_tick=market.tick_units)
        self._news.learn(fresh)
        await self.stream.follow(one.market for one in self.followed.values())

    def _window(self, market: Market) -> Window:
        """An empty window of a market."""
        return Window(self._lookback, self._length_s, market.end_s, market.bracket, exclusive=market.neg_risk)

    def _describe(self, one: Followed, market: Market) -> None:
        """Take over what the listing says now. Its tick counts when it has changed there: books tell theirs sooner."""
        if market == one.market or (market.token_yes, market.token_no) != (one.market.token_yes, one.market.token_no):
            return
        # The listing is read every few minutes and may still show the tick that a book has already replaced.
        tick = market.tick_units if market.tick_units != one.listed_tick else one.market.tick_units
        one.listed_tick = market.tick_units
        one.refill |= market.end_s != one.market.end_s
        self._renew(one, replace(market, tick_units=tick))

    def _renew(self, one: Followed, market: Market) -> None:
        if market != one.market:
            one.market = market
            self._on_market(market)

    def _drop(self, market_id: str) -> None:
        gone = self.followed.pop(market_id)
        self._on_left(market_id)
        if gone.warming is not None:
            gone.warming.cancel()
        self._news.forget(market_id)

    def read_order_flow(self, *, wanted: bool) -> None:
        """Make order flow from now on, or no more. Windows are filled anew, so that what came before is remembered."""
        if wanted == self.reads_order_flow:
            return
        self.reads_order_flow, self.stream.depth = wanted, order_flow.DEPTH if wanted else 0
        for one in self.followed.values():
            one.levels, one.flow, one.heard = self.stream.levels(one.market), None, None
            one.refill |= wanted

    async def run(self, offset_s: int, now_s: int) -> None:
        """Fold the stream until cancelled; `now_s` is the market time of the start."""
        self._clock = BarClock(self._length_s, offset_s, self._fold, self._close, GRACE_S)
        self._clock.start(now_s)
        self.stream.anchor(now_s * 1_000, self._length_s * 1_000)
        ticker = asyncio.create_task(self._tick(self._clock))
        try:
            async for update in self.stream.updates():
                self._take(update, self._clock)
        finally:
            ticker.cancel()
            for one in self.followed.values():
                if one.warming is not None:
                    one.warming.cancel()

    def _take(self, update: stream.Update, clock: BarClock[stream.Update]) -> None:
        started = time.perf_counter()
        if isinstance(update, stream.Gap):
            self._miss(clock.market_ms)
            return
        clock.receive(update.ts_ms, update, time.monotonic())
        metrics.INGEST_LATENCY.observe((time.perf_counter() - started) * 1e3)

    def _miss(self, market_ms: int) -> None:
        """Trades are missed from now on: every window is filled from history once the connection is back."""
        self.gaps += 1
        metrics.DISCONNECTS.inc()
        for one in self.followed.values():
            # Bars of a gap have quotes but no volume; only the archive knows what traded meanwhile.
            one.refill = True
            one.gap_ms = market_ms if one.gap_ms is None else one.gap_ms

    async def _tick(self, clock: BarClock[stream.Update]) -> None:
        while True:
            now = time.monotonic()
            wall_ms = time.time_ns() // 1_000_000
            # In a quiet minute no message moves the clock of the bars; the wall does, where both run alike.
            if self._wall_is_market and abs(wall_ms - clock.market_ms) < SAME_CLOCK_MS:
                clock.advance_to(wall_ms, now)
                self.stream.advance(wall_ms)
            clock.run(now)
            if clock.reached_s != self._reached_s:
                self._reached_s = clock.reached_s
                if self._reached_s is not None:
                    self._on_reached(self._reached_s)
            await asyncio.sleep(IDLE_S)

    async def look(self) -> None:
        """Confirm the books of silent markets over REST until cancelled; one that is not confirmed grows old.

        Raises:
            VenueForbidden: if the venue answers 403.
        """
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            try:
                await self._look(self._clock.market_ms if self._clock else 0, time.monotonic())
            except VenueForbidden:
                raise
            except VenueError:
                metrics.API_ERRORS.labels("books").inc()

    async def _look(self, market_ms: int, now: float) -> None:
        due = [
            one
            for one in self.followed.values()
            if market_ms - one.confirmed_ms >= CONFIRMED_FOR_MS or now - one.looked_at >= LOOK_AGAIN_S
        ]
        confirmed = await self.stream.look([one.market for one in due]) if due else set()
        for one in due:
            one.looked_at = now
            if one.market.market_id in confirmed:
                one.confirmed_ms = max(one.confirmed_ms, market_ms)

    def _fold(self, update: stream.Update) -> None:
        if isinstance(update, stream.Gap):
            return
        known = self.followed.get(update.market_id)
        if isinstance(update, stream.Resolution):
            self._on_resolved(update)
        elif known is None:
            return
        elif isinstance(update, stream.QuoteUpdate):
            known.quote, known.confirmed_ms = update.quote, max(known.confirmed_ms, update.ts_ms)
            known.mid_units = _price(update.quote, known.mid_units)
            if self.reads_order_flow and update.levels is not None:
                known.levels = update.levels
        elif isinstance(update, stream.TradeUpdate):
            known.open.trade(update.shares_micro)
            if known.flow is not None:
                known.flow.trade(update)
            if known.heard is not None:
                known.heard.append(update)
        elif isinstance(update, stream.TickChange):
            self._renew(known, replace(known.market, tick_units=update.tick_units))

    def _close(self, ts_s: int) -> None:
        started = time.perf_counter()
        closed: list[tuple[Bar, Quote]] = []
        for one in self.followed.values():
            if one.quote is None:
                continue
            # A stub book of one side is no price: a bar made from it would look like a jump to 0 or 1.
            if one.mid_units is None:
                self._price_from_history(one, ts_s)
                continue
            bar = one.open.close(one.market.market_id, ts_s, one.quote, one.mid_units)
            closed.append((bar, one.quote))
            self._append(one, bar)
        self._surround()
        self.features_ms = (time.perf_counter() - started) * 1e3
        metrics.FEATURES_LATENCY.observe(self.features_ms)
        self.closed = (ts_s, started)
        self._closings.append(time.monotonic())
        self._on_bar(closed)

    def _append(self, one: Followed, bar: Bar) -> None:
        """Push a bar, or keep it until history is there. A window that is filled anew serves until the new one is."""
        book = order_flow.NO_BOOK if one.levels is None else order_flow.book_values(*one.levels)
        flow = NO_FLOW if one.flow is None else one.flow.close(bar.ts_s, bar.mid_units)
        if one.ready and one.window.follows(bar.ts_s):
            self._push(one.market, one.window, one.sentiment_sum, bar, joined(book, flow))
        else:
            one.ready = False
        # The old window keeps serving while the new one is filled: a gap must not blind the bot to a held market.
        if one.warming is None and (not one.ready or (one.refill and self.connected)):
            one.refill, one.backlog, one.heard = False, [], [] if self.reads_order_flow else None
            one.warming = asyncio.create_task(self._warm(one))
        if one.warming is not None:
            one.backlog.append((bar, book))

    def _push(
        self, market: Market, window: Window, sentiment_sum: MarketSentiment, bar: Bar, flow: Sequence[float]
    ) -> None:
        fair = reference_gap.known(*self.implied(market, bar.ts_s))
        window.push(bar, *sentiment_sum.at(bar.ts_s, self._news.of(bar.market_id)), fair, flow)

    def _price_from_history(self, one: Followed, ts_s: int) -> None:
        """A market whose book has had one side alone since the start gets its price from history, so that what is held
        there can be sold."""
        if one.warming is None:
            one.warming = asyncio.create_task(self._last_mid(one, ts_s))

    async def _last_mid(self, one: Followed, ts_s: int) -> None:
        try:
            async with self._slots:
                found = await history.last_mid_units(self._archive, one.market, ts_s, self._length_s)
            one.mid_units = one.mid_units if found is None or one.mid_units is not None else found
        except Exception as error:
            self._complain(one, error)
        finally:
            one.warming = None

    async def _warm(self, one: Followed) -> None:
        """Fill a window from history up to the newest bar, then with the bars since.

        Bars that closed together after a silence all come from history: their own volume is not known. Where there is
        no history, because bars are too short, the window begins with the first bar since.
        """
        try:
            async with self._slots:
                newest, book = one.backlog[-1 if history.exists(self._length_s) else 0]
                bars, tape = await history.history(
                    self._archive,
                    one.market,
                    newest,
                    self._lookback,
                    self._length_s,
                    self._max_gap_bars,
                    reads_trades=one.heard is not None,
                )
            remembered, flows = await self._replayed(one, bars, tape)
        except Exception as error:
            self._complain(one, error)
            one.refill, one.warming, one.heard = True, None, None
            return
        since = [(bar, seen) for bar, seen in one.backlog if bar.ts_s > newest.ts_s]
        if one.heard is None:  # the model that wanted order flow may be gone meanwhile
            remembered, flows = None, [NO_FLOW] * (len(bars) + len(since))
        elif remembered is not None:
            flows += remembered.catch_up(one.heard, [bar for bar, _ in since], newest.ts_s)
        closed = [*((bar, order_flow.NO_BOOK) for bar in bars[:-1]), (bars[-1], book), *since]
        window, sentiment_sum = self._window(one.market), MarketSentiment()
        for (bar, seen), flow in zip(closed, flows, strict=True):
            self._push(one.market, window, sentiment_sum, bar, joined(seen, flow))
        one.window, one.sentiment_sum, one.backlog = window, sentiment_sum, []
        one.flow, one.heard = remembered, None
        one.ready, one.warming = True, None
        for other in self._event_of(one):
            other.window.forget_surroundings()
        # Another gap may have come while history was fetched; then the trades are still incomplete.
        if not one.refill:
            one.gap_ms = None

    async def _replayed(self, one: Followed, bars: list[Bar], tape: Tape) -> tuple[MarketFlow | None, list[FlowValues]]:
        """The memory of a market's past trades, and the order flow of each bar; none where nobody reads it."""
        if one.heard is None:
            return None, []
        made = MarketFlow(self._length_s, None if one.flow is None else one.flow.held)
        return made, await asyncio.to_thread(made.replay, tape, bars)

    def _complain(self, one: Followed, error: Exception) -> None:
        _log.warning("no history", market=one.market.market_id, error=repr(error))
        metrics.API_ERRORS.labels("history").inc()

    def seen(self, fitted: StateSpace | None = None) -> list[WarmMarket]:
        """Markets whose window is warm and ends at the newest closed bar, with the states of a model's filter."""
        ts_s = self.closed[0]
        self._surround()
        found = []
        for one in self.followed.values():
            last = one.window.last
            if one.ready and one.window.warm and last is not None and last.ts_s == ts_s and one.quote is not None:
                outside = self.implied(one.market, ts_s), self.stated(one.market, ts_s)
                found.append(WarmMarket(one.market, one.window.view(fitted), one.quote, one.age_s(ts_s), *outside))
        return found

    def _surround(self) -> None:
        """Give every new bar its market context."""
        events: dict[str, list[Window]] = {}
        for one in self.followed.values():
            events.setdefault(one.market.event_id, []).append(one.window)
        for windows in events.values():
            surround(windows)

    def _event_of(self, one: Followed) -> list[Followed]:
        return [other for other in self.followed.values() if other.market.event_id == one.market.event_id]

    def mids(self) -> dict[str, int]:
        """Last mid of both sides of every followed market that had one."""
        return {key: one.mid_units for key, one in self.followed.items() if one.mid_units is not None}

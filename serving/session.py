"""Everything that lives as long as one connection to the venue: feed, turns, upkeep, user stream, heartbeats.

The account, the journal and the model outlive a session; `Bot` opens the next one when this one ends with an error.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from pipelines.core import log
from pipelines.core.domain import Bar, Market, Quote
from pipelines.core.errors import VenueError, VenueForbidden, VenueUnavailable
from pipelines.core.params import Params
from pipelines.core.settings import Mode, Settings
from pipelines.news import scorers, sources
from pipelines.reference.prices import Price
from pipelines.venue.http import VenueHttp
from pipelines.venue.stream import MarketStream, Resolution
from serving import metrics
from serving.account.trading_account import TradingAccount
from serving.dashboard.status import Status
from serving.market import history
from serving.market.account_poll import AccountPoll
from serving.market.feed import Feed
from serving.market.headlines import HeadlinePoller
from serving.market.references import References
from serving.model_watch import ModelWatch
from serving.safety.block import RETRY_S, Block
from serving.safety.heartbeat import Heartbeat
from serving.safety.quote_watch import QuoteWatch
from serving.safety.venue_watch import VenueWatch
from serving.threads import Threads
from serving.turns.bar_turn import BarTurns, Finish
from serving.turns.between_bars import BetweenTurns, ReferenceMoves
from serving.upkeep import Upkeep

COMPARED_AFTER_S = 15.0
"""Wall seconds between two comparisons of the account with the venue while no market is followed, or bars are late."""

_log = log.get("session")


@dataclass(frozen=True, kw_only=True)
class Lasting:
    """What outlives a session."""

    settings: Settings
    params: Params
    account: TradingAccount
    heartbeat: Heartbeat
    model_watch: ModelWatch
    watch: VenueWatch
    turns: BarTurns
    between: BetweenTurns
    status: Status
    block: Block
    threads: Threads


@dataclass(frozen=True, kw_only=True)
class Connections:
    """The venue's HTTP routes and the headlines, open for one session."""

    listing: VenueHttp
    exchange: VenueHttp
    archive: VenueHttp
    tape: VenueHttp
    headlines: HeadlinePoller


@asynccontextmanager
async def connections(settings: Settings, params: Params) -> AsyncIterator[Connections]:
    """Open the connections of a session and close them with it."""
    async with (
        VenueHttp(settings.gamma_url, per_10_s=300) as listing,
        VenueHttp(settings.clob_url) as exchange,
        VenueHttp(settings.data_url, per_10_s=800) as archive,
        VenueHttp(settings.data_url, per_10_s=300, attempts=2) as tape,
        sources.opened(settings, params.serving.news_poll_s) as texts,
    ):
        poller = HeadlinePoller(texts, scorers.make(params.news, settings))
        yield Connections(listing=listing, exchange=exchange, archive=archive, tape=tape, headlines=poller)


class Session:
    """One connection's feed, turns and upkeep. `run` lasts until the venue goes away or it is cancelled."""

    def __init__(self, lasting: Lasting, venue: Connections) -> None:
        self._lasting = lasting
        self._venue = venue
        self._woken = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None
        self._closed = 0
        self._reached_s: int | None = None
        self._unanswered: set[asyncio.Task[None]] = set()
        """What is left of turns whose orders are on their way."""
        settings, params = lasting.settings, lasting.params
        self._length_s, self._lookback = length_s, lookback = lasting.model_watch.geometry
        self.feed = Feed(
            MarketStream(settings.clob_ws_url, venue.exchange),
            venue.archive,
            venue.headlines,
            lookback=lookback,
            length_s=length_s,
            max_gap_bars=params.bars.max_gap_bars,
            wall_is_market=settings.mode is not Mode.SIMULATED,
            on_reached=self._on_reached,
            on_bar=self._on_bar,
            on_resolved=self._on_resolved,
            on_left=lasting.status.left,
            on_market=self._on_market,
        )
        self.feed.read_order_flow(wanted=lasting.turns.reads_order_flow)
        self._accounts = AccountPoll(venue.tape, self.feed, length_s)
        self._references = References(
            settings,
            lambda: [one.market for one in self.feed.followed.values()],
            length_s,
            wall_is_market=settings.mode is not Mode.SIMULATED,
            on_price=self._on_price,
        )
        self._moves = ReferenceMoves(
            lasting.account,
            self.feed,
            self._references.fair_now,
            self._references.fair_before,
            lasting.turns,
            lasting.model_watch,
        )
        self.feed.implied, self.feed.stated = self._references.fair, self._references.external
        self._quotes = QuoteWatch(
            lasting.account,
            self.feed,
            self._references.now,
            lambda: lasting.turns.decided,
            lambda: lasting.model_watch.model,
            lasting.threads,
        )
        self._upkeep = Upkeep(
            params,
            lasting.account,
            self.feed,
            venue.headlines,
            venue.listing,
            venue.exchange,
            venue.archive,
            lasting.status,
            lasting.block,
            lasting.threads,
        )

    async def run(self) -> None:
        """Follow markets, take a turn per closed bar, keep listing and account up to date.

        Raises:
            VenueError: if the venue goes away, or a new bundle needs other windows: a new session begins then.
            VenueForbidden: if the venue has blocked this region or account for long.
        """
        lasting = self._lasting
        markets, now_s = await self._upkeep.begin()
        await self._venue.headlines.poll(markets)
        length_s, _ = lasting.model_watch.geometry
        offset_s = await self._grid_offset_s(markets, length_s, now_s)
        lasting.status.clear_alarm("venue")
        lasting.status.clear_alarm("error")
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.feed.run(offset_s, now_s))
            tasks.create_task(self._patiently("books", self.feed.look))
            tasks.create_task(self._patiently("turn", self._take_turns))
            tasks.create_task(self._patiently("listing", self._upkeep.run))
            tasks.create_task(self._patiently("user", self._listen))
            tasks.create_task(self._patiently("quotes", self._quotes.run))
            tasks.create_task(self._patiently("heartbeat", lasting.heartbeat.run))
            tasks.create_task(self._patiently("watch", self._watch_venue))
            tasks.create_task(self._references.run())
            tasks.create_task(self._accounts.run())

    async def _grid_offset_s(self, markets: list[Market], length_s: int, now_s: int) -> int:
        """Seconds after a multiple of the bar length at which bars close; 0 while no history tells it and something is
        held, because its exits must not wait for an archive."""
        try:
            return await history.grid_offset_s(self._venue.archive, markets, length_s, now_s)
        except VenueForbidden:
            raise
        except VenueError as error:
            if not self._lasting.account.accounting.held_markets():
                raise
            metrics.API_ERRORS.labels("history").inc()
            self._lasting.status.alarm("history", f"no history, so what is held can only be sold: {error}")
            return 0

    def take_limits(self, params: Params) -> None:
        """Follow the markets that other parameters want."""
        self._upkeep.take_limits(params)

    async def _listen(self) -> None:
        await self._upkeep.listen(self._lasting.settings.clob_ws_url)

    async def _watch_venue(self) -> None:
        await self._lasting.watch.run(self._lasting.account.gateway)

    async def _patiently(self, part: str, work: Callable[[], Awaitable[None]]) -> None:
        """Run a part of the session, again after a 403 until a block has lasted."""
        while True:
            try:
                return await work()
            except VenueForbidden as error:
                if self._lasting.block.seen(error):
                    raise
                metrics.API_ERRORS.labels(part).inc()
                await asyncio.sleep(RETRY_S)

    def headlines(self, market_id: str) -> list[tuple[int, str, float]]:
        """The newest headlines of a market: (known at, text, tone)."""
        return self._venue.headlines.texts(market_id)

    def quote(self, market_id: str) -> tuple[Quote, int] | None:
        """The newest quote of a followed market with the market time; None before there is one."""
        one, market_s = self.feed.followed.get(market_id), self.feed.market_s
        return None if one is None or one.quote is None or market_s is None else (one.quote, market_s)

    def fair(self, market_id: str) -> float | None:
        """Probability of YES of a followed market that its reference price implies now; None without one."""
        one, market_ms = self.feed.followed.get(market_id), self.feed.market_ms
        return None if one is None or market_ms is None else self._references.fair_now(one.market, market_ms)

    def _on_reached(self, ts_s: int) -> None:
        self._reached_s = ts_s
        self._woken.set()

    def _on_bar(self, closed: list[tuple[Bar, Quote]]) -> None:
        self._lasting.account.gateway.bars_closed(closed)
        self._closed += 1
        self._woken.set()

    def _on_price(self, price: Price) -> None:
        self._moves.hear(price)
        self._wake_for_moves()

    def _wake_for_moves(self) -> None:
        """Wake the loop of the turns when prices that wait may be decided on. While a bar ends they wait for it."""
        if self._timer is not None:
            self._timer.cancel()
        due_in_s = self._moves.due_in_s()
        self._timer = None if due_in_s is None else asyncio.get_running_loop().call_later(due_in_s, self._woken.set)

    def _bar_waits(self) -> bool:
        return self._closed > 0 or self._reached_s is not None

    def _on_resolved(self, message: Resolution) -> None:
        self._upkeep.resolved(message)

    def _on_market(self, market: Market) -> None:
        self._upkeep.remember(market)

    def _count_dropped(self) -> None:
        """Say how many bars have closed since the last turn, apart from the one that is decided now."""
        dropped, self._closed = max(0, self._closed - 1), 0
        metrics.BARS_DROPPED.inc(dropped)
        if dropped:
            self._lasting.status.alarm(
                "dropped",
                f"{dropped} bar{'s were' if dropped > 1 else ' was'} not decided: turns take longer than bars",
            )
        else:
            self._lasting.status.clear_alarm("dropped")

    async def _something_is_due(self) -> bool:
        """Wait for a bar that ends or has closed, or for prices to decide on; False when nothing came for a while."""
        try:
            async with asyncio.timeout(COMPARED_AFTER_S):
                await self._woken.wait()
        except TimeoutError:
            return False
        self._woken.clear()
        return True

    async def _compare(self) -> None:
        """Keep the account's books where no bar closes: between markets, or while none can be read."""
        lasting = self._lasting
        if self.feed.followed and not self.feed.late:
            return
        try:
            await lasting.turns.compare(lasting.account)
        except VenueForbidden:
            raise
        except VenueError as error:
            metrics.API_ERRORS.labels("turn").inc()
            lasting.status.alarm("turn", str(error))
        else:
            lasting.status.clear_alarm("turn")

    async def _take_turns(self) -> None:
        """A turn per closed bar, and between them where reference prices ask for one; when turns fall behind, the bars
        between are folded and not decided. Only turns between bars are taken while orders are on their way."""
        try:
            while True:
                due = await self._something_is_due()
                if not due:
                    await self._answered()
                    await self._compare()
                elif self._closed:
                    await self._answered()
                    await self._take_bar()
                elif self._reached_s is not None:
                    await self._answered()
                    reached_s, self._reached_s = self._reached_s, None
                    await self._lasting.turns.reached(self._lasting.account, reached_s)
                else:
                    self._see_answered()
                    await self._take_between()
                self._wake_for_moves()
        finally:
            # Their answers are taken before the next reading of the account.
            for task in self._unanswered:
                task.cancel()
            self._unanswered.clear()

    async def _take_bar(self) -> None:
        lasting, geometry = self._lasting, (self._length_s, self._lookback)
        self._count_dropped()
        self._reached_s = None
        if await lasting.model_watch.refresh() and lasting.model_watch.geometry != geometry:
            raise VenueUnavailable("the new bundle has another bar length or lookback: windows are warmed anew")
        self.feed.read_order_flow(wanted=lasting.turns.reads_order_flow)
        async with self._tried():
            finish = await lasting.turns.take(lasting.account, self.feed)
            if finish is not None:
                self._finish_later(finish)
            if any(one.ready for one in self.feed.followed.values()):
                lasting.status.clear_alarm("history")

    async def _take_between(self) -> None:
        # Woken for another reason, prices may have to wait a little longer: the timer tells when they need not.
        moved = self._moves.taken() if self._moves.due_in_s() == 0.0 else None
        if moved is None:
            return
        async with self._tried():
            taken = await self._lasting.between.take(self._lasting.account, moved, self._bar_waits)
            if taken is not None:
                turn, finish = taken
                self._moves.decided(turn)
                self._finish_later(finish)

    def _finish_later(self, finish: Finish) -> None:
        """Do what is left of a turn once its orders are answered."""

        async def finished() -> None:
            async with self._tried():
                await finish()
                self._lasting.status.clear_alarm("turn")

        task = asyncio.create_task(finished())
        self._unanswered.add(task)
        task.add_done_callback(lambda _: self._woken.set())

    async def _answered(self) -> None:
        """Wait until no order is on its way and all turns are concluded."""
        if self._unanswered:
            await asyncio.wait(self._unanswered)
            self._see_answered()

    def _see_answered(self) -> None:
        """Forget the turns that are concluded.

        Raises:
            VenueForbidden: if the venue refused an order of one with 403.
        """
        for task in [one for one in self._unanswered if one.done()]:
            self._unanswered.discard(task)
            task.result()

    @asynccontextmanager
    async def _tried(self) -> AsyncIterator[None]:
        """A turn that the venue's silence has ended is said, and the next one is taken all the same."""
        try:
            yield
        except VenueForbidden:
            raise
        except VenueError as error:
            metrics.API_ERRORS.labels("turn").inc()
            self._lasting.status.alarm("turn", str(error))
            _log.warning("turn failed", error=str(error))

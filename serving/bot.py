"""The loop: closed bar -> forecast -> decide -> journal -> orders -> fills -> books, until it is told to stop.

One task folds the stream, one takes turns, one watches the listing, one hears our own trades, one sends heartbeats.
What blocks runs in `threads`. A session lasts until the venue goes away; the account and the journal outlive it.
"""

import asyncio
from typing import Any

from pipelines.core import log
from pipelines.core.domain import Bar, Quote
from pipelines.core.errors import ArtifactError, DataError, OddsmithError, VenueError, VenueForbidden, VenueUnavailable
from pipelines.core.money import MICRO
from pipelines.core.params import Params
from pipelines.core.settings import Mode, Settings
from pipelines.inference.predictor import forecast_call
from pipelines.news import scorers, sources
from pipelines.venue.http import VenueHttp
from pipelines.venue.stream import MarketStream, Resolution
from serving import champion, metrics, universe, warmup
from serving.account import TradingAccount
from serving.feed import Feed
from serving.heartbeat import Heartbeat
from serving.journal import Journal
from serving.model import Model
from serving.newswire import Newswire
from serving.start import check_mode, journal_url, make_gateway
from serving.status import Status
from serving.threads import Threads
from serving.turns import Turns
from serving.watch import Watch

RETRY_S = 2.0
"""Wall seconds before the venue is tried again after it did not answer."""

SETTLE_TRIES, SETTLE_WAIT_S = 10, 0.3
"""How often, and how far apart, the account is compared at the stop: a matched trade settles within seconds."""

_log = log.get("bot")


class Bot:
    """One trading loop on one journal.

    Raises:
        AlreadyRunning: if another bot holds the journal.
        SettingError: if real orders are asked for without the word and the key.
        ArtifactError: if the journal cannot be used.
    """

    def __init__(self, settings: Settings, params: Params) -> None:
        check_mode(settings)
        self._settings = settings
        self._params = params
        self._journal = Journal(journal_url(settings), settings.mode.value)
        self._threads = Threads()
        self.status = Status(settings, params)
        self._model = Model(settings.mode, settings.var, params, self._threads, self.status)
        self._turns = Turns(
            params, self._journal, self._model, self.status, self._threads, settings.kill_switch, self._guarded
        )
        self._account: TradingAccount | None = None
        self._heartbeat: Heartbeat | None = None
        self._feed: Feed | None = None
        self._watch: Watch | None = None
        self._task: asyncio.Task[None] | None = None
        self._bar = asyncio.Event()

    # Life

    def start(self) -> None:
        """Begin to trade, in the background."""
        self._task = asyncio.create_task(self._supervise())

    @property
    def alive(self) -> bool:
        """Whether the loop runs, or was stopped on purpose."""
        return self._turns.stopping or (self._task is not None and not self._task.done())

    @property
    def ready(self) -> bool:
        """Whether bars are being taken from a live feed, with a model where there is one."""
        fresh = self._feed is not None and self._feed.age_s < self._params.serving.stale_feed_s
        warm = self.status.decided_bars > 0 or (self._model.brain is None and self.status.bars > 0)
        return fresh and warm and not self._turns.stopping

    async def stop(self) -> None:
        """Stop deciding, cancel resting orders, wait for what is in flight, compare, close the journal."""
        if self._turns.stopping:
            return
        self._turns.stopping = True
        account = self._account
        if account is not None:
            await self._last_words(account, compare=False)
        await self._end_task()
        if account is not None:
            await self._last_words(account, compare=True)
        await self._threads.close()
        self._journal.close()

    async def _last_words(self, account: TradingAccount, *, compare: bool) -> None:
        try:
            await self._threads.at_venue(account.execution.cancel_all)
            if compare:
                quiet = await self._threads.at_venue(account.execution.await_quiet, 5.0)
                left = await self._compare(account)
                _log.info("stopped", quiet=quiet, ledger_equals_venue=not left, differences=left)
        except OddsmithError as error:
            _log.error("the venue did not answer at the stop; the next start reconciles", error=str(error))

    async def _compare(self, account: TradingAccount) -> list[str]:
        """What differs from the venue's account, after trades on their way have had time to settle."""
        for _ in range(SETTLE_TRIES):
            left = await self._threads.at_venue(account.differences)
            if not left:
                break
            await asyncio.sleep(SETTLE_WAIT_S)
        return [str(one) for one in left]

    async def _end_task(self) -> None:
        """Cancel the loop; asked again when a library swallowed the first request."""
        for _ in range(5):
            if self._task is None or self._task.done():
                return
            self._task.cancel()
            await asyncio.wait({self._task}, timeout=3.0)

    async def _supervise(self) -> None:
        while not self._turns.stopping:
            try:
                await self._session()
            except Exception as error:
                if self._explain(_leaves(error)):
                    return
            await asyncio.sleep(RETRY_S)

    def _explain(self, errors: list[BaseException]) -> bool:
        """Show why a session ended; True when trading must not be tried again."""
        for error in errors:
            metrics.API_ERRORS.labels("session").inc()
            if isinstance(error, VenueForbidden):
                self.status.alarm("forbidden", str(error))
                _log.error("the venue forbids trading; stopped", error=str(error))
                return True
            if isinstance(error, OddsmithError):
                self.status.alarm("venue", str(error))
                _log.warning("trying again", error=str(error), in_s=RETRY_S)
            else:
                self.status.alarm("error", f"internal error {error!r}; see the log")
                _log.error("session failed", exc_info=error)
        return False

    # Session

    async def _session(self) -> None:
        """Everything between connecting and a reason to connect anew."""
        await self._model.refresh()
        settings = self._settings
        async with (
            VenueHttp(settings.gamma_url, per_10_s=300) as listing,
            VenueHttp(settings.clob_url) as exchange,
            VenueHttp(settings.data_url, per_10_s=800) as archive,
            sources.opened(settings, self._params.news, self._params.serving.news_poll_s) as texts,
        ):
            news = Newswire(texts, scorers.make(self._params.news, settings))
            feed = self._feed = self._make_feed(MarketStream(settings.clob_ws_url, exchange), archive, news)
            account = await self._open_account()
            watch = self._watch = Watch(self._params, account, feed, news, listing, archive, self.status, self._threads)
            markets, now_s = await universe.discover(listing, exchange)
            await watch.choose(markets, now_s)
            await news.poll(markets)
            offset_s = await warmup.grid_offset_s(archive, markets, self._model.geometry[0], now_s)
            self.status.calm("venue")
            self.status.calm("error")
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(feed.run(offset_s))
                tasks.create_task(self._take_turns(account, feed, watch))
                tasks.create_task(watch.run())
                tasks.create_task(watch.listen(settings.clob_ws_url))
                if self._heartbeat is not None:
                    tasks.create_task(self._heartbeat.run())

    def _make_feed(self, market_stream: MarketStream, archive: VenueHttp, news: Newswire) -> Feed:
        length_s, lookback = self._model.geometry
        return Feed(
            market_stream,
            archive,
            news,
            lookback=lookback,
            length_s=length_s,
            max_gap_bars=self._params.bars.max_gap_bars,
            wall_is_market=self._settings.mode is not Mode.SIMULATED,
            on_bar=self._on_bar,
            on_resolved=self._on_resolved,
            on_left=self.status.left,
        )

    async def _open_account(self) -> TradingAccount:
        if self._account is None:
            gateway = await self._threads.at_venue(make_gateway, self._settings, self._params, self._paper_quote)
            account = await self._threads.at_venue(TradingAccount, gateway, self._journal)
            for note in await self._threads.at_venue(account.reconcile):
                self.status.alarm("reconciled", note)
            self._account = account
            self._heartbeat = Heartbeat(gateway, account.execution.sync, self.status, self._threads)
            self.status.open(account)
            _log.info("account", address=gateway.account, cash_pusd=account.books.cash_micro / MICRO)
        return self._account

    def _guarded(self) -> bool:
        """Whether our orders would end with us."""
        return self._heartbeat is not None and self._heartbeat.heard

    def _paper_quote(self, market_id: str) -> tuple[Quote, int] | None:
        one = self._feed.followed.get(market_id) if self._feed else None
        market_s = self._feed.market_s if self._feed else None
        return None if one is None or one.quote is None or market_s is None else (one.quote, market_s)

    def _on_bar(self, closed: list[tuple[Bar, Quote]]) -> None:
        if self._account is not None:
            self._account.gateway.bars_closed(closed)
        if self._watch is not None:
            self._watch.count_bar()
        self._bar.set()

    def _on_resolved(self, message: Resolution) -> None:
        if self._watch is not None:
            self._watch.resolved.append(message)

    async def _take_turns(self, account: TradingAccount, feed: Feed, watch: Watch) -> None:
        """A turn per closed bar; when turns fall behind, the bars between are folded and not decided."""
        geometry = self._model.geometry
        while True:
            await self._bar.wait()
            self._bar.clear()
            if await self._model.refresh() and self._model.geometry != geometry:
                raise VenueUnavailable("the new bundle has another bar length or lookback: windows are warmed anew")
            try:
                await self._turns.take(account, feed)
                self.status.calm("turn")
            except VenueForbidden:
                raise
            except VenueError as error:
                metrics.API_ERRORS.labels("turn").inc()
                self.status.alarm("turn", str(error))
                _log.warning("turn failed", error=str(error))

    # From outside

    def state(self, *, whole: bool) -> dict[str, Any]:
        """The picture of now, as JSON."""
        return self.status.state(whole=whole)

    async def changed(self, timeout_s: float) -> None:
        """Return at the next bar, or after a time."""
        await self.status.changed(timeout_s)

    async def kill(self, on: bool) -> None:
        """Throw the kill switch (cancel what rests, close positions from the next bar on) or lift it."""
        path = self._settings.kill_switch
        if on:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("thrown by POST /kill\n", encoding="utf-8")
        else:
            path.unlink(missing_ok=True)
        self.status.killed(on)
        _log.warning("kill switch", on=on)
        if on and self._account is not None:
            await self._threads.at_venue(self._account.execution.cancel_all)

    async def forecast(self, market_id: str, horizon: int) -> dict[str, Any]:
        """The guide's forecast call for a followed market.

        Raises:
            ArtifactError: if there is no model.
            DataError: if the market is not followed or not warm yet, or the horizon is not one of the model's.
        """
        brain = self._model.brain
        if brain is None:
            raise ArtifactError(champion.NO_MODEL)
        one = self._feed.followed.get(market_id) if self._feed else None
        if one is None or not one.ready or not one.window.warm:
            state = "not followed" if one is None else "still warming up"
            raise DataError(f"market {market_id} is {state}; GET /api/state lists the markets that can be asked for")
        view = one.window.view()
        window = (view.features, view.mids, horizon, view.sentiment)
        return await self._threads.in_mind(forecast_call, brain.predictor, market_id, *window)


def _leaves(error: BaseException) -> list[BaseException]:
    if not isinstance(error, BaseExceptionGroup):
        return [error]
    return [leaf for inner in error.exceptions for leaf in _leaves(inner)]

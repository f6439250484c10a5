"""The loop: closed bar -> forecast -> decide -> journal -> orders -> fills -> books, until it is told to stop.

One task folds the stream, one takes turns, one looks at the listing. Everything that blocks runs in one of two threads:
`venue` (the gateway, whose client is not thread-safe) and `mind` (forecast, decide, journal).
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from pipelines.core import log
from pipelines.core.domain import Market, Outcome
from pipelines.core.errors import ArtifactError, DataError, OddsmithError, SettingError, VenueError, VenueForbidden
from pipelines.core.money import MICRO
from pipelines.core.orders import OrderGateway, OrderIntent
from pipelines.core.params import Params
from pipelines.core.settings import Mode, Settings
from pipelines.decide import Account
from pipelines.inference.predictor import forecast_call
from pipelines.news import scorers
from pipelines.trading.paper import PaperGateway
from pipelines.venue import gamma, resolutions
from pipelines.venue.clob_gateway import ClobGateway
from pipelines.venue.http import VenueHttp
from pipelines.venue.stream import MarketStream, Resolution
from pipelines.venue.user_stream import FillUpdate, Reconnected, UserStream
from serving import champion, lock, metrics, records, universe, warmup
from serving.account import TradingAccount
from serving.brain import Brain, Seen, Turn, open_brain, take_turn
from serving.champion import Champion
from serving.database import connect, default_url
from serving.feed import Feed
from serving.journal import Journal
from serving.newswire import Newswire
from serving.status import Status

RETRY_S = 2.0
"""Wall seconds before the venue is tried again after it did not answer."""

T = TypeVar("T")
_log = log.get("bot")


class Bot:
    """One trading loop on one journal.

    Raises:
        AlreadyRunning: if another bot holds the journal.
        SettingError: if real orders are asked for without the word and the key.
        ArtifactError: if the journal or the champion's bundle cannot be used.
    """

    def __init__(self, settings: Settings, params: Params) -> None:
        _check_mode(settings)
        self._settings = settings
        self._params = params
        self._journal = Journal(settings.journal_url or default_url(settings.var), settings.mode.value)
        self.status = Status(settings, params)
        self._venue_thread = ThreadPoolExecutor(1, "venue")
        self._mind_thread = ThreadPoolExecutor(1, "mind")
        self._brain: Brain | None = None
        self._champion: Champion | None = None
        self._account: TradingAccount | None = None
        self._feed: Feed | None = None
        self._http: tuple[VenueHttp, VenueHttp, VenueHttp] | None = None
        self._closed_s: int | None = None
        self._bar = asyncio.Event()
        self._stopping = False
        self._task: asyncio.Task[None] | None = None
        self._closed_at = 0.0
        self._mismatches = 0
        self._resolved: deque[Resolution] = deque()
        self._bars_since_scan = 0

    # Life

    def state(self, *, whole: bool) -> dict[str, Any]:
        """The picture of now, as JSON."""
        return self.status.state(whole=whole)

    async def changed(self, timeout_s: float) -> None:
        """Return at the next bar, or after a time."""
        await self.status.changed(timeout_s)

    def start(self) -> None:
        """Begin to trade, in the background."""
        self._task = asyncio.create_task(self._supervise())

    @property
    def alive(self) -> bool:
        """Whether the loop runs, or was stopped on purpose."""
        return self._stopping or (self._task is not None and not self._task.done())

    @property
    def ready(self) -> bool:
        """Whether decisions are being taken on a live feed."""
        fresh = self._feed is not None and self._feed.age_s < self._params.serving.stale_feed_s
        return fresh and not self._stopping and self.status.decided_bars > 0

    async def stop(self) -> None:
        """Stop deciding, cancel resting orders, wait for what is in flight, reconcile, close the journal."""
        if self._stopping:
            return
        self._stopping = True
        account = self._account
        try:
            if account is not None:
                await self._at_venue(account.execution.cancel_all)
        except OddsmithError as error:
            _log.error("resting orders could not be cancelled", error=str(error))
        await self._end_task()
        try:
            if account is not None:
                await self._at_venue(account.execution.cancel_all)
                quiet = await self._at_venue(account.execution.await_quiet, 5.0)
                left = await self._at_venue(account.differences)
                _log.info("stopped", quiet=quiet, ledger_equals_venue=not left, differences=[str(d) for d in left])
        except OddsmithError as error:
            _log.error("the account could not be compared at the stop", error=str(error))
        for pool in (self._venue_thread, self._mind_thread):
            pool.shutdown(wait=True)
        self._journal.close()

    async def _end_task(self) -> None:
        """Cancel the loop; asked again when a library swallowed the first request."""
        for _ in range(5):
            if self._task is None or self._task.done():
                return
            self._task.cancel()
            await asyncio.wait({self._task}, timeout=3.0)

    async def _supervise(self) -> None:
        while not self._stopping:
            try:
                await self._session()
            except Exception as error:
                if self._explain(_leaves(error)):
                    return
            await asyncio.sleep(RETRY_S)

    def _explain(self, errors: list[BaseException]) -> bool:
        """Show why a session ended; True when trading must not be tried again."""
        for error in errors:
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
            metrics.API_ERRORS.labels("session").inc()
        return False

    async def _session(self) -> None:
        """Everything between connecting and a reason to connect anew."""
        await self._load_champion()
        settings = self._settings
        async with (
            VenueHttp(settings.gamma_url, per_10_s=300) as listing,
            VenueHttp(settings.clob_url) as exchange,
            VenueHttp(settings.data_url, per_10_s=800) as archive,
        ):
            self._http = (listing, exchange, archive)
            market_stream = MarketStream(settings.clob_ws_url, exchange)
            news = Newswire(settings.news_url, scorers.make(self._params.news, settings))
            feed = self._make_feed(market_stream, archive, news)
            self._feed = feed
            await self._open_account()
            markets, now_s = await universe.discover(listing, exchange)
            await self._choose(markets, now_s)
            await news.poll(self._markets())
            offset_s = await warmup.grid_offset_s(archive, markets, self._length_s, now_s)
            self.status.calm("venue")
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(feed.run(offset_s))
                tasks.create_task(self._turns(news))
                tasks.create_task(self._upkeep(news))
                tasks.create_task(self._listen())

    def _make_feed(self, market_stream: MarketStream, archive: VenueHttp, news: Newswire) -> Feed:
        return Feed(
            market_stream,
            archive,
            news,
            lookback=self._brain.lookback if self._brain else self._params.forecast.lookback_bars,
            length_s=self._length_s,
            max_gap_bars=self._params.bars.max_gap_bars,
            wall_is_market=self._settings.mode is not Mode.SIMULATED,
            on_bar=self._on_bar,
            on_resolved=self._resolved.append,
            on_left=self.status.left,
        )

    @property
    def _length_s(self) -> int:
        return self._brain.length_s if self._brain else self._params.bars.length_s

    def _markets(self) -> list[Market]:
        return [one.market for one in self._feed.followed.values()] if self._feed else []

    # Account and model

    async def _open_account(self) -> None:
        if self._account is not None:
            return
        gateway = await self._at_venue(self._make_gateway)
        account = await self._at_venue(TradingAccount, gateway, self._journal)
        for note in await self._at_venue(account.reconcile):
            self.status.alarm("reconciled", note)
        self._account = account
        self.status.open(account)
        _log.info("account", address=gateway.account, cash_pusd=account.books.cash_micro / MICRO)

    def _make_gateway(self) -> OrderGateway:
        if self._settings.mode is Mode.PAPER:
            cash = self._params.serving.paper_cash_pusd * MICRO
            return PaperGateway(cash, self._params.execution, self._paper_quote, self._paper_market)
        return ClobGateway.connect(self._settings)

    def _paper_quote(self, market_id: str) -> Any:
        one = self._feed.followed.get(market_id) if self._feed else None
        market_s = self._feed.market_s if self._feed else None
        return None if one is None or one.quote is None or market_s is None else (one.quote, market_s)

    def _paper_market(self, market_id: str) -> Market:
        assert self._account is not None, "paper orders need an open account"
        return self._account.books.markets[market_id]

    async def _load_champion(self) -> None:
        """The bundle that should trade now; an unusable one leaves the one before, with an alarm."""
        try:
            found = champion.find(self._settings.var)
            if found == self._champion and (found is None or self._brain is not None):
                return
            brain = await self._in_mind(open_brain, found, self._params) if found else None
        except OddsmithError as error:
            self.status.alarm("champion", str(error))
            return
        self.status.calm("champion")
        old, self._brain, self._champion = self._brain, brain, found
        self.status.show_model(brain)
        if brain is not None:
            _log.info("model", bundle=brain.bundle.hash[:12], policy=brain.policy_kind, armed=brain.champion.armed)
            if self._account is not None:
                self._journal.note("model", f"{brain.bundle.hash} {brain.policy_kind} armed={brain.champion.armed}")
        if self._feed is not None and old is not None and brain is not None and _geometry(old) != _geometry(brain):
            raise VenueError("the new bundle has another bar length or lookback: windows are warmed anew")

    async def _listen(self) -> None:
        """Our own trades as they happen; after a gap the lists of the venue are read."""
        account = self._account
        assert account is not None, "the account is open before its stream"
        gateway = account.gateway
        if not isinstance(gateway, ClobGateway):
            return
        async for update in UserStream(self._settings.clob_ws_url, gateway.credentials, gateway.fills).updates():
            try:
                if isinstance(update, FillUpdate):
                    await self._at_venue(account.execution.hear, update.fills, update.status)
                elif isinstance(update, Reconnected) and not update.first:
                    await self._at_venue(account.execution.sync)
            except VenueForbidden:
                raise
            except OddsmithError as error:
                metrics.API_ERRORS.labels("user").inc()
                self.status.alarm("user", str(error))

    # Listing

    async def _choose(self, markets: list[Market], now_s: int) -> None:
        assert self._feed is not None, "the feed is made first"
        books = self._account.books if self._account else None
        held = [books.markets[m] for m in books.positions if m in books.markets] if books else []
        followed = self._markets()
        chosen = universe.choose(markets, followed, held, now_s, self._params.serving.max_markets)
        if books is not None:
            for market in chosen:
                books.know(market)
            gateway = self._account.gateway if self._account else None
            if isinstance(gateway, ClobGateway):
                gateway.know(chosen)
        await self._feed.follow(chosen)

    async def _upkeep(self, news: Newswire) -> None:
        """Look at the listing every few bars, at the news and the champion at every bar, at resolutions when due."""
        while True:
            bars = self._bars_since_scan
            metrics.FEED_AGE.set(self._feed.age_s if self._feed else 0.0)
            await asyncio.sleep(min(1.0, self._length_s))
            try:
                await news.poll(self._markets())
                await self._settle_resolved()
                if bars >= self._params.serving.rescan_bars:
                    self._bars_since_scan = 0
                    await self._rescan()
            except VenueForbidden:
                raise
            except VenueError as error:
                metrics.API_ERRORS.labels("listing").inc()
                self.status.alarm("listing", str(error))
            else:
                self.status.calm("listing")

    async def _rescan(self) -> None:
        assert self._http is not None and self._feed is not None, "a session is open"
        now_s = self._feed.market_s or 0
        await self._choose(await gamma.tradable(self._http[0], universe.LISTED), now_s)
        held = self._account.books.positions if self._account else {}
        ended = (
            [m for m in held if (end := self._account.books.markets[m].end_s) and end < now_s] if self._account else []
        )
        for market_id in ended:
            await self._settle(market_id, now_s, None)

    async def _settle_resolved(self) -> None:
        while self._resolved:
            message = self._resolved[0]
            payout = {Outcome.YES: MICRO, Outcome.NO: 0, None: None}[message.winner]
            await self._settle(message.market_id, message.ts_ms // 1_000, payout)
            self._resolved.popleft()

    async def _settle(self, market_id: str, ts_s: int, payout_yes_micro: int | None) -> None:
        if self._account is None or not self._account.books.held(market_id):
            return
        books = self._account.books
        if payout_yes_micro is None:
            assert self._http is not None, "a session is open"
            payout_yes_micro = await resolutions.payout_yes_micro(self._http[2], books.markets[market_id])
        if payout_yes_micro is not None:
            await self._at_venue(self._account.execution.sync)
            received = await self._at_venue(books.settle, market_id, payout_yes_micro, ts_s)
            _log.info("settled", market=market_id, payout_yes=payout_yes_micro / MICRO, received_pusd=received / MICRO)

    # Turns

    def _on_bar(self, ts_s: int) -> None:
        self._closed_s = ts_s
        self._closed_at = time.monotonic()
        self._bars_since_scan += 1
        self._bar.set()

    async def _turns(self, news: Newswire) -> None:
        while True:
            await self._bar.wait()
            self._bar.clear()
            await self._load_champion()
            try:
                if self._closed_s is not None:
                    await self._turn(self._closed_s, self._closed_at)
                self.status.calm("turn")
            except VenueForbidden:
                raise
            except VenueError as error:
                metrics.API_ERRORS.labels("turn").inc()
                self.status.alarm("turn", str(error))
                _log.warning("turn failed", error=str(error))

    async def _turn(self, ts_s: int, closed_at: float) -> None:
        account, feed = self._account, self._feed
        assert account is not None and feed is not None, "turns begin after the account is open"
        await self._at_venue(self._tidy, account, ts_s)
        seen = feed.seen(ts_s)
        kill = self._settings.kill_switch.exists()
        compare = self._at_venue(account.differences) if not account.execution.pending else _nothing()
        turn_made, differences = await asyncio.gather(
            self._in_mind(self._decide, account, seen, ts_s, kill, closed_at), compare
        )
        self._judge(differences)
        if turn_made is not None and self._armed and not self._stopping:
            for decision in turn_made.decisions:
                if decision.intent is not None:
                    await self._at_venue(self._send, account, decision.intent)
            if account.execution.pending:
                await self._at_venue(account.execution.sync)
        self.status.update(account, feed, self._brain, turn_made, ts_s, kill)

    @property
    def _armed(self) -> bool:
        return self._brain is not None and self._brain.champion.armed

    def _tidy(self, account: TradingAccount, ts_s: int) -> None:
        """Cancel what has rested too long, and learn what became of everything that works."""
        execution = account.execution
        if execution.pending:
            execution.cancel_expired(ts_s - (self._params.execution.order_ttl_bars - 1) * self._length_s)
            execution.sync()

    def _decide(
        self, account: TradingAccount, seen: list[Seen], ts_s: int, kill: bool, closed_at: float
    ) -> Turn | None:
        books, execution = account.books, account.execution
        mids = self._feed.mids() if self._feed else {}
        mids |= {one.market.market_id: one.window.last.mid_units for one in seen}
        peaks, facts = books.mark(mids, ts_s)
        view = Account(
            books.cash_micro,
            books.equity_micro,
            books.positions,
            execution.open_buys(),
            books.markets,
            books.day_start_micro,
            books.peak_micro,
            kill,
        )
        if self._brain is None or not seen:
            return None
        busy = frozenset(row.market_id for row in execution.pending)
        turn = take_turn(self._brain, ts_s, seen, view, busy)
        took_ms = (time.monotonic() - closed_at) * 1e3
        self.status.measure(turn, took_ms, self._feed.features_ms if self._feed else 0.0)
        row = {
            "ts_s": ts_s,
            "bundle": self._brain.bundle.hash,
            "cash_micro": view.cash_micro,
            "equity_micro": view.equity_micro,
            "took_ms": took_ms,
            "ledger_equals_venue": self.status.ledger_equals_venue,
            "inputs": records.pack(turn.inputs, view),
        }
        decisions = [records.decision_row(decision, self._armed) for decision in turn.decisions]
        self._journal.bar(row, decisions, peaks, facts)
        return turn

    def _send(self, account: TradingAccount, intent: OrderIntent) -> None:
        if self._stopping:
            return
        try:
            sent = account.execution.submit(intent)
        except OddsmithError as error:
            metrics.ORDERS_FAILED.inc()
            self.status.alarm("order", str(error))
            return
        self.status.sent(sent)

    def _judge(self, differences: "list[Any] | None") -> None:
        """Equal, or different twice in a row: a settlement on its way may show for one bar."""
        if differences is None:
            return
        self._mismatches = self._mismatches + 1 if differences else 0
        if self._mismatches == 0:
            self.status.ledger_equals_venue = True
            self.status.calm("ledger")
        elif self._mismatches >= 3:
            self.status.ledger_equals_venue = False
            self.status.alarm("ledger", "; ".join(str(difference) for difference in differences))

    async def kill(self, on: bool) -> None:
        """Throw the kill switch (cancel what rests, close positions from the next bar on) or lift it."""
        path = self._settings.kill_switch
        if on:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("thrown by POST /kill\n", encoding="utf-8")
            if self._account is not None:
                await self._at_venue(self._account.execution.cancel_all)
        else:
            path.unlink(missing_ok=True)
        self.status.killed(on)
        _log.warning("kill switch", on=on)

    async def forecast(self, market_id: str, horizon: int) -> dict[str, Any]:
        """The guide's forecast call for a followed market.

        Raises:
            DataError: if the market is not followed or not warm yet, or the horizon is not one of the model's.
        """
        one = self._feed.followed.get(market_id) if self._feed else None
        if self._brain is None:
            raise ArtifactError(champion.NO_MODEL)
        if one is None or not one.ready or not one.window.warm:
            state = "not followed" if one is None else "still warming up"
            raise DataError(f"market {market_id} is {state}; GET /api/state lists the markets that can be asked for")
        view = one.window.view()
        return await self._in_mind(forecast_call, self._brain.predictor, market_id, view.features, view.mids, horizon)

    # Threads

    async def _at_venue(self, call: Callable[..., T], *arguments: Any) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._venue_thread, call, *arguments)

    async def _in_mind(self, call: Callable[..., T], *arguments: Any) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._mind_thread, call, *arguments)


async def _nothing() -> None:
    return None


def _geometry(brain: Brain) -> tuple[int, int]:
    return brain.length_s, brain.lookback


def _leaves(error: BaseException) -> list[BaseException]:
    if not isinstance(error, BaseExceptionGroup):
        return [error]
    return [leaf for inner in error.exceptions for leaf in _leaves(inner)]


def check_start(settings: Settings) -> None:
    """Whether a bot could start here now: mode and key, journal, lock.

    Raises:
        AlreadyRunning, SettingError, ArtifactError: as `Bot` does.
    """
    _check_mode(settings)
    engine = connect(settings.journal_url or default_url(settings.var))
    lock.acquire(engine).release()
    engine.dispose()


def _check_mode(settings: Settings) -> None:
    if settings.mode is not Mode.LIVE:
        return
    missing = [] if settings.live == "yes" else [f"ODDSMITH_LIVE=yes (it was {settings.live!r})"]
    missing += [] if settings.private_key else ["ODDSMITH_PRIVATE_KEY (it was empty)"]
    if missing:
        raise SettingError(f"mode live places real orders and needs {' and '.join(missing)}; see docs/going-live.md")

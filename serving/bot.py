"""The loop: closed bar -> forecast -> decide -> journal -> orders -> fills -> accounting, until it is told to stop.

The bot opens one session after another (`session`); account, journal and model outlive them. What blocks runs in
`threads`.
"""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from pipelines.core import log
from pipelines.core.domain import Quote
from pipelines.core.errors import ArtifactError, DataError, OddsmithError, VenueForbidden
from pipelines.core.money import MICRO
from pipelines.core.params import Params
from pipelines.core.settings import Settings
from pipelines.core.sign_of_life import Pulse
from pipelines.decide import Rules
from pipelines.history import journal_reader
from pipelines.history.account import History
from pipelines.history.journal_reader import JournalReader
from pipelines.inference.predictor import forecast_call
from pipelines.messages.messenger import Messenger
from pipelines.venue.http import VenueHttp
from serving import champion, metrics, paths
from serving.account import settlement
from serving.account.controls import Controls
from serving.account.journal import Journal
from serving.account.trading_account import TradingAccount
from serving.dashboard import market_page
from serving.dashboard.announcer import Announcer
from serving.dashboard.market_records import Record
from serving.dashboard.remembered import Remembered, joined
from serving.dashboard.status import RECENT, Status
from serving.model_watch import ModelWatch
from serving.safety import block
from serving.safety.block import Block
from serving.safety.heartbeat import Heartbeat
from serving.safety.shadow import Shadow
from serving.safety.venue_watch import VenueWatch
from serving.session import Connections, Lasting, Session, connections
from serving.start import check_mode, journal_url, make_gateway
from serving.threads import Threads
from serving.turns.bar_turn import BarTurns
from serving.turns.between_bars import BetweenTurns

RETRY_S = 2.0
"""Wall seconds before the venue is tried again after it did not answer."""

SETTLE_TRIES, SETTLE_WAIT_S = 10, 0.3
"""How often, and how far apart, the account is compared at the stop: a matched trade settles within seconds."""

MESSAGES_S = 5.0
"""Most wall seconds that the end of the process waits for messages to be sent."""

_log = log.get("bot")


class Bot:
    """One trading loop on one journal. `threads` runs what blocks, `model_watch` makes what finds the bundle, `reserve`
    bytes of the disk are kept for the journal.

    Raises:
        AlreadyRunning: if another bot holds the journal.
        SettingError: if real orders are asked for without the word and the key, or an address of messages is none.
        ArtifactError: if the journal cannot be used.
    """

    def __init__(
        self,
        settings: Settings,
        params: Params,
        threads: Threads | None = None,
        model_watch: Callable[[Settings, Params, Threads, Status], ModelWatch] = ModelWatch,
        *,
        reserve: int = 0,
    ) -> None:
        check_mode(settings)
        self._settings = settings
        self._params = params
        messenger = Messenger.of(settings, params.messages, metrics.count_messages)
        self._journal = Journal(journal_url(settings), settings.mode.value, reserve=reserve)
        self._threads = threads or Threads()
        self.status = Status(settings, params, Announcer(messenger))
        self._model_watch = model_watch(settings, params, self._threads, self.status)
        self.shadow = Shadow(settings, params, self._threads)
        self.status.show_shadow(self.shadow.state)
        self._watch = VenueWatch(settings, self.status)
        self._block = Block(self.status)
        self._pulse = Pulse(settings.var)
        self._controls = Controls(self._journal, params, paths.parameters_file, self.status.announcer.changed)
        self.status.show_controls(self._controls.state)
        self._turns = BarTurns(
            params,
            self._journal,
            self._model_watch,
            self.status,
            self._threads,
            settings.kill_switch,
            self._guarded,
            self._why_reduce_only,
            self.shadow,
            self._controls,
            self._take_limits,
            self._pulse.beat,
        )
        self._between = BetweenTurns(
            self._journal,
            self._model_watch,
            self.status,
            self._threads,
            settings.kill_switch,
            self._controls,
            self._turns,
        )
        self._remembered = Remembered(self._read_journal, self._rules_of)
        self._lasting: Lasting | None = None
        self._session: Session | None = None
        self._task: asyncio.Task[None] | None = None

    # Start and stop

    def start(self) -> None:
        """Begin to trade, in the background."""
        self._task = asyncio.create_task(self._supervise())

    @property
    def alive(self) -> bool:
        """Whether the loop runs, or was stopped on purpose."""
        return self._turns.stopping or (self._task is not None and not self._task.done())

    @property
    def ready(self) -> bool:
        """Whether bars are being taken from a live feed that nobody blocks, with a model where there is one."""
        feed = self._session.feed if self._session is not None else None
        fresh = feed is not None and feed.age_s < self._params.serving.stale_feed_s and not feed.late
        warm = self.status.decided_bars > 0 or (self._model_watch.model is None and self.status.bars > 0)
        return fresh and warm and not self._turns.stopping and not self._block.active

    async def stop(self) -> None:
        """Stop deciding, cancel resting orders, wait for what is in flight, compare, close the journal."""
        if self._turns.stopping:
            return
        self._turns.stopping = True
        account = self._lasting.account if self._lasting is not None else None
        if account is not None:
            await self._close_account(account, compare=False)
        await self._end_task()
        if account is not None:
            await self._close_account(account, compare=True)
        await self._threads.close()
        self._journal.close()
        self._pulse.stop()
        await asyncio.to_thread(self.status.announcer.close, MESSAGES_S)

    async def _close_account(self, account: TradingAccount, *, compare: bool) -> None:
        try:
            await self._threads.in_account_thread(account.execution.cancel_all)
            if compare:
                quiet = await self._threads.in_account_thread(account.execution.await_quiet, 5.0)
                left = await self._compare(account)
                _log.info("stopped", quiet=quiet, ledger_equals_venue=not left, differences=left)
                equity = account.accounting.equity_micro / MICRO
                books = "books equal the venue's account" if not left else f"books differ: {'; '.join(left)}"
                self.status.announcer.stopped(f"equity {equity:,.2f} pUSD, {books}")
        except OddsmithError as error:
            _log.error("the venue did not answer at the stop; the next start reconciles", error=str(error))

    async def _compare(self, account: TradingAccount) -> list[str]:
        """What differs from the venue's account, after trades on their way have had time to settle and payments of the
        last seconds were booked under their names."""
        async with VenueHttp(self._settings.data_url) as archive:
            # The venue answers from a cache of balances; what came in a moment ago shows only when it is asked to look.
            await self._threads.in_account_thread(account.gateway.refresh_balance, "")
            for _ in range(SETTLE_TRIES):
                left = await self._threads.in_account_thread(account.differences)
                if not left:
                    break
                await settlement.read_flows(account, archive)
                if await self._threads.in_account_thread(account.judge, left):
                    left = []
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

    # Sessions

    async def _supervise(self) -> None:
        while not self._turns.stopping:
            try:
                await self._run_session()
            except Exception as error:
                if self._explain(_leaves(error)):
                    return
            await asyncio.sleep(block.RETRY_S if self._block.active else RETRY_S)

    async def _run_session(self) -> None:
        """Connect, and trade until there is a reason to connect anew."""
        await self._model_watch.refresh()
        async with connections(self._settings, self._params) as venue:
            lasting = await self._open_account(venue)
            self._session = Session(lasting, venue)
            await self._session.run()

    async def _open_account(self, venue: Connections) -> Lasting:
        """The account with what belongs to it, opened and reconciled once: decided markets first, then payments."""
        if self._lasting is None:
            blocking = self._threads.in_account_thread
            gateway = await blocking(make_gateway, self._settings, self._params, self._paper_quote, self._paper_fair)
            account = await blocking(
                TradingAccount,
                gateway,
                self._journal,
                self._params.risk,
                self._threads.begin_order,
                self.status.sent,
            )
            await settlement.settle_decided(account, venue.archive, self._threads)
            await settlement.read_flows(account, venue.archive)
            for note in await blocking(account.reconcile):
                self.status.alarm("reconciled", note)
            self._lasting = Lasting(
                settings=self._settings,
                params=self._params,
                account=account,
                heartbeat=Heartbeat(gateway, account.execution.sync, self.status, self._threads),
                model_watch=self._model_watch,
                watch=self._watch,
                turns=self._turns,
                between=self._between,
                status=self.status,
                block=self._block,
                threads=self._threads,
            )
            self.status.open(account)
            self.status.remember(await asyncio.to_thread(self._remembered.recent, RECENT))
            _log.info("account", address=gateway.account, cash_pusd=account.accounting.cash_micro / MICRO)
        return self._lasting

    def _take_limits(self, params: Params) -> None:
        """Go on under other limits: decisions, breaker, followed markets, what is shown, and every later session."""
        self._params = params
        self._model_watch.take_limits(params)
        self.shadow.take_limits(params)
        self.status.take_limits(params)
        if self._session is not None:
            self._session.take_limits(params)
        if self._lasting is not None:
            self._lasting.account.take_limits(params.risk)
            self._lasting = replace(self._lasting, params=params)

    def _explain(self, errors: list[BaseException]) -> bool:
        """Show why a session ended; True when trading must not be tried again."""
        for error in errors:
            metrics.API_ERRORS.labels("session").inc()
            if isinstance(error, VenueForbidden):
                if self._block.seen(error):
                    _log.error("the venue forbids trading; stopped", error=str(error))
                    return True
            elif isinstance(error, OddsmithError):
                self.status.alarm("venue", str(error))
                _log.warning("trying again", error=str(error), in_s=RETRY_S)
            else:
                self.status.alarm("error", f"internal error {error!r}; see the log")
                _log.error("session failed", exc_info=error)
        return False

    def _why_reduce_only(self) -> str:
        shared = self._lasting.account.shared if self._lasting is not None else ""
        return self._watch.reduce_only or self._journal.reduce_only or shared

    def _guarded(self) -> bool:
        """Whether the venue would cancel our orders if this process died now, and does not answer 403."""
        return self._lasting is not None and self._lasting.heartbeat.accepted_lately and not self._block.active

    def _paper_quote(self, market_id: str) -> tuple[Quote, int] | None:
        return self._session.quote(market_id) if self._session is not None else None

    def _paper_fair(self, market_id: str) -> float | None:
        return self._session.fair(market_id) if self._session is not None else None

    # From outside

    def state(self, *, whole: bool) -> dict[str, Any]:
        """The picture of now, as JSON; `whole` adds what changes rarely."""
        return self.status.state(whole=whole)

    def equity(self) -> list[tuple[int, int]]:
        """(market time, equity in base units) of every bar that is kept, oldest first."""
        return list(self.status.equity.points())

    async def changed(self, timeout_s: float) -> None:
        """Return at the next bar, or after a time."""
        await self.status.changed(timeout_s)

    async def kill(self, on: bool) -> None:
        """Turn the kill switch on (cancel what rests, close positions from the next bar on) or off."""
        path = self._settings.kill_switch
        if on:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("turned on by POST /kill\n", encoding="utf-8")
        else:
            path.unlink(missing_ok=True)
        self.status.killed(on)
        _log.warning("kill switch", on=on)
        if on and self._lasting is not None:
            await self._threads.in_account_thread(self._lasting.account.execution.cancel_all)

    async def ask(self, kind: str, asked_by: str, argument: str = "") -> int:
        """Write what a person asks (`serving.account.requests`) into the journal; its number. Done between two bars.

        Raises:
            DataError: if the account is not open yet.
        """
        if self._lasting is None:
            raise DataError("the account is not open yet; try again when the page shows it")
        return await asyncio.to_thread(self._journal.add_request, kind, asked_by, argument)

    async def market(self, market_id: str) -> dict[str, Any] | None:
        """The document of a market's page, also of one that has left; None where nothing is known of it."""
        if self._lasting is None:
            return None
        session, account = self._session, self._lasting.account
        followed = session.feed.followed.get(market_id) if session is not None else None
        record = await asyncio.to_thread(self.record, market_id)
        known = followed or record
        listed, left_out = self.status.not_followed.get(market_id, (None, ""))
        market = known.market if known is not None else account.accounting.markets.get(market_id) or listed
        if market is None:
            return None
        book = session.feed.stream.book(market) if session is not None and followed is not None else None
        texts = session.headlines(market_id) if session is not None else []
        length_s, _ = self._model_watch.geometry
        shown = market_page.document(
            market, record, length_s, book, texts, account, followed=followed is not None, left_out=str(left_out)
        )
        return market_page.with_prices(
            shown | await asyncio.to_thread(market_page.of_journal, self._journal, market_id)
        )

    def record(self, market_id: str) -> Record | None:
        """What was seen and decided in a market, before the start too; None where nothing was. Blocking."""
        lately = self.status.records.of(market_id)
        return joined(self._remembered.of(market_id, 0 if lately is not None else self.status.records.dropped), lately)

    def _read_journal(self) -> JournalReader:
        account = self._lasting.account.gateway.account if self._lasting is not None else None
        return JournalReader(journal_reader.url(self._settings), {}, 0.0, self._params, account)

    def _rules_of(self, bundle: str) -> Rules | None:
        model = self._model_watch.model
        return model.rules if model is not None and model.bundle.hash == bundle else None

    def history(self, from_s: int = 0, to_s: int = 2**62, *, against_model: bool = False) -> History:
        """What the journal has of this bot's account between two market times. Blocking.

        Raises:
            DataError: before the first decided bar.
        """
        account = self._lasting.account.gateway.account if self._lasting is not None else None
        return History(self._settings, self._params, from_s, to_s, account, against_model=against_model)

    async def forecast(self, market_id: str, horizon: int) -> dict[str, Any]:
        """The guide's forecast call for a followed market.

        Raises:
            ArtifactError: if there is no model.
            DataError: if the market is not followed or not warm yet, or the horizon is not one of the model's.
        """
        model = self._model_watch.model
        if model is None:
            raise ArtifactError(champion.NO_MODEL)
        one = self._session.feed.followed.get(market_id) if self._session is not None else None
        if one is None or not one.ready or not one.window.warm:
            state = "not followed" if one is None else "still warming up"
            raise DataError(f"market {market_id} is {state}; GET /api/state lists the markets that can be asked for")
        view = one.window.view(model.predictor.filter)
        window = (view.features, view.mids, horizon, view.sentiment, view.states)
        return await self._threads.in_model_thread(forecast_call, model.predictor, market_id, *window)


def _leaves(error: BaseException) -> list[BaseException]:
    if not isinstance(error, BaseExceptionGroup):
        return [error]
    return [leaf for inner in error.exceptions for leaf in _leaves(inner)]

"""One closed bar: tidy up orders, mark, forecast, decide, journal, send, compare with the venue."""

import math
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

from pipelines import decision_record
from pipelines.core import log
from pipelines.core.domain import Quote
from pipelines.core.errors import OddsmithError, VenueError, VenueForbidden, VenueUnavailable
from pipelines.core.params import Params
from pipelines.decide import Account
from pipelines.trading.kernel import is_trusted
from serving import metrics
from serving.account.controls import Controls
from serving.account.journal import Journal, decision_row
from serving.account.trading_account import TradingAccount
from serving.dashboard.funnel import BarFunnel
from serving.dashboard.status import DAY_S, Known, Status
from serving.loaded_model import ColdMarket, LoadedModel, Turn, WarmMarket, take_turn
from serving.market.feed import Feed
from serving.model_watch import ModelWatch
from serving.safety.books_watch import BooksWatch
from serving.safety.shadow import Champions, Shadow
from serving.threads import Threads
from serving.turns.order_sender import OrderSender, Sending

FRESH_S = 1.0
"""Wall seconds for which a preparation serves the turn that follows."""

PRUNE_EVERY = 240
"""Bars between two prunings of the journal."""

_log = log.get("turns")

T = TypeVar("T")

Finish = Callable[[], Awaitable[None]]
"""What is left of a turn whose orders are on their way: their answers are taken, journaled, counted and shown.

Raises:
    VenueError: if the account could not be read; nothing was bought then, and exits were sent all the same.
"""


class BarTurns:
    """Takes turns for one account. `stopping` is set when nothing may be decided or sent any more.

    `guarded` says whether the venue would cancel our orders if we were killed now, `reduce_only` why nothing may be
    bought (empty: it may).
    """

    def __init__(
        self,
        params: Params,
        journal: Journal,
        model_watch: ModelWatch,
        status: Status,
        threads: Threads,
        kill_switch: Path,
        guarded: Callable[[], bool],
        reduce_only: Callable[[], str],
        shadow: Shadow,
        controls: Controls,
        take_limits: Callable[[Params], None],
        alive: Callable[[], None],
    ) -> None:
        self._params = params
        self._controls = controls
        self._take_limits = take_limits
        self._alive = alive
        self._journal = journal
        self._model_watch = model_watch
        self._status = status
        self._threads = threads
        self._kill_switch = kill_switch
        self._shadow = shadow
        self._books = BooksWatch(journal, status)
        self._prepared_at = -math.inf
        self._last_s = 0
        self._bars = 0
        self._noted: LoadedModel | None = None
        self._exits: dict[str, int] = {}
        self.decided: tuple[Turn, Account] | None = None
        """The newest turn and the account that it saw."""
        self.packer = decision_record.Packer()
        """What the journal has described of the markets, for the records of all turns."""
        self._unread = ""
        self.stopping = False
        self.sender = OrderSender(
            journal, model_watch, status, controls, lambda: self.stopping, lambda: self._unread, guarded, reduce_only
        )

    @property
    def reads_order_flow(self) -> bool:
        """Whether the bundle that decides, or the one in shadow, reads order-flow features."""
        models = self._model_watch.model, self._shadow.model
        return any(model.predictor.reads_order_flow for model in models if model is not None)

    async def reached(self, account: TradingAccount, ts_s: int) -> None:
        """Market time has reached the end of a bar: `prepare`, except where fills come with the closed bar alone. There
        an order whose time is over would be cancelled before it got what came to it in its last bar."""
        if not account.gateway.fills_at_close():
            await self.prepare(account, ts_s)

    async def prepare(self, account: TradingAccount, ts_s: int) -> None:
        """What the turn of the bar that ends at `ts_s` needs of the account: what people asked for is done, expired
        orders are cancelled, fills are booked, books and venue are compared. Done while the bar still waits for its
        last messages (`market.bars.GRACE_S`), so that the decision does not wait for it.

        An account that cannot be read fails the turn and not this.
        """
        kill = self._kill_switch.exists()
        length_s, _ = self._model_watch.geometry
        self._unread = ""
        limits = await self._threads.in_account_thread(self._ready, account, ts_s, length_s, kill)
        self.obeyed(limits)
        self._prepared_at = time.monotonic()

    async def take(self, account: TradingAccount, feed: Feed) -> Finish | None:
        """Decide the newest closed bar and send its orders; what is left to do once they are answered, None where the
        bar was decided before. Where turns are slower than bars, bars are left out."""
        if time.monotonic() - self._prepared_at > FRESH_S:
            await self.prepare(account, feed.closed[0])
        self._prepared_at = -math.inf
        model, kill = self._model_watch.model, self._kill_switch.exists()
        await self._shadow.refresh(model)
        # Read after the preparation, which may take seconds when the venue is slow: the newest bar is decided.
        (ts_s, closed_at), seen = feed.closed, feed.seen(None if model is None else model.predictor.filter)
        if ts_s == self._last_s:
            return None
        self._last_s = ts_s
        quotes = {key: one.quote for key, one in feed.followed.items() if one.quote is not None}
        mids = feed.mids() | {one.market.market_id: one.window.last.mid_units for one in seen}
        turn = await self._threads.in_model_thread(
            self._decide, account, model, seen, quotes, mids, ts_s, kill, closed_at, feed.features_ms
        )
        bar, sending = BarFunnel(), Sending()
        bar.listing(self._status.listed, len(feed.followed), self._status.left_out())
        bar.decisions(turn, len(feed.followed))
        if turn is not None:
            sending = await self._threads.in_account_thread(self.sender.send_all, account, turn, kill, bar)
            self._watch_exits(account, turn)
        # Between sending and asking what became of it, so that the stream can tell it meanwhile.
        self._status.decided(feed, model, turn)

        async def finish() -> None:
            await sending.answered()
            day, known = await self._threads.in_account_thread(self.conclude, account, sending, bar, ts_s)
            self._status.count(bar.counts, day)
            self._status.update(account, feed, ts_s, kill, known)
            self._alive()
            if turn is not None:
                await self._in_shadow(account, feed, turn, quotes)
            if self._unread:
                raise VenueUnavailable(f"the account could not be read, nothing was bought: {self._unread}")

        return finish

    def _read(self, reading: Callable[[], T]) -> T | None:
        """The result of a reading of the account; None where the venue does not answer it. A route that is gone must
        not keep what is held from being sold, so the turn goes on and buys nothing."""
        try:
            return reading()
        except VenueForbidden:
            raise
        except VenueError as error:
            self._unread = self._unread or str(error)
            return None

    def _ready(self, account: TradingAccount, ts_s: int, length_s: int, kill: bool) -> Params | None:
        """`prepare` in the account's thread; the parameters to go on with where their limits changed."""
        if self._journal.reserve is not None:
            self._journal.reserve.renew()
        limits = self._controls.apply(account)
        self._read(lambda: self._tidy(account, ts_s, length_s, kill))
        # While an order works, fills that are under way make books and venue differ without any fault.
        if account.execution.pending or account.merging:
            self._books.tell(account)
        else:
            self._read(lambda: self._books.judge(account, account.look()))
        return limits

    def obeyed(self, limits: Params | None) -> None:
        """What people asked for was done; `limits` are the parameters to go on with where they changed."""
        metrics.PAUSED.set(int(self._controls.paused))
        if limits is not None:
            self._params = limits
            self._take_limits(limits)

    async def compare(self, account: TradingAccount) -> None:
        """Learn what became of what works and compare with the venue, while no bar closes.

        Raises:
            VenueError: if the account cannot be read.
        """
        self.obeyed(await self._threads.in_account_thread(self._controls.apply, account))
        await self._threads.in_account_thread(self._compare, account)
        self._alive()

    def _compare(self, account: TradingAccount) -> None:
        if account.execution.pending:
            account.execution.sync()
        if account.execution.pending:
            self._books.tell(account)
        else:
            self._books.judge(account, account.differences())

    async def _in_shadow(self, account: TradingAccount, feed: Feed, turn: Turn, quotes: dict[str, Quote]) -> None:
        """Let the bundle in shadow decide the same bar. Its trouble is said and touches nothing that trades."""
        shadow = self._shadow
        if shadow.model is None:
            return
        try:
            seen = [one for one in feed.seen(shadow.model.predictor.filter) if one.window.last.ts_s == turn.ts_s]
            counts = account.journal.order_counts()
            placed = sum(number for name, number in counts.items() if name != "matched")
            real = Champions(
                account.accounting.equity_micro, placed, counts.get("rejected", 0) + counts.get("unknown", 0)
            )
            await self._threads.in_model_thread(shadow.observe, turn, seen, quotes, real)
        except (OddsmithError, ArithmeticError, LookupError, ValueError, OSError) as error:
            shadow.trouble = f"the bundle in shadow failed at {turn.ts_s}: {error}"
            _log.error("shadow failed", error=str(error))
            shadow.model = None

    def _tidy(self, account: TradingAccount, ts_s: int, length_s: int, kill: bool) -> None:
        """Cancel what has rested too long (all of it under the kill switch), and learn what became of what works."""
        execution = account.execution
        if execution.pending:
            bars = 0 if kill else self._params.execution.order_ttl_bars - 1
            execution.cancel_expired(ts_s - bars * length_s)
        if execution.lists_are_due:
            execution.sync()
        model = self._model_watch.model
        if model is not None and model.rules.makes and not kill:
            account.merge_pairs()

    def view(self, account: TradingAccount, kill: bool) -> Account:
        """The account as a decision sees it now; positions are worth what the last bar marked them at."""
        accounting = account.accounting
        return Account(
            cash_micro=accounting.cash_micro,
            equity_micro=accounting.equity_micro,
            positions=accounting.positions,
            open_buy_micro=account.execution.open_buys(accounting.markets),
            markets=accounting.markets,
            day_start_equity_micro=accounting.day_start_micro,
            peak_equity_micro=accounting.peak_micro,
            kill=kill,
            tripped=accounting.tripped,
            paused=self._controls.paused,
            closing=self._controls.closing,
        )

    def _decide(
        self,
        account: TradingAccount,
        model: LoadedModel | None,
        seen: list[WarmMarket],
        quotes: dict[str, Quote],
        mids: dict[str, int],
        ts_s: int,
        kill: bool,
        closed_at: float,
        features_ms: float,
    ) -> Turn | None:
        accounting = account.accounting
        references = accounting.references(quotes, mids, ts_s)
        untrusted = {key for key, one in quotes.items() if not is_trusted(one.bid_units, one.ask_units)}
        peaks, facts = accounting.mark({key: fair for key, (fair, _) in references.items()}, ts_s, untrusted)
        view = self.view(account, kill)
        warm = {one.market.market_id for one in seen}
        cold = [
            ColdMarket(accounting.markets[key], quotes[key], self._params.risk.max_quote_age_s)
            for key in view.positions.keys() - warm
            if key in quotes and key in accounting.markets
        ]
        if model is None or not (seen or cold) or self.stopping:
            return None
        self._status.held = dict(view.positions)
        turn = take_turn(model, ts_s, seen, view, busy_markets(account), references, cold)
        took_ms = (time.perf_counter() - closed_at) * 1e3
        self._status.measure(turn, took_ms, features_ms)
        self.decided = (turn, view)
        decisions = [decision_row(decision, model.champion.armed) for decision in turn.decisions]
        row = {
            "ts_s": ts_s,
            "bundle": model.bundle.hash,
            "cash_micro": view.cash_micro,
            "equity_micro": view.equity_micro,
            "took_ms": took_ms,
            "ledger_equals_venue": self._status.ledger_equals_venue,
            "inputs": b"" if self._journal.reduce_only else self.packer.pack(turn.inputs, view, decisions),
        }
        if model is not self._noted:
            self._journal.note_rules(model.bundle.hash, decision_record.rules_document(model.rules))
            self._noted = model
        self._journal.bar(row, (), peaks, facts, Counter(row["refusal"] for row in decisions if row["refusal"]))
        self._bars += 1
        if self._bars % PRUNE_EVERY == 0:
            self._journal.prune(ts_s - self._params.serving.keep_bars * model.length_s)
        return turn

    def conclude(
        self, account: TradingAccount, sending: Sending, bar: BarFunnel, ts_s: int
    ) -> tuple[dict[tuple[str, str], int], Known]:
        """Take the answers to a turn's orders, learn what became of them and write the funnel: its counts of the market
        day, and what the picture shows of the journal."""
        with account.execution.together():
            account.execution.hear_answers()
            if account.execution.pending:
                self._read(account.execution.learn)
            if sending.entries:
                self.sender.count_fills(sending, bar)
            bar.publish()
        day = self._journal.conclude(account.execution.taken_moves(), ts_s // DAY_S, bar.counts)
        return day, self._status.read(account)

    def _watch_exits(self, account: TradingAccount, turn: Turn) -> None:
        """An exit that is wanted and not filled for a while is an alarm, with what keeps it."""
        held, wanted = account.accounting.positions, {}
        for made in turn.decisions:
            if made.action == "exit" and made.market_id in held:
                wanted[made.market_id] = self._exits.get(made.market_id, turn.ts_s)
            elif made.action == "wait" and made.market_id in self._exits:
                wanted[made.market_id] = self._exits[made.market_id]
        self._exits = wanted
        late = {key: turn.ts_s - since for key, since in wanted.items()}
        late = {key: age for key, age in late.items() if age >= self._params.serving.exit_alarm_s}
        metrics.EXIT_WAITS.set(len(late))
        if not late:
            self._status.clear_alarm("exit")
            return
        why = {made.market_id: made.refusal.detail for made in turn.decisions if made.refusal is not None}
        lines = (f"{key[:12]} for {age} s: {why.get(key, 'its orders do not fill')}" for key, age in late.items())
        self._status.alarm("exit", "an exit is not filled: " + "; ".join(lines))


def busy_markets(account: TradingAccount) -> frozenset[str]:
    """Markets that are not decided now: an order works there, or pairs are being merged."""
    return frozenset(row.market_id for row in account.execution.pending) | account.merging

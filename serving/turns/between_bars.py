"""Between two closes: a reference price that moves the fair value of a market leads at once to a decision about it.

Only for a policy that acts on the reference price (`Rules.between_bars`). The loop of the bars takes these turns too:
one at a time is decided, also while orders of others are on their way, and a bar that closes goes first; of prices that
come meanwhile the newest counts.
"""

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from pipelines.core.domain import Market
from pipelines.core.money import PRICE_SCALE
from pipelines.core.params import Params
from pipelines.decide import Account, Inputs
from pipelines.reference.prices import Price
from pipelines.trading.kernel import is_trusted
from serving.account.controls import Controls
from serving.account.journal import Journal, decision_row
from serving.account.trading_account import TradingAccount
from serving.dashboard.funnel import BarFunnel
from serving.dashboard.status import Status
from serving.loaded_model import LoadedModel, Turn, turn_between
from serving.market.feed import Feed
from serving.model_watch import ModelWatch
from serving.threads import Threads
from serving.turns.bar_turn import BarTurns, Finish, busy_markets
from serving.turns.order_sender import Sending

REST_S: Final = 0.01
"""Wall seconds from the beginning of one such turn to that of the next, of which each takes two to five thousandths: a
burst of prices is one decision, and the other source of a price, which comes a little later, is not kept waiting."""

FairValue = Callable[[Market, int], float | None]


@dataclass(frozen=True, slots=True)
class Moved:
    """What is known by now of the markets whose fair value has moved; all have one `after_ms`. `heard_at` is when the
    first of the prices that led to it came (perf_counter)."""

    newest: list[Inputs]
    heard_at: float


class ReferenceMoves:
    """Which markets the reference prices have moved since they were last decided: by a tick of their price at least,
    because nothing less changes an order. `fair` gives the fair value at a market time in ms, `fair_before` the one
    shortly before it (`References`)."""

    def __init__(
        self,
        account: TradingAccount,
        feed: Feed,
        fair: FairValue,
        fair_before: FairValue,
        turns: BarTurns,
        watch: ModelWatch,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._clock = clock
        self._account = account
        self._feed = feed
        self._fair, self._fair_before = fair, fair_before
        self._turns = turns
        self._watch = watch
        self._symbols: set[str] = set()
        self._heard_at = 0.0
        self._known_ms = 0
        self._began_at = -REST_S
        self._of: Turn | None = None
        self._decided: dict[str, Inputs] = {}
        """Market id -> what its newest decision saw, of the bar's turn `_of` or later."""

    def hear(self, price: Price) -> None:
        """A price came to the board. It waits for a turn where one may follow."""
        model = self._watch.model
        if model is None or not model.rules.between_bars:
            return
        if not self._symbols:
            self._heard_at = time.perf_counter()
        self._symbols.add(price.symbol)
        self._known_ms = max(self._known_ms, price.known_ms)

    def due_in_s(self) -> float | None:
        """Wall seconds until a turn may be taken; None where nothing waits, or a bar has to be decided first."""
        if not self._symbols or self._open_ms() is None:
            return None
        return max(0.0, self._began_at + REST_S - self._clock())

    def taken(self) -> Moved | None:
        """The markets that have moved, once: all prices until now are thereby considered. None where none has."""
        market_ms = self._open_ms()
        if market_ms is None:
            return None
        symbols, self._symbols = self._symbols, set()
        busy = busy_markets(self._account)
        newest = [
            found
            for one in self._last()
            if one.warm and one.market.market_id not in busy and (found := self._newest(one, symbols, market_ms))
        ]
        if not newest:
            return None
        self._began_at = self._clock()
        return Moved(newest, self._heard_at)

    def decided(self, turn: Turn) -> None:
        """A turn has decided some markets: later moves count from what it saw."""
        self._decided |= {one.market.market_id: one for one in turn.inputs}

    def _last(self) -> list[Inputs]:
        turn = self._turns.decided[0] if self._turns.decided is not None else None
        if turn is not self._of:
            self._of, self._decided = turn, {}
            if turn is not None:
                self.decided(turn)
        return list(self._decided.values())

    def _open_ms(self) -> int | None:
        """The market time in ms, where it lies in the bar that follows the newest decided one; else None."""
        decided, market_ms = self._turns.decided, self._feed.market_ms
        closed_s = self._feed.closed[0]
        if decided is None or market_ms is None or decided[0].ts_s != closed_s:
            return None
        # On a live venue the clock of the bars follows the wall in steps, and a price may be known before the next one.
        now_ms, length_s = max(market_ms, self._known_ms), self._watch.geometry[0]
        return now_ms if closed_s * 1_000 < now_ms < (closed_s + length_s) * 1_000 else None

    def _newest(self, decided: Inputs, symbols: set[str], market_ms: int) -> Inputs | None:
        """What is known of a market by now, where a price of its asset has moved its fair value; else None."""
        rule, one = decided.market.settlement, self._feed.followed.get(decided.market.market_id)
        if rule is None or rule.symbol not in symbols or one is None or one.quote is None or one.mid_units is None:
            return None
        # Without a book that shows a price there is nothing to take; the bar decides what is held there.
        if not is_trusted(one.quote.bid_units, one.quote.ask_units):
            return None
        fair = self._fair(one.market, market_ms)
        if fair is None:
            return None
        if decided.fair is not None and abs(fair - decided.fair) * PRICE_SCALE < one.market.tick_units:
            return None
        return replace(
            decided,
            market=one.market,
            bar=replace(decided.bar, mid_units=one.mid_units, spread_units=one.quote.spread_units),
            quote=one.quote,
            quote_age_s=one.age_s(market_ms // 1_000),
            fair=fair,
            fair_before=self._fair_before(one.market, market_ms),
            reference_units=one.mid_units,
            reference_age_s=0,
            after_ms=market_ms - decided.bar.ts_s * 1_000,
        )


@dataclass(frozen=True, slots=True)
class _Done:
    """A turn whose orders are on their way: ms from the first price to its decisions, its funnel, its orders."""

    turn: Turn
    took_ms: float
    funnel: BarFunnel
    sending: Sending


class BetweenTurns:
    """Takes the turns between the bars of one account: `BarTurns` for some markets, without a forecast and without the
    comparison with the venue, which the last bar made."""

    def __init__(
        self,
        journal: Journal,
        watch: ModelWatch,
        status: Status,
        threads: Threads,
        kill_switch: Path,
        controls: Controls,
        turns: BarTurns,
    ) -> None:
        self._journal = journal
        self._watch = watch
        self._status = status
        self._threads = threads
        self._kill_switch = kill_switch
        self._controls = controls
        self._turns = turns

    async def take(
        self, account: TradingAccount, moved: Moved, bar_waits: Callable[[], bool]
    ) -> tuple[Turn, Finish] | None:
        """Decide the markets that have moved and send what that asks for; the turn, and what is left to do once its
        orders are answered. Once `bar_waits`, no further order is sent. None where nothing may be decided."""
        blocking = self._threads.in_account_thread
        limits, done = await blocking(self._take, account, moved, bar_waits)
        self._turns.obeyed(limits)
        if done is None:
            return None
        self._status.decided_between(done.turn, done.took_ms, self._watch.armed)

        async def finish() -> None:
            await done.sending.answered()
            day, known = await blocking(self._turns.conclude, account, done.sending, done.funnel, done.turn.ts_s)
            self._status.count_between(day)
            self._status.show_fills(account, known)

        return done.turn, finish

    def _take(
        self, account: TradingAccount, moved: Moved, bar_waits: Callable[[], bool]
    ) -> tuple[Params | None, _Done | None]:
        """The turn in the account's thread, all at once: each change of thread would be a part of the order's way.
        Where people have changed limits, the parameters to go on with and no turn, which would not know them yet."""
        # As at a bar: what people asked for holds before the decision.
        limits = self._controls.apply(account) if self._controls.asked else None
        model, kill = self._watch.model, self._kill_switch.exists()
        if limits is not None or model is None or not model.rules.between_bars or self._turns.stopping:
            return limits, None
        view, ts_s = self._turns.view(account, kill), moved.newest[0].bar.ts_s
        turn = turn_between(model, ts_s, moved.newest, view, busy_markets(account))
        took_ms, funnel = (time.perf_counter() - moved.heard_at) * 1e3, BarFunnel()
        funnel.listing(len(turn.inputs), len(turn.inputs), {})
        funnel.decisions(turn, len(turn.inputs))
        try:
            sending = self._turns.sender.send_all(account, turn, kill, funnel, bar_waits)
        finally:
            # Packing what was seen takes as long as a signature, and no order has to wait for it.
            self._write(model, turn, view, took_ms)
        return None, _Done(turn, took_ms, funnel, sending)

    def _write(self, model: LoadedModel, turn: Turn, view: Account, took_ms: float) -> None:
        rows = [decision_row(one, model.champion.armed) for one in turn.decisions]
        row = {
            "ts_s": turn.ts_s,
            "after_ms": turn.after_ms,
            "bundle": model.bundle.hash,
            "cash_micro": view.cash_micro,
            "equity_micro": view.equity_micro,
            "took_ms": took_ms,
            "inputs": b"" if self._journal.reduce_only else self._turns.packer.pack_between(turn.inputs, view, rows),
        }
        self._journal.between(row, Counter(one["refusal"] for one in rows if one["refusal"]))

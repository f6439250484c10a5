"""Sending what a turn decided: at once, or not at all where something forbids it, and counted in the funnel.

All orders of a turn are on their way together. What the venue says to them is taken when the last one is answered.
"""

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from pipelines.core import log
from pipelines.core.domain import Side
from pipelines.core.errors import OddsmithError
from pipelines.core.orders import NOTHING_TO_TAKE, OrderIntent
from pipelines.trading.order_states import OrderState
from serving import metrics
from serving.account.controls import Controls
from serving.account.in_flight import Flight
from serving.account.journal import Journal, OrderRow
from serving.account.trading_account import TradingAccount
from serving.dashboard.funnel import BarFunnel, is_entry
from serving.dashboard.status import Status
from serving.loaded_model import Turn
from serving.model_watch import ModelWatch

_log = log.get("turns")


def _never() -> bool:
    return False


@dataclass(frozen=True, slots=True)
class Sending:
    """The orders of a turn that are on their way, and those of them that enter a market."""

    orders: list[Flight] = field(default_factory=list)
    entries: list[Flight] = field(default_factory=list)

    async def answered(self) -> None:
        """Return once all orders are answered."""
        if self.orders:
            await asyncio.wait([asyncio.wrap_future(one.answer) for one in self.orders])


class OrderSender:
    """Sends the orders of turns, in the account's thread. `stopping` says whether nothing may be sent any more,
    `unread` why the account could not be read (empty: it could), `guarded` whether the venue would cancel our orders if
    we were killed now, `reduce_only` why nothing may be bought (empty: it may)."""

    def __init__(
        self,
        journal: Journal,
        model_watch: ModelWatch,
        status: Status,
        controls: Controls,
        stopping: Callable[[], bool],
        unread: Callable[[], str],
        guarded: Callable[[], bool],
        reduce_only: Callable[[], str],
    ) -> None:
        self._journal = journal
        self._model_watch = model_watch
        self._status = status
        self._controls = controls
        self._stopping = stopping
        self._unread = unread
        self._guarded = guarded
        self._reduce_only = reduce_only

    def send_all(
        self,
        account: TradingAccount,
        turn: Turn,
        kill: bool,
        funnel: BarFunnel,
        bar_waits: Callable[[], bool] = _never,
    ) -> Sending:
        """Send what was decided. Once `bar_waits`, the rest is left to it.

        Raises:
            VenueForbidden: if the venue has refused one of them with 403 meanwhile: no further one is sent.
        """
        sending = Sending()
        with account.execution.together():
            for decision in turn.decisions:
                # The funnel counts markets: the first of a maker's two quotes counts for both.
                entry = is_entry(decision)
                for intent in decision.intents:
                    sent, why = (None, "a bar closes") if bar_waits() else self._send_one(account, intent, kill)
                    if sent is not None:
                        sending.orders.append(sent)
                    if entry and sent is not None:
                        funnel.sent()
                        sending.entries.append(sent)
                    elif entry and why:
                        funnel.kept_back(why)
                    entry = False
        return sending

    def count_fills(self, sending: Sending, funnel: BarFunnel) -> None:
        """Count what became of the entries that were sent."""
        entries = [one.sent.order for one in sending.entries if one.sent is not None]
        filled = self._journal.filled_among([row.order_id for row in entries])
        filled |= {row.order_id for row in entries if row.state in (OrderState.FILLED, OrderState.PARTLY_FILLED)}
        rest = [row for row in entries if row.order_id not in filled]
        funnel.answered(len(filled), Counter(_unfilled(row) for row in rest))

    def _send_one(self, account: TradingAccount, intent: OrderIntent, kill: bool) -> tuple[Flight | None, str]:
        """An order on its way, or why it was not sent."""
        if self._stopping():
            return None, ""
        why = self._kept_back(intent, kill)
        if why:
            return None, why
        sent = self._send(account, intent)
        return sent, "" if sent is not None else "the order could not be made"

    def _kept_back(self, intent: OrderIntent, kill: bool) -> str:
        """Why an order is not sent; empty when it is.

        Nothing is bought by a bundle that is not armed, with wrong books, or where our death would leave it resting.

        What is held may be sold by a bundle that was approved once, and by any at a person's word: the kill switch, a
        close.
        """
        # Selling reduces what can be lost, so neither wrong books nor a missing heartbeat prevents it.
        if intent.side is Side.SELL:
            by_hand = kill or intent.market_id in self._controls.closing
            return "" if self._model_watch.sells or by_hand else "not armed"
        if not self._model_watch.armed:
            return "not armed"
        if self._status.ledger_equals_venue is False:
            return self._log_kept("books and venue differ", intent)
        if why := self._unread():
            return self._log_kept("the account cannot be read", intent, why)
        if why := self._reduce_only():
            return self._log_kept("reduce only", intent, why)
        if not self._guarded():
            return self._log_kept("no heartbeat accepted lately, or 403", intent)
        return ""

    @staticmethod
    def _log_kept(reason: str, intent: OrderIntent, why: str = "") -> str:
        _log.warning(f"not bought: {reason}", market=intent.market_id, **({"why": why} if why else {}))
        return reason

    def _send(self, account: TradingAccount, intent: OrderIntent) -> Flight | None:
        """Send one order; None where it could not be made."""
        # A block that an order of the same turn has met already stops the others.
        account.execution.hear_answers()
        try:
            return account.execution.send(intent)
        except OddsmithError as error:
            metrics.ORDERS_FAILED.inc()
            self._status.alarm("order", str(error))
            _log.error("an order could not be made", error=str(error))
            return None
        except Exception as error:  # one market whose order cannot be signed keeps no other from its exit
            metrics.ORDERS_FAILED.inc()
            self._status.alarm("order", f"the order in {intent.market_id[:12]} could not be made: {error!r:.200}")
            _log.exception("an order could not be made", market=intent.market_id)
            return None


def _unfilled(row: OrderRow) -> str:
    """Why an order that was sent has no fill at the end of its turn."""
    if row.state is OrderState.REJECTED:
        return "nothing to take" if NOTHING_TO_TAKE in row.text.lower() else "refused by the venue"
    return "no answer" if row.state is OrderState.UNKNOWN else "rests or found no shares"

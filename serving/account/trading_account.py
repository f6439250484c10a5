"""The account at the venue and in our books: opened, reconciled at the start, compared while it trades."""

import time
from dataclasses import dataclass

from pipelines.core import log
from pipelines.core.domain import Fill, Outcome, Side
from pipelines.core.orders import OrderGateway
from serving.account.accounting import Accounting
from serving.account.execution import Execution
from serving.account.journal import Journal

RECENT_TOKENS = 24
"""Tokens that were traded last are compared too: what we sold must be gone at the venue."""

_log = log.get("account")


@dataclass(frozen=True, slots=True)
class Difference:
    """Base units that the venue has more than our books; token "" is cash."""

    token_id: str
    micro: int

    def __str__(self) -> str:
        what = "pUSD" if not self.token_id else f"shares of token {self.token_id[:12]}…"
        return f"the venue has {self.micro / 1e6:+.6f} {what}"


class TradingAccount:
    """Gateway, books and execution of one account. Blocking; called from one thread."""

    def __init__(self, gateway: OrderGateway, journal: Journal) -> None:
        self.gateway = gateway
        self.journal = journal
        journal.begin(gateway.account)
        first_time = "first_cash_micro" not in journal.facts()
        self.accounting = Accounting(journal, gateway.cash_micro())
        settled = {one.market_id: one.cash_micro for one in journal.settlements()}
        gateway.restore(self.accounting.first_micro, [one.fill for one in journal.fills()], settled)
        if first_time:
            # Trades before our first start are history that our first cash already contains.
            newest = max((fill.ts_s for fill in gateway.trades(0)), default=-1)
            journal.set_facts({"trades_from_s": newest + 1})
        first_trade_s = journal.facts().get("trades_from_s", 0)
        self.execution = Execution(gateway, journal, self._book, self.accounting.describe, first_trade_s)
        self._recent: dict[str, None] = dict.fromkeys(self.accounting.tokens())

    def _book(self, fill: Fill) -> bool:
        self._recent.pop(fill.token_id, None)
        self._recent[fill.token_id] = None
        while len(self._recent) > RECENT_TOKENS:
            self._recent.pop(next(iter(self._recent)))
        return self.accounting.book(fill)

    def settle(self, market_id: str, payout_yes_micro: int, ts_s: int) -> int:
        """Book the payout of a decided market, after its last trades; base units that came in."""
        self.gateway.resolved(market_id, payout_yes_micro)
        self.execution.sync()
        return self.accounting.settle(market_id, payout_yes_micro, ts_s)

    def reconcile(self) -> list[str]:
        """Bring the books to the venue's truth after a start: find lost answers, cancel old rests, adopt what differs.

        Returns what had to be adopted, for people; empty when the books were right.
        """
        self.execution.sync()
        self.execution.cancel_all()
        self.execution.await_quiet(limit_s=3.0)
        notes = []
        for difference in self._lasting_differences(limit_s=10.0):
            notes.append(f"adopted at start: {difference}")
            self._adopt(difference)
        cash = self.gateway.cash_micro() - self.accounting.cash_micro
        if cash:
            self.accounting.adopt(cash, "the venue's cash at the start")
        for note in notes:
            _log.warning("reconciled", difference=note)
        return notes

    def _lasting_differences(self, limit_s: float) -> list[Difference]:
        """What differs still after trades of the last seconds had time to settle: a match is credited later."""
        deadline = time.monotonic() + limit_s
        while (found := self.differences()) and time.monotonic() < deadline:
            time.sleep(0.2)
            self.execution.sync()
        return found

    def _adopt(self, difference: Difference) -> None:
        market = next(
            (m for m in self.accounting.markets.values() if difference.token_id in (m.token_yes, m.token_no)), None
        )
        if market is None:
            return
        outcome = Outcome.YES if difference.token_id == market.token_yes else Outcome.NO
        mid = self.accounting.mids.get(market.market_id, 5_000)
        price = mid if outcome is Outcome.YES else 10_000 - mid
        side = Side.BUY if difference.micro > 0 else Side.SELL
        now = time.time_ns()
        token, shares = difference.token_id, abs(difference.micro)
        fill = Fill(f"adopted/{now}", "adopted", market.market_id, token, outcome, side, price, shares, 0, now // 10**9)
        self.journal.note("adopted", str(difference))
        self.accounting.book(fill)

    def differences(self) -> list[Difference]:
        """Where the venue's account and the books differ now; cash first."""
        held = self.accounting.tokens()
        found = [Difference("", self.gateway.cash_micro() - self.accounting.cash_micro)]
        for token in sorted({*held, *self._recent}):
            found.append(Difference(token, self.gateway.shares_micro(token) - held.get(token, 0)))
        return [difference for difference in found if difference.micro]

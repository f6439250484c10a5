"""Books and venue, compared once for every bar: who differs, for how long, and what people are told of it."""

from collections import deque

from pipelines.core import log
from pipelines.core.money import MICRO
from serving import metrics
from serving.account.journal import Journal
from serving.account.trading_account import Difference, TradingAccount
from serving.dashboard.status import Status

MISMATCHES = 3
"""Comparisons in a row in which books and venue must differ before it is an alarm: a settlement under way shows for
one."""

TOLD_LOOKS = 60
"""Comparisons for which a note about the account is shown."""

_log = log.get("books")


class BooksWatch:
    """Judges comparisons of one account. Its methods block and run in the account's thread."""

    def __init__(self, journal: Journal, status: Status) -> None:
        self._journal = journal
        self._status = status
        self._mismatches = 0
        self._told: deque[str] = deque(maxlen=200)
        self._looks = self._told_at = 0

    def judge(self, account: TradingAccount, differences: list[Difference]) -> None:
        """Say whether books and venue are equal; after some comparisons that differ, look for trades that failed.

        Raises:
            VenueError: if the account cannot be read.
        """
        self._looks += 1
        equal = account.judge(differences)
        self.tell(account)
        self._mismatches = 0 if equal else self._mismatches + 1
        if equal:
            self._status.ledger_equals_venue = True
            self._status.clear_alarm("ledger")
        elif self._mismatches >= MISMATCHES:
            self._status.ledger_equals_venue = False
            self._status.alarm("ledger", "; ".join(str(difference) for difference in differences))
            taken_back = account.execution.take_back_missing()
            _log.error("books and venue differ", differences=[str(one) for one in differences], taken_back=taken_back)

    def tell(self, account: TradingAccount) -> None:
        """Show what the account or its gateway has to say for a while; the journal keeps each line once."""
        account.see_foreign()
        notes, account.notes = account.notes + account.gateway.left_out(), []
        for note in notes:
            self._status.alarm("account", note)
            self._told_at = self._looks
            if note not in self._told:
                self._told.append(note)
                self._journal.note("account", note)
                _log.warning("account", note=note)
        if self._looks - self._told_at > TOLD_LOOKS:
            self._status.clear_alarm("account")
        if self._journal.reduce_only:
            self._status.alarm("disk", f"REDUCE ONLY, nothing is bought: {self._journal.reduce_only}")
        else:
            self._status.clear_alarm("disk")
        if account.shared:
            self._status.alarm("shared", f"REDUCE ONLY, nothing is bought: {account.shared}")
        else:
            self._status.clear_alarm("shared")
        metrics.TRIPPED.set(int(account.accounting.tripped))
        metrics.REDEEMABLE.set(len(account.accounting.redeemable))
        for kind, micro in account.accounting.income_micro.items():
            metrics.INCOME.labels(kind).set(micro / MICRO)
        if account.accounting.tripped:
            self._status.alarm("breaker", "too many orders were sent: nothing is bought until the breaker is released")
        else:
            self._status.clear_alarm("breaker")

"""The venue's cash as comparisons found it, kept by day: what parity holds the bookings against."""

import time
from typing import Final

from sqlalchemy.exc import SQLAlchemyError

from pipelines.core import log
from serving.account.journal import Journal

PREFIX: Final = "venue_"
"""How the names of these durable numbers begin: `venue_cash_DAY`, `venue_seq_DAY` and `venue_adopted_DAY`, DAY in days
since 1970."""

DAY_NS: Final = 86_400 * 10**9

_log = log.get("account")


class VenueCash:
    """Keeps the newest reading of each UTC day of the machine, with its time and what had been adopted until then, so
    that the bookings before it can be told from those after it."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._kept: tuple[int, int, int] | None = None

    def seen(self, booked_micro: int, difference_micro: int) -> None:
        """A comparison found the venue's cash to be so much more than the books'. One that repeats the last one of its
        day is not written again, and one that cannot be written (a full disk) is kept by the next comparison: it must
        not keep a turn from selling."""
        now_ns, cash_micro = time.time_ns(), booked_micro + difference_micro
        day = now_ns // DAY_NS
        if (day, booked_micro, difference_micro) == self._kept:
            return
        try:
            adopted_micro = self._journal.facts().get("adopted_micro", 0)
            values = {"cash": cash_micro, "seq": now_ns, "adopted": adopted_micro}
            self._journal.set_facts({f"{PREFIX}{name}_{day}": value for name, value in values.items()})
        except SQLAlchemyError as error:
            _log.warning("the venue's cash was not kept for the parity report", error=str(error)[:200])
            return
        self._kept = (day, booked_micro, difference_micro)

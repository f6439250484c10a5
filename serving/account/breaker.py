"""The last stop before the venue: too many orders, or too much money in them, end all buying until a person says so.

It counts in market time, so that it means the same at every speed of the simulator; live, that is the wall's.
"""

from collections import deque
from collections.abc import Callable, Iterable

from pipelines.core.domain import Side
from pipelines.core.errors import OddsmithError
from pipelines.core.money import MICRO, notional_micro
from pipelines.core.orders import OrderIntent
from pipelines.core.sections import RiskParams
from serving.account.accounting import Accounting
from serving.account.journal import OrderRow

MINUTE_S, HOUR_S = 60, 3_600


class BreakerTripped(OddsmithError):
    """An order was not sent: too many were, and nobody has released the breaker."""


class Breaker:
    """Counts the orders of one account; `tripped` lives in the journal and outlasts the process."""

    def __init__(self, limits: RiskParams, accounting: Accounting, sent: Iterable[OrderRow] = ()) -> None:
        self.limits = limits
        self._accounting = accounting
        rows = sorted(sent, key=lambda row: row.ts_s)
        self._sent = deque((row.ts_s, notional_micro(row.shares_micro, row.price_units)) for row in rows)

    def count(self, intent: OrderIntent, alarm: Callable[[str], None] = lambda _: None) -> None:
        """Count an order before it is sent. Sales always pass: what is held can be closed.

        Raises:
            BreakerTripped: for a buy beyond the limits, or any buy until a person releases the breaker.
        """
        self._sent.append((intent.ts_s, notional_micro(intent.shares_micro, intent.price_units)))
        newest = max(ts_s for ts_s, _ in self._sent)
        while self._sent and self._sent[0][0] <= newest - HOUR_S:
            self._sent.popleft()
        why = self._beyond(newest)
        if why and not self._accounting.tripped:
            self._accounting.trip(why)
            alarm(why)
        if self._accounting.tripped and intent.side is Side.BUY:
            raise BreakerTripped(
                f"an order was not sent: {why or 'the breaker was tripped earlier'}; look for the cause, then"
                " release the breaker with `oddsmith reset-baseline breaker`"
            )

    def _beyond(self, newest_s: int) -> str:
        orders = sum(ts_s > newest_s - MINUTE_S for ts_s, _ in self._sent)
        if orders > self.limits.orders_per_minute:
            return f"{orders} orders in a market minute, the limit is {self.limits.orders_per_minute}"
        money = sum(micro for ts_s, micro in self._sent if ts_s > newest_s - HOUR_S)
        limit = self.limits.notional_per_hour * self._accounting.equity_micro
        if money > limit:
            return f"{money / MICRO:.0f} pUSD of orders in a market hour, the limit is {limit / MICRO:.0f}"
        return ""

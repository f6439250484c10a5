"""From matched to final: MATCHED, MINED, CONFIRMED after wall-clock delays, or RETRYING and FAILED."""

import heapq
import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import blake2b

from simulator.engine.exchange import Exchange
from simulator.engine.orders import Trade, TradeStatus


@dataclass(slots=True)
class Settlement:
    """Trades on their way. `advance` is called with the wall time; `told` hears of every change of status."""

    exchange: Exchange
    mined_after_s: float
    confirmed_after_s: float
    told: Callable[[Trade], None]
    fate: Callable[[Trade], TradeStatus] = lambda trade: TradeStatus.CONFIRMED
    """Final status that a fault decides for a trade: CONFIRMED, RETRYING (confirmed later) or FAILED."""
    _queue: list[tuple[float, int, TradeStatus, Trade]] = field(default_factory=list)
    _order: "itertools.count[int]" = field(default_factory=itertools.count)

    def start(self, trade: Trade, wall_s: float) -> None:
        """Schedule the settlement of a fresh trade; without delays it is settled and final at once."""
        fate = self.fate(trade)
        if fate is TradeStatus.CONFIRMED and self.confirmed_after_s <= 0:
            self._apply(trade, TradeStatus.MINED, wall_s)
            self._apply(trade, TradeStatus.CONFIRMED, wall_s)
            return
        if fate is TradeStatus.CONFIRMED:
            self._push(wall_s + self.mined_after_s, TradeStatus.MINED, trade)
            self._push(wall_s + self.confirmed_after_s, TradeStatus.CONFIRMED, trade)
            return
        self._push(wall_s + self.mined_after_s, TradeStatus.RETRYING, trade)
        if fate is TradeStatus.FAILED:
            self._push(wall_s + 2 * self.confirmed_after_s, TradeStatus.FAILED, trade)
        else:
            self._push(wall_s + 2 * self.mined_after_s, TradeStatus.MINED, trade)
            self._push(wall_s + 2 * self.confirmed_after_s, TradeStatus.CONFIRMED, trade)

    def advance(self, wall_s: float) -> None:
        """Apply everything that is due."""
        while self._queue and self._queue[0][0] <= wall_s:
            due_s, _, status, trade = heapq.heappop(self._queue)
            self._apply(trade, status, due_s)

    def next_due_s(self) -> float | None:
        """Wall time of the next change; None when nothing is on its way."""
        return self._queue[0][0] if self._queue else None

    def _push(self, due_s: float, status: TradeStatus, trade: Trade) -> None:
        heapq.heappush(self._queue, (due_s, next(self._order), status, trade))

    def _apply(self, trade: Trade, status: TradeStatus, wall_s: float) -> None:
        if status is TradeStatus.FAILED:
            if trade.trade_id not in self.exchange.pending:
                return
            self.exchange.revert(trade)
        elif status is TradeStatus.MINED:
            self.exchange.settle(trade)
        if status in (TradeStatus.MINED, TradeStatus.CONFIRMED):
            trade.transaction_hash = transaction_hash(trade.trade_id)
        trade.status = status
        trade.updated_s = self.exchange.market_s()
        self.told(trade)


def transaction_hash(trade_id: str) -> str:
    """A 32-byte hash that belongs to a trade."""
    return "0x" + blake2b(trade_id.encode(), digest_size=32).hexdigest()

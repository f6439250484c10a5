"""Settlement of trades after wall-clock delays: MATCHED, MINED, CONFIRMED, or RETRYING and FAILED."""

import heapq
import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from hashlib import blake2b

from simulator.engine.exchange import Exchange
from simulator.engine.orders import Trade, TradeStatus


class SettlementResult(StrEnum):
    """How the settlement of a trade ends."""

    CONFIRMED = "confirmed"
    RETRIED = "retried"
    FAILED = "failed"
    FAILED_IF_WINNING = "failed if winning"
    FAILED_THEN_CONFIRMED = "failed then confirmed"


Due = tuple[float, TradeStatus, bool]
"""Wall seconds after the trade, the status that is due, and False for a FAILED that a later status replaces."""


@dataclass(slots=True)
class Settlement:
    """Trades in settlement. Call `advance` with the wall time; `on_change` is called after every change of status."""

    exchange: Exchange
    mined_after_s: float
    confirmed_after_s: float
    on_change: Callable[[Trade], None]
    result_of: Callable[[Trade], SettlementResult] = lambda trade: SettlementResult.CONFIRMED
    """Decides how a trade ends (a fault sets it)."""
    _queue: list[tuple[float, int, TradeStatus, bool, Trade]] = field(default_factory=list)
    _judged: set[str] = field(default_factory=set)
    """Ids of trades that fail if they are winning when they would be mined."""
    _order: "itertools.count[int]" = field(default_factory=itertools.count)

    def start(self, trade: Trade, wall_s: float) -> None:
        """Schedule the settlement of a new trade; if `confirmed_after_s` is 0 it is confirmed at once."""
        result = self.result_of(trade)
        if result is SettlementResult.CONFIRMED and self.confirmed_after_s <= 0:
            self._apply(trade, TradeStatus.MINED, wall_s)
            self._apply(trade, TradeStatus.CONFIRMED, wall_s)
            return
        if result is SettlementResult.FAILED_IF_WINNING:
            self._judged.add(trade.trade_id)
        for after_s, status, is_final in self._plan(result):
            heapq.heappush(self._queue, (wall_s + after_s, next(self._order), status, is_final, trade))

    def _plan(self, result: SettlementResult) -> list[Due]:
        mined, confirmed = self.mined_after_s, self.confirmed_after_s
        final = (2 * confirmed, TradeStatus.CONFIRMED, True)
        if result is SettlementResult.CONFIRMED:
            return [(mined, TradeStatus.MINED, True), (confirmed, TradeStatus.CONFIRMED, True)]
        retrying = (mined, TradeStatus.RETRYING, True)
        if result is SettlementResult.FAILED:
            return [retrying, (2 * confirmed, TradeStatus.FAILED, True)]
        if result is SettlementResult.FAILED_THEN_CONFIRMED:
            again = (4 * confirmed, TradeStatus.MINED, True), (4 * confirmed, TradeStatus.CONFIRMED, True)
            return [retrying, (2 * confirmed, TradeStatus.FAILED, False), *again]
        if result is SettlementResult.FAILED_IF_WINNING:
            return [retrying, (4 * confirmed, TradeStatus.MINED, True), (4 * confirmed, TradeStatus.CONFIRMED, True)]
        return [retrying, (2 * mined, TradeStatus.MINED, True), final]

    def advance(self, wall_s: float) -> None:
        """Apply every change of status that is due at wall time `wall_s`."""
        while self._queue and self._queue[0][0] <= wall_s:
            due_s, _, status, is_final, trade = heapq.heappop(self._queue)
            # Whether the trade is winning is known only now, so the planned status may change to FAILED.
            if trade.trade_id in self._judged and status is TradeStatus.MINED:
                self._judged.discard(trade.trade_id)
                status = TradeStatus.FAILED if is_winning(self.exchange, trade) else status
            if not trade.reverted:
                self._apply(trade, status, due_s, is_final=is_final)

    def next_due_s(self) -> float | None:
        """Wall time of the next change of status; None if no trade is in settlement."""
        return self._queue[0][0] if self._queue else None

    def _apply(self, trade: Trade, status: TradeStatus, wall_s: float, *, is_final: bool = True) -> None:
        if status is TradeStatus.FAILED and trade.trade_id not in self.exchange.pending:
            status = TradeStatus.CONFIRMED  # the resolution of its market has settled it already
        if status is TradeStatus.FAILED and is_final:
            self.exchange.revert(trade)
        elif status is TradeStatus.MINED:
            self.exchange.settle(trade)
        if status in (TradeStatus.MINED, TradeStatus.CONFIRMED):
            trade.transaction_hash = transaction_hash(trade.trade_id)
        trade.status = status
        trade.updated_s = self.exchange.market_s()
        self.on_change(trade)


def is_winning(exchange: Exchange, trade: Trade) -> bool:
    """Whether the price has moved in favour of a trade's outside account since it was made."""
    legs = [(trade.taker, trade.price_units), *((fill.order, fill.price_units) for fill in trade.makers)]
    order, paid = next(leg for leg in legs if not leg[0].account.internal)
    market = exchange.markets[trade.market_id]
    bid, ask = market.book.top(order.outcome)
    if market.payout_yes_micro is not None:
        worth = market.payout_micro(order.outcome) / 100
    elif bid is None or ask is None:
        return False
    else:
        worth = (bid + ask) / 2
    return worth > paid if order.is_buy else worth < paid


def transaction_hash(trade_id: str) -> str:
    """A 32-byte hash, the same for the same id; used as the hash of the transaction on the chain."""
    return "0x" + blake2b(trade_id.encode(), digest_size=32).hexdigest()

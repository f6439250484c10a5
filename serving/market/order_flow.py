"""Order-flow features of the trades of one followed market, bar by bar the same bits as in training.

Trades come from the stream as they happen; who made them comes from the Data API later, and counts a bar later.
"""

from collections import deque
from collections.abc import Iterable, Sequence
from typing import Final

from pipelines.core.domain import Bar, Outcome, Side, Tape
from pipelines.features.order_flow import (
    NO_BOOK,
    NOTHING,
    POSITION_S,
    LargeAccounts,
    TradeFlow,
    as_yes,
    values,
)
from pipelines.venue.stream import TradeUpdate

BookValues = tuple[float, float, float, float]
"""The values of `order_flow.BOOK`."""
FlowValues = tuple[float, float, float, float]
"""The values of `order_flow.TRADES` and `order_flow.ACCOUNTS`."""
NO_FLOW: Final = (0.0, 0.0, 0.0, 0.0)


class MarketFlow:
    """The memory of one market's trades, accounts and holders.

    `counted_s` is the time up to which the accounts of trades are counted, `asked_s` the close after which they were
    asked for; `held` is the newest position of large holders with the time from which on it is known.
    """

    def __init__(self, length_s: int, held: tuple[int, float] | None = None) -> None:
        self._length_s = length_s
        self._flow, self._large = TradeFlow(length_s), LargeAccounts(length_s)
        self._waiting: deque[tuple[int, int, bool, int]] = deque()
        self._told_s = 0
        self.counted_s = self.asked_s = 0
        self.held = held

    def trade(self, update: TradeUpdate) -> None:
        """A trade of either token, as the stream tells it."""
        price, buys = as_yes(update.price_units, buys=update.side is Side.BUY, no=update.outcome is Outcome.NO)
        self._flow.trade(second(update), price, update.shares_micro, buys)

    def tell(self, tape: Tape, until_s: int) -> None:
        """Who traded after `counted_s`, up to a time; it replaces what was told of these trades before."""
        if until_s < self._told_s:
            return
        columns = tape.ts_s, tape.shares_micro, tape.buys, tape.account
        rows = zip(*(column.tolist() for column in columns), strict=True)
        self._waiting = deque(row for row in rows if row[0] > self.counted_s)
        self._told_s = until_s

    def close(self, ts_s: int, mid_units: int) -> FlowValues:
        """`TRADES` and `ACCOUNTS` of the bar that closes then. Those of accounts are 0 while nobody told who traded, or
        who holds."""
        return (*self._flow.close(ts_s, mid_units), self._large_flow(ts_s), self._large_position(ts_s))

    def _large_flow(self, ts_s: int) -> float:
        last_s = ts_s - self._length_s
        if self._told_s < last_s:
            return 0.0
        while self._waiting and self._waiting[0][0] <= last_s:
            self._large.trade(*self._waiting.popleft())
        self.counted_s = last_s
        return self._large.flow(ts_s)

    def _large_position(self, ts_s: int) -> float:
        if self.held is None:
            return 0.0
        since_s, position = self.held
        return position if since_s < ts_s <= since_s + POSITION_S else 0.0

    def replay(self, tape: Tape, bars: Sequence[Bar]) -> list[FlowValues]:
        """The values of past bars, from all trades up to the last of them; afterwards the memory is that of a process
        that has seen these bars."""
        closes, mids = [bar.ts_s for bar in bars], [bar.mid_units for bar in bars]
        made = values(tape, closes, mids, self._length_s, (self._flow, self._large))
        self.counted_s = closes[-1] - self._length_s
        self.tell(tape, closes[-1])
        return [(*row, self._large_position(ts_s)) for row, ts_s in zip(made.tolist(), closes, strict=True)]

    def catch_up(self, heard: Iterable[TradeUpdate], bars: Iterable[Bar], since_s: int) -> list[FlowValues]:
        """The values of the bars that closed while history was fetched, from the trades that were heard meanwhile.
        Those up to `since_s` are in history, and what was heard after the last of the bars is remembered too."""
        waiting = deque(update for update in heard if second(update) > since_s)
        made = []
        for bar in bars:
            while waiting and second(waiting[0]) <= bar.ts_s:
                self.trade(waiting.popleft())
            made.append(self.close(bar.ts_s, bar.mid_units))
        for update in waiting:
            self.trade(update)
        return made


def joined(book: BookValues, flow: FlowValues) -> tuple[float, ...]:
    """The values of `ORDER_FLOW`; of bars of which nothing was seen one tuple for all, because windows keep thousands.

    >>> joined(NO_BOOK, NO_FLOW) is NOTHING
    True
    """
    return NOTHING if book is NO_BOOK and flow is NO_FLOW else (*book, *flow)


def second(update: TradeUpdate) -> int:
    """Market time of a trade as history has it: the second that it ends in."""
    return -(-update.ts_ms // 1_000)

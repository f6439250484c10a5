"""When a bar closes, and what is in it. Market time comes from messages; the wall only grants a grace.

A message is either at or before the open boundary (it belongs to the bar) or after it (the bar is complete and the
message waits). So the close of a bar is the mid at its boundary, however the messages arrive within the grace.
"""

import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from pipelines.core.domain import Bar, Quote
from pipelines.trading import latency

GRACE_S = latency.GRACE_S
"""Wall seconds that a bar waits, after market time has reached its boundary, for messages of the same instant."""

MAX_JUMP_BARS = 300
"""After a longer silence the bars between are not made up: windows are filled from history again."""

T = TypeVar("T")


class BarClock(Generic[T]):
    """Orders messages around bar boundaries. `fold` applies a message; `close` is called once per boundary."""

    def __init__(
        self, length_s: int, offset_s: int, fold: Callable[[T], None], close: Callable[[int], None], grace_s: float
    ) -> None:
        self._length = length_s
        self._offset = offset_s
        self._fold = fold
        self._close = close
        self._grace_s = grace_s
        self._boundary: int | None = None
        self._reached_at: float | None = None
        self._early: deque[tuple[int, T]] = deque()
        self.market_ms = 0

    def start(self, market_s: int) -> None:
        """Open the bar of a market time that another witness tells, so that the first message does not decide it."""
        self.market_ms = market_s * 1_000
        self._boundary = self.at_or_after(market_s)
        self._reached_at = None

    @property
    def boundary_s(self) -> int | None:
        """Close of the bar that is open; None before the first message."""
        return self._boundary

    @property
    def reached_s(self) -> int | None:
        """Close of the bar whose boundary market time has reached and which waits for its last messages; else None."""
        return None if self._reached_at is None else self._boundary

    def at_or_after(self, ts_s: int) -> int:
        """First boundary at or after a market time.

        >>> clock = BarClock(60, 0, fold=print, close=print, grace_s=0.1)
        >>> clock.at_or_after(61)
        120
        """
        return -(-(ts_s - self._offset) // self._length) * self._length + self._offset

    def receive(self, market_ms: int, message: T, wall: float) -> None:
        """Take one message, stamped with market time."""
        if self._boundary is None or market_ms > (self._boundary + MAX_JUMP_BARS * self._length) * 1_000:
            self._boundary = self.at_or_after(-(-market_ms // 1_000))
            self._reached_at = None
        self.market_ms = max(self.market_ms, market_ms)
        if market_ms > self._boundary * 1_000:
            self._early.append((market_ms, message))
            self._mark(wall)
            return
        self._fold(message)
        if market_ms == self._boundary * 1_000:
            self._mark(wall)

    def _mark(self, wall: float) -> None:
        if self._reached_at is None:
            self._reached_at = wall

    def advance_to(self, market_ms: int, wall: float) -> None:
        """Market time without a message (live: the wall clock; a quiet market still closes its bars)."""
        self.market_ms = max(self.market_ms, market_ms)
        if self._boundary is not None and market_ms >= self._boundary * 1_000:
            self._mark(wall)

    def due(self, wall: float) -> bool:
        """Whether the open bar has to be closed now."""
        return self._reached_at is not None and wall - self._reached_at >= self._grace_s

    def run(self, wall: float) -> int:
        """Close every bar that is due; how many there were."""
        closed = 0
        while self._boundary is not None and self.due(wall):
            self._close(self._boundary)
            closed += 1
            self._boundary += self._length
            self._reached_at = None
            self._refold(wall)
        return closed

    def _refold(self, wall: float) -> None:
        waiting, self._early = self._early, deque()
        for market_ms, message in waiting:
            # What lies beyond the next bar has waited long enough. Not `wall - grace`: on a machine that has been up
            # for hours the difference of two floats can be less than the grace, and the bar would close a tick later.
            self.receive(market_ms, message, wall if market_ms <= (self._boundary or 0) * 1_000 else -math.inf)
        if self._boundary is not None and self.market_ms >= self._boundary * 1_000:
            self._mark(wall)


@dataclass(slots=True)
class OpenBar:
    """What has happened in one market since its last close."""

    volume_micro: int = 0
    n_trades: int = 0

    def trade(self, shares_micro: int) -> None:
        """Count a trade of either token."""
        self.volume_micro += shares_micro
        self.n_trades += 1

    def close(self, market_id: str, ts_s: int, quote: Quote, last_mid_units: int | None = None) -> Bar:
        """The bar; the counters start again at zero.

        `last_mid_units` is the price of the last book that showed one (the quote's own where it does). While a side is
        missing no book is observed.
        """
        mid = quote.mid_units if last_mid_units is None else last_mid_units
        book = (quote.spread_units, quote.bid_size_micro, quote.ask_size_micro) if quote.two_sided else (0, 0, 0)
        bar = Bar(market_id, ts_s, mid, self.volume_micro, self.n_trades, *book)
        self.volume_micro = self.n_trades = 0
        return bar

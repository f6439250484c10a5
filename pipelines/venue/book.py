"""One token's order book, folded from a snapshot and the changes after it."""

from pipelines.core.domain import Quote
from pipelines.core.money import PRICE_SCALE, price_to_units
from pipelines.venue import clob
from pipelines.venue.wire import Book, PriceLevelChange


class OrderBook:
    """Price levels of one token in units and base units. Not trusted before its first snapshot, nor while it is
    crossed."""

    def __init__(self, token_id: str) -> None:
        self.token_id = token_id
        self.ts_ms = 0
        self.trusted = False
        self.hash = ""
        self._bids: dict[int, int] = {}
        self._asks: dict[int, int] = {}
        self._stated = ("", "")
        self._snapshot_ms = 0
        self._missed = False

    def snapshot(self, wire: Book) -> bool:
        """Replace all levels; whether the book is trusted by it. An older one than what is folded, or one whose bid
        reaches its ask, gives no trust.

        Raises:
            ValueError, ArithmeticError: if it cannot be read; the book is as it was then.
        """
        ts_ms = clob.time_ms(wire)
        if self.trusted and ts_ms < self.ts_ms:
            return False
        bids, asks = dict(clob.levels(wire.bids)), dict(clob.levels(wire.asks))
        self._bids, self._asks = bids, asks
        self.ts_ms, self.hash, self.trusted = ts_ms, wire.hash, not self.crossed
        self._snapshot_ms, self._missed, self._stated = ts_ms, False, ("", "")
        return self.trusted

    def fold(self, change: PriceLevelChange, ts_ms: int) -> None:
        """Set one level's new total size (0 removes it).

        Changes from before the snapshot are in it. One that comes behind a newer one cannot be put in order any more,
        so the book has missed it.

        Raises:
            ValueError, ArithmeticError: if the level cannot be read.
        """
        if not self.trusted or ts_ms < self._snapshot_ms:
            return
        if ts_ms < self.ts_ms:
            self._missed = True
            return
        units, size = clob.level(change.price, change.size)
        side = self._side(change.side)
        if size > 0:
            side[units] = size
        else:
            side.pop(units, None)
        self.ts_ms, self.hash = ts_ms, change.hash or self.hash
        self._stated = (change.best_bid, change.best_ask)

    def _side(self, name: str) -> dict[int, int]:
        if name.upper() in ("BUY", "BID"):
            return self._bids
        if name.upper() in ("SELL", "ASK"):
            return self._asks
        raise ValueError(f"the side was {name!r}; BUY or SELL expected")

    def settle(self) -> bool:
        """After the changes of a message: whether nothing was missed, the stated touch is the folded one, and the bid
        lies below the ask."""
        quote = self.quote()
        bid, ask = self._stated
        agrees = _same(bid, quote.bid_units, PRICE_SCALE) and _same(ask, quote.ask_units, 0)
        self.trusted = self.trusted and agrees and not self._missed and not self.crossed
        return self.trusted

    def distrust(self) -> None:
        """Wait for a new snapshot: the tick changed or the connection broke."""
        self.trusted = False

    @property
    def crossed(self) -> bool:
        """Whether the best bid reaches the best ask: no market trades like that."""
        return max(self._bids, default=0) >= min(self._asks, default=PRICE_SCALE)

    def quote(self) -> Quote:
        """Best bid and ask with sizes; a missing side has size 0 and price 0 or 10,000."""
        bid = max(self._bids, default=0)
        ask = min(self._asks, default=PRICE_SCALE)
        return Quote(bid, ask, self._bids.get(bid, 0), self._asks.get(ask, 0))

    def levels(self) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
        """Bids and asks as (price units, size in base units), the best first."""
        return sorted(self._bids.items(), reverse=True), sorted(self._asks.items())


def _same(stated: str, folded: int, other_edge: int) -> bool:
    """Whether a stated touch is the folded one; it may be left out, and an empty side is written as 0 or as 1."""
    if not stated:
        return True
    units = price_to_units(stated)
    return units == folded or (folded == PRICE_SCALE - other_edge and units == other_edge)

"""One market's order book in YES prices. Price-time priority; every operation on a level is O(1)."""

from bisect import bisect_left, insort
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field

from pipelines.core.domain import Outcome
from pipelines.core.money import PRICE_SCALE
from simulator.engine.orders import Order


@dataclass(slots=True, eq=False)
class Level:
    """Orders at one price, oldest first, and their open shares."""

    orders: OrderedDict[str, Order] = field(default_factory=OrderedDict)
    total_micro: int = 0


@dataclass(slots=True, eq=False)
class Ladder:
    """One side of a book. `prices` ascends towards the best price; asks are stored negated."""

    sign: int
    levels: dict[int, Level] = field(default_factory=dict)
    prices: list[int] = field(default_factory=list)

    def best(self) -> int | None:
        """Best price in YES units; None when the side is empty."""
        return self.sign * self.prices[-1] if self.prices else None

    def add(self, order: Order) -> None:
        """Queue an order behind the others at its price."""
        price = order.book_units
        level = self.levels.get(price)
        if level is None:
            level = self.levels[price] = Level()
            insort(self.prices, self.sign * price)
        level.orders[order.order_id] = order
        level.total_micro += order.remaining_micro

    def reduce(self, order: Order, shares_micro: int) -> None:
        """Take filled shares off an order's level; the order leaves the level when nothing remains."""
        price = order.book_units
        level = self.levels[price]
        level.total_micro -= shares_micro
        if order.remaining_micro == 0:
            del level.orders[order.order_id]
            if not level.orders:
                self._drop(price)

    def remove(self, order: Order) -> None:
        """Take an order off its level."""
        price = order.book_units
        level = self.levels[price]
        del level.orders[order.order_id]
        level.total_micro -= order.remaining_micro
        if not level.orders:
            self._drop(price)

    def _drop(self, price: int) -> None:
        del self.levels[price]
        key = self.sign * price
        del self.prices[bisect_left(self.prices, key)]

    def best_first(self) -> Iterator[tuple[int, Level]]:
        """Levels from the best price outwards."""
        for key in reversed(self.prices):
            price = self.sign * key
            yield price, self.levels[price]


@dataclass(slots=True, eq=False)
class Book:
    """Both sides of one market, and the levels that changed since they were last published."""

    bids: Ladder = field(default_factory=lambda: Ladder(1))
    asks: Ladder = field(default_factory=lambda: Ladder(-1))
    dirty: set[tuple[bool, int]] = field(default_factory=set)
    """(is_bid, YES price) of levels that were touched."""

    def side(self, is_bid: bool) -> Ladder:
        """The ladder of bids or of asks."""
        return self.bids if is_bid else self.asks

    def add(self, order: Order) -> None:
        """Let an order rest."""
        (self.bids if order.is_bid else self.asks).add(order)
        self.dirty.add((order.is_bid, order.book_units))

    def reduce(self, order: Order, shares_micro: int) -> None:
        """Record a fill of a resting order."""
        self.side(order.is_bid).reduce(order, shares_micro)
        self.dirty.add((order.is_bid, order.book_units))

    def remove(self, order: Order) -> None:
        """Take a resting order off the book."""
        (self.bids if order.is_bid else self.asks).remove(order)
        self.dirty.add((order.is_bid, order.book_units))

    def total(self, is_bid: bool, price: int) -> int:
        """Open shares at a YES price."""
        level = self.side(is_bid).levels.get(price)
        return level.total_micro if level else 0

    def top(self, outcome: Outcome) -> tuple[int | None, int | None]:
        """Best bid and best ask seen from a token, None for a missing side."""
        bid, ask = self.bids.best(), self.asks.best()
        if outcome is Outcome.YES:
            return bid, ask
        return (None if ask is None else PRICE_SCALE - ask), (None if bid is None else PRICE_SCALE - bid)

    def levels(self, outcome: Outcome) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
        """Bids and asks seen from a token as (price, shares), best LAST as on the wire."""
        bids = [(price, self.bids.levels[price].total_micro) for price in self.bids.prices]
        asks = [(-key, self.asks.levels[-key].total_micro) for key in self.asks.prices]
        if outcome is Outcome.YES:
            return bids, asks
        mirrored_bids = [(PRICE_SCALE - price, size) for price, size in asks]
        mirrored_asks = [(PRICE_SCALE - price, size) for price, size in bids]
        return mirrored_bids, mirrored_asks

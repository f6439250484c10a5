"""One market's order book in YES prices. Price-time priority; every operation on a level is O(1).

Levels are found by a signed key: the price of a bid, minus the price of an ask. Keys ascend towards the best price on
both sides, and two orders match if the sum of their keys is 0 or more.
"""

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
    """One side of a book. `keys` ascends towards the best price."""

    levels: dict[int, Level] = field(default_factory=dict)
    keys: list[int] = field(default_factory=list)

    def best(self) -> int | None:
        """Best price in YES units; None when the side is empty."""
        return abs(self.keys[-1]) if self.keys else None

    def add(self, order: Order) -> None:
        """Queue an order behind the others at its price."""
        key = order.level_key
        level = self.levels.get(key)
        if level is None:
            level = self.levels[key] = Level()
            insort(self.keys, key)
        level.orders[order.order_id] = order
        level.total_micro += order.remaining_micro

    def reduce(self, order: Order, shares_micro: int) -> None:
        """Take filled shares off an order's level; a fully filled order leaves the level."""
        level = self.levels[order.level_key]
        level.total_micro -= shares_micro
        if order.remaining_micro == 0:
            del level.orders[order.order_id]
            if not level.orders:
                self._drop(order.level_key)

    def remove(self, order: Order) -> None:
        """Take an order off its level."""
        level = self.levels[order.level_key]
        del level.orders[order.order_id]
        level.total_micro -= order.remaining_micro
        if not level.orders:
            self._drop(order.level_key)

    def _drop(self, key: int) -> None:
        del self.levels[key]
        del self.keys[bisect_left(self.keys, key)]

    def best_first(self) -> Iterator[tuple[int, Level]]:
        """Prices and levels, the best price first."""
        for key in reversed(self.keys):
            yield abs(key), self.levels[key]


@dataclass(slots=True, eq=False)
class Book:
    """Both sides of one market, and the levels that changed since they were last published."""

    bids: Ladder = field(default_factory=Ladder)
    asks: Ladder = field(default_factory=Ladder)
    dirty: set[int] = field(default_factory=set)
    """Keys of levels that changed since the last publication."""

    def add(self, order: Order) -> None:
        """Add a resting order."""
        (self.bids if order.is_bid else self.asks).add(order)
        self.dirty.add(order.level_key)

    def reduce(self, order: Order, shares_micro: int) -> None:
        """Record a fill of a resting order."""
        (self.bids if order.is_bid else self.asks).reduce(order, shares_micro)
        self.dirty.add(order.level_key)

    def resize(self, order: Order, shares_micro: int) -> None:
        """Change the open shares of a resting order, which then queues behind the others at its price."""
        key = order.level_key
        level = (self.bids if order.is_bid else self.asks).levels[key]
        level.total_micro += shares_micro - order.remaining_micro
        level.orders.move_to_end(order.order_id)
        self.dirty.add(key)

    def remove(self, order: Order) -> None:
        """Take a resting order off the book."""
        (self.bids if order.is_bid else self.asks).remove(order)
        self.dirty.add(order.level_key)

    def facing(self, order: Order) -> Ladder:
        """The side that an order would trade with."""
        return self.asks if order.is_bid else self.bids

    def total(self, key: int) -> int:
        """Open shares of a level; 0 if it has no orders."""
        level = (self.bids if key > 0 else self.asks).levels.get(key)
        return level.total_micro if level else 0

    def totals(self) -> dict[int, int]:
        """Open shares of every level by key."""
        return {key: level.total_micro for side in (self.bids, self.asks) for key, level in side.levels.items()}

    def top(self, outcome: Outcome) -> tuple[int | None, int | None]:
        """Best bid and best ask of an outcome's token in price units; None for a missing side."""
        bid, ask = self.bids.best(), self.asks.best()
        if outcome is Outcome.YES:
            return bid, ask
        return (None if ask is None else PRICE_SCALE - ask), (None if bid is None else PRICE_SCALE - bid)

    def levels(self, outcome: Outcome) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
        """Bids and asks of an outcome's token as (price, shares). The best price is the last, as on the wire."""
        bids = [(key, self.bids.levels[key].total_micro) for key in self.bids.keys]
        asks = [(-key, self.asks.levels[key].total_micro) for key in self.asks.keys]
        if outcome is Outcome.YES:
            return bids, asks
        mirrored_bids = [(PRICE_SCALE - price, size) for price, size in asks]
        mirrored_asks = [(PRICE_SCALE - price, size) for price, size in bids]
        return mirrored_bids, mirrored_asks

"""An informed trader: it knows the fair value and takes outside orders that are on the wrong side of it.

Its limits are strictly inside the spread, so it never trades with the market maker and changes neither volume nor
quotes of the source. An outside order that improves on the quote risks such a trade, as on a real venue.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pipelines.core.domain import FloatArray, Side
from pipelines.core.money import SHARE_GRID
from simulator.markets.price_grid import IntArray
from simulator.markets.source import TradePrint

ACTIVE_SHARE: Final = 0.5
"""Share of minutes in which the trader is active."""
MEDIAN_SHARES: Final = 100.0
SIZE_SD: Final = 1.0
"""Median of its order sizes in shares, and the standard deviation of their logarithm."""


@dataclass(frozen=True, slots=True)
class InformedOrders:
    """One market's orders, (T,). The limit is in price units: positive buys YES, negative sells, 0 means no order."""

    limit_units: NDArray[np.int16]
    size: NDArray[np.int32]
    """In 0.01 share."""

    def at(self, row: int, ts_s: int) -> tuple[TradePrint, ...]:
        """Orders of one step."""
        limit = int(self.limit_units[row])
        if limit == 0:
            return ()
        return ((ts_s, Side.BUY if limit > 0 else Side.SELL, abs(limit), int(self.size[row]) * SHARE_GRID),)


def informed_orders(
    fair_units: FloatArray, touch: tuple[IntArray, IntArray], tick: IntArray, random: np.random.Generator
) -> InformedOrders:
    """Orders inside the spread: buys at most at the last tick below fair value, sells at least at the first above it.

    `touch` is bid and ask; all arrays are (T,) in price units.
    """
    bid, ask = touch
    active, coin = random.random((2, len(fair_units)))
    size = np.clip(MEDIAN_SHARES * np.exp(SIZE_SD * random.standard_normal(len(fair_units))), 5.0, 10_000.0)
    buy = np.minimum(np.floor(fair_units / tick).astype(np.int64) * tick, ask - tick)
    sell = np.maximum(np.ceil(fair_units / tick).astype(np.int64) * tick, bid + tick)
    can_buy, can_sell = (buy > bid) & (buy < fair_units), (sell < ask) & (sell > fair_units)
    buys = can_buy & (~can_sell | (coin < 0.5))
    limit = np.where(active >= ACTIVE_SHARE, 0, np.where(buys, buy, np.where(can_sell, -sell, 0)))
    return InformedOrders(limit.astype(np.int16), np.rint(size * 100.0).astype(np.int32))

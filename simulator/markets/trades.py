"""Trades of the noise traders: the volume of a bar split into trades at bid or ask. A market's seed decides them.

Sides are drawn with equal probability, independent of the price move, so trade prices tell no direction.
"""

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

from pipelines.core.domain import Side
from pipelines.core.money import PRICE_SCALE, SHARE_GRID
from simulator.markets.price_grid import BoolArray, IntArray
from simulator.markets.source import TradePrint


@dataclass(frozen=True, slots=True)
class NoiseTrades:
    """All trades of one market, oldest first. Trades of bar k are rows `first[k]` to `first[k + 1]`."""

    first: IntArray
    """(T + 1,)"""
    ts_s: IntArray
    buys: BoolArray
    """Whether the taker bought YES."""
    price_units: IntArray
    shares_micro: IntArray
    accounts: IntArray | None = None
    """Who traded, where a large account is among the traders; None: one account for all."""

    def prints(self, bar: int) -> tuple[TradePrint, ...]:
        """Trades of one bar."""
        rows = slice(int(self.first[bar]), int(self.first[bar + 1]))
        if rows.start == rows.stop:
            return ()
        sides = [Side.BUY if buy else Side.SELL for buy in self.buys[rows].tolist()]
        columns = (self.ts_s[rows].tolist(), sides, self.price_units[rows].tolist(), self.shares_micro[rows].tolist())
        return tuple(zip(*columns, strict=True))


def split(
    ts_s: IntArray, volume_micro: IntArray, n_trades: IntArray, touch: tuple[IntArray, IntArray], random: Generator
) -> NoiseTrades:
    """Split the volume of every bar, on the grid of 0.01 share, into `n_trades` parts that sum to it exactly.

    `touch` is bid and ask of each bar. Takers buy at the ask or sell at the bid; if a side is missing, all of them
    take the other side.
    """
    bid, ask = touch
    first = np.concatenate(([0], np.cumsum(n_trades)))
    total, bar = int(first[-1]), np.repeat(np.arange(len(ts_s)), n_trades)
    weight, coin = random.standard_exponential(total), random.random(total) < 0.5
    # Every trade gets one grid step, so that none is empty. The rest is split by weight; the bar's first trade gets
    # what rounding leaves.
    spare = volume_micro // SHARE_GRID - n_trades
    sums = np.bincount(bar, weight, len(ts_s))
    size = 1 + np.floor(spare[bar] * (weight / sums[bar])).astype(np.int64)
    missing = volume_micro // SHARE_GRID - np.bincount(bar, size, len(ts_s)).astype(np.int64)
    active = n_trades > 0
    size[first[:-1][active]] += missing[active]
    buys = np.where(bid[bar] <= 0, True, np.where(ask[bar] >= PRICE_SCALE, False, coin))
    return NoiseTrades(first, ts_s[bar], buys, np.where(buys, ask[bar], bid[bar]), size * SHARE_GRID)

"""A source with longer steps: each joins several steps of another source, and has the quotes at its end."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from pipelines.core.domain import Headline
from simulator.markets.price_grid import IntArray
from simulator.markets.source import History, Listing, MarketSource, Prints, Step, TradePrint


class CoarseMarkets:
    """A source with steps `factor` times as long. The other source's markets must begin and end on the longer grid."""

    def __init__(self, fine: MarketSource, factor: int) -> None:
        self._fine = fine
        self._factor = factor
        self.step_s = fine.step_s * factor
        self.now_s = fine.now_s

    def listings(self) -> Sequence[Listing]:
        """All markets that have begun."""
        return self._fine.listings()

    def resolutions(self) -> Sequence[tuple[str, int, int]]:
        """All resolutions up to now."""
        return self._fine.resolutions()

    def headlines(self) -> Sequence[Headline]:
        """Headlines known up to now."""
        return self._fine.headlines()

    def history(self, market_id: str) -> History:
        """Every `factor`-th quote; volume and number of trades are sums since the previous one."""
        fine = self._fine.history(market_id)
        rows = np.arange(0, len(fine.ts_s), self._factor)
        volume, count = (self._sums(column, len(rows)) for column in (fine.volume_micro, fine.n_trades))
        quotes = (fine.bid_units[rows], fine.ask_units[rows])
        return History(fine.ts_s[rows], fine.mid_units[rows], volume, count, *quotes)

    def _sums(self, column: IntArray, rows: int) -> IntArray:
        """Row 0 is the opening quote; row k sums the `factor` fine rows that end with it."""
        whole = column[1 : 1 + (rows - 1) * self._factor].reshape(rows - 1, self._factor)
        sums: IntArray = np.concatenate((column[:1], whole.sum(axis=1)))
        return sums

    def trades(self, market_id: str) -> Prints:
        """A market's trades, each at its own minute."""
        return self._fine.trades(market_id)

    def advance(self) -> Step:
        """The next `factor` steps of the other source as one step."""
        steps = [self._fine.advance() for _ in range(self._factor)]
        self.now_s = self._fine.now_s
        trades: defaultdict[str, tuple[TradePrint, ...]] = defaultdict(tuple)
        for step in steps:
            for row in step.rows:
                trades[row.market_id] += row.trades
        return Step(
            self.now_s,
            rows=[replace(row, trades=trades[row.market_id]) for row in steps[-1].rows],
            headlines=[headline for step in steps for headline in step.headlines],
            resolved=[resolution for step in steps for resolution in step.resolved],
            listed=[listing for step in steps for listing in step.listed],
        )

"""Ladders of the local exchange as histories, books and markets: what baskets are counted and traded on.

The windows are those that `oddsmith simulate --series btc-ladder --history-days 1` lists with the same seed, from its
first whole hour on, so the executor meets the same books in a replay and at the exchange.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from benchmarks.series_world import history, market
from pipelines.core.domain import Market, Quote
from pipelines.reference.board import Board
from pipelines.replay.market_history import History
from simulator.series.kinds import Series
from simulator.series.source import BEGINS_S, LADDER
from simulator.series.underlying import Underlying
from simulator.series.windows import Window, windows_from

HOUR_S = 3_600
FIRST_S = BEGINS_S + 86_400 + HOUR_S
"""The first ladder that begins while the exchange runs."""

Books = dict[int, list[tuple[Market, Quote]]]


@dataclass(frozen=True)
class Ladder:
    """The levels of one hour."""

    windows: tuple[Window, ...]
    markets: tuple[Market, ...]

    @property
    def begin_s(self) -> int:
        """Market time at which its hour begins."""
        return int(self.windows[0].ts_s[-1]) + 1 - HOUR_S

    @property
    def payouts_micro(self) -> dict[str, int]:
        """Market id -> payout of a YES share."""
        pairs = zip(self.markets, self.windows, strict=True)
        return {market.market_id: window.payout_micro for market, window in pairs}

    def books(self) -> Books:
        """Market time -> the markets with what their books show, of its hour."""
        found: Books = defaultdict(list)
        for described, one in zip(self.markets, self.windows, strict=True):
            columns = (one.ts_s, one.bid_units, one.ask_units, one.bid_size_micro, one.ask_size_micro)
            for ts_s, *quote in zip(*(column.tolist() for column in columns), strict=True):
                if ts_s >= self.begin_s:
                    found[ts_s].append((described, Quote(*quote)))
        return found

    def histories(self, *, immediate: bool) -> list[History]:
        """Bars of a second with the sizes that were shown. An order meets the book of the bar after its decision; with
        `immediate` each book is shown on two bars, so that this is the one that it was decided on."""
        made = [_shown(one) for one in self.windows]
        return [_twice(one) for one in made] if immediate else made


def ladders(hours: int, seed: int, misquotes_h: float) -> Iterator[Ladder]:
    """The ladders of consecutive hours."""
    series = Series("BTC", "1h", strikes=LADDER, misquotes_h=misquotes_h)
    path = Underlying(seed, "BTC", BEGINS_S)
    for hour in range(hours):
        made = tuple(windows_from(series, FIRST_S + HOUR_S * hour, path, seed))
        yield Ladder(made, tuple(market(one) for one in made))


def _shown(window: Window) -> History:
    rows = window.ts_s >= (window.listing.event_start_s or 0)
    sizes = np.stack((window.bid_size_micro[rows], window.ask_size_micro[rows]), axis=1)
    return replace(history(window, Board()), sizes_micro=sizes)


def _twice(one: History) -> History:
    """The same books in a time that runs at half the pace: every second is two bars."""
    rows = np.repeat(np.arange(len(one)), 2)
    first_s = int(one.ts_s[0])
    columns = (
        "mid_units", "bid_units", "ask_units", "volume_micro", "spread_units", "features", "sentiment", "mean",
        "lower", "upper", "confidence", "sizes_micro",
    )  # fmt: skip
    made = {name: getattr(one, name)[rows] for name in columns}
    end_s = first_s + 2 * ((one.market.end_s or first_s) - first_s)
    ts_s = first_s + np.arange(2 * len(one), dtype=np.int64)
    return replace(one, market=replace(one.market, end_s=end_s), ts_s=ts_s, fair=None, **made)


def episode_seconds(times: Sequence[int], before_s: int, after_s: int, end_s: int) -> list[tuple[int, int]]:
    """Stretches of market time [first, last] around the seconds at which something is offered, joined where they meet.

    >>> episode_seconds([10, 11, 30], 1, 5, 33)
    [(9, 16), (29, 33)]
    """
    found: list[tuple[int, int]] = []
    for ts_s in times:
        first, last = ts_s - before_s, min(ts_s + after_s, end_s)
        if found and first <= found[-1][1] + 1:
            found[-1] = (found[-1][0], last)
        else:
            found.append((first, last))
    return found

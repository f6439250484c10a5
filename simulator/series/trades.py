"""What an exchange's public stream of trades says, and when.

Of a simulated series: trades of each asset, evenly spaced in market time. Of a replayed recording: its prices of the
source `exchange`, each sent at the time at which it was known.
"""

from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np

from pipelines.core.domain import FloatArray
from simulator.markets.price_grid import IntArray
from simulator.markets.recorded_source import ReplayedMarkets
from simulator.markets.source import MarketSource
from simulator.series.source import SeriesMarkets

STREAM_MS: Final = 100
"""Market time between a trade and its arrival: the one definition of how late the stream is."""
SPACINGS_MS: Final = (100, 200, 250, 500, 1_000)
"""Possible market times between two trades of an asset. Each divides a second, so that one trade arrives exactly at its
end."""
LEAST_WALL_S: Final = 0.02
"""Least wall time between two trades of an asset, as long as there is one in every second of market time."""
SOURCE: Final = "exchange"
"""What a recording calls the prices of such a stream."""


@dataclass(frozen=True, slots=True)
class AssetTrade:
    """A trade of an asset against USDT; times are market time in milliseconds."""

    symbol: str
    number: int
    """Grows with every trade of the asset."""
    ts_ms: int
    sent_ms: int
    value: float


class TradeFeed(Protocol):
    """The trades of a source of markets."""

    def sent(self, after_ms: int, until_ms: int) -> list[AssetTrade]:
        """What is sent in (after_ms, until_ms] of market time, in that order."""
        ...


def of_source(source: MarketSource, speed: float) -> TradeFeed | None:
    """The trades of a source whose market time runs `speed` times as fast as wall time; None where it has none."""
    if isinstance(source, SeriesMarkets):
        return SeriesTrades(source, spacing_ms(speed))
    return ReplayedTrades(source) if isinstance(source, ReplayedMarkets) else None


def spacing_ms(speed: float) -> int:
    """Market time between two trades of an asset at this speed of the clock."""
    least_ms = LEAST_WALL_S * speed * 1_000.0
    return next((one for one in SPACINGS_MS if one >= least_ms), SPACINGS_MS[-1])


def within(before: FloatArray, after: FloatArray, ms: IntArray | int) -> FloatArray:
    """Prices so many milliseconds after the beginning of a second: the log price is a line between those of both
    ends."""
    found: FloatArray = np.exp((1_000 - ms) / 1_000 * np.log(before) + ms / 1_000 * np.log(after))
    return found


class SeriesTrades:
    """Trades of simulated underlyings."""

    def __init__(self, source: SeriesMarkets, every_ms: int) -> None:
        self._source = source
        self._every_ms = every_ms

    def sent(self, after_ms: int, until_ms: int) -> list[AssetTrade]:
        """What is sent in (after_ms, until_ms] of market time, in that order."""
        every_ms = self._every_ms
        sent = np.arange((after_ms // every_ms + 1) * every_ms, until_ms + 1, every_ms)
        if not len(sent):
            return []
        made = sent - STREAM_MS
        first_s, last_s = int(made[0]) // 1_000, int(made[-1]) // 1_000
        place = made // 1_000 - first_s
        found = []
        for symbol, path in self._source.underlyings.items():
            ends = path.prices(first_s, last_s + 2)
            values = within(ends[place], ends[place + 1], made % 1_000)
            rows = zip(made.tolist(), sent.tolist(), values.tolist(), strict=True)
            found += [
                AssetTrade(symbol, ts_ms // SPACINGS_MS[0], ts_ms, sent_ms, value) for ts_ms, sent_ms, value in rows
            ]
        return sorted(found, key=lambda one: one.sent_ms)


class ReplayedTrades:
    """Trades of a recording."""

    def __init__(self, source: ReplayedMarkets) -> None:
        self._paths = [path for path in source.prices if path.source == SOURCE]

    def sent(self, after_ms: int, until_ms: int) -> list[AssetTrade]:
        """What became known in (after_ms, until_ms], in that order."""
        found = []
        for path in self._paths:
            rows = path.known(after_ms, until_ms)
            columns = (column[rows].tolist() for column in (path.ts_ms, path.known_ms, path.value))
            for number, row in enumerate(zip(*columns, strict=True), rows.start):
                found.append(AssetTrade(path.symbol, number, *row))
        return sorted(found, key=lambda one: one.sent_ms)

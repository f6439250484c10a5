"""The series of a market as it was at an earlier bar, made again from raw data that ends there."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from pipelines.core import lookback
from pipelines.core.domain import FloatArray
from pipelines.core.params import Params
from pipelines.core.products import FEATURES, QUARANTINE, RAW
from pipelines.features.spec import FEATURE_NAMES
from pipelines.reference import recorded
from pipelines.reference.board import Board
from pipelines.reference.prices import Price
from pipelines.replay.market_history import SIZES, Series
from pipelines.rows.event import context, of_market, placed, taken
from pipelines.rows.headlines import Headlines
from pipelines.rows.market import MarketBars, long_enough
from pipelines.rows.raw_bars import RawBars
from pipelines.rows.set_aside import SetAside

WHOLE_NUMBERS = ("ts_s", "mid_units", "volume_micro", "spread_units", "headlines")


@dataclass(frozen=True)
class Past:
    """A market as it was at a time: the series that its raw data up to then makes, row by row that of the judgement."""

    row: int
    """The bar at that time, in the series of the judgement."""
    series: Series


@dataclass(frozen=True)
class RawData:
    """Raw bars, headlines and reference prices, without what was set aside. Prices are in the order of their coming."""

    bars: RawBars
    headlines: Headlines
    prices: Sequence[Price]
    board: Board
    """Of all prices. Only its geometry is used: how far apart the prices of the recording are."""
    shortest: int
    """Bars of a run that is learned from."""

    @classmethod
    def read(cls, params: Params) -> "RawData":
        """Read data/raw, without what the quarantine holds, as featurize did.

        Raises:
            DataError: if a file is missing.
        """
        aside = SetAside.read(QUARANTINE)
        prices = sorted(recorded.read(RAW / "reference.parquet"), key=lambda one: (one.known_ms, one.ts_ms))
        return cls(
            RawBars(RAW, aside),
            Headlines.read(RAW / "headlines.parquet", aside.headlines),
            prices,
            Board.of(prices),
            lookback.needed(lookback.decided(params, FEATURES)),
        )

    def event(self, event_id: str) -> list[MarketBars]:
        """The bars of every market of an event."""
        return list(self.bars.read([name for name, row in self.bars.about.items() if row["event_id"] == event_id]))


def of_times(raw: RawData, asked: Sequence[tuple[Series, int]], length_s: int) -> Iterator[Past]:
    """Each series as it was at one of its bars, in the order of time. No price, headline or bar that came later is
    there when it is made."""
    ordered = sorted(asked, key=lambda one: int(one[0].ts_s[one[1]]))
    events = {event: raw.event(event) for event in {one.market.event_id for one, _ in asked}}
    board, given = raw.board.empty(), 0
    for whole, row in ordered:
        now_s = int(whole.ts_s[row])
        while given < len(raw.prices) and raw.prices[given].known_ms <= now_s * 1_000:
            board.take(raw.prices[given])
            given += 1
        yield Past(row, _series(raw, whole, row, events[whole.market.event_id], board, length_s))


def _series(raw: RawData, whole: Series, row: int, event: Sequence[MarketBars], board: Board, length_s: int) -> Series:
    now_s, name = int(whole.ts_s[row]), whole.market.market_id
    past = [taken(one, one.ts_s <= now_s) for one in event]
    there = [one for one in past if len(one.ts_s)]
    at = [one.market_id for one in there].index(name)
    ts_s = next(one.ts_s for one in event if one.market_id == name)
    learned = long_enough(ts_s, length_s, raw.shortest)[: len(there[at].ts_s)]
    bars = taken(there[at], learned)
    known_s, scores = raw.headlines.of(name)
    news = known_s[known_s <= now_s], scores[known_s <= now_s]
    value = board.stated(name, bars.settlement, bars.ts_s, length_s)
    made = of_market(bars, news, value, length_s)
    stated: list[FloatArray | None] = [None] * len(there)
    stated[at] = placed(value, learned)
    rows = np.isin(bars.ts_s, whole.ts_s[: row + 1])  # without those that featurize set aside
    columns = {column: values[rows] for column, values in made.items()}
    fair = np.stack([columns["fair"], columns["fair_before"]], axis=1)
    changed: dict[str, Any] = {key: columns[key].astype(np.int64) for key in WHOLE_NUMBERS}
    changed |= {
        "sentiment": columns["sentiment"],
        "tone": columns["tone"],
        "features": np.stack([columns[key] for key in FEATURE_NAMES], axis=1),
        "fair": fair if np.isfinite(fair).any() else None,
        "external": columns["external"] if np.isfinite(columns["external"]).any() else None,
        "context": context(there, length_s, stated)[at][learned][rows],
        "slices": whole.slices[: row + 1],
        "sizes_micro": np.stack([columns[key] for key in SIZES], axis=1),
    }
    return replace(whole, **changed)

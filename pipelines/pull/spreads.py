"""Books that were seen: touches that the ingest flow recorded, on their bars, and those of the books of now."""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.core.domain import Quote
from pipelines.core.money import PRICE_SCALE
from pipelines.core.raw_tables import Bars, IntArray
from pipelines.pull.quarantine_landing import sane

EXTREME = 0.05
"""Books with a mid nearer to 0 or 1 are left out: `policy.min_price` enters nothing there."""
WIDEST = 0.10
"""Wider spreads are left out: no limit of ours would trade there."""
SIZES = ("bid_size_micro", "ask_size_micro")
FEWEST = 10
"""Fewer books of one tick say nothing about the others."""


def usual(mid: Any, spread: Any) -> Any:
    """Whether a book says what trades cost: mid and spread, prices or arrays of prices, lie within the bounds."""
    return (mid >= EXTREME) & (mid <= 1.0 - EXTREME) & (spread > 0.0) & (spread <= WIDEST)


def typical(books: Iterable[tuple[int, Quote]]) -> dict[int, tuple[float, int]]:
    """From (tick, touch) of each open market: tick -> mean spread in 1e-4 and number of markets, a vote each."""
    seen: dict[int, list[int]] = {}
    for tick, quote in books:
        if usual(quote.mid_units / PRICE_SCALE, quote.spread_units / PRICE_SCALE):
            seen.setdefault(tick, []).append(quote.spread_units)
    return {tick: (float(np.mean(spreads)), len(spreads)) for tick, spreads in seen.items() if len(spreads) >= FEWEST}


class Touches:
    """The two-sided touches that a landing zone has, by market and in the order of time."""

    def __init__(self, landing: Path) -> None:
        self._by_market: dict[str, dict[str, IntArray]] = {}
        seen = _touches(landing)
        if seen is None:
            return
        ts_ms, bid, ask = (seen[name].to_numpy().astype(np.int64) for name in ("ts_ms", "bid_units", "ask_units"))
        columns = {"ts_ms": ts_ms, "spread_units": ask - bid}
        columns |= {name: seen[name].fill_null(0).to_numpy().astype(np.int64) for name in SIZES}
        encoded = seen["market_id"].combine_chunks().dictionary_encode()
        names, codes = encoded.dictionary.to_pylist(), encoded.indices.to_numpy()
        usable = np.flatnonzero((bid > 0) & (ask < 10_000) & (ask > bid))
        order = usable[np.lexsort((ts_ms[usable], codes[usable]))]
        edges = np.searchsorted(codes[order], np.arange(len(names) + 1))
        for name, first, last in zip(names, edges[:-1], edges[1:], strict=True):
            self._by_market[name] = {key: values[order[first:last]] for key, values in columns.items()}

    def on(self, bars: Bars, market_id: str, length_s: int) -> Bars:
        """The bars of a market with spread and sizes of the last touch in each; one without a touch stays as it is (0:
        not observed)."""
        seen = self._by_market.get(market_id)
        if seen is None or len(bars) == 0:
            return bars
        close = -(-seen["ts_ms"] // (length_s * 1_000)) * length_s
        at = np.minimum(np.searchsorted(bars.ts_s, close), len(bars) - 1)
        hit = bars.ts_s[at] == close
        filled = {name: getattr(bars, name).copy() for name in ("spread_units", *SIZES)}
        for name, values in filled.items():
            values[at[hit]] = seen[name][hit]
        return replace(bars, **filled)


def _touches(landing: Path) -> pa.Table | None:
    files = sorted((landing / "books").glob("day=*/*.parquet"))
    columns = ["market_id", "ts_ms", "bid_units", "ask_units", *SIZES]
    if not files:
        return None
    table = pa.concat_tables([pq.ParquetFile(file).read(columns) for file in files])
    for name in SIZES:  # a file of an earlier version has none
        table = table.set_column(table.schema.get_field_index(name), name, table[name].fill_null(0))
    return sane("books", table, 0)

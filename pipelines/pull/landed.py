"""What the landing zone holds already: a pull reads it first and asks the venue for what is missing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.parquet as pq
from numpy.typing import NDArray

from pipelines.core.artifacts import read_json
from pipelines.core.domain import Headline, Market
from pipelines.core.errors import ArtifactError
from pipelines.core.packed import PackedMarkets
from pipelines.core.raw_tables import BARS, Bars, IntArray, day_folders, landing_files
from pipelines.pull.quarantine_landing import sane

SCORER: Final = b"scorer"
"""Metadata of a file of headlines: who scored them."""
MOST_SPANS: Final = 3
"""A market with more holes than this is asked for as a whole: a request for each would cost more."""

_BOOK: Final = ("spread_units", "bid_size_micro", "ask_size_micro")
_SEEN: Final = ("volume_micro", "n_trades", *_BOOK)
_COLUMNS: Final = ("mid_units", "filled", *_SEEN)


@dataclass(frozen=True)
class Landed:
    """Bars by market, sorted by time, and headlines, of one span of market time."""

    bars: Mapping[str, dict[str, IntArray]] = field(default_factory=dict)
    headlines: list[Headline] = field(default_factory=list)
    as_of_s: int = 0
    """Market time up to which the landing zone was brought."""

    def times(self, market_id: str) -> IntArray:
        """When bars of a market closed; none where it is not there."""
        return self.bars[market_id]["ts_s"] if market_id in self.bars else np.empty(0, np.int64)

    def points(self, market_id: str) -> tuple[IntArray, IntArray]:
        """Times and mids of the bars of a market that were not filled over a gap."""
        if market_id not in self.bars:
            return np.empty(0, np.int64), np.empty(0, np.int64)
        columns = self.bars[market_id]
        own = columns["filled"] == 0
        return columns["ts_s"][own], columns["mid_units"][own]

    def missing(self, market: Market, begin_s: int, end_s: int, length_s: int) -> list[tuple[int, int]]:
        """Spans of (begin, end] whose bars are not there, in the order of time.

        Nothing is missing after the last bar of a market that had ended when the landing zone was brought up to date.
        """
        have = self.times(market.market_id)
        if len(have) and market.end_s is not None and market.end_s - 2 * length_s <= have[-1] and self.as_of_s >= end_s:
            end_s = int(have[-1])
        have = have[(have > begin_s) & (have <= end_s)]
        if len(have) == 0:
            return [(begin_s, end_s)] if end_s > begin_s else []
        edges = np.concatenate(([begin_s], have, [end_s - end_s % length_s]))
        holes = np.flatnonzero(np.diff(edges) > length_s)
        spans = [(int(edges[k]), int(edges[k + 1])) for k in holes]
        if end_s - int(have[-1]) >= length_s and (not spans or spans[-1][1] < end_s - end_s % length_s):
            spans.append((int(have[-1]), end_s))
        return spans if len(spans) <= MOST_SPANS else [(begin_s, end_s)]


def read(folder: Path, start_s: int, as_of_s: int, scorer: str, now_s: int | None = None) -> Landed:
    """What the landing zone has of (start, as_of]; nothing where it is of another world: its market time is later than
    `now_s`, that of the venue (None: `as_of_s`).

    Headlines that another scorer scored come without a score. Of equal bars the newest file's counts.
    """
    try:
        known_s = int(read_json(folder / "state.json")["as_of_s"])
    except (ArtifactError, KeyError, TypeError, ValueError):
        return Landed()
    if known_s > (as_of_s if now_s is None else now_s):
        return Landed()
    headlines = _headlines(folder / "headlines", start_s, as_of_s, scorer)
    return Landed(_bars(folder / "bars", start_s, as_of_s), headlines, known_s)


def again(path: Path, number: int) -> Path:
    """The name of the second, third ... file of one market time; it sorts after the first."""
    return path.with_stem(f"{path.stem}_{number}")


def within(ts_s: IntArray, spans: Sequence[tuple[int, int]]) -> NDArray[np.bool_]:
    """Which times (n,) lie in one of the spans (first, last]."""
    inside = np.zeros(len(ts_s), bool)
    for first, last in spans:
        inside |= (ts_s > first) & (ts_s <= last)
    return inside


def _bars(folder: Path, start_s: int, as_of_s: int) -> PackedMarkets:
    """A day is in memory at a time."""
    made = PackedMarkets()
    for day in day_folders(folder, start_s, as_of_s):
        if files := landing_files(day):
            _add_day(made, files, start_s, as_of_s)
    return made


def _add_day(made: PackedMarkets, files: Sequence[Path], start_s: int, as_of_s: int) -> None:
    inside = (pc.field("ts_s") > start_s) & (pc.field("ts_s") <= as_of_s)
    read_ = ds.dataset([str(path) for path in files], schema=BARS, format="parquet")
    table = read_.to_table(columns=["market_id", "ts_s", *_COLUMNS], filter=inside)
    # What is not sane is missing: the venue is asked for it again.
    table = sane("bars", _whole(table), as_of_s)
    encoded = table["market_id"].combine_chunks().dictionary_encode()
    names, codes = encoded.dictionary.to_pylist(), encoded.indices.to_numpy().astype(np.int64)
    ts_s = table["ts_s"].to_numpy().astype(np.int64)
    order = np.lexsort((np.arange(len(ts_s)), ts_s, codes))
    last = np.append((np.diff(codes[order]) != 0) | (np.diff(ts_s[order]) != 0), True) if len(order) else order > 0
    rows = order[last]
    columns = {name: _integers(table[name])[rows] for name in _COLUMNS}
    columns["ts_s"] = ts_s[rows]
    bounds = np.searchsorted(codes[rows], np.arange(len(names) + 1))
    for name, first, end in zip(names, bounds[:-1], bounds[1:], strict=True):
        made.add(name, {key: values[first:end] for key, values in columns.items()})


def _whole(table: pa.Table) -> pa.Table:
    """The table with 0 where a file of an earlier version lacks a column."""
    for name in (*_SEEN, "filled"):
        at = table.schema.get_field_index(name)
        table = table.set_column(at, table.schema.field(at), pc.fill_null(table[name], _zero(table.schema.field(at))))
    return table


def _zero(column: pa.Field) -> pa.Scalar:
    return pa.scalar(0).cast(column.type)


def _integers(column: pa.ChunkedArray) -> IntArray:
    numbers: IntArray = column.cast(pa.int64()).to_numpy()
    return numbers


def _headlines(folder: Path, start_s: int, as_of_s: int, scorer: str) -> list[Headline]:
    found: dict[str, Headline] = {}
    for path in landing_files(folder):
        table = pq.ParquetFile(path).read()
        same = (table.schema.metadata or {}).get(SCORER, b"").decode() == scorer
        for row in sane("headlines", table, as_of_s).to_pylist():
            if start_s < row["known_s"] <= as_of_s:
                score = row["sentiment"] if same else None
                # The first file has the time at which it was known first.
                found.setdefault(
                    row["headline_id"],
                    Headline(**{**row, "market_ids": tuple(row["market_ids"]), "sentiment": score}),
                )
    return list(found.values())


def with_scorer(table: pa.Table, scorer: str) -> pa.Table:
    """A table of headlines that says who scored it."""
    return table.replace_schema_metadata({**(table.schema.metadata or {}), SCORER: scorer.encode()})


def overlay(bars: Bars, market: Market, landed: Landed) -> Bars:
    """The bars of a market with volume, trades, spread and sizes as they were recorded, where they were."""
    columns = landed.bars.get(market.market_id)
    return bars if columns is None else _replaced(bars, columns, _SEEN)


def overlay_books(bars: Bars, market: Market, books: Landed) -> Bars:
    """The bars of a market with spread and sizes of the books at their ends, where `books` has a two-sided one."""
    columns = books.bars.get(market.market_id)
    if columns is None:
        return bars
    two_sided = columns["spread_units"] > 0
    return _replaced(bars, {name: values[two_sided] for name, values in columns.items()}, _BOOK)


def _replaced(bars: Bars, columns: Mapping[str, IntArray], names: Sequence[str]) -> Bars:
    """The bars with some columns as they are at the same times in `columns`."""
    seen = {name: getattr(bars, name).copy() for name in names}
    _, at, rows = np.intersect1d(bars.ts_s, columns["ts_s"], assume_unique=True, return_indices=True)
    for name, values in seen.items():
        values[at] = columns[name][rows]
    return replace(bars, **seen)


def merged(fetched: Sequence[Headline], landed: Landed, markets: Sequence[Market]) -> list[Headline]:
    """Headlines of both, each once, about markets that are listed: what a feed no longer shows is still known."""
    listed = {market.market_id for market in markets}
    found = {one.headline_id: one for one in landed.headlines if listed.intersection(one.market_ids)}
    # Who matched it now knows all markets of now; the score of the first reading stays.
    for one in fetched:
        before = found.get(one.headline_id)
        found[one.headline_id] = one if before is None else replace(one, sentiment=before.sentiment)
    return sorted(found.values(), key=lambda one: (one.known_s, one.headline_id))

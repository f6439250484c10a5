"""Order flow of the bars that a pull or an ingest makes: books of recorded frames, the venue's trades, its holders.

var/landing/holders/day=YYYY-MM-DD/<as_of>.parquet     `large_position` of every open market
"""

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.core import log, raw_tables
from pipelines.core.domain import FloatArray, Market, Tape
from pipelines.core.errors import VenueError, VenueForbidden, VenueUnavailable
from pipelines.core.packed import PackedMarkets
from pipelines.core.raw_tables import Bars, IntArray
from pipelines.features import order_flow
from pipelines.features.order_flow import ACCOUNTS, BOOK, MEMORY_BARS, ORDER_FLOW, POSITION_S, TRADES
from pipelines.pull.landed import Landed, within
from pipelines.rows import order_flow as table
from pipelines.rows.order_flow import Columns
from pipelines.venue import data
from pipelines.venue.http import VenueHttp

HOLDERS: Final = pa.schema([("market_id", pa.string()), ("ts_s", pa.int64()), ("large_position", pa.float64())])
Span = tuple[int, int]


def asked_from(spans: Sequence[Span], length_s: int) -> list[Span]:
    """The spans whose trades are needed for the bars of some spans: each with the memory before it, none twice."""
    made: list[Span] = []
    for first, last in spans:
        begin = first - MEMORY_BARS * length_s
        made.append((max(begin, made[-1][1]) if made else begin, last))
    return made


class OrderFlow:
    """Makes the order flow of one market after the other; `kept` has what was made."""

    def __init__(self, landing: Path, start_s: int, as_of_s: int, length_s: int) -> None:
        self.kept = PackedMarkets()
        self._length_s = length_s
        self._landed = table.read_landed(landing / "order_flow", (start_s, as_of_s))
        self._positions = _positions(landing / "holders", start_s, as_of_s)

    def add(self, market: Market, bars: Bars, tape: Tape, asked: Sequence[Span], books: Landed) -> None:
        """Make that of a market's bars.

        `tape` are the trades of `asked_from(asked)`, `books` what recorded frames have. Bars that the landing zone has
        keep what it has of them.
        """
        columns = {name: np.zeros(len(bars)) for name in ORDER_FLOW}
        inside = within(bars.ts_s, asked)
        if len(tape):
            made = order_flow.values(tape, bars.ts_s[inside].tolist(), bars.mid_units[inside].tolist(), self._length_s)
            for name, values in zip((*TRADES, ACCOUNTS[0]), made.T, strict=True):
                columns[name][inside] = values
        if (recorded := books.bars.get(market.market_id)) is not None:
            _replace(columns, bars.ts_s, recorded, BOOK if len(tape) else (*BOOK, *TRADES))
        if (known := self._positions.get(market.market_id)) is not None:
            columns[ACCOUNTS[1]] = _held(bars.ts_s, *known)
        if (landed := self._landed.get(market.market_id)) is not None:
            _replace(columns, bars.ts_s, landed, ORDER_FLOW)
        if any(values.any() for values in columns.values()):
            self.kept.add(market.market_id, {"ts_s": bars.ts_s, **columns})


def _replace(columns: dict[str, FloatArray], ts_s: IntArray, by: Columns, names: Sequence[str]) -> None:
    """Take over what `by` has of some columns at the same times."""
    _, here, rows = np.intersect1d(ts_s, by["ts_s"], assume_unique=True, return_indices=True)
    for name in names:
        if name in by:
            columns[name][here] = by[name][rows]


def _held(ts_s: IntArray, known_s: IntArray, positions: FloatArray) -> FloatArray:
    """The position that was known last before each close; 0 where that is more than POSITION_S ago."""
    at = np.searchsorted(known_s, ts_s, side="left") - 1
    fresh = (at >= 0) & (ts_s - known_s[np.maximum(at, 0)] <= POSITION_S)
    return np.where(fresh, positions[np.maximum(at, 0)], 0.0)


def _positions(folder: Path, start_s: int, as_of_s: int) -> dict[str, tuple[IntArray, FloatArray]]:
    days = raw_tables.day_folders(folder, start_s - POSITION_S, as_of_s)
    files = [path for day in days for path in raw_tables.landing_files(day)]
    if not files:
        return {}
    rows = pa.concat_tables([pq.ParquetFile(path).read() for path in files]).sort_by("ts_s")
    names = np.asarray(rows["market_id"].to_pylist(), dtype=object)
    ts_s, values = rows["ts_s"].to_numpy(), rows["large_position"].to_numpy()
    return {str(name): (ts_s[names == name], values[names == name]) for name in set(names.tolist())}


def new_rows(made: Mapping[str, Columns], since_s: int, known: Landed) -> pa.Table:
    """The order flow of the bars after `since_s` that the landing zone does not have."""
    parts = []
    for name in sorted(made):
        columns = made[name]
        fresh = (columns["ts_s"] > since_s) & ~np.isin(columns["ts_s"], known.times(name))
        parts.append((name, {key: values[fresh] for key, values in columns.items()}))
    return table.table(parts)


async def holders(http: VenueHttp, markets: Sequence[Market], as_of_s: int, concurrency: int) -> pa.Table:
    """`large_position` of each market now, as `HOLDERS`, sorted by market.

    A market whose holders the venue does not give has no row. Where the venue cannot answer at all no more are asked
    for: what was known before counts for a while, and an ingest goes on with what it came for.
    """
    found: dict[str, float] = {}
    slots, silent = asyncio.Semaphore(concurrency), asyncio.Event()

    async def one(market: Market) -> None:
        async with slots:
            if silent.is_set():
                return
            try:
                found[market.market_id] = order_flow.large_position(*await data.holders(http, market))
            except VenueError as error:
                if isinstance(error, VenueUnavailable | VenueForbidden):
                    silent.set()
                log.get("ingest").warning("holders are not known", market=market.market_id, error=str(error))

    async with asyncio.TaskGroup() as group:
        for market in markets:
            group.create_task(one(market))
    rows = [{"market_id": name, "ts_s": as_of_s, "large_position": found[name]} for name in sorted(found)]
    return pa.Table.from_pylist(rows, schema=HOLDERS)

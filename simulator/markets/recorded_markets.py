"""Read recorded markets: a folder in the project's raw schema, or any parquet with market_id, timestamp and price.

Columns that are known only after the event (`resolved_*`, `resolution_date`) are not read.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.parquet as pq

from pipelines.core.domain import FeeSchedule, FloatArray
from pipelines.core.errors import DataError
from pipelines.core.raw_tables import is_reference
from pipelines.core.settlement import Settlement
from simulator.markets import book_events
from simulator.markets.book_events import Depth, FoldedBooks
from simulator.markets.price_grid import IntArray

MOST_REPLAYED: Final = 40
"""Most markets that are read from a recording without events: those with the most rows."""

_NAMES: Final = {
    "market": ("market_id", "condition_id", "market_slug", "slug"),
    "time": ("timestamp",),
    "price": ("price",),
    "bid": ("best_bid", "bid"),
    "ask": ("best_ask", "ask"),
    "bid_size": ("best_bid_size", "bid_size"),
    "ask_size": ("best_ask_size", "ask_size"),
    "volume": ("volume",),
    "event": ("event_id", "event", "event_slug"),
    "end": ("end_s", "end_date"),
    "token": ("token_id", "asset_id"),
    "question": ("question", "title", "slug"),
    "category": ("category", "topic"),
    "rule": ("settlement",),
}


@dataclass(frozen=True, slots=True)
class RecordedMarket:
    """One recorded market, rows in order of time. A price or size that was not recorded is 0."""

    market_id: str
    event_id: str
    question: str
    category: str
    tokens: tuple[str, str]
    """Ids of YES and NO; empty if unknown."""
    tick_units: int | None
    min_size_micro: int
    fee: FeeSchedule
    neg_risk: bool
    end_s: int | None
    ts_s: IntArray
    mid_units: FloatArray
    bid_units: FloatArray
    ask_units: FloatArray
    bid_size_micro: IntArray
    ask_size_micro: IntArray
    volume_micro: IntArray
    n_trades: IntArray
    depth: Depth | None = None
    """Whole books, if book events were recorded."""
    settlement: Settlement | None = None
    """The rule by which the market settles on a reference price."""


def read(path: Path, event: str | None = None) -> list[RecordedMarket]:
    """Markets of one event, or all markets of a folder in the raw schema.

    Without a name the event with the newest row is read. In a file of book events `event` names the market to read.

    Raises:
        DataError: if the path is missing, unreadable, lacks a column, or has no usable row of the event.
    """
    if not path.exists():
        raise DataError(f"the recording {path} does not exist; give a parquet file or a folder of them")
    try:
        raw = path.is_dir() and (path / "markets.parquet").exists()
        if not raw and book_events.holds_events(_dataset(path).schema.names):
            markets = [_of_books(book_events.read(path, event))]
        else:
            markets = _read_raw(path, event) if raw else _read_any(path, event)
    except (pa.ArrowInvalid, pa.ArrowTypeError, OSError) as error:
        raise DataError(f"{path} is not readable as a recording: {str(error).splitlines()[0]}") from None
    if not markets:
        asked = "" if event is None else f" of event {event!r}"
        raise DataError(f"{path} has no usable row{asked}; check its market_id, timestamp and price")
    return markets


def _dataset(path: Path) -> ds.Dataset:
    """The rows of a file, or of a folder without its reference prices."""
    files = [path] if path.is_file() else [one for one in sorted(path.rglob("*.parquet")) if not is_reference(one)]
    return ds.dataset([str(one) for one in files], format="parquet")


def _read_raw(path: Path, event: str | None) -> list[RecordedMarket]:
    """The project's own schema: markets.parquet with bars.parquet or bars/ in the same folder."""
    static = {row["market_id"]: row for row in pq.read_table(path / "markets.parquet").to_pylist()}
    stored = path / "bars.parquet"
    bars = ds.dataset(stored if stored.exists() else path / "bars").to_table()
    bars = bars.sort_by([("market_id", "ascending"), ("ts_s", "ascending")])
    found = []
    for market_id, rows in _by_market(bars.column("market_id")):
        about = static.get(market_id)
        if about is None or (event is not None and about["event_id"] != event):
            continue
        part = bars.slice(rows.start, rows.stop - rows.start)
        spread = _numbers(part, "spread_units")
        mid, half = _numbers(part, "mid_units"), spread / 2.0
        nothing = np.zeros(len(mid), dtype=np.int64)
        found.append(
            RecordedMarket(
                market_id, about["event_id"], about["question"], about["topic"] or "Other",
                (about["token_yes"], about["token_no"]), about["tick_units"], about["min_size_micro"],
                FeeSchedule(about["fee_rate"], about["fee_exponent"]), bool(about["neg_risk"]), about["end_s"],
                _numbers(part, "ts_s").astype(np.int64), mid,
                np.where(spread > 0, mid - half, 0.0), np.where(spread > 0, mid + half, 0.0), nothing, nothing,
                _numbers(part, "volume_micro").astype(np.int64), _numbers(part, "n_trades").astype(np.int64),
                settlement=Settlement.parse(about.get("settlement")),
            )
        )  # fmt: skip
    return found


def _read_any(path: Path, event: str | None) -> list[RecordedMarket]:
    """Any parquet with the three columns; the other columns of `_NAMES` are used if it has them."""
    source = _dataset(path)
    lower = {name.lower(): name for name in source.schema.names}
    columns = {role: next((lower[n] for n in names if n in lower), None) for role, names in _NAMES.items()}
    if columns["event"] is None and columns["market"] in (lower.get("market_slug"), lower.get("slug")):
        columns["event"] = columns["market"]  # the slug of a market is used as the name of its event
    missing = [_NAMES[role][0] for role in ("market", "time", "price") if columns[role] is None]
    if missing:
        raise DataError(f"{path} lacks the column(s) {', '.join(missing)}; it has {', '.join(source.schema.names)}")
    table = source.to_table(columns={role: ds.field(name) for role, name in columns.items() if name is not None})
    table = table.set_column(table.schema.get_field_index("time"), "time", seconds(table.column("time")))
    price = table.column("price").cast(pa.float64())
    usable = pc.and_(
        pc.and_(pc.greater_equal(price, 0.0), pc.less_equal(price, 1.0)), pc.is_valid(table.column("time"))
    )
    table = table.filter(pc.fill_null(usable, False))
    table = table.set_column(table.schema.get_field_index("market"), "market", table.column("market").cast(pa.string()))
    table = _of_event(table, event, path.stem).sort_by([("market", "ascending"), ("time", "ascending")])
    return [
        _recorded(market_id, table.slice(rows.start, rows.stop - rows.start), path.stem)
        for market_id, rows in _by_market(table.column("market"))
    ]


def _of_books(folded: FoldedBooks) -> RecordedMarket:
    depth = folded.depth
    bid, ask = depth.bid_units[:, 0].astype(np.float64), depth.ask_units[:, 0].astype(np.float64)
    sizes = (depth.bid_size[:, 0].astype(np.int64) * 10_000, depth.ask_size[:, 0].astype(np.int64) * 10_000)
    return RecordedMarket(
        folded.market, folded.market, folded.market, "Other", (folded.token, ""), None, 5_000_000, FeeSchedule(0.05),
        False, None, folded.ts_s, (bid + ask) / 2.0, bid, ask, *sizes, folded.volume_micro, folded.n_trades, depth,
    )  # fmt: skip


def _of_event(table: pa.Table, event: str | None, name: str) -> pa.Table:
    """Rows of the named or the newest event; in a file without events, of the markets with the most rows."""
    if "event" not in table.column_names:
        if event not in (None, name):
            raise DataError(f"event {event!r} was asked for, but the recording has no column event; leave it out")
        counts = table.group_by("market").aggregate([("time", "count")]).sort_by([("time_count", "descending")])
        return table.filter(pc.is_in(table.column("market"), counts.column("market").slice(0, MOST_REPLAYED)))
    names = table.column("event").cast(pa.string())
    if event is None and len(table):
        event = str(names[int(pc.index(table.column("time"), pc.max(table.column("time"))).as_py())])
    return table.filter(pc.fill_null(pc.equal(names, event), False))


def _recorded(market_id: str, rows: pa.Table, name: str) -> RecordedMarket:
    def text(role: str, otherwise: str) -> str:
        return str(rows.column(role)[0]) if role in rows.column_names else otherwise

    if "token" in rows.column_names:
        tokens = rows.column("token").cast(pa.string())
        rows = rows.filter(pc.equal(tokens, tokens[0]))
    end = seconds(rows.column("end"))[0].as_py() if "end" in rows.column_names else None
    volume = _column(rows, "volume")
    return RecordedMarket(
        market_id, text("event", name), text("question", market_id), text("category", "Other"),
        (text("token", ""), ""), None, 5_000_000, FeeSchedule(0.05), False, end,
        np.asarray(rows.column("time"), dtype=np.int64), _column(rows, "price") * 10_000.0,
        _column(rows, "bid") * 10_000.0, _column(rows, "ask") * 10_000.0,
        np.rint(_column(rows, "bid_size") * 100.0).astype(np.int64) * 10_000,
        np.rint(_column(rows, "ask_size") * 100.0).astype(np.int64) * 10_000,
        np.rint(volume * 100.0).astype(np.int64) * 10_000, (volume > 0).astype(np.int64),
        settlement=Settlement.parse(rows.column("rule")[0].as_py()) if "rule" in rows.column_names else None,
    )  # fmt: skip


def seconds(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Whole UTC seconds from timestamps, ISO text, or numbers; their size tells s, ms, us and ns apart."""
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        column = column.cast(pa.timestamp("us", tz="UTC"))
    if pa.types.is_temporal(column.type):
        return pc.divide(column.cast(pa.timestamp("us"), safe=False).cast(pa.int64()), 1_000_000)
    values = column.cast(pa.float64())
    largest = pc.max(pc.abs(values)).as_py() or 0.0
    scale = 10.0 ** (3 * sum(largest >= limit for limit in (1e11, 1e14, 1e17)))
    return pc.floor(pc.divide(values, scale)).cast(pa.int64())


def _by_market(column: pa.ChunkedArray) -> list[tuple[str, slice]]:
    """Market ids of a sorted column, each with the slice of its rows."""
    ends = pc.run_end_encode(column.combine_chunks())
    stops = np.asarray(ends.run_ends).tolist()
    names = ends.values.to_pylist()
    return [
        (name, slice(a, b)) for name, a, b in zip(names, [0, *stops], stops, strict=False)
    ]  # `zip` drops the last stop, which starts no market


def _numbers(table: pa.Table, name: str) -> FloatArray:
    return np.asarray(table.column(name).cast(pa.float64()), dtype=np.float64)


def _column(table: pa.Table, role: str) -> FloatArray:
    """A numeric column; 0 for a missing or infinite value."""
    if role not in table.column_names:
        return np.zeros(len(table))
    values = np.asarray(table.column(role).cast(pa.float64()).fill_null(0.0), dtype=np.float64)
    return np.where(np.isfinite(values), values, 0.0)

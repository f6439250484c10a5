"""Order flow as it lies on disk: a row for each bar at which something was seen, next to the bars.

    data/raw/order_flow.parquet                            of a pull, sorted by market and time
    var/landing/order_flow/day=YYYY-MM-DD/<as_of>.parquet  of the ingest flow

Wallets are in none of these files: what large accounts did is a share of a market's trades.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.parquet as pq
from numpy.typing import NDArray

from pipelines.core.domain import FloatArray
from pipelines.core.packed import PackedMarkets
from pipelines.core.raw_tables import day_folders, landing_files
from pipelines.features.order_flow import ORDER_FLOW

IntArray = NDArray[np.int64]
Columns = Mapping[str, NDArray[Any]]

FILE: Final = "order_flow.parquet"
SCHEMA: Final = pa.schema(
    [("market_id", pa.string()), ("ts_s", pa.int64()), *((name, pa.float64()) for name in ORDER_FLOW)]
)


def table(markets: Iterable[tuple[str, Columns]]) -> pa.Table:
    """Rows of markets, from the columns `ts_s` and `ORDER_FLOW` of each; bars of which nothing is known have none."""
    parts = []
    for name, columns in markets:
        seen = np.flatnonzero(np.any([columns[key] != 0.0 for key in ORDER_FLOW], axis=0))
        made = {key: columns[key][seen] for key in ("ts_s", *ORDER_FLOW)}
        parts.append(pa.table({"market_id": pa.array([name] * len(seen), pa.string()), **made}, schema=SCHEMA))
    return pa.concat_tables(parts) if parts else SCHEMA.empty_table()


def write(path: Path, markets: Iterable[tuple[str, Columns]]) -> None:
    """Write the rows of markets, given one after the other by id; one of them is in memory at a time."""
    with pq.ParquetWriter(path, SCHEMA, compression="zstd") as writer:
        for one in markets:
            made = table([one])
            if made.num_rows:
                writer.write_table(made)


def read(
    files: Sequence[Path], markets: Sequence[str] | None = None, span: tuple[int, int] | None = None
) -> dict[str, Columns]:
    """Columns `ts_s` and `ORDER_FLOW` by market, in the order of time; of equal times the one of the last file counts.

    Of all markets and times, or of some `markets` and of bars in (first, last] of a `span`. What is not a number, or
    beyond what the values can be, is 0.
    """
    if not files:
        return {}
    wanted = pc.scalar(True) if markets is None else pc.field("market_id").isin(pa.array(markets, pa.string()))
    if span is not None:
        wanted = wanted & (pc.field("ts_s") > span[0]) & (pc.field("ts_s") <= span[1])
    found = ds.dataset([str(path) for path in files], schema=SCHEMA, format="parquet").to_table(filter=wanted)
    if found.num_rows == 0:
        return {}
    encoded = found["market_id"].combine_chunks().dictionary_encode()
    names, codes = encoded.dictionary.to_pylist(), encoded.indices.to_numpy()
    ts_s = found["ts_s"].to_numpy()
    order = np.lexsort((np.arange(len(ts_s)), ts_s, codes))
    rows = order[np.append((np.diff(codes[order]) != 0) | (np.diff(ts_s[order]) != 0), True)]
    columns = {"ts_s": ts_s[rows]} | {name: _sane(found[name].to_numpy()[rows]) for name in ORDER_FLOW}
    bounds = np.searchsorted(codes[rows], np.arange(len(names) + 1))
    return {
        name: {key: values[first:last] for key, values in columns.items()}
        for name, first, last in zip(names, bounds[:-1], bounds[1:], strict=True)
    }


def read_landed(folder: Path, span: tuple[int, int]) -> Mapping[str, Columns]:
    """What the landing zone's folder has of bars in (first, last], as `read`; kept compressed, a day is unpacked at a
    time."""
    made = PackedMarkets()
    for day in day_folders(folder, *span):
        for name, columns in read(landing_files(day), span=span).items():
            made.add(name, columns)
    return made


def _sane(values: FloatArray) -> FloatArray:
    return np.where(np.abs(values) <= 1.0, values, 0.0)


def at(ts_s: IntArray, columns: Columns | None) -> FloatArray | None:
    """`ORDER_FLOW` at each close, (n, len(ORDER_FLOW)), 0 where it is not known; None where it is known of no bar."""
    if columns is None:
        return None
    made = np.zeros((len(ts_s), len(ORDER_FLOW)))
    _, here, rows = np.intersect1d(ts_s, columns["ts_s"], assume_unique=True, return_indices=True)
    for place, name in enumerate(ORDER_FLOW):
        made[here, place] = columns[name][rows]
    return made if len(here) else None

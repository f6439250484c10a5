"""Reference prices as a table, as recorders, the landing zone and recordings hold them."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.core.errors import DataError
from pipelines.core.raw_tables import PRICES
from pipelines.reference.prices import Price


def table(prices: Iterable[Price]) -> pa.Table:
    """A table with the columns of PRICES, sorted by asset, source and the time at which each price became known."""
    rows = sorted(prices, key=lambda one: (one.symbol, one.source, one.known_ms, one.ts_ms))
    columns = {name: [getattr(one, name) for one in rows] for name in PRICES.names}
    return pa.table(columns, schema=PRICES)


def read(path: Path) -> list[Price]:
    """The prices of a table; empty where there is no file.

    Raises:
        DataError: if the file has other columns.
    """
    if not path.is_file():
        return []
    try:
        found = pq.read_table(path, schema=PRICES)
    except (OSError, pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise DataError(
            f"{path} is no table of reference prices ({str(error).splitlines()[0]}); it needs the columns"
            f" {', '.join(PRICES.names)}"
        ) from None
    columns = [found[name].to_numpy(zero_copy_only=False) for name in PRICES.names]
    usable = np.isfinite(columns[4].astype(np.float64))
    symbols, sources, made, known, values = (column[usable].tolist() for column in columns)
    return [Price(*row) for row in zip(symbols, sources, made, known, values, strict=True)]

"""Reference prices of a recording, replayed at the market time at which they were known."""

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.core.domain import FloatArray
from pipelines.core.errors import DataError
from pipelines.core.raw_tables import PRICES, reference_of
from simulator.markets.price_grid import IntArray


@dataclass(frozen=True, slots=True)
class PricePath:
    """Prices of one asset from one source in the order in which they became known; arrays of equal length."""

    symbol: str
    source: str
    ts_ms: IntArray
    known_ms: IntArray
    value: FloatArray

    def known(self, after_ms: int, until_ms: int) -> slice:
        """Rows that became known in (after_ms, until_ms]."""
        first, last = np.searchsorted(self.known_ms, (after_ms, until_ms), side="right").tolist()
        return slice(first, last)


def read(recording: Path) -> list[PricePath]:
    """The reference prices of a recording by asset and source; none where it has no file of them.

    Raises:
        DataError: if the file is no table of reference prices.
    """
    path = reference_of(recording)
    if not path.is_file():
        return []
    try:
        table = pq.read_table(path, schema=PRICES)
    except (OSError, pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise DataError(
            f"{path} is no table of reference prices ({str(error).splitlines()[0]}); it needs the columns"
            f" {', '.join(PRICES.names)}"
        ) from None
    table = table.sort_by([(name, "ascending") for name in ("symbol", "source", "known_ms", "ts_ms")])
    names = list(zip(table["symbol"].to_pylist(), table["source"].to_pylist(), strict=True))
    starts = [k for k in range(len(names)) if k == 0 or names[k] != names[k - 1]]
    made = []
    for first, end in pairwise([*starts, len(names)]):
        part = table.slice(first, end - first)
        columns = [np.asarray(part[name]) for name in ("ts_ms", "known_ms", "value")]
        made.append(PricePath(*names[first], *columns))
    return made

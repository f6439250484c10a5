"""Reference prices among raw frames, as the table that a recording has next to it."""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.pull.frame_messages import time_ms
from pipelines.reference import exchange, rtds
from pipelines.reference.prices import AHEAD_MS

HEARD: Final = pa.schema(
    [
        ("symbol", pa.string()),
        ("source", pa.string()),
        ("ts_ms", pa.int64()),
        ("value", pa.float64()),
        ("arrived_ms", pa.int64()),
        ("sent_ms", pa.int64()),
        ("place", pa.int64()),
    ]
)
BATCH: Final = 50_000
"""Prices in memory."""
OWN_CLOCK_MS: Final = 3_600_000
"""A venue whose messages arrive this much later or earlier than they were sent, or by so much less and more, has a
clock of its own (the simulator): a price was known when its message was sent."""
BROKEN: Final = "reference prices without a symbol, a positive price or a time"
TWICE: Final = "reference prices told twice"
EARLY: Final = "reference prices made after their arrival"
TIMELESS: Final = "reference prices without a time of arrival"

_KNOWN: Final = """
    CREATE OR REPLACE TEMP VIEW heard AS
    SELECT * EXCLUDE (arrived_ms, sent_ms),
           CASE WHEN own THEN sent_ms ELSE coalesce(arrived_ms, sent_ms) END AS known_ms
    FROM read_parquet('{file}'), (
        SELECT coalesce(abs(median(late)) > {apart} OR quantile_cont(late, 0.95) - quantile_cont(late, 0.05) > {apart},
                        false) AS own
        FROM (SELECT arrived_ms - sent_ms AS late FROM read_parquet('{file}')))
"""
_FIRST: Final = """
    SELECT symbol, source, ts_ms, known_ms, value FROM heard WHERE known_ms IS NOT NULL AND ts_ms <= known_ms + {ahead}
    QUALIFY row_number() OVER (PARTITION BY symbol, source, ts_ms ORDER BY known_ms, place) = 1
    ORDER BY symbol, source, known_ms, ts_ms
"""


class ReferencePrices:
    """Takes messages one by one and writes their prices; `folder` is for what does not fit into memory."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "prices.parquet"
        self._writer: pq.ParquetWriter | None = None
        self._rows: list[tuple[Any, ...]] = []
        self._place = 0
        self.left_out = Counter[str]()
        self.kept = Counter[str]()
        """Prices by asset and source."""

    def take(self, message: Mapping[str, Any], arrived_ms: int | None) -> None:
        """Add the prices of a message."""
        if "topic" in message:
            found, told = rtds.parse(message, 0, time_ms), _told(message.get("payload"))
            sent_ms = time_ms(rtds.sent(message))
        else:
            one = exchange.parse(message, 0)
            found, told, sent_ms = [] if one is None else [one], 1, time_ms(exchange.sent(message))
        self.left_out[BROKEN] += max(told - len(found), 0)
        for one in found:
            self._rows.append((one.symbol, one.source, one.ts_ms, one.value, arrived_ms, sent_ms, self._place))
            self._place += 1
        if len(self._rows) >= BATCH:
            self._flush()

    def _flush(self) -> None:
        if self._writer is None:
            self._writer = pq.ParquetWriter(self._file, HEARD)
        columns = [
            pa.array(column, field.type) for column, field in zip(zip(*self._rows, strict=True), HEARD, strict=True)
        ]
        self._writer.write_table(pa.table(columns, schema=HEARD))
        self._rows.clear()

    def end(self, db: duckdb.DuckDBPyConnection, written: Path | None) -> None:
        """Count what there is and write it to a file, where one is named and a price was found."""
        if self._rows:
            self._flush()
        if self._writer is None:
            return
        self._writer.close()
        db.execute(_KNOWN.format(file=_literal(self._file), apart=OWN_CLOCK_MS))
        first = _FIRST.format(ahead=AHEAD_MS)
        row = db.execute(
            "SELECT count(*) FILTER (known_ms IS NULL), count(*) FILTER (ts_ms > known_ms + $ahead) FROM heard",
            {"ahead": AHEAD_MS},
        ).fetchone()
        assert row is not None
        for symbol, source, count in db.execute(
            f"SELECT symbol, source, count(*) FROM ({first}) GROUP BY ALL ORDER BY ALL"  # noqa: S608 - constants
        ).fetchall():
            self.kept[f"{symbol} {source}"] = count
        self.left_out |= {TIMELESS: row[0], EARLY: row[1], TWICE: self._place - sum(row) - self.kept.total()}
        if written is not None and self.kept:
            db.execute(f"COPY ({first}) TO '{_literal(written)}' (FORMAT parquet)")


def _told(payload: Any) -> int:
    """Prices that a message should bring."""
    data = payload.get("data") if isinstance(payload, Mapping) else None
    return len(data) if isinstance(data, list) else 1


def _literal(path: Path) -> str:
    return str(path).replace("'", "''")

"""Partitioned Parquet as SQL views: bars, markets, headlines and books of data/raw or of the landing zone."""

import re
from pathlib import Path
from typing import Any

import duckdb

from pipelines.core import params
from pipelines.core.errors import DataError
from pipelines.core.settings import Settings
from pipelines.history import tables

_FILES = {
    "bars": ("bars/day=*/*.parquet", "market_id, ts_s"),
    "markets": ("markets.parquet", "market_id"),
    "headlines": ("headlines.parquet", "headline_id"),
    "books": ("books/day=*/*.parquet", "market_id, ts_ms"),
}
_LANDED = {"markets": "markets/*.parquet", "headlines": "headlines/*.parquet"}


def connect(folder: Path, sql: str = "bars") -> duckdb.DuckDBPyConnection:
    """A connection with a view per table that the folder has. Rows that were landed twice are there once, the newest.

    Raises:
        DataError: if the folder holds no bars, and `sql` names one of its tables; the journal's need no folder.
    """
    needed = any(re.search(rf"\b{name}\b", sql, flags=re.IGNORECASE) for name in _FILES)
    db = duckdb.connect(":memory:")
    for name, (pattern, key) in _FILES.items():
        files = sorted(folder.glob(pattern)) or sorted(folder.glob(_LANDED.get(name, pattern)))
        if files:
            listed = ", ".join("'" + str(file).replace("'", "''") + "'" for file in files)
            newest = f"QUALIFY row_number() OVER (PARTITION BY {key} ORDER BY filename DESC) = 1"
            db.execute(
                f"CREATE VIEW {name} AS SELECT * EXCLUDE (filename)"  # noqa: S608 - our own names and paths
                f" FROM read_parquet([{listed}], filename=true, hive_partitioning=true) {newest}"
            )
        elif name == "bars" and needed:
            raise DataError(f"{folder} holds no bars; run python -m pipelines pull (or ingest, for the landing zone)")
    return db


def query(folder: Path, sql: str) -> tuple[list[str], list[tuple[Any, ...]]]:
    """Column names and rows of a query.

    Raises:
        DataError: with DuckDB's words, if the query cannot run.
    """
    with connect(folder, sql) as db:
        tables.register(db, sql, Settings(), params.load())
        try:
            result = db.execute(sql)
            return [column[0] for column in result.description or []], result.fetchall()
        except duckdb.Error as error:
            raise DataError(
                f"the query failed: {str(error).strip()}; the tables are {', '.join((*_FILES, *tables.NAMES))}"
            ) from None

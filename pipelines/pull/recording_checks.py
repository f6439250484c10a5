"""What a recording must not be: files that write time differently, and two tokens that nothing tells apart."""

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.core.errors import DataError

PAIRED: Final = 0.9
"""Share of the times with two prices at which they are p and 1 - p, from which on they are two tokens."""
FLIPPED: Final = 0.3
"""Share of the steps from p to about 1 - p from which on the rows alternate between two tokens."""


def refuse_mixed_times(files: Sequence[str], names: Sequence[str]) -> None:
    """Refuse files whose time columns (any of `names`) differ in kind: one would be read as something else.

    Raises:
        DataError: with the files, their kinds and their rows.
    """
    for name in names:
        kinds: defaultdict[str, list[str]] = defaultdict(list)
        for file in files:
            schema = pq.read_schema(file)
            found = next((field for field in schema if field.name.lower() == name), None)
            if found is not None and not pa.types.is_null(found.type):
                rows = pq.read_metadata(file).num_rows
                kinds[_kind(found.type)].append(f"{Path(file).name} ({rows} rows)")
        if len(kinds) > 1:
            said = "; ".join(f"{kind} in {', '.join(where[:3])}" for kind, where in kinds.items())
            raise DataError(
                f"the column {name} differs between the files: {said}; write it the same way in all of them"
            )


def _kind(kind: pa.DataType) -> str:
    types = pa.types
    if types.is_dictionary(kind):
        return _kind(kind.value_type)
    if types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind):
        return "numbers"
    if types.is_timestamp(kind):
        return "times with a zone" if kind.tz else "times without a zone"
    if types.is_date(kind):
        return "times without a zone"
    return "text" if types.is_string(kind) or types.is_large_string(kind) else str(kind)


_PAIRS: Final = """
    SELECT market, count(*) FILTER (prices = 2 AND abs(low + high - 1) <= 0.02) AS paired,
           count(*) FILTER (prices >= 2) AS several, count(*) AS times,
           arg_min(ms, ms) FILTER (prices = 2) AS ms, arg_min(low, ms) FILTER (prices = 2) AS low,
           arg_min(high, ms) FILTER (prices = 2) AS high
    FROM (SELECT market, ms, count(DISTINCT price) AS prices, min(price) AS low, max(price) AS high
          FROM parsed WHERE kept GROUP BY market, ms)
    GROUP BY market ORDER BY market
"""

_FLIPS: Final = """
    SELECT market, count(*) FILTER (abs(price + before - 1) <= 0.02 AND abs(price - before) > 0.1) AS flips,
           count(*) AS steps, min(ms) AS ms, arg_min(before, ms) AS before, arg_min(price, ms) AS price
    FROM (SELECT market, ms, price, lag(price) OVER (PARTITION BY market ORDER BY ms, price) AS before
          FROM parsed WHERE kept)
    WHERE before IS NOT NULL GROUP BY market ORDER BY market
"""


def refuse_two_tokens(db: duckdb.DuckDBPyConnection, path: Path) -> None:
    """Refuse a market whose rows are p at one time and 1 - p at the same or the next: both tokens as one series.

    Raises:
        DataError: with the market and the rows.
    """
    for market, paired, several, times, ms, low, high in db.execute(_PAIRS).fetchall():
        if paired >= 2 and paired >= PAIRED * several and several >= times / 2:
            raise _two_tokens(path, market, f"{paired} of {times} times have two prices that sum to 1", ms, low, high)
    for market, flips, steps, ms, before, price in db.execute(_FLIPS).fetchall():
        if steps >= 10 and flips >= FLIPPED * steps:
            raise _two_tokens(path, market, f"{flips} of {steps} steps go from p to 1 - p", ms, before, price)


def _two_tokens(path: Path, market: str, seen: str, ms: int, one: float, other: float) -> DataError:
    return DataError(
        f"{path}: market {market} holds both tokens and no column tells them apart: {seen}, such as {one:g} and"
        f" {other:g} at {ms} ms; add a token_id or an outcome column, or leave one token out"
    )

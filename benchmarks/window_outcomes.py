"""What the windows of recordings paid: files of outcomes."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import duckdb

from pipelines.core.errors import DataError
from pipelines.pull.recording_columns import quoted

KEYS: Final = ("slug", "market_id", "condition_id", "timestamp", "window_ts", "window_start_s")
"""Columns that say which window a row is of: its slug, its market, or the second of its begin."""
VALUES: Final = ("outcome", "winner", "payout_up", "payout", "resolved_price", "resolved_outcome")
_PAYOUTS: Final = {"up": 1.0, "yes": 1.0, "down": 0.0, "no": 0.0, "true": 1.0, "false": 0.0}


def read(path: Path) -> Mapping[str, float]:
    """What Up paid, by slug, market or second of the begin as text.

    Raises:
        DataError: if the file is missing or unreadable, or has no column of either kind.
    """
    if not path.is_file():
        raise DataError(f"{path} is no file of outcomes; give one with {' or '.join(KEYS)}, and {' or '.join(VALUES)}")
    literal = str(path).replace("'", "''")
    table = f"read_parquet('{literal}')" if path.suffix in (".parquet", ".pq") else f"'{literal}'"
    try:
        with duckdb.connect(":memory:") as db:
            names = {str(row[0]).lower(): str(row[0]) for row in db.execute(f"DESCRIBE FROM {table}").fetchall()}
            key, value = (next((names[one] for one in some if one in names), None) for some in (KEYS, VALUES))
            if key is None or value is None:
                raise DataError(
                    f"{path} has the columns {', '.join(names.values())}; outcomes need one of {', '.join(KEYS)}, and"
                    f" one of {', '.join(VALUES)}"
                )
            rows = db.execute(f"SELECT {quoted(key)}, {quoted(value)} FROM {table}").fetchall()
    except duckdb.Error as error:
        raise DataError(f"{path} is not readable as a table: {str(error).splitlines()[0]}") from None
    found = ((str(name), _paid(text)) for name, text in rows)
    return {name: paid for name, paid in found if paid is not None}


def _paid(value: Any) -> float | None:
    text = str(value).strip().lower()
    if text in _PAYOUTS:
        return _PAYOUTS[text]
    try:
        return float(text)
    except ValueError:
        return None

"""The columns of a recording: the names that they may have, and SQL that reads their values."""

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from pipelines.core.errors import DataError
from pipelines.pull.shapes import is_number

NAMES: Final[Mapping[str, tuple[str, ...]]] = {
    "market": ("market_id",),
    "time": ("timestamp",),
    "price": ("price",),
    "bid": ("best_bid", "bid"),
    "ask": ("best_ask", "ask"),
    "bid_size": ("best_bid_size", "bid_size"),
    "ask_size": ("best_ask_size", "ask_size"),
    "volume": ("volume",),
    "event": ("event_id", "event", "event_slug"),
    "end": ("end_s", "end_date"),
    "token": ("token_id",),
    "outcome": ("outcome",),
    "question": ("question", "title", "slug"),
    "category": ("category", "topic"),
    "slug": ("slug", "market_slug"),
    "rule": ("settlement",),
    "text": ("description",),
    "text_source": ("resolution_source",),
    "event_start": ("event_start",),
    "asset": ("asset", "symbol"),
    "spot": ("spot", "reference_price", "underlying"),
    "chainlink": ("chainlink", "chainlink_price", "oracle_price"),
    "external": ("external_probability", "external"),
    "lower": ("lower_price", "lower_bound", "floor_strike"),
    "upper": ("upper_price", "upper_bound", "cap_strike"),
}
"""What is read, and the column names it may have, the preferred first."""

_REQUIRED: Final = ("market", "time", "price")
_LEVELS: Final = ("lower", "upper")


def resolve(columns: Mapping[str, str], path: Path) -> dict[str, str]:
    """Role -> column of a file with these columns.

    Raises:
        DataError: if a required one is missing.
    """
    by_lower = {name.lower(): name for name in columns}
    found = {role: by_lower[n] for role, options in NAMES.items() for n in reversed(options) if n in by_lower}
    missing = [NAMES[role][0] for role in _REQUIRED if role not in found]
    if missing:
        raise DataError(
            f"{path} lacks the column(s) {', '.join(missing)}; it has {', '.join(columns)}. `oddsmith data import FILE`"
            " makes a recording of a file of another shape, or says why it cannot"
        )
    if "outcome" in found and is_number(columns[found["outcome"]]):
        del found["outcome"]  # how the market ended, not which token a row is of
    return found


def select(names: Mapping[str, str], columns: Mapping[str, str]) -> str:
    """SQL for every role from the view `source`, in one type each; NULL where the file has no such column."""

    def number(role: str) -> str:
        return f"try_cast({quoted(names[role])} AS DOUBLE)" if role in names else "NULL::DOUBLE"

    def text(role: str) -> str:
        return f"CAST({quoted(names[role])} AS VARCHAR)" if role in names else "NULL::VARCHAR"

    def time(role: str) -> str:
        return epoch_ms(quoted(names[role]), columns[names[role]]) if role in names else "NULL::BIGINT"

    texts = ", ".join(
        f"{text(role)} AS {role}"
        for role in ("market", "event", "token", "outcome", "question", "category", "slug", "rule", "asset")
    )
    sizes = "bid_size", "ask_size"
    numbers = ", ".join(
        f"{number(role)} AS {role}"
        for role in ("price", "bid", "ask", *sizes, "volume", "spot", "chainlink", "external", *_LEVELS)
    )
    return f"SELECT {texts}, {numbers}, {time('time')} AS ms, {time('end')} AS end_ms FROM source"  # noqa: S608 - column names are quoted


def quoted(column: str) -> str:
    """A column's name in SQL."""
    return '"' + column.replace('"', '""') + '"'


def epoch_ms(column: str, kind: str) -> str:
    """SQL for milliseconds since 1970 from any way to write a time; numbers are s, ms, us or ns by their size."""
    scaled = (
        "CASE WHEN abs({x}) < 1e11 THEN {x} * 1000 WHEN abs({x}) < 1e14 THEN {x}"
        " WHEN abs({x}) < 1e17 THEN {x} / 1000 ELSE {x} / 1000000 END"
    )
    if kind.startswith(("TIMESTAMP", "DATE")):
        exact = "TIMESTAMPTZ" if kind == "TIMESTAMPTZ_NS" else kind
        return f"epoch_ms(CAST({column} AS {exact}))"
    if kind in ("VARCHAR", "BLOB") or kind.startswith("ENUM"):
        as_number = scaled.format(x=f"try_cast({column} AS DOUBLE)")
        zone = "'[T ][0-9:.]+ ?([+-][0-9][0-9]):?([0-9][0-9])?$'"
        sign_and_hours = f"regexp_extract({column}, {zone}, 1)"
        hours = f"coalesce(try_cast({sign_and_hours} AS INTEGER), 0)"
        rest = f"left({sign_and_hours}, 1) || regexp_extract({column}, {zone}, 2)"
        minutes = f"coalesce(try_cast({rest} AS INTEGER), 0)"
        local = f"epoch_ms(try_cast({column} AS TIMESTAMP))"  # ignores an offset: taken off by hand
        return f"coalesce(CAST({as_number} AS BIGINT), {local} - ({hours} * 60 + {minutes}) * 60000)"
    finite = f"CASE WHEN isfinite(CAST({column} AS DOUBLE)) THEN CAST({column} AS DOUBLE) END"
    return f"CAST({scaled.format(x=f'({finite})')} AS BIGINT)"


def market_id_of(name: str) -> str:
    """The name itself where it is a condition id, else a hash of it in that form."""
    return name if re.fullmatch(r"0x[0-9a-f]{64}", name) else "0x" + hashlib.sha256(name.encode()).hexdigest()

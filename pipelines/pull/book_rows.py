"""SQL for the best price of a book side and its size, from any way in which an archive writes levels."""

from collections.abc import Mapping
from typing import Final, Literal

Side = Literal["bids", "asks"]
BEST: Final[Mapping[Side, str]] = {"bids": "list_max", "asks": "list_min"}
SIZES: Final[Mapping[Side, str]] = {"bids": "bid_sizes", "asks": "ask_sizes"}
"""Role of the column with the sizes, where prices and sizes are two lists."""


def best(side: Side, column: str, kind: str, sizes: str | None) -> str:
    """SQL for `{price, size}` of the best level of a quoted column of a DuckDB type, in any order of levels; `sizes`
    is the quoted column of sizes where there is one. The size is NULL where it is not written.

    Levels are read from lists of prices, of pairs (price, size), of structs, and from JSON text of the same.
    """
    upper = kind.upper()
    if not upper.endswith("[]"):
        return of_json(side, f"CAST({column} AS VARCHAR)")
    if upper.endswith("[][]"):
        price, size = "level[1]", "level[2]"
    elif upper.startswith("STRUCT"):
        names = upper.replace('"', " ").replace("(", " ").replace(",", " ").split()
        price, size = "level.price", "level.size" if "SIZE" in names else "NULL"
    else:
        price, size = "level", "NULL" if sizes is None else f"{sizes}[place]"
    return _best_of(side, column, price, size)


def of_json(side: Side, text: str) -> str:
    """`best` of JSON text: objects with price and size, pairs, or plain prices."""
    told = (
        "CASE json_type(level) WHEN 'OBJECT' THEN level->>'$.{name}' WHEN 'ARRAY' THEN level->>'$[{place}]' {rest} END"
    )
    price = told.format(name="price", place=0, rest="ELSE level->>'$'")
    size = told.format(name="size", place=1, rest="")
    levels = f"CAST(CASE WHEN json_valid({text}) THEN json_extract({text}, '$[*]') END AS JSON[])"
    return _best_of(side, levels, price, size)


def _best_of(side: Side, levels: str, price: str, size: str) -> str:
    """Structs are compared by their first field, so the best of them has the best price."""
    made = (
        f"list_transform({levels}, lambda level, place:"
        f" {{'price': try_cast({price} AS DOUBLE), 'size': try_cast({size} AS DOUBLE)}})"
    )
    return f"{BEST[side]}(list_filter({made}, lambda one: one.price IS NOT NULL))"

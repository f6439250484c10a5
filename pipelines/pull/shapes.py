"""What shape an archive has, told from its columns, and the SQL that makes recorded rows of it.

Each shape gives rows of (market_id, timestamp, price, best_bid, best_ask, volume, and whatever describes a market). The
SQL streams: nothing of a file is held in memory as a whole.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from pipelines.core.errors import DataError
from pipelines.pull import book_rows

ROLES: Final[Mapping[str, tuple[str, ...]]] = {
    "market_id": ("market_id", "condition_id", "conditionid", "market", "market_slug", "slug"),
    "token_id": ("token_id", "asset_id", "clob_token_id", "token", "assetid"),
    "timestamp": (
        "timestamp",
        "ts",
        "server_ms",
        "timestamp_ms",
        "timestamp_sec",
        "time",
        "t",
        "block_timestamp",
        "block_time",
        "datetime",
        "date",
        "recv_s",
        "recv_ms",
        "received_at",
        "created_at",
        "end_date",
        "closed_time",
    ),
    "price": ("price", "mid", "mid_price", "last_price", "last_trade_price", "p", "close"),
    "best_bid": ("best_bid", "bid", "best_bid_price", "bid_px1", "bid_price"),
    "best_ask": ("best_ask", "ask", "best_ask_price", "ask_px1", "ask_price"),
    "best_bid_size": ("best_bid_size", "bid_size", "bid_sz1", "bid_sz", "bid_qty", "bid_quantity"),
    "best_ask_size": ("best_ask_size", "ask_size", "ask_sz1", "ask_sz", "ask_qty", "ask_quantity"),
    "bids": ("bids", "bid_px", "bid_prices"),
    "asks": ("asks", "ask_px", "ask_prices"),
    "bid_sizes": ("bid_sz", "bid_sizes"),
    "ask_sizes": ("ask_sz", "ask_sizes"),
    "event_type": ("event_type",),
    "hash": ("hash",),
    "frame": ("raw_data", "raw", "frame", "message", "payload", "data"),
    "size": ("size", "shares", "shares_normalized", "amount", "quantity"),
    "volume": ("volume",),
    "usd": ("usd_amount", "amount_usd", "usdc_amount"),
    "side": ("side", "direction"),
    "maker_asset": ("makerassetid", "maker_asset_id"),
    "taker_asset": ("takerassetid", "taker_asset_id"),
    "maker_amount": ("makeramountfilled", "maker_amount_filled"),
    "taker_amount": ("takeramountfilled", "taker_amount_filled"),
    "resolved_price": ("resolved_price", "payout", "payout_up", "payout_yes", "settled_price", "final_value"),
    "outcome": ("outcome", "token_outcome"),
    "question": ("question", "title"),
    "slug": ("slug", "market_slug"),
    "event": ("event", "event_id", "event_slug"),
    "end_date": ("end_date", "end_s", "end_ts", "end_time", "enddate"),
    "category": ("category", "topic"),
    "spot": ("spot", "reference_price", "underlying", "btc_price"),
    "chainlink": ("chainlink", "chainlink_price", "oracle_price"),
    "asset": ("asset", "symbol"),
    "external": ("external_probability", "external"),
    "settlement": ("settlement",),
    "description": ("description", "rules"),
    "resolution_source": ("resolution_source", "resolutionsource"),
    "event_start": ("event_start", "event_start_s", "event_start_time", "eventstarttime"),
    "lower_price": ("lower_price", "lower_bound", "floor_strike"),
    "upper_price": ("upper_price", "upper_bound", "cap_strike"),
}
"""Our names, and what archives call them, the likeliest first."""
CONDITIONS: Final = ("market_id", "condition_id", "conditionid", "market")
"""Names of a column that holds condition ids."""

KEPT: Final = (
    "token_id", "outcome", "question", "slug", "event", "end_date", "category", "spot", "chainlink", "asset",
    "external", "resolved_price",
    "settlement", "description", "resolution_source", "event_start", "lower_price", "upper_price",
)  # fmt: skip
"""What describes a market or its underlying, or was stated of its outcome, in every shape."""
_ARRIVALS: Final = frozenset(ROLES["timestamp"]) - {"end_date", "closed_time", "date"}
"""Names of a column that says when a frame arrived."""
_TOUCH: Final = ("best_bid", "best_ask", "best_bid_size", "best_ask_size")
_TWO_SIDED: Final = "best_bid IS NOT NULL AND best_ask IS NOT NULL"


_Fits = Callable[[Mapping[str, str], Mapping[str, str]], bool]
_Select = Callable[[Mapping[str, str], Mapping[str, str], str], str]


@dataclass(frozen=True)
class Shape:
    """A file as it was understood."""

    name: str
    select: str
    """SELECT over the view `source`."""
    books: str
    """The same of its books, those with one empty side too; empty where it has none."""
    columns: Mapping[str, str]
    """Our name -> the file's column."""
    has_frames: bool = False
    """Whether `select` gives raw frames, which `import_frames` makes rows of."""


def detect(columns: Mapping[str, str], given: Mapping[str, str], file: str) -> Shape:
    """The shape of a file with these columns and types; `given` maps our names to the file's, before any guess.

    Raises:
        DataError: naming what is missing, and the columns that are there.
    """
    lower = {name.lower(): name for name in columns}
    if missing := [name for name in given.values() if name not in columns]:
        raise DataError(f"{file} has no column {', '.join(missing)}; it has {', '.join(columns)}")
    found = {role: lower[name] for role, names in ROLES.items() for name in reversed(names) if name in lower} | dict(
        given
    )
    stem = file.split(".", maxsplit=1)[0]
    if "outcome" in found and "outcome" not in given and is_number(columns[found["outcome"]]):
        # A number says how a market ended, not which token a row is of.
        found.setdefault("resolved_price", found.pop("outcome"))
    for name, fits, select in _SHAPES:
        if fits(found, columns):
            books = _books_of(found, columns, stem, select)
            rows = select(found, columns, stem)
            made = f"SELECT * FROM ({rows}) WHERE {_TWO_SIDED}" if books == rows else rows  # noqa: S608 - quoted
            return Shape(name, made, books, found, select is _frames)
    raise DataError(
        f"{file} lacks {_lacking(found)}; it has {', '.join(columns)}. Where one of them holds prices over time, name"
        " columns with --map, such as --map price=yes_price; a table of outcomes or forecasts with one row per market"
        " has no price path and cannot be a recording"
    )


def _books_of(found: Mapping[str, str], columns: Mapping[str, str], stem: str, select: _Select) -> str:
    if select in (_levels, _messages):
        return select(found, columns, stem)
    touch = "best_bid" in found and "best_ask" in found and select in (_touch, _prices)
    return _touch(found, columns, stem) if touch else ""


def is_number(kind: str) -> bool:
    """Whether a column of this type (as DuckDB names it) holds numbers or truth values."""
    return kind.upper().startswith(("DOUBLE", "FLOAT", "DECIMAL", "BOOLEAN")) or "INT" in kind.upper()


def _lacking(found: Mapping[str, str]) -> str:
    needed = [name for name in ("market_id", "timestamp", "price") if name not in found]
    return "the column(s) " + ", ".join(needed) if needed else "a price, a book, a trade or a frame"


def _has(*roles: str) -> _Fits:
    return lambda found, _columns: all(role in found for role in roles)


def _named(found: Mapping[str, str], role: str) -> str:
    return '"' + found[role].replace('"', '""') + '"'


def _market(found: Mapping[str, str], stem: str) -> str:
    for role in ("market_id", "token_id"):
        if role in found:
            return f"CAST({_named(found, role)} AS VARCHAR) AS market_id"
    return f"'{stem.replace(chr(39), '')}' AS market_id"


def _rest(found: Mapping[str, str], *taken: str) -> str:
    kept = [role for role in KEPT if role in found and role not in taken]
    return "".join(f", {_named(found, role)} AS {role}" for role in kept)


def _prices(found: Mapping[str, str], _columns: Mapping[str, str], stem: str) -> str:
    book = "".join(f", {_named(found, role)} AS {role}" for role in _TOUCH if role in found)
    return (
        f"SELECT {_market(found, stem)}, {_named(found, 'timestamp')} AS timestamp, {_named(found, 'price')} AS price"  # noqa: S608 - names and paths are quoted
        f"{book}{_traded(found, 'size', 'volume')}{_rest(found)} FROM source"
    )


def _traded(found: Mapping[str, str], *roles: str) -> str:
    """The first of the roles that the file has, as `volume`."""
    return next((f", {_named(found, role)} AS volume" for role in roles if role in found), "")


def _touch(found: Mapping[str, str], _columns: Mapping[str, str], stem: str) -> str:
    bid, ask, *sizes = (
        f"try_cast({_named(found, role)} AS DOUBLE)" if role in found else "NULL::DOUBLE" for role in _TOUCH
    )
    return _book(found, stem, f"{{'price': {bid}, 'size': {sizes[0]}}}", f"{{'price': {ask}, 'size': {sizes[1]}}}")


def _levels(found: Mapping[str, str], columns: Mapping[str, str], stem: str) -> str:
    """Whole sides: lists of prices, or JSON of levels, in any order."""
    bid, ask = (_best(found, side, columns) for side in book_rows.BEST)
    return _book(found, stem, bid, ask)


def _best(found: Mapping[str, str], side: book_rows.Side, columns: Mapping[str, str]) -> str:
    sizes = book_rows.SIZES[side]
    return book_rows.best(
        side, _named(found, side), columns[found[side]], _named(found, sizes) if sizes in found else None
    )


def _book(found: Mapping[str, str], stem: str, bid: str, ask: str) -> str:
    """Rows of books; `bid` and `ask` are SQL for {price, size}."""
    # The side of a book is its token (UP, DOWN); that of a trade is who took. Its `size` may be anything.
    token = f", {_named(found, 'side')} AS outcome" if "side" in found and "outcome" not in found else ""
    volume = _traded(found, "volume")
    kept = (", volume" if volume else "") + _again(found) + (", outcome" if token else "")
    time = _named(found, "timestamp")
    return (
        "SELECT market_id, timestamp, (bid.price + ask.price) / 2 AS price, bid.price AS best_bid,"  # noqa: S608 - names and paths are quoted
        f" ask.price AS best_ask, bid.size AS best_bid_size, ask.size AS best_ask_size{kept} FROM ("
        f"SELECT {_market(found, stem)}, {time} AS timestamp, {bid} AS bid, {ask} AS ask{volume}{token}"
        f"{_rest(found)} FROM source)"
    )


def _again(found: Mapping[str, str], *taken: str) -> str:
    return "".join(f", {role}" for role in KEPT if role in found and role not in taken)


def _frames(found: Mapping[str, str], columns: Mapping[str, str], _stem: str) -> str:
    """Messages of the market channel: books, price changes and trades. The message names the token itself."""
    frame, kind = _named(found, "frame"), columns[found["frame"]]
    text = (
        frame if kind == "VARCHAR" else f"CAST({frame} AS VARCHAR)" if kind == "JSON" else f"to_json({frame})::VARCHAR"
    )
    arrived = _named(found, "timestamp") if found.get("timestamp", "").lower() in _ARRIVALS else "NULL::BIGINT"
    rest = _rest(found, "token_id", "outcome")
    return f"SELECT {text} AS frame, {arrived} AS arrived{rest} FROM source"  # noqa: S608 - names and paths are quoted


def _messages(found: Mapping[str, str], _columns: Mapping[str, str], stem: str) -> str:
    """The market channel with a row per level: whole books by their hash. Changes of single levels are left out: they
    say nothing without the book before them."""
    price, size = (f"try_cast({_named(found, role)} AS DOUBLE)" for role in ("price", "size"))
    side, time = f"lower(CAST({_named(found, 'side')} AS VARCHAR))", _named(found, "timestamp")
    token = f", CAST({_named(found, 'token_id')} AS VARCHAR) AS token_id" if "token_id" in found else ""
    key = "market_id, timestamp, message" + (", token_id" if token else "")
    best = {"bid": "max", "ask": "min"}
    sides = ", ".join(
        f"{fold}(price) FILTER (side IN ({names})) AS best_{name},"
        f" arg_{fold}(size, price) FILTER (side IN ({names})) AS best_{name}_size"
        for (name, fold), names in zip(best.items(), ("'bid', 'buy', 'bids'", "'ask', 'sell', 'asks'"), strict=True)
    )
    return (
        f"SELECT * EXCLUDE (message), (best_bid + best_ask) / 2 AS price FROM (SELECT {key}, {sides} FROM ("  # noqa: S608 - names and paths are quoted
        f"SELECT {_market(found, stem)}, {time} AS timestamp{token}, {_named(found, 'hash')} AS message,"
        f" {price} AS price, {size} AS size, {side} AS side FROM source"
        f" WHERE {_named(found, 'event_type')} = 'book' AND {size} > 0) GROUP BY {key})"
    )


def _chain(found: Mapping[str, str], _columns: Mapping[str, str], _stem: str) -> str:
    """Events of filled orders: whoever gives asset 0 pays pUSD, the other asset is the token."""
    maker, taker = (f"CAST({_named(found, role)} AS VARCHAR)" for role in ("maker_asset", "taker_asset"))
    given, got = (f"try_cast({_named(found, role)} AS DOUBLE)" for role in ("maker_amount", "taker_amount"))
    own = f"CAST({_named(found, 'market_id')} AS VARCHAR) AS own_id, " if "market_id" in found else ""
    market = "own_id" if own else "token_id"
    return f"""
        SELECT {market} AS market_id, timestamp, token_id, usd / shares AS price, shares / 1e6 AS volume
               {_again(found, "token_id")} FROM (
            SELECT {own}{_named(found, "timestamp")} AS timestamp{_rest(found, "token_id")},
                   CASE WHEN {maker} = '0' THEN {taker} ELSE {maker} END AS token_id,
                   CASE WHEN {maker} = '0' THEN {given} ELSE {got} END AS usd,
                   CASE WHEN {maker} = '0' THEN {got} ELSE {given} END AS shares FROM source
            WHERE ({maker} = '0') != ({taker} = '0')
        ) WHERE shares > 0
    """  # noqa: S608 - column names are quoted


def _paid(found: Mapping[str, str], _columns: Mapping[str, str], stem: str) -> str:
    """Trades with an amount in dollars and none in price."""
    size = f"try_cast({_named(found, 'size' if 'size' in found else 'volume')} AS DOUBLE)"
    return (
        f"SELECT {_market(found, stem)}, {_named(found, 'timestamp')} AS timestamp,"  # noqa: S608 - names and paths are quoted
        f" try_cast({_named(found, 'usd')} AS DOUBLE) / {size} AS price, {size} AS volume{_rest(found)} FROM source"
        f" WHERE {size} > 0"
    )


_SHAPES: Final[tuple[tuple[str, _Fits, _Select], ...]] = (
    ("raw frames", lambda found, _columns: "frame" in found and "price" not in found, _frames),
    ("on-chain fills", _has("maker_asset", "taker_asset", "maker_amount", "taker_amount", "timestamp"), _chain),
    ("books of whole sides", _has("bids", "asks", "timestamp"), _levels),
    ("books with a row per level", _has("event_type", "hash", "side", "price", "size", "timestamp"), _messages),
    ("prices", _has("timestamp", "price"), _prices),
    ("best bid and ask", _has("best_bid", "best_ask", "timestamp"), _touch),
    ("trades in dollars", _has("usd", "size", "timestamp"), _paid),
    ("trades in dollars", _has("usd", "volume", "timestamp"), _paid),
)

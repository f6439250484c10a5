"""Books of any file that `oddsmith data import` understands, market by market, one-sided ones too, with the reference
prices that are kept with them."""

import argparse
import tempfile
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import duckdb
import numpy as np

from pipelines.core.domain import FloatArray
from pipelines.core.errors import DataError
from pipelines.core.raw_tables import reference_of
from pipelines.pull import import_frames, import_recording, shapes
from pipelines.pull.recorded_references import FEEDS
from pipelines.pull.recording_columns import epoch_ms, quoted
from pipelines.reference import recorded
from pipelines.reference.prices import Price

MOST_TOKENS: Final = 2
UP: Final = ("up", "yes")
"""Names of the Up token in the column `outcome`: it pays 1 where the price ends higher."""
_TOUCH: Final = ("best_bid", "best_bid_size", "best_ask", "best_ask_size")
_TEXTS: Final = ("token_id", "outcome", "slug", "question", "asset")


@dataclass(frozen=True)
class BookSource:
    """A file of books: our names of its columns (`--map`), a table with a row per market (`--about`), and a file of
    outcomes (`--outcomes`)."""

    path: Path
    columns: Sequence[str] = ()
    about: Path | None = None
    outcomes: Path | None = None

    @classmethod
    def add_arguments(cls, parser: argparse.ArgumentParser) -> None:
        """The options that say how the files of a command are read."""
        parser.add_argument(
            "--map", action="append", default=[], metavar="OURS=THEIRS", help="our name of a column, as in data import"
        )
        parser.add_argument(
            "--about", type=Path, help="table with one row per market (default: FILE_markets next to FILE_books)"
        )
        parser.add_argument("--outcomes", type=Path, help="file of outcomes: slug or begin, and up or down, 1 or 0")

    @classmethod
    def of(cls, paths: Sequence[Path], given: argparse.Namespace) -> "list[BookSource]":
        """The files of a command with its options."""
        return [cls(path, given.map, given.about, given.outcomes) for path in paths]


@dataclass(frozen=True)
class Books:
    """The Up token's books of one market in the order of time; an empty side is NaN. `paid` is what Up paid where the
    file says it."""

    names: tuple[str, ...]
    """Slug, question and id of the market, those that the file has."""
    ms: FloatArray
    bid: FloatArray
    bid_size: FloatArray
    ask: FloatArray
    ask_size: FloatArray
    paid: float | None = None
    labelled: bool = True
    """Whether the file says which token is Up."""


@dataclass(frozen=True)
class BookFile:
    """What a file holds: books by market, reference prices, and markets without books that can be used, with the
    reason. `spots` are prices of a market's underlying in columns: (its names, source, ms, value)."""

    books: list[Books] = field(default_factory=list)
    prices: list[Price] = field(default_factory=list)
    spots: list[tuple[tuple[str, ...], str, int, float]] = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)


def read(source: BookSource) -> BookFile:
    """The books of a file.

    Raises:
        DataError: if it is missing or unreadable, or its columns are no books.
        ParameterError: if `columns` has a pair that is none.
    """
    if not source.path.exists():
        raise DataError(f"{source.path} does not exist; give a recording of books")
    with tempfile.TemporaryDirectory() as spill, duckdb.connect(":memory:") as db:
        try:
            db.execute(f"SET memory_limit = '{import_recording.MEMORY}'")
            pairs = import_recording.pairs(source.columns)
            shape = import_recording.opened(db, source.path, pairs, source.about or _markets_beside(source.path))
            select, prices = _select(db, shape, source.path, Path(spill))
            rows = _rows(db, select)
        except duckdb.Error as error:
            raise DataError(f"{source.path} is not readable: {str(error).splitlines()[0]}") from None
    return _by_market(rows, prices)


def _markets_beside(path: Path) -> Path | None:
    """The file of markets that belongs to a file of books; None where there is none."""
    beside = path.with_name(path.name.replace("_books", "_markets"))
    return beside if beside != path and beside.is_file() else None


def _select(db: duckdb.DuckDBPyConnection, shape: shapes.Shape, path: Path, spill: Path) -> tuple[str, list[Price]]:
    """SQL for the rows of a shape, and the reference prices among its frames or next to the file."""
    if shape.has_frames:
        rows, prices = spill / "rows.parquet", spill / "prices.parquet"
        import_frames.write(db, shape.select, rows, prices, spill)
        return f"SELECT * FROM read_parquet('{rows}')", recorded.read(prices)
    if not shape.books:
        raise DataError(
            f"{path} is understood as {shape.name}: it has no books. Its columns are"
            f" {', '.join(shape.columns.values())}; name those of the best bid and ask with --map, such as"
            " --map best_bid=b1 --map best_ask=a1"
        )
    return shape.books, recorded.read(reference_of(path))


def _rows(db: duckdb.DuckDBPyConnection, select: str) -> list[dict[str, Any]]:
    kinds = {str(row[0]): str(row[1]) for row in db.execute(f"DESCRIBE {select}").fetchall()}
    numbers = (*_TOUCH, "resolved_price", *FEEDS)
    wanted = [f"CAST({quoted(name)} AS VARCHAR) AS {name}" for name in ("market_id", *_TEXTS) if name in kinds]
    wanted += [f"try_cast({quoted(name)} AS DOUBLE) AS {name}" for name in numbers if name in kinds]
    wanted.append(f"{epoch_ms('timestamp', kinds['timestamp'])} AS ms")
    found = db.execute(f"SELECT {', '.join(wanted)} FROM ({select}) ORDER BY ms")
    names = [column[0] for column in found.description or []]
    return [dict(zip(names, row, strict=True)) for row in found.fetchall() if row[-1] is not None]


def _by_market(rows: Sequence[Mapping[str, Any]], prices: list[Price]) -> BookFile:
    made = BookFile(prices=prices)
    markets: defaultdict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for row in rows:
        markets[str(row["market_id"])].append(row)
    for market_id, own in markets.items():
        names = tuple(dict.fromkeys(one for one in (own[0].get("slug"), own[0].get("question"), market_id) if one))
        made.spots.extend(
            (names, source, int(row["ms"]), row[column])
            for column, source in FEEDS.items()
            for row in own
            if row.get(column) is not None and row[column] > 0.0
        )
        kept, why = _up(own)
        if why:
            made.left_out[names[0]] = why
        else:
            made.books.append(_books(names, kept))
    return made


def _up(rows: Sequence[Mapping[str, Any]]) -> tuple[Sequence[Mapping[str, Any]], str]:
    """The rows of the Up token, or why there are none. Where nothing says which token is Up, it is the one that was
    recorded in the most seconds, and the books of the other are mirrored: recorders mix the two."""
    told = {str(row.get("outcome") or "").lower() for row in rows} - {""}
    if told:
        kept = [row for row in rows if str(row.get("outcome") or "").lower() in UP]
        return kept, "" if kept else f"its rows are of {', '.join(sorted(told))}, none of Up or Yes"
    seconds: defaultdict[Any, set[int]] = defaultdict(set)
    for row in rows:
        seconds[row.get("token_id")].add(int(row["ms"]) // 1_000)
    if len(seconds) > MOST_TOKENS:
        return [], f"it has {len(seconds)} tokens, and a market of two outcomes has {MOST_TOKENS}"
    main = max(seconds, key=lambda token: len(seconds[token]))
    return [row if row.get("token_id") == main else _mirrored(row) for row in rows], ""


def _mirrored(row: Mapping[str, Any]) -> dict[str, Any]:
    """The book of the other token: an offer of one is a bid for the other."""
    bid, bid_size, ask, ask_size = (row.get(name) for name in _TOUCH)
    prices = (None if ask is None else 1.0 - ask, None if bid is None else 1.0 - bid)
    return {**row, "best_bid": prices[0], "best_bid_size": ask_size, "best_ask": prices[1], "best_ask_size": bid_size}


def _books(names: tuple[str, ...], rows: Sequence[Mapping[str, Any]]) -> Books:
    bid, bid_size, ask, ask_size = (np.array([row.get(name) for row in rows], dtype=np.float64) for name in _TOUCH)
    ms = np.array([row["ms"] for row in rows], dtype=np.float64)
    labelled = any(row.get("outcome") for row in rows)
    paid = next((float(row["resolved_price"]) for row in rows if row.get("resolved_price") is not None), None)
    return Books(names, ms, bid, bid_size, ask, ask_size, paid, labelled)

"""`oddsmith data import`: an archive (CSV, parquet, JSON, gzipped or not) becomes a recording, or nothing changes.

Everything streams through DuckDB within MEMORY: ten million rows take no more than one.
"""

import re
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import duckdb

from pipelines.core.errors import DataError, ParameterError
from pipelines.core.raw_tables import REFERENCE_MARK, reference_of
from pipelines.pull import frame_messages, import_frames, recording, shapes

FOLDER: Final = Path("data/recordings")
MEMORY: Final = "512MB"
KNOWN: Final = ("csv", "parquet", "pq", "json", "jsonl", "ndjson")
"""Endings of files that a folder is searched for."""
SAMPLE: Final = 100
"""Lines by which a file of JSON is known to hold raw frames."""
SHOWN: Final = 3
"""Rows that a dry run shows."""


def run(
    source: Path,
    target: Path | None,
    columns: Sequence[str],
    *,
    replace: bool,
    dry_run: bool = False,
    about: Path | None = None,
) -> None:
    """Write a recording made of `source` and say what was understood; `columns` are `ours=theirs` pairs.

    `about` is a table with a row per market (settled rows, names, ends), joined by its market id. A recording that is
    not usable is not kept, and nothing that was there changes. A dry run writes nothing.

    Raises:
        ParameterError: if a pair is none, or the target exists and is not to be replaced.
        DataError: if the file is missing or unreadable, has no shape that is known, or no usable row.
    """
    written = target or FOLDER / f"{source.name.split('.')[0]}.parquet"
    names = pairs(columns)
    if written.exists() and not replace and not dry_run:
        raise ParameterError(f"{written} exists; add --replace, or name another file with --to")
    with tempfile.TemporaryDirectory() as spill, duckdb.connect(":memory:") as db:
        db.execute(f"SET memory_limit = '{MEMORY}'; SET preserve_insertion_order = false")
        db.execute(f"SET temp_directory = '{Path(spill) / 'rows'}'")
        try:
            shape = opened(db, source, names, about)
            if dry_run:
                _show(db, source, shape, Path(spill))
                return
            found, said = _write(db, source, shape, written, Path(spill))
        except duckdb.Error as error:
            why = re.sub(r"\s+", " ", str(error).splitlines()[0])
            raise DataError(f"{source} is not readable as {_kind(source)}: {why}") from None
    sys.stdout.write(
        f"read as {shape.name}\nwrote {written}: {found['usable']:,} prices of {found['markets']:,} markets from"
        f" {found['rows']:,} rows{_left_out(found)}\n{said}"
        f"next: oddsmith run --source recorded --recording {written}\n"
    )


def pairs(columns: Sequence[str]) -> dict[str, str]:
    """Our name -> the file's, of `ours=theirs` texts.

    Raises:
        ParameterError: if one is none, or names nothing of ours.
    """
    parts = [part.partition("=") for column in columns for part in column.split(",")]
    for text, (ours, _, theirs) in zip([p for c in columns for p in c.split(",")], parts, strict=True):
        if not ours or not theirs:
            raise ParameterError(f"--map was {text!r}; give our name and the file's, such as price=yes_price")
        if ours not in shapes.ROLES:
            raise ParameterError(f"--map was {text!r}: {ours} is no name of ours; {', '.join(shapes.ROLES)} are")
    return {ours: theirs for ours, _, theirs in parts}


def _files(source: Path) -> list[Path]:
    """The file, or the files of a folder that have the form of its first one."""
    if not source.is_dir():
        return [source] if source.is_file() else []
    found = sorted(path for path in source.rglob("*") if path.is_file() and _kind(path).lower() in KNOWN)
    return [path for path in found if _kind(path) == _kind(found[0])]


def _kind(source: Path) -> str:
    return source.name.removesuffix(".gz").rpartition(".")[2] or "CSV"


def opened(db: duckdb.DuckDBPyConnection, source: Path, names: Mapping[str, str], about: Path | None) -> shapes.Shape:
    """A view `source` over the file, and its shape; `names` are our names of its columns.

    Raises:
        DataError: if there is no file, or its shape is not known.
    """
    files = _files(source)
    if not files:
        raise DataError(f"{source} is no file; give the path of a CSV, parquet or JSON file, or a folder of such files")
    literal = "', '".join(str(path).replace("'", "''") for path in files)  # a view takes no parameters
    kind = _kind(files[0]).lower()
    if kind in ("parquet", "pq"):
        reader = f"read_parquet(['{literal}'])"
    elif kind in ("json", "jsonl", "ndjson"):
        reader = _json_reader(db, source, literal)
    else:
        reader = f"read_csv(['{literal}'], header=true)"
    db.execute(f"CREATE VIEW source AS FROM {reader if about is None else _joined(db, reader, about)}")
    found = {str(row[0]): str(row[1]) for row in db.execute("DESCRIBE source").fetchall()}
    return shapes.detect(found, names, source.name)


def _joined(db: duckdb.DuckDBPyConnection, reader: str, about: Path) -> str:
    """The rows with what a table of markets says of theirs.

    Raises:
        DataError: if the two have no column of market ids with one name, or the table is not there.
    """
    if not about.is_file():
        raise DataError(f"{about} is no file; give a table with a row per market")
    literal = str(about).replace("'", "''")
    told = f"read_parquet('{literal}')" if about.suffix == ".parquet" else f"read_csv('{literal}', header=true)"
    own, its = ([str(row[0]) for row in db.execute(f"DESCRIBE FROM {one}").fetchall()] for one in (reader, told))
    keys = _common_key(own, its)
    if keys is None:
        raise DataError(f"{about} has no column of market ids that the file has too; it has {', '.join(its)}")
    more = "".join(f", about.{_quoted(name)}" for name in its if name not in own)
    on = f"CAST(rows.{_quoted(keys[0])} AS VARCHAR) = CAST(about.{_quoted(keys[1])} AS VARCHAR)"
    return f"(SELECT rows.*{more} FROM {reader} AS rows LEFT JOIN {told} AS about ON {on})"  # noqa: S608 - quoted


def _common_key(own: Sequence[str], its: Sequence[str]) -> tuple[str, str] | None:
    """Columns of the file and of the table that hold the same ids: of one name, or two names of a condition id."""
    names = shapes.ROLES["market_id"]
    same = next(((name, name) for name in names if name in own and name in its), None)
    first, second = (next((name for name in found if name.lower() in shapes.CONDITIONS), None) for found in (own, its))
    return same or (None if first is None or second is None else (first, second))


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _json_reader(db: duckdb.DuckDBPyConnection, source: Path, literal: str) -> str:
    """Lines of frames stay text; the answer of `prices-history` is unfolded; other lines are tables."""
    head = f"SELECT content[:2000] FROM read_text(['{literal}'])"  # noqa: S608 - names and paths are quoted
    first = db.execute(head).fetchone() if _files(source)[0].suffix == ".json" else None
    if first is not None and re.search(r'"history"\s*:', str(first[0])):
        return (
            "(SELECT point.t AS t, point.p AS p FROM (SELECT unnest(history) AS point FROM"  # noqa: S608 - names and paths are quoted
            f" read_json(['{literal}'], columns={{history: 'STRUCT(t BIGINT, p DOUBLE)[]'}})))"
        )
    lines = f"read_json_objects(['{literal}'], format='auto', ignore_errors=true)"
    sample = db.execute(f"SELECT json FROM {lines} LIMIT {SAMPLE}").fetchall()  # noqa: S608 - names and paths are quoted
    if any(frame_messages.are_messages(text) for (text,) in sample):
        return f"(SELECT CAST(json AS VARCHAR) AS frame FROM {lines})"  # noqa: S608 - names and paths are quoted
    return f"read_json(['{literal}'], format='auto', ignore_errors=true, maximum_object_size=33554432)"


def _show(db: duckdb.DuckDBPyConnection, source: Path, shape: shapes.Shape, spill: Path) -> None:
    """What would be done, and the first rows of it."""
    said = ""
    if shape.has_frames:
        found, table = import_frames.look(db, shape.select, spill)
        said = f"of the first {import_frames.SHOWN:,} lines, rows: {found.rows:,}\n{found.said(None)}"
        header, shown = table.schema.names, [tuple(row.values()) for row in table.slice(0, SHOWN).to_pylist()]
    else:
        rows = db.execute(f"SELECT * FROM ({shape.select}) LIMIT {SHOWN}")  # noqa: S608 - names and paths are quoted
        header, shown = [column[0] for column in rows.description or []], rows.fetchall()
    mapped = ", ".join(f"{ours} from {theirs}" for ours, theirs in sorted(shape.columns.items()))
    sys.stdout.write(f"{source} is understood as {shape.name}\ncolumns: {mapped}\n{said}{', '.join(header)}\n")
    for row in shown:
        sys.stdout.write(", ".join("" if value is None else str(value)[:40] for value in row) + "\n")
    sys.stdout.write("nothing was written: a dry run\n")


def _write(
    db: duckdb.DuckDBPyConnection, source: Path, shape: shapes.Shape, written: Path, spill: Path
) -> tuple[dict[str, int], str]:
    """Write to files next to the target, count, and move them into place if they hold a usable row. What comes back:
    counts of rows, and sentences about what is no row."""
    written.parent.mkdir(parents=True, exist_ok=True)
    partial, said = written.with_name(f".{written.name}.partial.parquet"), ""
    prices, kept_prices = reference_of(partial), reference_of(written)
    out = str(partial).replace("'", "''")
    try:
        if shape.has_frames:
            said = import_frames.write(db, shape.select, partial, prices, spill).said(kept_prices)
        else:
            mark = f"KV_METADATA {{{REFERENCE_MARK}: ''}}"
            db.execute(f"COPY ({shape.select}) TO '{out}' (FORMAT parquet, {mark})")
        recording.check(partial)
        found = _counted(db, out)
        if not found["usable"]:
            raise DataError(f"{source} has {found['rows']} rows and none is usable{_left_out(found)}. {said}".strip())
        # The recording names its prices, so that a process that is killed between the two leaves none that fit badly.
        if prices.exists():
            prices.replace(kept_prices)
        else:
            kept_prices.unlink(missing_ok=True)
        partial.replace(written)
    finally:
        partial.unlink(missing_ok=True)
        prices.unlink(missing_ok=True)
    return found, said


def _counted(db: duckdb.DuckDBPyConnection, out: str) -> dict[str, int]:
    """Rows by what they are good for, as a run reads them."""
    price = "try_cast(price AS DOUBLE)"
    good = f"market_id IS NOT NULL AND timestamp IS NOT NULL AND {price} BETWEEN 0 AND 1"
    row = db.execute(
        f"SELECT count(*), count(*) FILTER ({good}), approx_count_distinct(market_id) FILTER ({good}),"  # noqa: S608 - names and paths are quoted
        f" count(*) FILTER (market_id IS NULL), count(*) FILTER (timestamp IS NULL), count(*) FILTER ({price} IS NULL),"
        f" count(*) FILTER ({price} < 0 OR {price} > 1) FROM read_parquet('{out}')"
    ).fetchone()
    assert row is not None
    names = ("rows", "usable", "markets", "no_market", "no_time", "no_price", "price_outside_0_1")
    return dict(zip(names, map(int, row), strict=True))


def _left_out(found: Mapping[str, int]) -> str:
    reasons = ("no_market", "no_time", "no_price", "price_outside_0_1")
    said = ", ".join(f"{found[name]:,} {name.replace('_', ' ')}" for name in reasons if found[name])
    return f" (left out: {said})" if said else ""

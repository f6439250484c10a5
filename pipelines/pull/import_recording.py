"""`oddsmith data import`: an archive (CSV, parquet, JSON, gzipped or not) becomes a recording, or nothing changes.

Everything streams through DuckDB within MEMORY: ten million rows take no more than one.
"""

import json
import re
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import duckdb
import pyarrow.parquet as pq

from pipelines.core.errors import DataError, ParameterError
from pipelines.pull import frame_rows, recording, shapes

FOLDER: Final = Path("data/recordings")
MEMORY: Final = "512MB"
KNOWN: Final = ("csv", "parquet", "pq", "json", "jsonl", "ndjson")
"""Endings of files that a folder is searched for."""
BATCH: Final = 50_000
"""Rows of frames in memory."""
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
    names = _pairs(columns)
    if written.exists() and not replace and not dry_run:
        raise ParameterError(f"{written} exists; add --replace, or name another file with --to")
    if not _files(source):
        raise DataError(f"{source} is no file; give the path of a CSV, parquet or JSON file, or a folder of such files")
    with tempfile.TemporaryDirectory() as spill, duckdb.connect(":memory:") as db:
        db.execute(f"SET memory_limit = '{MEMORY}'; SET preserve_insertion_order = false")
        db.execute(f"SET temp_directory = '{Path(spill) / 'rows'}'")
        try:
            shape = _open(db, source, names, about)
            if dry_run:
                _show(db, source, shape)
                return
            found = _write(db, source, shape, written)
        except duckdb.Error as error:
            said = re.sub(r"\s+", " ", str(error).splitlines()[0])
            raise DataError(f"{source} is not readable as {_kind(source)}: {said}") from None
    sys.stdout.write(
        f"read as {shape.name}\nwrote {written}: {found['usable']:,} prices of {found['markets']:,} markets from"
        f" {found['rows']:,} rows{_left_out(found)}\n"
        f"next: oddsmith run --source recorded --recording {written}\n"
    )


def _pairs(columns: Sequence[str]) -> dict[str, str]:
    """Our name -> the file's."""
    pairs = [part.partition("=") for column in columns for part in column.split(",")]
    for text, (ours, _, theirs) in zip([p for c in columns for p in c.split(",")], pairs, strict=True):
        if not ours or not theirs:
            raise ParameterError(f"--map was {text!r}; give our name and the file's, such as price=yes_price")
        if ours not in shapes.ROLES:
            raise ParameterError(f"--map was {text!r}: {ours} is no name of ours; {', '.join(shapes.ROLES)} are")
    return {ours: theirs for ours, _, theirs in pairs}


def _files(source: Path) -> list[Path]:
    """The file, or the files of a folder that have the form of its first one."""
    if not source.is_dir():
        return [source] if source.is_file() else []
    found = sorted(path for path in source.rglob("*") if path.is_file() and _kind(path).lower() in KNOWN)
    return [path for path in found if _kind(path) == _kind(found[0])]


def _kind(source: Path) -> str:
    return source.name.removesuffix(".gz").rpartition(".")[2] or "CSV"


def _open(db: duckdb.DuckDBPyConnection, source: Path, names: Mapping[str, str], about: Path | None) -> shapes.Shape:
    """A view `source` over the file, and its shape."""
    files = _files(source)
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
    sample = db.execute(f"SELECT json FROM {lines} LIMIT 1").fetchone()  # noqa: S608 - names and paths are quoted
    told = json.loads(sample[0]) if sample is not None else {}
    one = told[0] if isinstance(told, list) and told else told
    if isinstance(one, dict) and {"recv_ms", "source"} <= one.keys():  # what the recorder wrote
        return f"(SELECT json_extract(json, '$.frame') AS frame, json->>'$.frame.market' AS market_id FROM {lines})"  # noqa: S608 - as above
    if isinstance(one, dict) and "event_type" in one:
        market = "coalesce(json->>'$.market', json->>'$[0].market')"
        return f"(SELECT json AS frame, {market} AS market_id FROM {lines})"  # noqa: S608 - names and paths are quoted
    return f"read_json(['{literal}'], format='auto', ignore_errors=true, maximum_object_size=33554432)"


def _show(db: duckdb.DuckDBPyConnection, source: Path, shape: shapes.Shape) -> None:
    """What would be done, and the first rows of it."""
    rows = db.execute(f"SELECT * FROM ({shape.select}) LIMIT {SHOWN}")  # noqa: S608 - names and paths are quoted
    header = [column[0] for column in rows.description or []]
    mapped = ", ".join(f"{ours} from {theirs}" for ours, theirs in sorted(shape.columns.items()))
    sys.stdout.write(f"{source} is understood as {shape.name}\ncolumns: {mapped}\n{', '.join(header)}\n")
    for row in rows.fetchall():
        sys.stdout.write(", ".join("" if value is None else str(value)[:40] for value in row) + "\n")
    sys.stdout.write("nothing was written: a dry run\n")


def _write(db: duckdb.DuckDBPyConnection, source: Path, shape: shapes.Shape, written: Path) -> dict[str, int]:
    """Write to a file next to the target, count, and move it into place if it holds a usable row."""
    written.parent.mkdir(parents=True, exist_ok=True)
    partial = written.with_name(f".{written.name}.partial.parquet")
    out = str(partial).replace("'", "''")
    try:
        if shape.in_order:
            _stream(db, shape, partial)
        else:
            db.execute(f"COPY ({shape.select}) TO '{out}' (FORMAT parquet)")
        recording.check(partial)
        found = _counted(db, out)
        if not found["usable"]:
            raise DataError(f"{source} has {found['rows']} rows and none is usable{_left_out(found)}")
        partial.replace(written)
    finally:
        partial.unlink(missing_ok=True)
    return found


def _stream(db: duckdb.DuckDBPyConnection, shape: shapes.Shape, written: Path) -> None:
    """Rows in the order of the file, with the sizes that earlier rows tell."""
    db.execute("SET preserve_insertion_order = true")
    sizes, batches = frame_rows.Sizes(), db.sql(shape.select).to_arrow_reader(BATCH)
    with pq.ParquetWriter(written, batches.schema) as writer:
        for batch in batches:
            writer.write_batch(sizes.fill(batch))


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

"""`oddsmith data import`: a CSV or parquet file of prices becomes a recording that every other command reads."""

import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import duckdb

from pipelines.core.errors import DataError, ParameterError
from pipelines.pull import recording

FOLDER: Final = Path("data/recordings")


def run(source: Path, target: Path | None, columns: Sequence[str], *, replace: bool) -> None:
    """Write a recording made of `source` and say what it holds; `columns` are `ours=theirs` pairs.

    A recording that is not usable is not kept, and nothing that was there changes.

    Raises:
        ParameterError: if a pair is not of the form OLD=NEW, or the target exists and is not to be replaced.
        DataError: if the file is missing or unreadable, lacks a required column, or has no usable row.
    """
    written = target or FOLDER / f"{source.stem}.parquet"
    names = _pairs(columns)
    if written.exists() and not replace:
        raise ParameterError(f"{written} exists; add --replace, or name another file with --to")
    if not source.is_file():
        raise DataError(f"{source} is no file; give the path of a CSV or parquet file")
    written.parent.mkdir(parents=True, exist_ok=True)
    partial = written.with_name(f".{written.name}.partial.parquet")
    try:
        _convert(source, partial, names)
        found = recording.read(partial)
        partial.replace(written)
    except DataError as error:
        raise DataError(str(error).replace(str(partial), str(source))) from None
    finally:
        partial.unlink(missing_ok=True)
    left_out = ", ".join(f"{count:,} {reason.replace('_', ' ')}" for reason, count in found.dropped.items() if count)
    sys.stdout.write(
        f"wrote {written}: {len(found.points):,} prices of {len(found.markets):,} markets from {found.rows:,} rows"
        f"{f' (left out: {left_out})' if left_out else ''}\n"
        f"next: oddsmith run --source recorded --recording {written}\n"
    )


def _pairs(columns: Sequence[str]) -> dict[str, str]:
    pairs = [column.partition("=") for column in columns]
    for text, (ours, _, theirs) in zip(columns, pairs, strict=True):
        if not ours or not theirs:
            raise ParameterError(f"--column was {text!r}; give our name and the file's, such as price=yes_price")
    return {theirs: ours for ours, _, theirs in pairs}


def _convert(source: Path, target: Path, names: Mapping[str, str]) -> None:
    """Copy a file to parquet with some columns renamed. Every column of a CSV stays text where DuckDB is not sure."""
    with duckdb.connect(":memory:") as db:
        # A path takes no parameter inside COPY: quotes are doubled, as in any SQL literal.
        literal, out = (str(path).replace("'", "''") for path in (source, target))
        reader = f"read_parquet('{literal}')" if source.suffix == ".parquet" else f"read_csv('{literal}', header=true)"
        try:
            known = [str(row[0]) for row in db.execute(f"DESCRIBE FROM {reader}").fetchall()]
            missing = [name for name in names if name not in known]
            if missing:
                raise DataError(f"{source} has no column {', '.join(missing)}; it has {', '.join(known)}")
            chosen = ", ".join(f"{_quoted(name)} AS {_quoted(names.get(name, name))}" for name in known)
            db.execute(f"COPY (SELECT {chosen} FROM {reader}) TO '{out}' (FORMAT parquet)")  # noqa: S608 - quoted
        except duckdb.Error as error:
            said = re.sub(r"\s+", " ", str(error).splitlines()[0])
            raise DataError(f"{source} is not readable as {source.suffix.lstrip('.') or 'CSV'}: {said}") from None


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'

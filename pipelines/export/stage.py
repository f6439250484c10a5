"""Commands query and export."""

import csv
import os
import sys
from collections.abc import Iterable
from pathlib import Path

from pipelines.core import log
from pipelines.core.errors import DataError
from pipelines.export import influx, series


def query(folder: Path, sql: str) -> None:
    """Print a query's rows as CSV."""
    columns, rows = series.query(folder, sql)
    writer = csv.writer(sys.stdout)
    writer.writerow(columns)
    writer.writerows(rows)


def export(folder: Path, target: str, token: str | None) -> None:
    """Write line protocol to a file, to standard output (`-`), or to a server (a URL).

    Raises:
        DataError: if the file cannot be written.
        VenueUnavailable: if the server does not take the lines.
    """
    found = influx.lines(folder)
    if target.startswith(("http://", "https://")):
        log.get("export").info("sent", lines=influx.send(found, target, token))
        return
    if target == "-":
        sys.stdout.writelines(f"{line}\n" for line in found)
        return
    _write(Path(target), found)


def _write(path: Path, found: Iterable[str]) -> None:
    partial, count = path.with_name(f".{path.name}.partial"), 0
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with partial.open("w", encoding="utf-8") as stream:
            for count, line in enumerate(found, 1):  # noqa: B007 - the last count is the number of lines
                stream.write(f"{line}\n")
            stream.flush()
            os.fsync(stream.fileno())
        partial.replace(path)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise DataError(f"could not write {path}: {error.strerror}; nothing was changed") from None
    log.get("export").info("written", path=str(path), lines=count)

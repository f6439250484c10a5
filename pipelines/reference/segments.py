"""Reference prices of the landing zone, as `oddsmith data record` leaves them: closed segments as tables, the open one
as lines. Read by the pull and, after a restart, by the bot."""

import gzip
import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from pipelines.reference import exchange, recorded, rtds
from pipelines.reference.prices import Price

SOURCES: Final = ("rtds", "exchange")
"""Sources of lines that hold reference prices."""


def lines(segment: Path) -> Iterator[dict[str, Any]]:
    """The lines of an open segment or of a closed one (.gz); a half line at the end of a killed process is left out."""
    content = segment.read_bytes()
    for text in (gzip.decompress(content) if segment.suffix == ".gz" else content).split(b"\n"):
        try:
            row = json.loads(text) if text else None
        except ValueError:
            continue
        if isinstance(row, dict):
            yield row


def reference_prices(rows: Iterable[dict[str, Any]], *, by_message: bool = False) -> Iterator[Price]:
    """Prices of the lines that the sockets of reference prices gave, known when they arrived, or (`by_message`) when
    their message was sent."""
    for row in rows:
        frame = row.get("frame")
        if row.get("source") not in SOURCES or not isinstance(frame, Mapping):
            continue
        if row["source"] == "exchange":
            price = exchange.parse(frame, int(row["recv_ms"]))
            yield from () if price is None else (price,)
        else:
            sent_ms = rtds.number(frame.get("timestamp")) if by_message else None
            yield from rtds.parse(frame, int(row["recv_ms"] if sent_ms is None else sent_ms))


def open_prices(landing: Path, *, by_message: bool = False) -> Iterator[Price]:
    """Reference prices of the segment that is being written."""
    for segment in sorted((landing / "frames").glob("*.jsonl")):
        yield from reference_prices(lines(segment), by_message=by_message)


def prices(landing: Path, from_ms: int, to_ms: int, *, by_message: bool = False) -> list[Price]:
    """Prices that became known in [from_ms, to_ms], in no order.

    A segment lies in the folder of the wall day on which it began; with `by_message` the venue has a clock of its own,
    and every segment is read.
    """
    first = "" if by_message else datetime.fromtimestamp(max(from_ms / 1_000 - 86_400, 0), UTC).strftime("day=%Y-%m-%d")
    files = sorted(path for path in (landing / "reference").glob("day=*/*.parquet") if path.parent.name >= first)
    found = [one for file in files for one in recorded.read(file)]
    found += open_prices(landing, by_message=by_message)
    return [one for one in found if from_ms <= one.known_ms <= to_ms]

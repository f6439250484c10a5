"""Segments of frames and the reference prices in them, as `oddsmith data record` leaves them: closed segments as
tables, the open one as lines. Read by the pull and, after a restart, by the bot."""

import gzip
import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from pipelines.reference import exchange, recorded, rtds
from pipelines.reference.fields import known_ms
from pipelines.reference.prices import Price

SOURCES: Final = ("rtds", "exchange")
"""Sources of lines that hold reference prices."""
RECORDER: Final = "recorder"
"""The source of a gap that concerns every source."""
SEGMENT_S: Final = 600
"""How much time a segment holds before the next one begins."""
ROTATES_WITHIN_S: Final = 2.0
"""A recorder that rotates writes the next line within this time; one that starts again needs longer to connect."""
STALLED_S: Final = 90.0
"""Silent sockets are replaced, and a line says so, long before this: a recorder without a line for as long did not
run."""


def lines(segment: Path) -> Iterator[dict[str, Any]]:
    """The lines of an open segment or of a closed one (.gz).

    A half line at the end of a killed process is left out. What else cannot be read is a gap of every source: nobody
    knows what it said. An open segment that was closed in the meantime is read where it lies now.
    """
    *whole, last = _content(segment).split(b"\n")
    for text in filter(None, whole):
        row = _row(text)
        yield {"source": RECORDER, "gap": "an unreadable line"} if row is None else row
    if (row := _row(last)) is not None:
        yield row


def _content(segment: Path) -> bytes:
    try:
        content = segment.read_bytes()
    except FileNotFoundError:
        closed = next(segment.parent.glob(f"day=*/{segment.name}.gz"), None)
        if closed is None:
            raise
        segment, content = closed, closed.read_bytes()
    return gzip.decompress(content) if segment.suffix == ".gz" else content


def _row(text: bytes) -> dict[str, Any] | None:
    try:
        row = json.loads(text) if text else None
    except (ValueError, RecursionError):
        return None
    return row if isinstance(row, dict) else None


def ordered(frames: Path) -> list[tuple[int, Path]]:
    """Open and closed segments of a folder with their starts in ms, in the order of time, each once."""
    # The open ones first: one that is closed between the two looks is found by the second.
    found = [*frames.glob("*.jsonl"), *frames.glob("day=*/*.jsonl.gz")]
    by_start = {int(path.name.split(".")[0]): path for path in found}
    return sorted(by_start.items())


class Continuity:
    """Tells where the lines of segments, read one after the other, do not go on from those before.

    The first line of a segment names the process that wrote it and the number of the segment in that process. Where it
    names none (recordings of before 0.2.0), a segment goes on only if the one before had lasted its time and ended just
    before.
    """

    def __init__(self) -> None:
        self._writer: tuple[Any, Any] = (None, None)
        self._began_ms: float | None = None
        self._last_ms: float | None = None

    def rows(self, segment: Iterable[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
        """The lines of a segment, with a gap of the source RECORDER before a line that follows an unknown time."""
        is_first = True
        for row in segment:
            now_ms = _arrived_ms(row)
            if is_first or "process" in row:
                if not self._goes_on(row, now_ms):
                    yield {"recv_ms": now_ms, "source": RECORDER, "gap": "another recorder, or one that began again"}
                is_first, self._began_ms = False, now_ms
            elif now_ms and self._last_ms and now_ms - self._last_ms > STALLED_S * 1_000:
                yield {"recv_ms": now_ms, "source": RECORDER, "gap": "the recorder did not run"}
            self._last_ms = self._last_ms if now_ms is None else now_ms
            yield row

    def _goes_on(self, row: Mapping[str, Any], now_ms: float | None) -> bool:
        before, self._writer = self._writer, (row.get("process"), row.get("segment"))
        process, number = self._writer
        if now_ms is None or self._began_ms is None or self._last_ms is None or process != before[0]:
            return False
        if process is not None:
            is_next = isinstance(number, int) and before[1] == number - 1
            return is_next and now_ms - self._last_ms <= STALLED_S * 1_000
        lasted_s, quiet_s = (now_ms - self._began_ms) / 1_000, (now_ms - self._last_ms) / 1_000
        return lasted_s >= SEGMENT_S and 0.0 <= quiet_s <= ROTATES_WITHIN_S


def _arrived_ms(row: Mapping[str, Any]) -> float | None:
    found = row.get("recv_ms")
    return found if isinstance(found, int | float) else None


def reference_prices(rows: Iterable[dict[str, Any]], *, by_message: bool = False) -> Iterator[Price]:
    """Prices of the lines that the sockets of reference prices gave, known when they arrived, or (`by_message`) when
    their message was sent."""
    for row in rows:
        frame = row.get("frame")
        if row.get("source") not in SOURCES or not isinstance(frame, Mapping):
            continue
        arrived_ms = int(row["recv_ms"])
        if row["source"] == "exchange":
            price = exchange.parse(frame, known_ms(exchange.sent(frame), arrived_ms, by_message=by_message))
            yield from () if price is None else (price,)
        else:
            yield from rtds.parse(frame, known_ms(rtds.sent(frame), arrived_ms, by_message=by_message))


def open_prices(landing: Path, *, by_message: bool = False) -> Iterator[Price]:
    """Reference prices of the segment that is being written, and of those that are being closed."""
    for segment in sorted((landing / "frames").glob("*.jsonl")):
        yield from reference_prices(lines(segment), by_message=by_message)


def prices(landing: Path, from_ms: int, to_ms: int, *, by_message: bool = False) -> list[Price]:
    """Prices that became known in [from_ms, to_ms], each once, in no order.

    A segment lies in the folder of the wall day on which it began; with `by_message` the venue has a clock of its own,
    and every segment is read.
    """
    first = "" if by_message else datetime.fromtimestamp(max(from_ms / 1_000 - 86_400, 0), UTC).strftime("day=%Y-%m-%d")
    # The open segment first: one that is closed between the two looks is found by the second.
    found = list(open_prices(landing, by_message=by_message))
    files = sorted(path for path in (landing / "reference").glob("day=*/*.parquet") if path.parent.name >= first)
    found += [one for file in files for one in recorded.read(file)]
    return [one for one in dict.fromkeys(found) if from_ms <= one.known_ms <= to_ms]

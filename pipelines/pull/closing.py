"""A segment that is complete is compressed into its place, by a process of its own: it takes seconds, in which the
recorder goes on."""

import fcntl
import gzip
import os
import sys
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from subprocess import Popen
from typing import Final

import msgspec
import pyarrow.parquet as pq

from pipelines.core.artifacts import write_bytes
from pipelines.reference import recorded
from pipelines.reference.segments import lines, reference_prices

_CODE: Final = Path(__file__).resolve().parents[2]


def close(segment: Path, landing: Path, *, by_message: bool = False) -> None:
    """Compress a segment, write its reference prices, and only then remove it: whatever stops this, nothing is lost.

    Of two processes that close one segment the second waits, and finds nothing left to do.
    """
    try:
        held = segment.open("rb")
    except FileNotFoundError:
        return
    with held:
        fcntl.flock(held, fcntl.LOCK_EX)
        if segment.exists():
            _close(segment, landing, by_message=by_message)


def _close(segment: Path, landing: Path, *, by_message: bool) -> None:
    day = datetime.fromtimestamp(int(segment.stem) / 1_000, UTC).strftime("%Y-%m-%d")
    rows = list(lines(segment))
    whole = b"".join(msgspec.json.encode(row) + b"\n" for row in rows)
    write_bytes(landing / "frames" / f"day={day}" / f"{segment.stem}.jsonl.gz", gzip.compress(whole))
    prices = list(reference_prices(rows, by_message=by_message))
    if prices:
        target = landing / "reference" / f"day={day}" / f"{segment.stem}.parquet"
        target.parent.mkdir(parents=True, exist_ok=True)
        partial = target.with_suffix(".partial")
        pq.write_table(recorded.table(prices), partial)
        partial.replace(target)
    segment.unlink()


def started(segments: Iterable[Path], landing: Path, *, by_message: bool) -> Popen[bytes]:
    """A process that closes these segments. Ctrl-C in the recorder's terminal does not reach it."""
    path = os.pathsep.join(filter(None, [str(_CODE), os.environ.get("PYTHONPATH")]))
    words = ["by-message" if by_message else "on-arrival", str(landing), *map(str, segments)]
    command = [sys.executable, "-m", "pipelines.pull.closing", *words]
    return Popen(command, env=os.environ | {"PYTHONPATH": path}, start_new_session=True)


def main(known: str, landing: str, *segments: str) -> None:
    """Close segments, behind everything else that the machine has to do."""
    os.nice(10)
    for one in segments:
        close(Path(one), Path(landing), by_message=known == "by-message")


if __name__ == "__main__":
    main(*sys.argv[1:])

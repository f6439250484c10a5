"""Logs of the parts of a run in `var/logs`: kept over starts, and never larger than a few files of a fixed size.

A part writes through a descriptor that it was started with, so a full log is copied and emptied, not renamed.
"""

import shutil
from contextlib import suppress
from pathlib import Path
from typing import IO, Final

LIMIT_BYTES: Final = 20_000_000
KEPT: Final = 4
"""Older files of a log: NAME.log.1 is the newest of them."""


def begin(path: Path) -> IO[bytes]:
    """A log to write to, empty; what an earlier run wrote is NAME.log.1. Appending, so that emptying it is seen."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists() and path.stat().st_size:
        _make_room(path)
        path.replace(_older(path, 1))
    return path.open("ab")


def rotate(folder: Path, limit: int = LIMIT_BYTES) -> list[Path]:
    """Copy the logs of a folder that are larger than the limit to NAME.log.1, and empty them; which they were.

    A disk that is full keeps nothing running: such a log is emptied all the same.
    """
    full = [path for path in sorted(folder.glob("*.log")) if path.stat().st_size > limit]
    for path in full:
        with suppress(OSError):
            _make_room(path)
            shutil.copyfile(path, _older(path, 1))
        with path.open("r+b") as stream:
            stream.truncate(0)
    return full


def _make_room(path: Path) -> None:
    """Move NAME.log.1 to .2 and so on; the oldest is dropped."""
    for number in range(KEPT, 0, -1):
        older = _older(path, number)
        if not older.exists():
            continue
        if number == KEPT:
            older.unlink()
        else:
            older.replace(_older(path, number + 1))


def _older(path: Path, number: int) -> Path:
    return path.with_name(f"{path.name}.{number}")

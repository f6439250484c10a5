"""Room on the disk that is kept for the journal, so that what is held can still be sold when the disk is full.

A file next to the SQLite journal takes the room while there is some. When the disk is (almost) full the file is removed
and the journal takes its place at once: half as free pages of the database, half as a write-ahead log of that size.
Neither shrinks, so whatever fills the disk cannot take it any more. From then on only what selling needs is written.
"""

import os
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Engine, event, make_url

from pipelines.core import log

SIZE: Final = 32 * 1024 * 1024
"""Bytes that are kept. 2,000 sales with their answers and fills took 1.9 MB of the database, so that half of them serve
more than 10,000 (`tests/serving/test_serving_reserve.py`)."""

LOW: Final = 2 * 1024 * 1024
"""Bytes left on the disk at which the reserve is given to the journal."""

ENOUGH: Final = 4
"""The reserve is taken (again) where so many times its size is free."""

_log = log.get("reserve")


class Reserve:
    """The reserve of one SQLite journal. `used` says that the journal has it, so that only sales may be written."""

    def __init__(self, journal: Path, size: int) -> None:
        self._journal = journal
        self._path = journal.with_name(f"{journal.name}.reserve")
        self._size = size
        self._claim_due = False
        self.used = False
        self.renew()

    @classmethod
    def of(cls, url: str, size: int) -> "Reserve | None":
        """The reserve of a journal; None where it is no file: a server's disk is its own."""
        parsed = make_url(url)
        if parsed.get_backend_name() != "sqlite" or parsed.database in (None, "", ":memory:"):
            return None
        journal = Path(str(parsed.database))
        journal.parent.mkdir(parents=True, exist_ok=True)
        return cls(journal, size)

    def _free(self) -> int:
        found = os.statvfs(self._journal.parent)
        return found.f_bavail * found.f_frsize

    def renew(self) -> None:
        """Take the reserve where there is room for it, and give it to the journal where there is none left."""
        held = self._path.is_file() and self._path.stat().st_size == self._size
        if self._free() > ENOUGH * self._size:
            self.used = self._claim_due = False
            if not held:
                self._take()
        elif self._free() < LOW and not self.used:
            self.give()

    def _take(self) -> None:
        try:
            with self._path.open("wb") as file:
                os.posix_fallocate(file.fileno(), 0, self._size)
        except OSError as error:
            self._path.unlink(missing_ok=True)
            _log.warning("no reserve on the disk", error=str(error))

    def give(self) -> None:
        """Give the reserve to the journal, now or at its next transaction."""
        self.used = True
        if self._path.is_file():
            self._path.unlink()
            self._claim_due = True
        _log.error("THE DISK IS FULL: the reserve is used, nothing is bought", folder=str(self._journal.parent))

    def watch(self, engine: Engine) -> None:
        """Look at the disk before each transaction of the journal, and at errors that say that it is full."""
        event.listen(engine, "begin", lambda _: self._before())
        event.listen(engine, "handle_error", self._failed)

    def _before(self) -> None:
        if self._free() < LOW and not self.used:
            self.give()
        if self._claim_due:
            self._claim_due = False
            self._claim()

    def _failed(self, context: Any) -> None:
        if "disk is full" in str(context.original_exception) and not self.used:
            self.give()

    def _claim(self) -> None:
        """Turn the room into free pages of the database and a log as long as they are."""
        try:
            with closing(sqlite3.connect(self._journal, timeout=5.0)) as db:
                db.execute("PRAGMA wal_autocheckpoint=0")
                db.execute("PRAGMA secure_delete=OFF")
                db.execute("CREATE TABLE IF NOT EXISTS room (bytes)")
                db.execute("INSERT INTO room VALUES (zeroblob(?))", (self._size // 2 - LOW,))
                db.commit()
                db.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
                db.execute("DROP TABLE room")
                db.commit()
                # The next transaction writes from the beginning of the log, which starts over at 4 MB from then on.
                db.execute("PRAGMA wal_checkpoint(RESTART)").fetchall()
        except sqlite3.Error as error:
            _log.error("the journal could not take its reserve", error=str(error))

    @property
    def reduce_only(self) -> str:
        """Why nothing is bought; empty while the disk has room."""
        if not self.used:
            return ""
        return f"the disk of {self._journal.parent} is full: only sales are journaled; make room"

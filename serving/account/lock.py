"""One bot per journal: an exclusive lock that the operating system or the database drops when the process dies."""

import fcntl
import os
from pathlib import Path
from typing import IO, Protocol

from sqlalchemy import Connection, Engine, text

from pipelines.core.errors import AlreadyRunning

_ADVISORY_KEY = 0x6F646473  # "odds": one lock per database


class Lock(Protocol):
    """Held from its making until `release`."""

    def release(self) -> None:
        """Let the next bot in."""
        ...


class FileLock:
    """`flock` on a file next to a SQLite journal.

    Raises:
        AlreadyRunning: if another process holds it.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._stream: IO[str] = path.open("a+", encoding="utf-8")
        try:
            fcntl.flock(self._stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._stream.seek(0)
            owner = self._stream.read().strip() or "unknown"
            self._stream.close()
            raise AlreadyRunning(
                f"the journal {path.with_suffix('')} is locked by process {owner}: another bot trades with it; "
                "stop that one first, or give this one another ODDSMITH_JOURNAL_URL"
            ) from None
        self._stream.truncate(0)
        self._stream.write(str(os.getpid()))
        self._stream.flush()

    def release(self) -> None:
        """Let the next bot in."""
        self._stream.close()


class AdvisoryLock:
    """A PostgreSQL session lock on a connection of its own.

    Raises:
        AlreadyRunning: if another session holds it.
    """

    def __init__(self, engine: Engine) -> None:
        self._connection: Connection = engine.connect().execution_options(isolation_level="AUTOCOMMIT")
        held = self._connection.execute(text("select pg_try_advisory_lock(:key)"), {"key": _ADVISORY_KEY}).scalar()
        if not held:
            self._connection.close()
            raise AlreadyRunning(
                f"the journal {engine.url.render_as_string(hide_password=True)} is locked by another session: another "
                "bot trades with it; stop that one first, or give this one another ODDSMITH_JOURNAL_URL"
            )

    def release(self) -> None:
        """Let the next bot in."""
        self._connection.invalidate()
        self._connection.close()


def acquire(engine: Engine) -> Lock:
    """The lock that fits the database behind the journal.

    Raises:
        AlreadyRunning: if another process holds it.
    """
    if engine.dialect.name == "postgresql":
        return AdvisoryLock(engine)
    return FileLock(Path(f"{engine.url.database}.lock"))

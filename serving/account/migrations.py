"""The version of the journal's tables, and the way from an older one: a copy first, then one transaction.

Version 1 is what oddsmith 0.1 wrote, which kept no number. A journal is migrated by the program that holds its lock.
"""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sqlalchemy import Connection, Engine, func, inspect, select, text
from sqlalchemy.exc import SQLAlchemyError

from pipelines.core import log
from pipelines.core.artifacts import private_folder
from pipelines.core.errors import ArtifactError
from serving.account import schema

VERSION: Final = 3
"""What this program reads and writes."""

_log = log.get("journal")


@dataclass(frozen=True, slots=True)
class Migrated:
    """What a migration did: from which version, and where the copy of the former journal is."""

    before: int
    after: int
    copy: str


def version_of(engine: Engine) -> int:
    """The version of a journal's tables; 0 where there are none yet."""
    tables = set(inspect(engine).get_table_names())
    if schema.SESSIONS.name not in tables:
        return 0
    if schema.VERSIONS.name not in tables:
        return 1
    with engine.connect() as db:
        return int(db.execute(select(func.max(schema.VERSIONS.c.version))).scalar() or 1)


def check(engine: Engine) -> None:
    """Whether this program may read and write a journal as it is.

    Raises:
        ArtifactError: naming both versions and what to do.
    """
    found = version_of(engine)
    refuse_newer(found)
    if found < VERSION:
        raise ArtifactError(
            f"the journal has schema {found}, this program needs {VERSION}; run `oddsmith upgrade` once"
        )


def refuse_newer(found: int) -> None:
    """Refuse the schema of a program that is newer than this one.

    Raises:
        ArtifactError: naming both versions and what to do.
    """
    if found > VERSION:
        raise ArtifactError(
            f"the journal has schema {found}, this program knows {VERSION}: a newer oddsmith wrote it; use that "
            "version, or the copy in the folder `backups` next to the journal (docs/upgrading.md)"
        )


def bring_up(engine: Engine) -> Migrated | None:
    """Make the tables of a new journal, or migrate an older one; the caller holds the journal's lock.

    Returns what was migrated, None where nothing was. A migration that fails leaves the journal as it was.

    Raises:
        ArtifactError: if the journal is newer than this program, or cannot be copied or migrated.
    """
    before = version_of(engine)
    if before == VERSION:
        return None
    refuse_newer(before)
    try:
        if before == 0:
            schema.METADATA.create_all(engine)
            with engine.begin() as db:
                _stamp(db)
            return None
        copy = _copy(engine, before)
        schema.VERSIONS.create(engine, checkfirst=True)
        with engine.begin() as db:
            # A first statement that writes: SQLite's driver opens no transaction for changes of tables alone.
            _stamp(db)
            for step in _STEPS[before - 1 :]:
                step(db)
    except (SQLAlchemyError, OSError) as error:
        reason = str(getattr(error, "orig", error)).strip().splitlines()[0]
        raise ArtifactError(
            f"the journal could not be migrated from schema {before}: {reason}; it is as it was"
        ) from None
    _log.warning("journal migrated", before=before, after=VERSION, copy=copy)
    return Migrated(before, VERSION, copy)


def _stamp(db: Connection) -> None:
    # Two programs may make the tables of one new journal at the same time.
    statement = text("INSERT INTO journal_schema (version, wall_ms) VALUES (:version, :wall_ms) ON CONFLICT DO NOTHING")
    db.execute(statement, {"version": VERSION, "wall_ms": time.time_ns() // 1_000_000})


def _copy(engine: Engine, before: int) -> str:
    """A whole copy of the journal: a file next to it, in PostgreSQL a schema with the same tables."""
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    if engine.dialect.name == "postgresql":
        name = f"journal_schema{before}_{stamp.lower()}"
        with engine.begin() as db:
            tables = inspect(db).get_table_names()
            db.execute(text(f'CREATE SCHEMA "{name}"'))
            for table in tables:
                db.execute(text(f'CREATE TABLE "{name}"."{table}" AS TABLE "{table}"'))
        return f"schema {name} of the database"
    folder = Path(str(engine.url.database)).parent / "backups"
    private_folder(folder)
    final = folder / f"journal-schema{before}-{stamp}.sqlite"
    partial = final.with_suffix(".partial")
    partial.unlink(missing_ok=True)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as db:
        db.execute(text("VACUUM INTO :path"), {"path": str(partial)})
    partial.chmod(0o600)
    with partial.open("rb") as stream:
        os.fsync(stream.fileno())
    partial.replace(final)
    return str(final)


def _to_2(db: Connection) -> None:
    """States of fills, named cash, decided markets, the funnel, and what people ask while it runs."""
    schema.METADATA.create_all(db)
    if schema.REQUESTS.c.argument.name not in {column["name"] for column in inspect(db).get_columns("requests")}:
        db.execute(text("ALTER TABLE requests ADD COLUMN argument TEXT NOT NULL DEFAULT ''"))


def _to_3(db: Connection) -> None:
    """Turns between two bars, and the orders that belong to them."""
    schema.METADATA.create_all(db)
    if schema.ORDERS.c.after_ms.name not in {column["name"] for column in inspect(db).get_columns("orders")}:
        db.execute(text("ALTER TABLE orders ADD COLUMN after_ms BIGINT NOT NULL DEFAULT 0"))


_STEPS: Final[tuple[Callable[[Connection], None], ...]] = (_to_2, _to_3)
"""The step at place n leads from version n + 1 to the next. Each can be repeated."""

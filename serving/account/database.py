"""The database under the journal: SQLite with durable commits, or PostgreSQL; both answer the same statements."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from sqlalchemy import (
    Connection,
    Dialect,
    Engine,
    Executable,
    Select,
    Table,
    TextClause,
    bindparam,
    create_engine,
    event,
    make_url,
    select,
    text,
    update,
)
from sqlalchemy.exc import ArgumentError, SQLAlchemyError
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.schema import ScalarElementColumnDefault

from pipelines.core.errors import ArtifactError, SettingError
from serving.account import migrations

make_engine: Callable[..., Engine] = create_engine
"""What opens a database. A drill of thousands of journals compiles their statements once."""


def default_url(var: Path) -> str:
    """URL of the SQLite journal of a machine."""
    return f"sqlite:///{(var / 'journal.sqlite').absolute()}"


def connect(url: str) -> Engine:
    """An engine with durable commits; creates the folder of a SQLite file, and the tables of a new journal.

    Raises:
        SettingError: if the URL cannot be read, or names another kind of database.
        ArtifactError: if the database does not answer or cannot be written.
    """
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        raise SettingError(
            "ODDSMITH_JOURNAL_URL is not a database URL; use sqlite:///var/journal.sqlite or "
            "postgresql://user:password@host/database"
        ) from None
    kind = parsed.get_backend_name()
    if kind not in ("sqlite", "postgresql"):
        raise SettingError(f"ODDSMITH_JOURNAL_URL names a {kind} database; the journal runs on sqlite and postgresql")
    if kind == "postgresql":
        parsed = parsed.set(drivername="postgresql+psycopg")
    # A connection to a server may have died unseen; asking a file first would only delay every statement.
    engine = make_engine(parsed, pool_pre_ping=kind == "postgresql")
    try:
        if kind == "sqlite":
            Path(str(parsed.database)).parent.mkdir(parents=True, exist_ok=True)
            event.listen(engine, "connect", _prepare_sqlite)
        if migrations.version_of(engine) == 0:
            migrations.bring_up(engine)
    except (SQLAlchemyError, OSError) as error:
        reason = str(getattr(error, "orig", error)).strip().splitlines()[0]
        shown = parsed.render_as_string(hide_password=True)
        raise ArtifactError(f"the journal {shown} cannot be opened: {reason}; check ODDSMITH_JOURNAL_URL") from None
    return engine


def _prepare_sqlite(connection: Any, _record: object) -> None:
    cursor = connection.cursor()
    for pragma in ("busy_timeout=5000", "journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


@contextmanager
def with_the_next(engine: Engine) -> Iterator[Connection]:
    """A transaction without a flush of its own. A crash of the process loses nothing of it; what a loss of power could
    take is safe with the next transaction, because the log of SQLite is one file that is flushed as a whole."""
    sqlite = engine.dialect.name == "sqlite"
    with engine.connect() as db:
        if sqlite:
            db.exec_driver_sql("PRAGMA synchronous=NORMAL")
        try:
            yield db
            db.commit()
        finally:
            db.rollback()
            if sqlite:
                db.exec_driver_sql("PRAGMA synchronous=FULL")


def driver_rows(db: Connection, statement: Select[Any], parameters: Mapping[str, Any]) -> list[Any]:
    """Rows as the driver itself gives them, without the types of the schema: for a question that is asked between a
    price and its order, where SQLAlchemy's work on a statement takes longer than the database's. The driver raises its
    own errors."""
    compiled = _compiled(statement, db.dialect)
    values = compiled.construct_params(dict(parameters))
    asked = tuple(values[name] for name in compiled.positiontup) if compiled.positiontup is not None else values
    driver: Any = db.connection.driver_connection
    rows: list[Any] = driver.execute(str(compiled), asked).fetchall()
    return rows


@cache
def _compiled(statement: Select[Any], dialect: Dialect) -> SQLCompiler:
    made = statement.compile(dialect=dialect)
    assert isinstance(made, SQLCompiler)
    return made


def insert_once(db: Connection, table: Table, row: Mapping[str, Any]) -> bool:
    """Insert a row unless its key is there; whether it was inserted."""
    whole = _with_defaults(table, row)
    return db.execute(_inserting_once(table, tuple(whole)), whole).first() is not None


def put(db: Connection, table: Table, *rows: Mapping[str, Any]) -> None:
    """Insert rows of the same columns, or replace those with their keys."""
    if rows:
        db.execute(_upserting(table, tuple(rows[0]), adds=False), [dict(row) for row in rows])


def add(db: Connection, table: Table, *rows: Mapping[str, Any]) -> None:
    """Insert rows of the same columns, or add their numbers to those of the rows with their keys."""
    if rows:
        db.execute(_upserting(table, tuple(rows[0]), adds=True), [dict(row) for row in rows])


def _with_defaults(table: Table, row: Mapping[str, Any]) -> dict[str, Any]:
    missing = {column.name: column.default for column in table.columns if column.name not in row}
    return {**{name: one.arg for name, one in missing.items() if isinstance(one, ScalarElementColumnDefault)}, **row}


# A statement costs more to build than to run, so each is built once. What both dialects say about conflicts is written
# as text: SQLAlchemy compiles its own constructs for it anew at every execution.


@cache
def _inserting_once(table: Table, names: tuple[str, ...]) -> TextClause:
    # The row count of an insert is not reliable with every driver; a returned key is.
    keys = ", ".join(f'"{column.name}"' for column in table.primary_key)
    return _inserting(table, names, f"ON CONFLICT DO NOTHING RETURNING {keys}")


@cache
def _upserting(table: Table, names: tuple[str, ...], *, adds: bool) -> TextClause:
    keys = [column.name for column in table.primary_key]
    before = '"{table}"."{name}" + ' if adds else ""
    rest = (
        f'"{name}" = {before.format(table=table.name, name=name)}excluded."{name}"'
        for name in names
        if name not in keys
    )
    on = ", ".join(f'"{key}"' for key in keys)
    return _inserting(table, names, f"ON CONFLICT ({on}) DO UPDATE SET {', '.join(rest)}")


def _inserting(table: Table, names: tuple[str, ...], conflict: str) -> TextClause:
    columns, values = ", ".join(f'"{name}"' for name in names), ", ".join(f":{name}" for name in names)
    sql = f'INSERT INTO "{table.name}" ({columns}) VALUES ({values}) {conflict}'  # noqa: S608 - names of the schema
    return text(sql).bindparams(*(bindparam(name, type_=table.c[name].type) for name in names))


@cache
def updating(table: Table, key: str, names: tuple[str, ...]) -> Executable:
    """A statement that sets columns of the rows of an account where `key` is the parameter `this`."""
    where = (table.c.account == bindparam("of_account")) & (table.c[key] == bindparam("this"))
    return update(table).where(where).values({name: bindparam(f"new_{name}") for name in names})


def set_columns(db: Connection, table: Table, account: str, key: tuple[str, Any], values: Mapping[str, Any]) -> None:
    """Set columns of the rows of an account whose column `key[0]` is `key[1]`."""
    parameters = {"of_account": account, "this": key[1]} | {f"new_{name}": value for name, value in values.items()}
    db.execute(updating(table, key[0], tuple(values)), parameters)


@cache
def selecting(table: Table, order: str, *, newest: bool, limited: bool) -> Select[Any]:
    """A statement that gives the rows of an account by a column, at most `most` where it is `limited`."""
    column = table.c[order].desc() if newest else table.c[order]
    query = select(table).where(table.c.account == bindparam("of_account")).order_by(column)
    return query.limit(bindparam("most")) if limited else query

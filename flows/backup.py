"""One archive of what only this machine has: `oddsmith backup` while it runs, `restore` while it does not.

In it: journal, champions, trials, MLflow's database and artifacts, landing zone, installed bentos, paid scores of
headlines. Not in it: logs, Prefect's history, checkpoints, what benchmarks made, what DVC's remote holds,
secrets. A PostgreSQL journal has the database's own backups.
"""

import fcntl
import gzip
import itertools
import shutil
import sqlite3
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from backports import tarfile

from flows.bucket import Store
from pipelines.core.artifacts import private_folder, write_bytes
from pipelines.core.errors import AlreadyRunning, ArtifactError
from pipelines.core.settings import Settings

LEFT_OUT = frozenset(
    {
        *("service.token", "prefect.auth"),
        *(
            "logs",
            "prefect",
            "checkpoints",
            "backups",
            "stack.json",
            "run.json",
            "service.json",
            "alive.json",
            "silence.json",
        ),
        *("benchmarks", "evaluate", "forecasters", "league", "peers", "stacks"),
    }
)
"""Entries of var/ that are secrets or history of this machine alone, or can be made again."""
MAX_ENTRIES = 1_000_000
MAX_RATIO = 200
MIN_LIMIT = 2**30
"""A backup unpacks to at most a gigabyte or 200 times its size, whichever is more."""
_PIECES_OF_DATABASES = ("-wal", "-shm", "-journal", ".lock", ".reserve")
_SQLITE_HEADER = b"SQLite format 3\0"


def backup(settings: Settings, keep: int) -> Path:
    """Write var/backups/<UTC time>.tar.gz, keep the newest `keep` of them, copy it to the store if there is one.

    Databases are copied by SQLite itself, so a running bot neither waits nor ends up half in the archive.

    Raises:
        ArtifactError: if there is nothing to keep, or the archive cannot be written.
    """
    files = list(_kept_files(settings.var))
    if not files:
        raise ArtifactError(f"{settings.var} holds nothing to back up; set ODDSMITH_VAR to the folder of the system")
    folder = settings.var / "backups"
    private_folder(folder)
    archive = _unused(folder, f"{_now()}{{}}.tar.gz")
    partial = archive.with_suffix(".partial")
    try:
        _write(partial, settings.var, files)
        partial.chmod(0o600)
        partial.replace(archive)
    except (OSError, sqlite3.Error, tarfile.TarError) as error:
        partial.unlink(missing_ok=True)
        raise ArtifactError(f"{archive} could not be written: {error}; older backups are untouched") from error
    for old in sorted(folder.glob("*.tar.gz"))[:-keep]:
        old.unlink()
    if settings.store_url:
        Store.of(settings).put(f"backups/{archive.name}", archive.read_bytes())
    return archive


def _kept_files(var: Path) -> Iterator[Path]:
    for path in sorted(var.rglob("*")):
        inside = path.relative_to(var)
        if inside.parts[0] in LEFT_OUT or inside.parts[0].startswith("before-restore-") or not _is_plain(path):
            continue
        if not path.name.endswith(_PIECES_OF_DATABASES) and ".partial" not in path.name:
            yield path


def _is_plain(path: Path) -> bool:
    """A file, not a link: a link may point outside the folder, and no archive with such a link is restored."""
    return path.is_file() and not path.is_symlink()


def _write(archive: Path, var: Path, files: list[Path]) -> None:
    with tarfile.open(archive, "w:gz") as tar, tempfile.TemporaryDirectory() as scratch:
        for path in files:
            content = _settled(path, Path(scratch)) if _is_database(path) else path
            tar.add(content, arcname=path.relative_to(var).as_posix(), recursive=False)


def _is_database(path: Path) -> bool:
    """By content: other programs give their files the suffix .db too (the metrics of a service)."""
    with path.open("rb") as stream:
        return stream.read(len(_SQLITE_HEADER)) == _SQLITE_HEADER


def _settled(database: Path, scratch: Path) -> Path:
    """A consistent copy of a database that may be in use."""
    copy = scratch / database.name
    copy.unlink(missing_ok=True)
    with (
        closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as source,
        closing(sqlite3.connect(copy)) as out,
    ):
        source.backup(out)
    return copy


def restore(settings: Settings, archive: Path) -> Path:
    """Put an archive's content into var/; the folder that now holds what was there before.

    Raises:
        AlreadyRunning: if a bot or `make run` uses var/.
        ArtifactError: if the archive is missing, damaged or no backup; nothing was changed then.
    """
    var = settings.var
    var.mkdir(parents=True, exist_ok=True)
    _refuse_while_running(var)
    with tempfile.TemporaryDirectory(dir=var, prefix=".restore-") as scratch:
        fresh = Path(scratch)
        try:
            _check_members(archive, var)
            with tarfile.open(archive, "r:gz") as tar:
                tar.extractall(fresh, filter="data")
        except (OSError, EOFError, zlib.error, tarfile.TarError) as error:
            raise ArtifactError(f"{archive} is no whole backup: {error}; nothing was changed") from error
        aside = _unused(var, f"before-restore-{_now()}{{}}")
        aside.mkdir(mode=0o700)
        for entry in [path for path in var.iterdir() if _replaced(path)]:
            entry.replace(aside / entry.name)
        for entry in fresh.iterdir():
            entry.replace(var / entry.name)
    return aside


def _check_members(archive: Path, var: Path) -> None:
    """Refuse what `backup` does not write (links, devices, names that lead outside) and more than the disk holds.

    Raises:
        ArtifactError: naming the entry; nothing was written.
    """
    limit = min(shutil.disk_usage(var).free, max(MIN_LIMIT, MAX_RATIO * archive.stat().st_size))
    _read_through(archive, limit)
    total = 0
    with tarfile.open(archive, "r:gz") as tar:
        for count, member in enumerate(tar):
            if not (member.isfile() or member.isdir()):
                raise ArtifactError(f"{archive} holds {member.name!r}, a link or device; nothing was changed")
            if member.name.startswith("/") or ".." in Path(member.name).parts:
                raise ArtifactError(f"{archive} holds {member.name!r}, which leads out of it; nothing was changed")
            total += member.size
            if total > limit or count >= MAX_ENTRIES:
                raise _too_much(archive, limit)


def _read_through(archive: Path, limit: int) -> None:
    """Read to the end, where the checksum of the whole is: a reader of tar stops before it, and takes headers of any
    length into memory."""
    total = 0
    with gzip.open(archive) as stream:
        while piece := stream.read(2**20):
            total += len(piece)
            if total > limit:
                raise _too_much(archive, limit)


def _too_much(archive: Path, limit: int) -> ArtifactError:
    return ArtifactError(
        f"{archive} would unpack to more than {limit / 1e6:,.0f} MB or {MAX_ENTRIES:,} entries: no backup "
        "of ours, or a disk that is too full; nothing was changed"
    )


def _now() -> str:
    return f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}"


def _unused(folder: Path, pattern: str) -> Path:
    """The first path of a pattern that is not there yet: two in one second get a number each."""
    names = itertools.chain([""], (f"_{number:02}" for number in itertools.count(2)))
    return next(path for name in names if not (path := folder / pattern.format(name)).exists())


def _replaced(path: Path) -> bool:
    return path.name not in LEFT_OUT and not path.name.startswith((".restore-", "before-restore-"))


def _refuse_while_running(var: Path) -> None:
    for lock in var.glob("*.lock"):
        with lock.open("a") as stream:
            try:
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise AlreadyRunning(f"{lock} is held: stop the bot and `make run`, then restore again") from None
            fcntl.flock(stream, fcntl.LOCK_UN)


def newest(settings: Settings) -> Path:
    """The newest backup here; where there is none, the store's newest is fetched.

    Raises:
        ArtifactError: if there is none anywhere.
    """
    folder = settings.var / "backups"
    here = sorted(folder.glob("*.tar.gz"))
    if here:
        return here[-1]
    if settings.store_url:
        store = Store.of(settings)
        names = sorted(store.names("backups/"))
        if names:
            private_folder(folder)
            fetched = folder / Path(names[-1]).name
            write_bytes(fetched, store.get(names[-1]) or b"")
            return fetched
    raise ArtifactError(f"there is no backup in {folder}" + (f" or {settings.store_url}" if settings.store_url else ""))

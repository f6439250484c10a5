"""Backups: consistent while the bot writes, restored whole or not at all."""

import fcntl
import gzip
import random
import shutil
import sqlite3
import threading
from pathlib import Path

import pytest
from backports import tarfile

from flows import backup as module
from flows.backup import backup, newest, restore
from pipelines.core.errors import AlreadyRunning, ArtifactError
from pipelines.core.settings import Settings


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """A machine's var/ with a journal, a champion, logs and a backup's worth of other things."""
    monkeypatch.delenv("ODDSMITH_STORE_URL", raising=False)
    var = tmp_path / "var"
    for folder in ("logs", "landing/bars", "prefect", "bento/metrics"):
        (var / folder).mkdir(parents=True)
    (var / "champion.json").write_text('{"hash": "one"}')
    (var / "landing/bars/part.parquet").write_bytes(b"bars")
    (var / "bento/metrics/counter_7.db").write_bytes(b"no SQLite at all")
    (var / "logs/service.log").write_text("long")
    (var / "prefect/prefect.db").write_bytes(b"history")
    with sqlite3.connect(var / "journal.sqlite") as journal:
        journal.execute("PRAGMA journal_mode=WAL")
        journal.execute("CREATE TABLE pairs (number INTEGER, same INTEGER)")
    return Settings(_env_file=None, var=var)


def names(archive: Path) -> set[str]:
    """What is in an archive."""
    with tarfile.open(archive) as tar:
        return set(tar.getnames())


def test_what_only_this_machine_has_is_kept(settings: Settings) -> None:
    """Journal, champion, bentos and landing zone are in the archive; logs, Prefect's history, what benchmarks made and
    links are not."""
    (settings.var / "peers/one/bin").mkdir(parents=True)
    (settings.var / "peers/one/bin/run").write_text("a peer's program")
    (settings.var / "landing/python").symlink_to("/usr/bin/env")
    kept = {"champion.json", "journal.sqlite", "landing/bars/part.parquet", "bento/metrics/counter_7.db"}
    assert names(backup(settings, keep=3)) == kept


def test_a_backup_of_a_journal_in_use_is_consistent(settings: Settings, tmp_path: Path) -> None:
    """While the bot writes pairs in one transaction, the copy never holds half of one."""
    stop = threading.Event()

    def write() -> None:
        with sqlite3.connect(settings.var / "journal.sqlite", timeout=10) as journal:
            number = 0
            while not stop.is_set():
                number += 1
                journal.execute("BEGIN")
                journal.execute("INSERT INTO pairs VALUES (?, 0)", (number,))
                journal.execute("UPDATE pairs SET same = ? WHERE number = ?", (number, number))
                journal.commit()

    writer = threading.Thread(target=write)
    writer.start()
    try:
        archive = backup(settings, keep=3)
    finally:
        stop.set()
        writer.join()
    with tarfile.open(archive) as tar:
        tar.extract("journal.sqlite", tmp_path, filter="data")
    with sqlite3.connect(tmp_path / "journal.sqlite") as copy:
        assert copy.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert copy.execute("SELECT count(*) FROM pairs WHERE same != number").fetchone() == (0,)


def test_a_restore_brings_everything_back_and_loses_nothing(settings: Settings) -> None:
    """The state of the backup is back, and what was there before lies aside."""
    archive = backup(settings, keep=3)
    (settings.var / "champion.json").write_text('{"hash": "two"}')
    (settings.var / "newer.txt").write_text("made after the backup")

    aside = restore(settings, archive)

    assert (settings.var / "champion.json").read_text() == '{"hash": "one"}'
    assert (aside / "champion.json").read_text() == '{"hash": "two"}'
    assert (aside / "newer.txt").exists()
    assert (settings.var / "logs/service.log").exists()
    assert not list(settings.var.glob(".restore-*"))


@pytest.mark.parametrize("damage", ["cut", "text", "missing"])
def test_a_damaged_archive_changes_nothing(damage: str, settings: Settings) -> None:
    """An archive that is cut short, is no archive or is not there leaves var/ as it was."""
    archive = backup(settings, keep=3)
    if damage == "cut":
        archive.write_bytes(archive.read_bytes()[:60])
    elif damage == "text":
        archive.write_text("not an archive")
    else:
        archive.unlink()

    with pytest.raises(ArtifactError, match="nothing was changed"):
        restore(settings, archive)
    assert (settings.var / "champion.json").read_text() == '{"hash": "one"}'
    assert not list(settings.var.glob("before-restore-*"))


def test_one_changed_byte_anywhere_changes_nothing(settings: Settings) -> None:
    """The checksum at the end of the archive covers every byte: a wrong one is refused before anything is replaced."""
    (settings.var / "noise.bin").write_bytes(random.Random(1).randbytes(20_000))
    archive = backup(settings, keep=3)
    whole = archive.read_bytes()
    for place in range(80, len(whole), len(whole) // 40):
        archive.write_bytes(whole[:place] + bytes([whole[place] ^ 0x55]) + whole[place + 1 :])
        with pytest.raises(ArtifactError, match="nothing was changed"):
            restore(settings, archive)

    assert not list(settings.var.glob("before-restore-*"))


def test_a_bomb_is_refused_before_it_fills_memory_or_disk(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """More bytes than a backup of ours unpacks to, also in headers or behind the last entry, are refused unwritten."""
    monkeypatch.setattr(module, "MIN_LIMIT", 2**20)
    archive = settings.var / "bomb.tar.gz"
    with gzip.open(archive, "wb") as stream:
        for _ in range(100):
            stream.write(bytes(2**20))

    with pytest.raises(ArtifactError, match="would unpack to more than"):
        restore(settings, archive)


@pytest.mark.parametrize("name", ["../outside.txt", "inside/../../outside.txt"])
def test_an_archive_that_reaches_outside_is_refused(name: str, settings: Settings, tmp_path: Path) -> None:
    """A member that would land outside var/ is never written, and var/ stays as it was."""
    payload = tmp_path / "payload"
    payload.write_text("not yours")
    archive = tmp_path / "crafted.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(payload, arcname=name)

    with pytest.raises(ArtifactError, match="nothing was changed"):
        restore(settings, archive)
    assert not list(tmp_path.rglob("outside.txt"))
    assert (settings.var / "champion.json").read_text() == '{"hash": "one"}'


def test_a_restore_under_a_running_bot_is_refused(settings: Settings) -> None:
    """While the journal's lock is held, nothing is replaced under the bot's feet."""
    archive = backup(settings, keep=3)
    with (settings.var / "journal.sqlite.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(AlreadyRunning, match="stop the bot"):
            restore(settings, archive)


def test_old_backups_go(settings: Settings) -> None:
    """The newest backups stay, as many as were asked for."""
    folder = settings.var / "backups"
    folder.mkdir()
    for year in (2023, 2024, 2025):
        (folder / f"{year}0101T000000Z.tar.gz").write_bytes(b"old")
    archive = backup(settings, keep=2)

    assert sorted(path.name for path in folder.iterdir()) == ["20250101T000000Z.tar.gz", archive.name]


def test_a_fresh_machine_restores_from_the_bucket(settings: Settings, bucket: str) -> None:
    """After the machine is lost, the newest backup of the bucket brings it back."""
    shared = settings.model_copy(update={"store_url": f"s3://{bucket}"})
    backup(shared, keep=3)
    shutil.rmtree(settings.var)

    restore(shared, newest(shared))

    assert (settings.var / "champion.json").read_text() == '{"hash": "one"}'


def test_an_empty_folder_is_no_backup(tmp_path: Path) -> None:
    """A backup of a folder that holds nothing says which setting names the folder."""
    with pytest.raises(ArtifactError, match="ODDSMITH_VAR"):
        backup(Settings(_env_file=None, var=tmp_path / "none"), keep=1)

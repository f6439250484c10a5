"""The journal's schema has a version, and a journal of oddsmith 0.1 is migrated whole, with a copy before."""

import sqlite3
from pathlib import Path

import pytest
from serving_desk import Desk, FakeVenue, make_intent, make_market
from sqlalchemy import text

from pipelines.core.errors import AlreadyRunning, ArtifactError
from serving.account import lock, migrations
from serving.account.database import connect, default_url
from serving.account.journal import Journal
from serving.account.upgrade import upgrade

OLD = Path(__file__).parent / "journal_0_1.sql"
"""What the code of version 0.1 wrote: four orders, three fills, a settled market, two bars."""

NEW_TABLES = ("fill_states", "decided", "cash_flows", "requests", "funnel", "refusals", "journal_schema")


@pytest.fixture
def old_journal(tmp_path: Path) -> Path:
    """The journal of version 0.1 as a file."""
    path = tmp_path / "journal.sqlite"
    with sqlite3.connect(path) as db:
        db.executescript(OLD.read_text())
    db.close()
    return path


def _rows(path: Path) -> dict[str, list[tuple[object, ...]]]:
    with sqlite3.connect(path) as db:
        names = [row[0] for row in db.execute("select name from sqlite_master where type = 'table' order by 1")]
        rows = {name: db.execute(f'select * from "{name}"').fetchall() for name in names}
    db.close()
    return rows


def test_the_journal_of_version_0_1_goes_on_whole(old_journal: Path) -> None:
    """Cash, position, orders, fills and settlement of a journal of 0.1 are those that its program wrote, in the books
    of this program, which trades on with them."""
    before = _rows(old_journal)
    venue = FakeVenue(count=50)
    desk = Desk.open(venue, default_url(old_journal.parent))

    assert desk.journal.migrated is not None
    assert (desk.journal.migrated.before, desk.journal.migrated.after) == (1, migrations.VERSION)
    assert desk.accounting.cash_micro == 9_982_799_700
    held = desk.accounting.positions[make_market(1).market_id]
    assert (held.shares_micro, held.peak_units, held.cost_micro) == (70_000_000, 5_400, 36_400_070)
    assert len(desk.journal.fills()) == 3
    assert [row.state.value for row in desk.journal.orders()].count("rejected") == 1
    assert desk.journal.settlements()[0].cash_micro == 40_000_000
    assert len(desk.journal.equity(10)) == 2
    after = _rows(old_journal)
    # An order of before belongs to its bar: 0 ms after the close.
    before["orders"] = [(*row, 0) for row in before["orders"]]
    assert {name: rows for name, rows in after.items() if name in before and name != "sessions"} == {
        name: rows for name, rows in before.items() if name != "sessions"
    }
    desk.execution.submit(make_intent(make_market(1), 10, ts_s=2_000))
    desk.execution.sync()
    desk.journal.close()
    again = Desk.open(venue, default_url(old_journal.parent), knows_markets=False)
    assert again.journal.migrated is None
    assert again.accounting.positions[make_market(1).market_id].shares_micro == 80_000_000
    again.journal.close()


def test_a_copy_of_the_journal_is_kept_before_a_migration(old_journal: Path) -> None:
    """The copy holds every row of every table as they were, only its owner can read it, and 0.1 finds no new table."""
    before = _rows(old_journal)
    journal = Journal(default_url(old_journal.parent), "simulated")
    journal.close()

    assert journal.migrated is not None
    copy = Path(journal.migrated.copy)
    assert copy.parent == old_journal.parent / "backups"
    assert _rows(copy) == before
    assert copy.stat().st_mode & 0o077 == 0


def test_a_migration_that_fails_leaves_the_journal_as_it_was(
    old_journal: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An error in the middle of a migration undoes its changes, so that the next start begins it anew."""

    def break_off(db: object) -> None:
        db.execute(text("ALTER TABLE orders ADD COLUMN other TEXT"))  # type: ignore[attr-defined]
        db.execute(text("SELECT * FROM no_such_table"))  # type: ignore[attr-defined]

    before = _rows(old_journal)
    with monkeypatch.context() as patch:
        patch.setattr(migrations, "_STEPS", (break_off,))
        with pytest.raises(ArtifactError, match="it is as it was"):
            Journal(default_url(old_journal.parent), "simulated")
    left = _rows(old_journal)

    assert left.pop("journal_schema", []) == []
    assert left == before
    journal = Journal(default_url(old_journal.parent), "simulated")
    assert journal.migrated is not None
    journal.close()


def test_a_journal_of_a_newer_program_is_refused(tmp_path: Path) -> None:
    """A journal with a higher version than this program's is not touched, and the message says both."""
    engine = connect(default_url(tmp_path))
    with engine.begin() as db:
        db.execute(text("INSERT INTO journal_schema VALUES (99, 0)"))
    engine.dispose()

    with pytest.raises(ArtifactError, match=rf"schema 99, this program knows {migrations.VERSION}"):
        Journal(default_url(tmp_path), "simulated")
    with sqlite3.connect(tmp_path / "journal.sqlite") as db:
        assert db.execute("select count(*) from sessions").fetchone() == (0,)
    db.close()


def test_the_upgrade_is_done_by_hand_or_only_foretold(old_journal: Path) -> None:
    """`oddsmith upgrade --check` changes nothing; without it the journal is copied and migrated, once, and not while a
    bot holds it."""
    url, before = default_url(old_journal.parent), _rows(old_journal)

    assert "schema 1" in upgrade(url, check_only=True)
    assert _rows(old_journal) == before
    held = lock.acquire(connect(url))
    with pytest.raises(AlreadyRunning):
        upgrade(url, check_only=False)
    held.release()
    assert _rows(old_journal) == before
    assert f"from schema 1 to {migrations.VERSION}" in upgrade(url, check_only=False)
    assert "nothing to do" in upgrade(url, check_only=False)


def test_a_new_journal_has_the_version_of_its_program(tmp_path: Path) -> None:
    """Tables made today are stamped, so that a later program knows where to begin."""
    engine = connect(default_url(tmp_path))

    assert migrations.version_of(engine) == migrations.VERSION
    assert migrations.bring_up(engine) is None
    engine.dispose()

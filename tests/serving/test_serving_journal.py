"""One bot per journal, and a journal that says clearly why it cannot be used."""

import subprocess
import sys
from pathlib import Path

import pytest
from serving_desk import Desk, FakeVenue
from sqlalchemy import Connection, event

from pipelines.core.domain import Outcome, Side
from pipelines.core.errors import AlreadyRunning, ArtifactError, SettingError
from pipelines.core.orders import OrderIntent, SignedOrder
from serving.account.database import connect, default_url
from serving.account.journal import Journal


def test_a_second_bot_is_refused(desk: Desk) -> None:
    """While one bot holds the journal, another one is refused and told which process holds it."""
    with pytest.raises(AlreadyRunning, match=r"locked by process \d+"):
        Journal(desk.url, "simulated")


def test_a_killed_bot_leaves_no_lock(tmp_path: Path) -> None:
    """The operating system drops the lock of a process that was killed."""
    url = default_url(tmp_path)
    imports = "import os; from serving.account.journal import Journal;"
    code = f"{imports} Journal({url!r}, 'simulated'); os.kill(os.getpid(), 9)"

    done = subprocess.run([sys.executable, "-c", code], check=False)

    assert done.returncode == -9
    Journal(url, "simulated").close()


def test_accounts_do_not_mix(journal_url: str) -> None:
    """A throw-away account starts with empty books in the same journal."""
    first = Desk.open(FakeVenue(account="0xaaa"), journal_url)
    first.journal.set_facts({"peak_micro": 5})
    first.journal.close()

    second = Desk.open(FakeVenue(account="0xbbb"), journal_url)

    assert "peak_micro" not in second.journal.facts()
    second.journal.close()


@pytest.mark.parametrize("url", ["mysql://localhost/x", "not a url"])
def test_an_unusable_url_is_refused_by_name(url: str) -> None:
    """Another database, or no URL at all, is one clear line that names the setting."""
    with pytest.raises(SettingError, match="ODDSMITH_JOURNAL_URL"):
        connect(url)


def test_a_journal_that_cannot_be_opened_says_so(tmp_path: Path) -> None:
    """A path that is no database is an error with the path in it."""
    (tmp_path / "journal.sqlite").write_text("this is no database, it only has its name" * 100)

    with pytest.raises(ArtifactError, match=r"journal\.sqlite cannot be opened"):
        connect(default_url(tmp_path))


def test_a_bar_is_flushed_with_what_follows_it(desk: Desk) -> None:
    """Its transaction waits for no disk, and every later one of the same connection does again."""
    asked: list[tuple[str, int]] = []

    def note(db: Connection) -> None:
        asked.append(("commit", int(db.connection.cursor().execute("PRAGMA synchronous").fetchone()[0])))

    event.listen(desk.journal._engine, "commit", note)
    row = {"ts_s": 60, "bundle": "b", "cash_micro": 1, "equity_micro": 1, "took_ms": 1.0, "inputs": b""}
    desk.journal.bar(row | {"ledger_equals_venue": True}, (), {}, {})
    desk.journal.set_facts({"a": 1})

    assert asked == [("commit", 1), ("commit", 2)]
    assert desk.journal.equity(5) == [(60, 1)]


def test_the_data_of_a_market_are_those_of_whoever_wrote_last(desk: Desk) -> None:
    """An order writes its market's data unless they stand there already; a description or a fill in between counts."""
    intent = OrderIntent(
        market_id="m", token_id="1", outcome=Outcome.YES, side=Side.BUY, price_units=5_000, shares_micro=10**6,
        tick_units=100, neg_risk=False, version="2", reason="entry", ts_s=60,
    )  # fmt: skip
    for number, (written, described) in enumerate([("a", ""), ("a", "b"), ("a", ""), ("c", "")]):
        desk.journal.intend(SignedOrder(f"0x{number:064x}", intent, {}), written)
        assert desk.journal.markets()["m"][0] == written
        if described:
            desk.journal.describe("m", described)
            assert desk.journal.markets()["m"][0] == described

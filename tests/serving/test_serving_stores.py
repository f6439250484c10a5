"""The journal on PostgreSQL does what it does on SQLite."""

import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from database_user import AS_NOBODY, let_in
from serving_desk import Desk, FakeVenue, make_intent, make_market
from sqlalchemy import text

from pipelines.core.errors import AlreadyRunning, ArtifactError
from serving.account import migrations
from serving.account.database import connect
from serving.account.journal import Journal

pytestmark = pytest.mark.slow


def _binary(name: str) -> str | None:
    found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    return str(found[-1]) if found else shutil.which(name)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="module")
def postgres_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A throw-away cluster of the installed binaries."""
    initdb, pg_ctl = _binary("initdb"), _binary("pg_ctl")
    if initdb is None or pg_ctl is None:
        pytest.skip("PostgreSQL is not installed (Debian package postgresql)")
    folder, port = tmp_path_factory.mktemp("postgres"), _free_port()
    if AS_NOBODY and shutil.which("setpriv") is None:
        pytest.skip("PostgreSQL does not run as root, and setpriv is missing")
    let_in(folder)
    options = f"-p {port} -k {folder} -c listen_addresses=127.0.0.1 -c fsync=off"
    made_by = [*AS_NOBODY, initdb, "-D", folder / "data", "-U", "odds", "-A", "trust"]
    made = subprocess.run(made_by, check=False, capture_output=True)
    assert made.returncode == 0, made.stderr.decode()
    start = [*AS_NOBODY, pg_ctl, "-D", folder / "data", "-l", folder / "log", "-o", options, "-w", "start"]
    assert subprocess.run(start, check=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 0
    try:
        yield f"postgresql://odds@127.0.0.1:{port}/postgres"
    finally:
        stop = [*AS_NOBODY, pg_ctl, "-D", folder / "data", "-m", "immediate", "stop"]
        subprocess.run(stop, check=False, capture_output=True)


def test_orders_fills_and_ledger_survive_a_restart(postgres_url: str) -> None:
    """Exactly-once booking and the rebuilt ledger are the same on PostgreSQL."""
    venue = FakeVenue(account="0xpg")
    first = Desk.open(venue, postgres_url)
    first.execution.submit(make_intent(make_market(), shares=20))
    booked = [first.execution.sync() for _ in range(2)]
    first.accounting.mark({make_market().market_id: 6_000}, 1_060)
    first.journal.close()

    again = Desk.open(venue, postgres_url, knows_markets=False)

    assert booked == [1, 0]
    assert venue.cash == again.accounting.cash_micro
    assert {make_market().token_yes: 20_000_000} == again.accounting.tokens()
    assert again.journal.order_counts() == {"filled": 1, "matched": 1}
    again.journal.close()


def test_a_bar_is_one_transaction(postgres_url: str) -> None:
    """Bars, decisions and durable numbers come back as they were written; the same bar twice is one."""
    desk = Desk.open(FakeVenue(account="0xbar"), postgres_url)
    row = {"ts_s": 60, "bundle": "b", "cash_micro": 1, "equity_micro": 2, "took_ms": 1.5, "inputs": b"x"}
    decision = {
        "ts_s": 60, "market_id": "0x1", "action": "hold", "direction": 0, "fraction": 0.0, "refusal": "no_cash",
        "detail": "", "confidence": 0.5, "intent": None, "armed": True,
    }  # fmt: skip
    for _ in range(2):
        desk.journal.bar(row, [decision], {}, {"peak_micro": 7})

    assert desk.journal.equity(10) == [(60, 2)]
    assert desk.journal.refusal_counts() == {"no_cash": 1}
    assert desk.journal.facts()["peak_micro"] == 7
    desk.journal.prune(61)
    assert desk.journal.refusal_counts() == {}
    assert desk.journal.equity(10) == [(60, 2)]
    desk.journal.close()


def test_a_second_bot_is_refused(postgres_url: str) -> None:
    """The advisory lock refuses a second session, and is free again after the first."""
    first = Journal(postgres_url, "simulated")
    with pytest.raises(AlreadyRunning):
        Journal(postgres_url, "simulated")
    first.close()

    Journal(postgres_url, "simulated").close()


def test_a_database_that_is_away_is_one_clear_line() -> None:
    """An unreachable server is named without its password."""
    with pytest.raises(ArtifactError, match=r"\*\*\*@127.0.0.1:1/x cannot be opened") as caught:
        connect("postgresql://user:secret@127.0.0.1:1/x")

    assert "secret" not in str(caught.value)


def test_an_older_journal_is_migrated_with_a_copy(postgres_url: str) -> None:
    """The tables of version 0.1 get what is new in one transaction, after a copy in a schema of its own."""
    venue = FakeVenue(account="0xold", count=100)
    first = Desk.open(venue, postgres_url)
    first.execution.submit(make_intent(make_market(), shares=20))
    first.execution.sync()
    with first.journal._engine.begin() as db:
        for table in ("journal_schema", "fill_states", "decided", "cash_flows", "requests", "funnel", "refusals"):
            db.execute(text(f"DROP TABLE {table}"))
    first.journal.close()

    again = Desk.open(venue, postgres_url, knows_markets=False)

    assert again.journal.migrated is not None
    assert again.journal.migrated.before == 1
    assert again.accounting.tokens() == {make_market().token_yes: 20_000_000}
    schema = again.journal.migrated.copy.split()[1]
    with again.journal._engine.connect() as db:
        copied = db.execute(text(f"SELECT count(*) FROM \"{schema}\".fills WHERE account = '0xold'")).scalar()
    assert copied == 1
    assert migrations.version_of(again.journal._engine) == migrations.VERSION
    again.journal.close()

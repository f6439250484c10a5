"""Bookings against the account's cash, day by day: a booking that is missing shows in the parity report."""

import sqlite3
from pathlib import Path

import pytest
from serving_desk import CASH, make_intent, make_market
from sqlalchemy.exc import OperationalError

from pipelines.core import params
from pipelines.core.domain import Quote
from pipelines.history.journal_reader import JournalReader
from pipelines.parity import cash
from pipelines.parity.stage import CASH_TABLES
from pipelines.trading.paper_gateway import PaperGateway
from serving.account.journal import CashFlow, Journal
from serving.account.trading_account import TradingAccount

PARAMS = params.read(Path("params.yaml"))
MARKET = make_market()
QUOTE = Quote(5_100, 5_200, 10**9, 10**9)
DAY_NS = 86_400 * 10**9
TODAY_NS = 20_000 * DAY_NS + 10**12


class Desk:
    """A paper account on a journal that is a file, and a clock that a test sets."""

    def __init__(self, path, monkeypatch):
        self.path, self.now_ns, self.reported = path, TODAY_NS, False
        monkeypatch.setattr("time.time_ns", self.clock)
        self.gateway = PaperGateway(CASH, PARAMS.execution, lambda _: (QUOTE, 1_000), lambda _: None)
        self.gateway.know([MARKET])
        self.journal = Journal(f"sqlite:///{path}", "paper")
        self.account = TradingAccount(self.gateway, self.journal)
        self.account.accounting.know(MARKET)

    def clock(self):
        """A millisecond passes with each look."""
        self.now_ns += 10**6
        return self.now_ns

    def trade(self, shares, ts_s=1_000):
        """Buy YES and compare."""
        self.account.execution.submit(make_intent(MARKET, shares, ts_s=ts_s))
        self.account.execution.sync()
        self.compare()

    def compare(self):
        """What every turn does."""
        self.account.judge(self.account.look())

    def report(self):
        """The part of the parity report."""
        bar = {"ts_s": 1_000, "bundle": "ab", "cash_micro": 0, "equity_micro": 0, "took_ms": 1.0, "inputs": b""}
        if not self.reported:
            self.journal.bar({**bar, "ledger_equals_venue": True}, [], {}, {})
        self.reported = True
        read = JournalReader(f"sqlite:///{self.path}", {}, 24.0, PARAMS)
        try:
            return cash.compare(read.facts(), *(read.rows(*one) for one in CASH_TABLES))
        finally:
            read.close()


@pytest.fixture
def desk(tmp_path, monkeypatch):
    """A new account."""
    return Desk(tmp_path / "journal.sqlite", monkeypatch)


def test_every_kind_of_booking_explains_the_cash(desk):
    """Fills, a payout and a reward over two days make the venue's cash to the base unit, each day by itself."""
    desk.trade(100)
    desk.now_ns += DAY_NS
    desk.account.settle(MARKET.market_id, 1_000_000, 2_000)
    desk.gateway._cash += 2_500_000
    desk.account.accounting.book_flow(CashFlow("r", "MAKER_REBATE", 2_500_000, 2_000))
    desk.compare()

    found = desk.report()
    first, second = found["days"]

    assert (found["gap_pusd"], first["gap_pusd"], second["gap_pusd"]) == (0.0, 0.0, 0.0)
    assert set(first["booked_pusd"]) == {"fills"}
    assert second["booked_pusd"] == {"maker_rebate": 2.5, "payouts": 100.0}
    assert (first["start_pusd"], second["start_pusd"]) == (CASH / 1e6, first["venue_pusd"])
    assert second["venue_pusd"] == desk.gateway.cash_micro() / 1e6
    assert (first["day"], second["day"]) == ("2024-10-04", "2024-10-05")


def test_a_booking_that_is_missing_is_the_gap_of_its_day(desk):
    """A fill that is gone from the journal, and a payment that nobody booked, are told with day and amount; the
    day after them is even, and the whole gap stays."""
    desk.trade(100)
    desk.trade(40, ts_s=1_060)
    lost = desk.account.gateway.trades(0)[-1]
    desk.now_ns += DAY_NS
    desk.gateway._cash += 7_000_000
    desk.compare()
    desk.now_ns += DAY_NS
    desk.compare()
    with sqlite3.connect(desk.path) as db:
        assert db.execute("DELETE FROM fills WHERE fill_id = ?", (lost.fill_id,)).rowcount == 1

    found = desk.report()
    gaps = [one["gap_pusd"] for one in found["days"]]

    assert gaps == pytest.approx([lost.cash_micro / 1e6, 7.0, 0.0])
    assert found["gap_pusd"] == pytest.approx(sum(gaps))
    assert len(cash.lines(found)) == 3
    assert all(one in " ".join(cash.lines(found)) for one in ("2024-10-04", "2024-10-05", "+7.00"))


def test_what_is_booked_late_on_its_day_is_no_gap(desk):
    """A payment is seen before it is booked: the comparison after its booking counts, though the cash is the same."""
    desk.gateway._cash += 3_000_000
    desk.compare()
    assert desk.report()["gap_pusd"] == 3.0

    desk.account.accounting.book_flow(CashFlow("late", "REWARD", 3_000_000, 2_000))
    desk.compare()

    assert desk.report()["gap_pusd"] == 0.0


def test_a_restart_writes_no_old_reading_over_a_new_one(desk):
    """The baselines of the account are written again and again; the readings are not among them."""
    desk.trade(10)
    again = TradingAccount(desk.gateway, desk.journal)
    desk.trade(20, ts_s=1_060)
    again.accounting.adopt(0, "nothing")

    assert desk.report()["gap_pusd"] == 0.0


def test_a_reading_that_cannot_be_kept_stops_no_turn(desk, monkeypatch):
    """A full disk: the comparison goes on, and the next one keeps what it reads."""
    whole = desk.journal.set_facts

    def full(facts):
        raise OperationalError("INSERT", {}, OSError("disk is full"))

    monkeypatch.setattr(desk.journal, "set_facts", full)
    desk.compare()
    assert desk.report()["gap_pusd"] is None

    monkeypatch.setattr(desk.journal, "set_facts", whole)
    desk.compare()
    assert desk.report()["gap_pusd"] == 0.0


def test_without_a_comparison_nothing_is_claimed(desk):
    """A journal of an older program has no reading of the venue's cash."""
    found = desk.report()

    assert found == {"days": [], "gap_pusd": None}
    assert cash.lines(found) == ["cash: no comparison of books and venue was journaled yet"]

"""What the journal says about trades and P&L equals what the account has, to the base unit."""

import csv
import io
import json
import random
from decimal import Decimal
from pathlib import Path

import pytest

from pipelines.core.domain import FeeSchedule, Fill, Market, Outcome, Side
from pipelines.core.errors import ParameterError
from pipelines.core.params import read
from pipelines.core.settings import Settings
from pipelines.history import answers
from pipelines.history.account import GROUPS, History, moment
from serving.account.accounting import Accounting
from serving.account.database import default_url
from serving.account.journal import CashFlow, Journal

PARAMS = read(Path("params.yaml"))
DAY = 86_400
START = 1_772_323_200
CASH = 10_000_000_000


def market(number):
    """A market of an event with two others."""
    return Market(
        market_id=f"0x{number:02d}",
        event_id=f"event-{number // 3}",
        question=f"Will it be {number}?",
        token_yes=f"{number}1",
        token_no=f"{number}2",
        tick_units=100,
        min_size_micro=5_000_000,
        fee=FeeSchedule(0.04),
        start_s=None,
        end_s=None,
        topic="weather" if number % 2 else "sport",
    )


@pytest.fixture
def traded(tmp_path):
    """A journal with thirty days of random trades in six markets, payouts and rewards; (settings, books)."""
    settings = Settings(_env_file=None, var=tmp_path)
    journal = Journal(default_url(tmp_path), "simulated")
    journal.begin("0xabc")
    books, draw = Accounting(journal, CASH), random.Random(7)
    for number in range(6):
        books.know(market(number))
    for count in range(300):
        ts_s = START + count * DAY // 10
        about = market(draw.randrange(6))
        outcome = draw.choice(list(Outcome))
        held = books.tokens().get(about.token(outcome), 0)
        sells = held > 0 and draw.random() < 0.6
        shares = held if sells and draw.random() < 0.5 else draw.randint(5_000_000, 40_000_000)
        shares = min(shares, held) if sells else shares
        _book(books, about, outcome, sells, shares, draw.randint(1_000, 9_000), draw.randint(0, 90_000), ts_s, count)
        _bar(journal, books, ts_s, "a" * 64 if count < 150 else "b" * 64)
        if count % 60 == 59:
            books.book_flow(CashFlow(f"reward/{count}", "REWARD", draw.randint(1, 10**6), ts_s))
    books.settle("0x01", 1_000_000, START + 31 * DAY)
    books.settle("0x02", 500_000, START + 31 * DAY)
    _bar(journal, books, START + 31 * DAY, "b" * 64)
    yield settings, books
    journal.close()


def _book(books, about, outcome, sells, shares, price, fee, ts_s, count):
    books.mids[about.market_id] = 5_000
    books.book(
        Fill(
            fill_id=f"trade-{count}",
            order_id=f"order-{count}",
            market_id=about.market_id,
            token_id=about.token(outcome),
            outcome=outcome,
            side=Side.SELL if sells else Side.BUY,
            price_units=price,
            shares_micro=shares,
            fee_micro=fee,
            ts_s=ts_s,
        )
    )


def _bar(journal, books, ts_s, bundle):
    row = {"ts_s": ts_s, "bundle": bundle, "cash_micro": books.cash_micro, "equity_micro": books.equity_micro}
    journal.bar(row | {"took_ms": 1.0, "ledger_equals_venue": True, "inputs": b""}, (), {}, {})


def test_every_grouping_adds_up_to_what_the_account_has(traded):
    """Realised P&L by whatever is asked for, rewards and the cost of what is held explain the cash exactly."""
    settings, books = traded
    history = History(settings, PARAMS)
    held = sum((one.cost for one in books._ledger.holdings.values()), Decimal(0))
    rewards = sum(row["cash_micro"] for row in history.flows()) / 1e6
    earned = float(books._ledger.cash + held) - CASH / 1e6 - rewards

    for by in GROUPS:
        rows = history.pnl(by)
        assert sum(row["realised_pusd"] for row in rows) == pytest.approx(earned, abs=1e-4), by
    summary = history.summary()
    assert summary["realised_pusd"] == pytest.approx(earned, abs=1e-4)
    assert summary["fees_pusd"] == pytest.approx(books.fees_micro / 1e6, abs=1e-6)
    assert summary["other_cash_pusd"] == {"reward": pytest.approx(rewards)}
    assert len(history.pnl("week")) >= 4
    assert {row["model"] for row in history.pnl("model")} == {"a" * 12, "b" * 12}


def test_trades_are_positions_that_ended_and_their_numbers_agree(traded):
    """A trade bought as much as it sold, and earned its proceeds less its cost."""
    history = History(traded[0], PARAMS)
    trades = history.trades()

    assert len(trades) > 20
    for one in trades:
        assert one.pnl_pusd == pytest.approx(one.proceeds_pusd - one.cost_pusd, abs=1e-5)
        assert one.opened_s <= one.closed_s
    assert {one.reason for one in trades} >= {"settled"}
    assert sum(row["trades"] for row in history.pnl("day")) == len(trades)


def test_a_period_takes_what_ended_in_it_with_cost_from_before(traded):
    """Two halves of the time hold all trades, once each."""
    settings, _ = traded
    middle = START + 15 * DAY
    first, second = History(settings, PARAMS, 0, middle), History(settings, PARAMS, middle)
    whole = History(settings, PARAMS)

    assert len(first.trades()) + len(second.trades()) == len(whole.trades())
    both = first.summary()["realised_pusd"] + second.summary()["realised_pusd"]
    assert both == pytest.approx(whole.summary()["realised_pusd"], abs=1e-4)


def test_the_gains_of_all_lots_are_exact(traded):
    """First in, first out: disposals and remaining purchases explain every base unit of cash."""
    settings, books = traded
    history = History(settings, PARAMS)
    found = history.lots()
    rewards = sum(row["cash_micro"] for row in history.flows())
    disposed = sum((one.proceeds_pusd for one in found), Decimal(0))
    bought = (
        sum(Decimal(-fill.fill.cash_micro) for fill in books._journal.fills() if fill.fill.side is Side.BUY) / 10**6
    )

    assert disposed - bought == Decimal(books.cash_micro - CASH - rewards) / 10**6
    assert all(one.acquired_at <= one.disposed_at for one in found)
    assert all(one.gain_pusd == one.proceeds_pusd - one.cost_pusd for one in found)


def test_what_is_printed_can_be_read(traded, monkeypatch, capsys):
    """CSV and JSON of all commands parse, and hold the same trades; the table has a line for each."""
    settings, _ = traded
    monkeypatch.setenv("ODDSMITH_VAR", str(settings.var))
    answers.trades(None, None, "json", lots=False)
    as_json = json.loads(capsys.readouterr().out)["trades"]
    answers.trades(None, None, "csv", lots=False)
    as_csv = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    answers.trades(None, None, "table", lots=False)
    lines = capsys.readouterr().out.splitlines()
    answers.trades("2026-03-01", "2026-04-30", "csv", lots=True)
    lots = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    answers.pnl(None, None, "json", "topic")
    topics = json.loads(capsys.readouterr().out)

    assert [row["closed_s"] for row in as_csv] == [str(row["closed_s"]) for row in as_json]
    assert len(lines) == len(as_json) + 1
    assert all("FIFO" in row["method"] for row in lots)
    assert {row["topic"] for row in topics["rows"]} == {"weather", "sport"}


@pytest.mark.parametrize("text", ["yesterday", "2026-13-01", "01.03.2026", ""])
def test_what_is_no_date_is_refused(text):
    """A period that cannot be read is refused with how to write it."""
    with pytest.raises(ParameterError, match="write 2026-03-01"):
        moment(text)


def test_an_unknown_grouping_is_refused_with_the_nearest(traded):
    """A mistyped grouping names what it may be."""
    with pytest.raises(ParameterError, match="did you mean week"):
        History(traded[0], PARAMS).pnl("weeks")

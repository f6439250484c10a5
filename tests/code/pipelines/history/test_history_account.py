"""What the journal says about trades and P&L equals what the account has, to the base unit."""

import csv
import io
import json
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
from trading_journal import CASH, DAY, START, a_month, market

from pipelines.core.domain import Fill, FillState, Outcome, Side
from pipelines.core.errors import ParameterError
from pipelines.core.params import read
from pipelines.core.settings import Settings
from pipelines.history import answers
from pipelines.history.account import GROUPS, History, moment

PARAMS = read(Path("params.yaml"))


@pytest.fixture
def traded(tmp_path):
    """A journal with thirty days of random trades in six markets, payouts and rewards; (settings, books)."""
    settings = Settings(_env_file=None, var=tmp_path)
    journal, books = a_month(settings)
    yield settings, books
    journal.close()


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
        assert sum(row["fees_pusd"] for row in rows) == pytest.approx(books.fees_micro / 1e6, abs=1e-5), by
        assert sum(row["slippage_pusd"] for row in rows) == pytest.approx(history.summary()["slippage_pusd"], abs=1e-4)
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


def test_a_purchase_that_failed_is_no_entry_that_ended(traded):
    """A position that ended because its purchase was taken back says so, and has neither profit nor loss."""
    settings, books = traded
    about, ts_s = market(7), START + 29 * DAY
    books.know(about)
    bought = Fill(
        fill_id="trade-fails",
        order_id="order-fails",
        market_id=about.market_id,
        token_id=about.token(Outcome.YES),
        outcome=Outcome.YES,
        side=Side.BUY,
        price_units=4_000,
        shares_micro=10_000_000,
        fee_micro=1_234,
        ts_s=ts_s,
    )
    books.book(bought)
    books.book(replace(bought, state=FillState.FAILED))

    (ended,) = [one for one in History(settings, PARAMS).trades() if one.market_id == about.market_id]
    assert ended.reason == "settlement_failed"
    assert ended.pnl_pusd == 0


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

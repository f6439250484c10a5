"""Slippage against the model is what fills cost more than those of the backtest's book for the same order."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pipelines import decision_record
from pipelines.core.domain import Bar, FeeSchedule, Fill, Forecast, Market, Outcome, Quote, Side
from pipelines.core.orders import OrderIntent, OrderType, SignedOrder
from pipelines.core.params import read
from pipelines.core.settings import Settings
from pipelines.decide import Inputs
from pipelines.history import modelled
from pipelines.history.account import History, documents
from pipelines.history.journal_reader import JournalReader, url
from serving.account.accounting import Accounting
from serving.account.database import default_url
from serving.account.journal import Journal

PARAMS = read(Path("params.yaml"))
START, SHARES = 1_772_323_200, 10_000_000
MARKET = Market(
    market_id="0x" + "01" * 32, event_id="e", question="Will it?", token_yes="11", token_no="12", tick_units=100,
    min_size_micro=5_000_000, fee=FeeSchedule(0.04), start_s=None, end_s=None, topic="", version="v1",
)  # fmt: skip


def seen(ts_s):
    """The market at a bar: bid 0.50, ask 0.52, a thousand shares on each side."""
    zero = np.zeros(PARAMS.forecast.horizon_bars)
    quote = Quote(5_000, 5_200, 10**9, 10**9)
    return Inputs(
        MARKET, Bar(MARKET.market_id, ts_s, 5_100, 0, 0, 200), quote, np.zeros(15), Forecast(zero, zero, zero, 0.5), 0.0
    )


@pytest.fixture
def journal(tmp_path):
    """A journal with two bars that hold what was seen; (settings, journal, books)."""
    made = Journal(default_url(tmp_path), "simulated")
    made.begin("0xabc")
    books = Accounting(made, 10_000_000_000)
    books.know(MARKET)
    books.mids[MARKET.market_id] = 5_100
    for bar in range(2 + PARAMS.execution.order_ttl_bars):
        ts_s = START + 60 * bar
        content = decision_record.pack([seen(ts_s)], decision_record.NOTHING)
        row = {"ts_s": ts_s, "bundle": "a" * 64, "cash_micro": books.cash_micro, "equity_micro": books.equity_micro}
        made.bar(row | {"took_ms": 1.0, "ledger_equals_venue": True, "inputs": content}, (), {}, {})
    yield Settings(_env_file=None, var=tmp_path), made, books
    made.close()


def trade(journal, books, side, price_units, order_id):
    """An order of the first bar that was filled at a price."""
    intent = OrderIntent(
        market_id=MARKET.market_id, token_id="11", outcome=Outcome.YES, side=side, price_units=6_000, reason="enter",
        shares_micro=SHARES, tick_units=100, neg_risk=False, version="v1", ts_s=START, order_type=OrderType.FAK,
    )  # fmt: skip
    intent = intent if side is Side.BUY else replace(intent, price_units=4_000, reason="exit")
    journal.intend(SignedOrder(order_id, intent, {}), "")
    fill = Fill(
        fill_id=f"t-{order_id}", order_id=order_id, market_id=MARKET.market_id, token_id="11", outcome=Outcome.YES,
        side=side, price_units=price_units, shares_micro=SHARES, fee_micro=0, ts_s=START + 60,
    )  # fmt: skip
    books.book(fill)


def test_a_trade_says_what_its_fills_cost_more_than_the_models(journal):
    """A trade, a group of P&L and the summary have the sum of their orders, each at its own size."""
    settings, made, books = journal
    trade(made, books, Side.BUY, 5_600, "0xb")
    trade(made, books, Side.SELL, 4_600, "0xs")
    first = History(settings, PARAMS, against_model=True)
    against = dict(first.modelled)

    assert [one.model_slippage_pusd for one in first.trades()] == [pytest.approx(sum(against.values()), abs=1e-5)]
    assert first.summary()["model_slippage_pusd"] == pytest.approx(sum(against.values()), abs=1e-5)
    for by in ("day", "reason", "market"):
        assert sum(row["model_slippage_pusd"] or 0.0 for row in first.pnl(by)) == pytest.approx(
            sum(against.values()), abs=1e-5
        ), by
    order = next(row for row in first.rows("orders") if row["order_id"] == "0xb")
    made_by_model = modelled.modelled_fills(order, first._reader.at([START, START + 60]), PARAMS.execution, 60)
    shares, cash = (sum(column) for column in zip(*made_by_model, strict=True))
    # The same shares at the model's price: a FAK that finds a better price than its limit may take more shares.
    assert against["0xb"] == pytest.approx(5.6 - (-cash / 1e6) * SHARES / shares, abs=1e-5)
    assert against["0xb"] + against["0xs"] > 0 > sum(row["pnl_pusd"] for row in documents(first.trades()))
    first.close()


def test_where_the_journal_has_forgotten_the_books_nothing_is_claimed(journal):
    """After the journal's pruning the slippage against the model is empty, and so it is where nobody asked."""
    settings, made, books = journal
    trade(made, books, Side.BUY, 5_300, "0xb")
    assert History(settings, PARAMS).summary()["model_slippage_pusd"] is None
    made.prune(START + 10**6)

    history = History(settings, PARAMS, against_model=True)
    assert history.modelled == {}
    assert [bar.inputs for bar in JournalReader(url(settings), {}, 24.0, PARAMS).bars()] == [[]] * len(history.equity())
    assert history.summary()["model_slippage_pusd"] is None
    history.close()

"""The journal of an account that traded for a month: random trades in six markets, payouts and rewards."""

import random

from pipelines.core.domain import FeeSchedule, Fill, Market, Outcome, Side
from pipelines.core.settings import Settings
from serving.account.accounting import Accounting
from serving.account.database import default_url
from serving.account.journal import CashFlow, Journal

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


def a_month(settings: Settings) -> tuple[Journal, Accounting]:
    """Write it to the journal of these settings; the caller closes it."""
    settings.var.mkdir(parents=True, exist_ok=True)
    journal = Journal(default_url(settings.var), "simulated")
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
    return journal, books


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

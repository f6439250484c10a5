"""The paper account over its whole life: it is paid when a market is decided, and a restart leaves it as it was."""

from dataclasses import replace
from pathlib import Path

import pytest
from serving_desk import CASH, make_intent, make_market

from pipelines.core import params
from pipelines.core.domain import Bar, Quote
from pipelines.core.settings import Mode, Settings
from pipelines.trading.paper_gateway import PaperGateway
from serving.account.journal import Journal
from serving.account.trading_account import TradingAccount
from serving.start import make_gateway

EXECUTION = params.read(Path("params.yaml")).execution
MARKET = make_market()
QUOTE = Quote(5_100, 5_200, 10**9, 10**9)


class Start:
    """One start of the bot in paper mode, on a journal."""

    def __init__(self, url):
        self.journal = Journal(url, "paper")
        self.gateway = PaperGateway(CASH, EXECUTION, lambda _: (QUOTE, 1_000))
        self.gateway.know([MARKET])
        self.account = TradingAccount(self.gateway, self.journal)
        self.adopted = self.account.reconcile()
        self.account.accounting.know(MARKET)

    def trade(self, shares, ts_s=1_000):
        """Buy YES."""
        self.account.execution.submit(make_intent(MARKET, shares, ts_s=ts_s))
        self.account.execution.sync()

    def seen(self):
        """The account as the books have it."""
        return self.account.accounting.cash_micro, self.account.accounting.tokens()

    def restart(self, url):
        """The next start on the same journal."""
        self.journal.close()
        return Start(url)


@pytest.fixture
def start(journal_url):
    """The first start."""
    return Start(journal_url)


def test_a_decided_market_leaves_books_and_gateway_equal(start):
    """When a market is decided the paper venue pays what the books book: nothing differs, and buys go on."""
    start.trade(100)

    received = start.account.settle(MARKET.market_id, 1_000_000, 2_000)

    assert received == 100_000_000
    assert start.gateway.cash_micro() == start.account.accounting.cash_micro > CASH
    assert start.account.differences() == []


def test_a_restart_keeps_cash_positions_and_payouts(start, journal_url):
    """The account of paper mode comes back from the journal to the base unit, and nothing has to be adopted."""
    start.trade(100)
    second = start.restart(journal_url)
    assert (second.seen(), second.adopted) == (start.seen(), [])
    assert second.account.differences() == []
    assert second.seen()[1] == {MARKET.token_yes: 100_000_000}

    second.account.settle(MARKET.market_id, 1_000_000, 2_000)
    third = second.restart(journal_url)

    assert (third.seen(), third.adopted) == (second.seen(), [])
    assert third.seen()[1] == {}
    assert third.account.differences() == []
    assert third.account.execution.take_back_missing() == 0


def test_what_rested_at_a_stop_ends_with_it(start, journal_url):
    """A resting paper order is cancelled by the next start, as the venue cancels those of a dead bot."""
    rests = make_intent(MARKET, 10)
    start.account.execution.submit(replace(rests, price_units=5_000))
    assert len(start.account.execution.pending) == 1

    second = start.restart(journal_url)

    assert second.account.execution.pending == []
    assert second.seen() == (CASH, {})


def test_a_rest_is_filled_by_the_next_bars_and_booked(start):
    """An order that rests gets its share of a bar's volume, and the books learn of it."""
    intent = make_intent(MARKET, 10)
    start.account.execution.submit(replace(intent, price_units=5_100))
    bar = Bar(MARKET.market_id, 1_060, 5_150, 10**10, 9, 100)

    start.gateway.bars_closed([(bar, QUOTE)])
    start.account.execution.sync()

    assert start.seen() == (CASH - 5_100_000, {MARKET.token_yes: 10_000_000})
    assert start.account.execution.pending == []


def test_the_reference_price_moves_the_fills_of_the_paper_account(tmp_path):
    """The bot's paper gateway asks for the price that the reference implies: one that fell towards a resting bid fills
    more of it than one that rose."""
    rules = params.read(Path("params.yaml"))
    execution = rules.execution.model_copy(update={"queue": "evidence", "latency_ms": [0.0] * 11})

    def got(later):
        """Shares after a bar at whose close the reference implies another price."""
        fair = [0.52, later]
        settings = Settings(var=tmp_path, mode=Mode.PAPER)
        changed = rules.model_copy(update={"execution": execution})
        gateway = make_gateway(settings, changed, lambda _: (QUOTE, 1_000), lambda _: fair.pop(0))
        gateway.know([MARKET])
        bid = replace(make_intent(MARKET, 1_000), price_units=5_100)
        gateway.place(gateway.prepare(bid))
        gateway.bars_closed([(Bar(MARKET.market_id, 1_001, 5_150, 0, 0, 100), QUOTE)])
        return sum(fill.shares_micro for fill in gateway.trades(0))

    assert got(0.44) > got(0.60)

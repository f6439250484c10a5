"""A maker in the live process: quotes are taken back between bars, and pairs of YES and NO are merged once."""

import asyncio
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import MagicMock

import numpy as np
import pytest
from serving_desk import CASH, make_intent, make_market

from pipelines.core import params
from pipelines.core.domain import Bar, Forecast, Outcome, Quote
from pipelines.core.errors import VenueUnavailable
from pipelines.core.orders import NotOffered, OrderType
from pipelines.decide import Account, Inputs
from pipelines.replay import rules
from pipelines.trading.paper_gateway import PaperGateway
from pipelines.trading.sizing import NO_SIGNALS
from serving.account.controls import Controls
from serving.account.journal import Journal
from serving.account.trading_account import TradingAccount
from serving.safety.quote_watch import QuoteWatch
from serving.threads import Threads
from serving.turns.bar_turn import BarTurns

PARAMS = params.read(Path("params.yaml"))
MARKET = replace(make_market(), end_s=100_000)
EVEN = Quote(4_800, 5_200, 10**9, 10**9)
FLAT = Forecast(np.zeros(24), np.zeros(24), np.zeros(24), 0.5)
NOBODY = Account(
    cash_micro=CASH, equity_micro=CASH, positions={}, open_buy_micro={}, markets={MARKET.market_id: MARKET},
    day_start_equity_micro=CASH, peak_equity_micro=CASH,
)  # fmt: skip


class Desk:
    """A paper account with both quotes of a maker in the book, and a watch over them. `fair` and `quote` may change."""

    def __init__(self, url):
        self.quote, self.fair = EVEN, (0.5, 0.5)
        self.gateway = PaperGateway(CASH, PARAMS.execution, lambda _: (self.quote, 1_000))
        self.gateway.know([MARKET])
        self.account = TradingAccount(self.gateway, Journal(url, "paper"))
        self.account.accounting.know(MARKET)
        self.market_ms = 1_000_000
        bar = Bar(MARKET.market_id, 1_000, 5_000, 0, 0, 400)
        turn = SimpleNamespace(inputs=(Inputs(MARKET, bar, EVEN, np.zeros(15), FLAT, 0.0),))
        model = SimpleNamespace(rules=rules.make("micro_trades", PARAMS, NO_SIGNALS, None, 60))
        self.threads = Threads()
        self.watch = QuoteWatch(
            self.account, self, lambda _market, _ms: self.fair, lambda: (turn, NOBODY), lambda: model, self.threads
        )

    @property
    def followed(self):
        """The market as the feed has it."""
        return {MARKET.market_id: SimpleNamespace(quote=self.quote, mid_units=self.quote.mid_units)}

    def place(self, outcome, price_units=4_800, shares=50, **changes):
        """Send an order of the maker."""
        made = replace(make_intent(MARKET, shares), outcome=outcome, token_id=MARKET.token(outcome), **changes)
        self.account.execution.submit(replace(made, price_units=price_units))

    def resting(self):
        """Outcomes of the orders that rest at the venue."""
        return {one.outcome for one in self.gateway.open_orders()}

    def pair(self, shares=50):
        """Buy as much of both tokens."""
        for outcome in Outcome:
            self.place(outcome, 5_300, shares, order_type=OrderType.FAK)
        self.account.execution.sync()
        return self.account.accounting.shares_micro(MARKET.token_yes)


@pytest.fixture
def desk(journal_url):
    """Both quotes rest."""
    return Desk(journal_url)


def _quoted(desk):
    for outcome in Outcome:
        desk.place(outcome, order_type=OrderType.GTD, post_only=True, reason="quote")
    assert desk.resting() == {*Outcome}


@pytest.mark.parametrize(
    ("change", "stays"),
    [
        ({}, {*Outcome}),
        ({"fair": (0.46, 0.50)}, {Outcome.NO}),
        ({"fair": (0.54, 0.50)}, {Outcome.YES}),
        ({"quote": replace(EVEN, bid_size_micro=10**8)}, {Outcome.NO}),
        ({"quote": replace(EVEN, ask_units=10_000)}, set()),
    ],
)
async def test_quotes_are_taken_back_between_two_bars(desk, change, stays):
    """As soon as reference price or book turn, the quote that loses by it is cancelled, once, and the other one stays;
    without a price in the book both go."""
    _quoted(desk)
    for name, value in change.items():
        setattr(desk, name, value)
    running = asyncio.create_task(desk.watch.run())
    await asyncio.sleep(0.2)
    running.cancel()

    assert desk.resting() == stays
    assert desk.watch.turned() == []


async def test_a_paper_quote_is_filled_by_the_last_bar_of_its_life(desk, tmp_path):
    """At the end of its only bar the book has come to the quote: the closed bar fills it, and only then its time is
    over. Cancelled as soon as market time reached the end, no paper quote of one bar would ever be filled."""
    _quoted(desk)
    model = SimpleNamespace(geometry=(60, 60), model=desk.watch._model())
    status, journal = MagicMock(), desk.account.journal
    controls = Controls(journal, PARAMS, lambda: Path("params.yaml"), lambda _: None)
    turns = BarTurns(
        PARAMS, journal, model, status, desk.threads, tmp_path / "kill", lambda: True, lambda: "", MagicMock(),
        controls, lambda _: None, lambda: None,
    )  # fmt: skip
    bar = Bar(MARKET.market_id, 1_060, 4_750, 0, 0, 100)

    await turns.reached(desk.account, 1_060)
    desk.gateway.bars_closed([(bar, Quote(4_700, 4_800, 10**9, 10**9))])
    await turns.prepare(desk.account, 1_060)

    assert PARAMS.execution.order_ttl_bars == 1
    assert desk.account.accounting.tokens() == {MARKET.token_yes: 50_000_000}
    assert desk.account.execution.pending == []


def test_an_exit_that_is_on_its_way_is_no_quote(desk):
    """What was sent to leave is not taken back, whatever the book does."""
    desk.place(Outcome.YES, order_type=OrderType.GTD, post_only=True, reason="exit")
    desk.quote = replace(EVEN, ask_units=10_000)

    assert desk.watch.turned() == []


def test_a_pair_is_merged_and_booked_once(desk):
    """Both tokens leave books and venue for 1 pUSD together, and a later look changes nothing."""
    pairs, before = desk.pair(), desk.account.accounting.cash_micro

    for _ in range(3):
        desk.account.merge_pairs()

    assert desk.account.accounting.cash_micro == before + pairs
    assert desk.account.accounting.tokens() == {}
    assert desk.account.differences() == []
    assert desk.account.merging == frozenset()


def test_a_merge_that_is_under_way_is_booked_when_the_venue_shows_it(desk, monkeypatch):
    """Until the shares are gone nothing is booked and the market is left alone; a refusal is asked again later."""
    pairs = desk.pair()
    asked = []
    done = desk.gateway.merge
    monkeypatch.setattr(desk.gateway, "merge", lambda market, micro: asked.append(micro))

    desk.account.merge_pairs()
    assert (desk.account.merging, desk.account.accounting.tokens()) == (
        {MARKET.market_id},
        dict.fromkeys((MARKET.token_yes, MARKET.token_no), pairs),
    )

    done(MARKET, asked[0])
    desk.account.merge_pairs()
    assert (desk.account.merging, desk.account.accounting.tokens()) == (frozenset(), {})
    assert desk.account.differences() == []


@pytest.mark.parametrize(("error", "said"), [(NotOffered("by hand"), 1), (VenueUnavailable("later"), 0)])
def test_pairs_that_cannot_be_merged_stay(desk, monkeypatch, error, said):
    """An account without a relayer is told once and keeps its pairs; one whose relayer is away waits."""
    desk.pair()

    def refuse(market, micro):
        raise error

    monkeypatch.setattr(desk.gateway, "merge", refuse)
    for _ in range(2):
        desk.account.merge_pairs()

    assert len(desk.account.notes) == said
    assert len(desk.account.accounting.tokens()) == 2
    assert desk.account.merging == frozenset()


def test_a_merged_pair_is_in_the_books_after_a_restart(desk, journal_url):
    """The journal rebuilds books without the pair, and nothing has to be adopted."""
    desk.pair()
    for _ in range(2):
        desk.account.merge_pairs()
    cash = desk.account.accounting.cash_micro
    desk.account.journal.close()

    again = Desk(journal_url)

    assert (again.account.accounting.cash_micro, again.account.accounting.tokens()) == (cash, {})
    assert again.account.reconcile() == []

"""A basket at the local exchange: one leg fills, the other finds nothing, and what is left over is sold at once."""

import asyncio
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from serving_venue import simulator

from pipelines.core import params
from pipelines.core.domain import Bar, Forecast, Market, Outcome, Quote
from pipelines.core.settings import Settings
from pipelines.decide import Account, Decision, Inputs, decide, in_turn, reserve
from pipelines.replay import rules
from pipelines.trading.sizing import NO_SIGNALS
from pipelines.venue import clob, gamma
from pipelines.venue.clob_gateway import ClobGateway
from pipelines.venue.http import VenueHttp
from serving.account.journal import Journal
from serving.account.trading_account import TradingAccount

PARAMS = params.read(Path("params.yaml"))
STRATEGY = rules.make("baskets", PARAMS, NO_SIGNALS, None, 60)
FLAT = Forecast(np.zeros(24), np.zeros(24), np.zeros(24), 0.5)

Books = list[tuple[Market, Quote]]


@pytest.fixture(scope="module")
def site() -> Iterator[Settings]:
    """A venue that stands still in market time, whose events have markets that exclude each other."""
    with simulator(speed=0, more="--neg-risk-share 1 --settle-s 0.2 --event-every-min 60") as environment:
        values = {name.removeprefix("ODDSMITH_").lower(): value for name, value in environment.items()}
        yield Settings(_env_file=None, **values)


async def _listed(settings: Settings) -> Books:
    async with VenueHttp(settings.gamma_url) as listing, VenueHttp(settings.clob_url) as exchange:
        markets = await gamma.tradable(listing, 50)
        books = await clob.books(exchange, [one.token_yes for one in markets])
    return [(one, clob.top(books[one.token_yes])) for one in markets if one.token_yes in books]


def event(settings: Settings) -> Books:
    """Two markets of one event with prices on both sides that do not contradict each other."""
    found: dict[str, Books] = {}
    for market, quote in asyncio.run(_listed(settings)):
        if market.neg_risk and quote.two_sided and 1_500 <= quote.mid_units <= 8_500:
            found.setdefault(market.event_id, []).append((market, quote))
    pairs = (books[:2] for books in found.values() if len(books) > 1)
    return next(pair for pair in pairs if pair[0][1].bid_units + pair[1][1].bid_units < 10_500)


def decided(books: Books, account: TradingAccount) -> list[Decision]:
    """What is decided on a bar that shows these books."""
    markets = {market.market_id: market for market, _ in books}
    cash, opened = account.accounting.cash_micro, dict[str, int]()
    view = Account(
        cash_micro=cash, equity_micro=account.accounting.equity_micro, positions=account.accounting.positions,
        open_buy_micro=opened, markets=markets, day_start_equity_micro=cash, peak_equity_micro=cash,
    )  # fmt: skip
    made = []
    for market, quote in books:
        described = replace(market, end_s=10**10)
        bar = Bar(market.market_id, int(time.time()), quote.mid_units, 0, 0, quote.spread_units)
        made.append(Inputs(described, bar, quote, np.zeros(15), FLAT, 0.0))
    answers = []
    for one in in_turn(made, STRATEGY):
        answers.append(decide(one, view, STRATEGY))
        for intent in answers[-1].intents:
            reserve(intent, one.market, opened)
    return answers


def sent(decisions: list[Decision], account: TradingAccount) -> list[str]:
    """Send what was decided and wait until nothing works or settles; the reasons of the orders."""
    reasons = []
    for intent in (one for made in decisions for one in made.intents):
        account.execution.submit(intent)
        reasons.append(intent.reason)
    deadline = time.monotonic() + 20
    while account.execution.pending or account.differences():
        account.execution.sync()
        assert time.monotonic() < deadline, "the orders were not settled"
        time.sleep(0.05)
    return reasons


@pytest.mark.slow
def test_a_leg_that_fails_at_the_exchange_is_unwound(site: Settings, tmp_path: Path) -> None:
    """Both legs are sent with the prices that were seen. One of them was old: its leg finds nothing, and the shares of
    the other leg are sold on the next bar, so that nothing is held."""
    (first, real), (second, gone) = event(site)
    gateway = ClobGateway.connect(site, [first, second])
    account = TradingAccount(gateway, Journal(f"sqlite:///{tmp_path / 'journal.db'}", "simulated"))
    for market, quote in ((first, real), (second, gone)):
        account.accounting.know(market)
        account.accounting.mids[market.market_id] = quote.mid_units
    tick = second.tick_units
    bid = (11_500 - real.bid_units) // tick * tick
    stale = Quote(bid, min(bid + 2 * tick, 9_900), 50_000_000, 50_000_000)

    legs = decided([(first, real), (second, stale)], account)
    assert sent(legs, account) == ["leg", "leg"]
    assert len({one.intent.shares_micro for one in legs if one.intent}) == 1
    assert list(account.accounting.positions) == [first.market_id]
    assert account.accounting.positions[first.market_id].outcome is Outcome.NO

    after = decided([(first, real), (second, gone)], account)
    assert sent(after, account) == ["unwind"]
    assert account.accounting.positions == {}
    assert account.differences() == []

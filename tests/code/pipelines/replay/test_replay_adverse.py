"""Fills from evidence are adverse where the price is fair at every second: what rests is bought before it falls."""

import math

import numpy as np
import pytest

from pipelines.core.domain import FeeSchedule, Market, Outcome, Quote, Side
from pipelines.core.orders import OrderIntent
from pipelines.core.params import load
from pipelines.trading.paper import PaperBook

SHARES = 100_000_000
WINDOWS, LENGTH_S, START_S = 150, 120, 1_000
EXECUTION = load().execution.model_copy(update={"queue": "evidence", "order_ttl_bars": LENGTH_S})
MARKET = Market(
    market_id="m", event_id="e", question="q", token_yes="1", token_no="2", tick_units=100, min_size_micro=5_000_000,
    fee=FeeSchedule(0.0, 1.0), start_s=START_S, end_s=START_S + LENGTH_S, topic="",
)  # fmt: skip


def window(rng):
    """YES books of a second around the fair price of "a walk ends above 0", and whether it did. Sizes come and go."""
    steps = rng.normal(0.0, 1.0, 2 * LENGTH_S)
    walk = np.cumsum(steps)[LENGTH_S:]
    books = []
    for second, at in enumerate(walk[:-1]):
        fair = 0.5 * math.erfc(-at / math.sqrt(2.0 * (LENGTH_S - 1 - second)))
        bid = min(max(int(fair * 100.0), 1), 98) * 100
        books.append(Quote(bid, bid + 100, *(rng.integers(20, 300, 2) * 1_000_000).tolist()))
    return books, bool(walk[-1] > 0.0)


def filled(books, outcome):
    """The limit of a bid at the touch of a token, and the part of it that fills until the end."""
    quote = books[0].of(outcome)
    order = OrderIntent(
        market_id="m", token_id="1" if outcome is Outcome.YES else "2", outcome=outcome, side=Side.BUY,
        price_units=quote.bid_units, shares_micro=SHARES, tick_units=100, neg_risk=False, version="", reason="quote",
        ts_s=START_S, post_only=True,
    )  # fmt: skip
    book = PaperBook(EXECUTION, 1)
    book.send(order, MARKET, books[0])
    got = [fill for at, seen in enumerate(books[1:], 1) for fill in book.on_bar("m", seen, START_S + at, 0)]
    assert all(0 <= fill.price_units - quote.bid_units <= EXECUTION.fill_adverse_units for fill in got)
    return quote.bid_units, sum(fill.shares_micro for fill in got) / SHARES


@pytest.fixture(scope="module")
def played():
    """(limit, part filled, whether the token won) of a bid for each token, window by window."""
    rng, found = np.random.default_rng(5), []
    while len(found) < WINDOWS:
        books, won = window(rng)
        if 2_000 <= books[0].bid_units <= 8_000:
            sides = ((Outcome.YES, won), (Outcome.NO, not won))
            found.append([(*filled(books, outcome), paid) for outcome, paid in sides])
    return found


def test_of_one_sided_fills_nearly_all_are_on_the_loser(played):
    """The maker probe's finding holds in a world that the model was not fitted on: 90 of 100 and more."""
    alone = loser = 0.0
    for (_, first, won), (_, second, _) in played:
        only_yes, only_no = first * (1.0 - second), second * (1.0 - first)
        alone += only_yes + only_no
        loser += only_no if won else only_yes

    assert alone > 10.0
    assert loser / alone > 0.9


def test_what_filled_is_worth_less_at_the_end_than_a_share_of_the_same_price(played):
    """Bought at a fair price whoever won, a share would be worth what it cost; what filled is worth less, and what did
    not fill more: a fill is bad news."""
    bids = [side for pair in played for side in pair]
    parts = np.array([part for _, part, _ in bids])
    gained = np.array([float(won) - limit / 10_000 for limit, _, won in bids])
    every, bought, missed = gained.mean(), gained @ parts / parts.sum(), gained @ (1 - parts) / (1 - parts).sum()

    assert bought < every < missed
    assert bought < every - 0.02

"""A maker's quotes in paper trading have the fills of the backtest on the same books."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.core import params
from pipelines.core.domain import Bar, FeeSchedule, Market, Outcome, Quote, Side
from pipelines.core.orders import OrderIntent, OrderType
from pipelines.trading.paper import PaperBook
from pipelines.trading.paper_gateway import PaperGateway

SHARE, START_S, CASH = 1_000_000, 6_000, 10_000_000_000
MARKET = Market(
    market_id="m", event_id="e", question="q", token_yes="11", token_no="12", tick_units=100, min_size_micro=5 * SHARE,
    fee=FeeSchedule(0.05), start_s=None, end_s=7_000, topic="",
)  # fmt: skip
EXECUTION = params.read(Path("params.yaml")).execution
EVEN = Quote(4_800, 5_200, 900 * SHARE, 900 * SHARE)
SHOWN = st.integers(300, 900)
FRAMES = st.lists(
    st.tuples(st.integers(46, 54), st.integers(1, 4), SHOWN, SHOWN, st.integers(0, 3_000)), min_size=2, max_size=8
)
QUEUES = st.sampled_from(["evidence", "pessimistic", "neutral", "optimistic"])


class Paper:
    """A paper account and the quote of its market."""

    def __init__(self, quote=EVEN, **execution):
        self.quote, self.ts_s, self.fair = quote, START_S, None
        rules = EXECUTION.model_copy(update={"latency_ms": [100.0] * 11, **execution})
        self.gateway = PaperGateway(CASH, rules, lambda _: (self.quote, self.ts_s), lambda _: None, lambda _: self.fair)
        self.gateway.know([MARKET])
        self.rules = rules

    def place(self, *intents):
        """Send orders."""
        for one in intents:
            self.gateway.place(self.gateway.prepare(one))

    def close(self, quote, ts_s, volume=0):
        """A bar closes."""
        self.quote, self.ts_s = quote, ts_s
        bar = Bar("m", ts_s, quote.mid_units, volume * SHARE, 1, quote.spread_units)
        self.gateway.bars_closed([(bar, quote)])

    def fills(self):
        """What was filled."""
        return _of(self.gateway.trades(0))


def bid(outcome, quote=EVEN, shares=50, back=0, ts_s=START_S):
    """A post-only bid for a token at its touch, or some ticks behind."""
    return OrderIntent(
        market_id="m", token_id=MARKET.token(outcome), outcome=outcome, side=Side.BUY,
        price_units=quote.of(outcome).bid_units - 100 * back, shares_micro=shares * SHARE, tick_units=100,
        neg_risk=False, version="v1", reason="quote", ts_s=ts_s, order_type=OrderType.GTD, post_only=True,
    )  # fmt: skip


def _of(fills):
    return sorted((one.outcome, one.ts_s, one.price_units, one.shares_micro, one.fee_micro) for one in fills)


def _quotes(frames):
    return [Quote(low * 100, (low + wide) * 100, a * SHARE, b * SHARE) for low, wide, a, b, _ in frames]


@given(
    frames=FRAMES,
    queue=QUEUES,
    latency_ms=st.sampled_from([0.0, 80.0, 900.0]),
    length_s=st.sampled_from([1, 5, 60]),
    shares=st.integers(5, 300),
    back=st.integers(0, 2),
    ttl=st.integers(1, 8),
)
def test_new_quotes_fill_as_in_the_backtest(frames, queue, latency_ms, length_s, shares, back, ttl):
    """Both quotes of a maker get the backtest's fills from the same books, from their first bar to their last, whatever
    the queue, the reference price, the latency, the length of a bar and the lifetime."""
    quotes = _quotes(frames)
    fair = [None if traded % 3 == 0 else (100 * low + traded) / 10_000 for low, _, _, _, traded in frames]
    paper = Paper(quotes[0], queue=queue, latency_ms=[latency_ms] * 11, order_ttl_bars=ttl)
    both = [bid(outcome, quotes[0], shares, back) for outcome in Outcome]
    book, expected = PaperBook(paper.rules, length_s), []
    for one in both:
        book.send(one, MARKET, quotes[0], fair[0])
    paper.fair = fair[0]
    paper.place(*both)

    for number, (quote, frame) in enumerate(zip(quotes[1:], frames[1:], strict=True), 1):
        ts_s = START_S + number * length_s
        expected += book.on_bar("m", quote, ts_s, frame[4] * SHARE, fair[number])
        paper.fair = fair[number]
        paper.close(quote, ts_s, frame[4])
        if number == ttl:
            paper.gateway.cancel_all()

    assert paper.fills() == _of(expected)


@given(frames=FRAMES, queue=QUEUES, shares=st.integers(5, 300), back=st.integers(0, 2))
def test_an_order_that_arrives_at_a_close_fills_as_in_the_backtest(frames, queue, shares, back):
    """An order of no maker meets the book of a close and rests from then on, in both."""
    quotes = _quotes(frames)
    paper = Paper(quotes[0], queue=queue, order_ttl_bars=len(frames))
    order = bid(Outcome.YES, quotes[0], shares, back, ts_s=START_S - 60)
    book = PaperBook(paper.rules, 60)
    book.send(order, MARKET)
    expected = list(book.on_bar("m", quotes[0], START_S, 0))
    paper.place(order)

    for number, (quote, frame) in enumerate(zip(quotes[1:], frames[1:], strict=True), 1):
        expected += book.on_bar("m", quote, START_S + 60 * number, frame[4] * SHARE)
        paper.close(quote, START_S + 60 * number, frame[4])

    assert paper.fills() == _of(expected)


def test_a_new_quote_may_fill_in_its_first_bar():
    """With a lifetime of one bar that is its only chance: the book of its arrival is the first look."""
    near = Quote(4_800, 4_900, 10 * SHARE, 900 * SHARE)
    paper = Paper(near, queue="evidence", order_ttl_bars=1)
    paper.place(bid(Outcome.YES, near))

    paper.close(near, START_S + 60)

    assert [fill[:2] for fill in paper.fills()] == [(Outcome.YES, START_S + 60)]


@pytest.mark.parametrize("queue", ["evidence", "optimistic"])
def test_a_bar_that_ended_before_the_arrival_fills_nothing(queue):
    """An order that reached the book at second 90 was in no book of the bar that ended at 60, which is told late."""
    paper = Paper(queue=queue)
    paper.ts_s = START_S + 90
    paper.place(bid(Outcome.YES))

    paper.close(Quote(4_600, 4_700, 900 * SHARE, 900 * SHARE), START_S + 60, 10_000)
    assert paper.fills() == []
    paper.close(Quote(4_600, 4_700, 900 * SHARE, 900 * SHARE), START_S + 120)
    assert [fill[1] for fill in paper.fills()] == [START_S + 120]


def test_a_bars_volume_reaches_both_sides_and_no_order_twice():
    """Half of 300 shares came to each side: both quotes of 100 fill, and of two on one side the second gets 50."""
    both, same = Paper(queue="optimistic"), Paper(queue="optimistic")
    both.place(bid(Outcome.YES, shares=100), bid(Outcome.NO, shares=100))
    same.place(bid(Outcome.YES, shares=100), bid(Outcome.YES, shares=100, ts_s=START_S + 1))

    both.close(EVEN, START_S + 60, 300)
    same.close(EVEN, START_S + 60, 300)

    assert [fill[3] for fill in both.fills()] == [100 * SHARE] * 2
    assert sorted(fill[3] for fill in same.fills()) == [50 * SHARE, 100 * SHARE]


@pytest.mark.parametrize("queue", ["evidence", "pessimistic"])
def test_a_cancellation_is_too_late_for_what_has_come(queue):
    """Between two bars the ask falls to the bid, and the bot cancels: the venue had filled it. A quote that the price
    did not come near to is gone without a fill."""
    fallen, calm = Paper(queue=queue), Paper(queue=queue)
    for paper, quote, back in ((fallen, Quote(4_700, 4_800, 10**9, 10**9), 0), (calm, EVEN, 9)):
        paper.place(bid(Outcome.YES, back=back))
        paper.quote, paper.ts_s = quote, START_S + 2
        paper.gateway.cancel_all()

    assert [fill[1:4] for fill in fallen.fills()] == [(START_S + 2, 4_800, 50 * SHARE)]
    assert calm.fills() == []
    assert fallen.gateway.open_orders() == calm.gateway.open_orders() == []

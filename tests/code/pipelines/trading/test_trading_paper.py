"""Paper orders: displayed shares are taken once, rests fill as the backtest's, decided markets are paid."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.core import params
from pipelines.core.domain import Bar, FeeSchedule, Market, Outcome, Quote, Side
from pipelines.core.orders import NOTHING_TO_TAKE, OrderIntent, OrderType, PlaceStatus
from pipelines.trading.paper import PaperBook
from pipelines.trading.paper_gateway import PaperGateway

CASH = 10_000_000_000
SHARE = 1_000_000
MARKET = Market(
    market_id="0x1",
    event_id="e",
    question="q",
    token_yes="11",
    token_no="12",
    tick_units=100,
    min_size_micro=5 * SHARE,
    fee=FeeSchedule(0.05),
    start_s=None,
    end_s=None,
    topic="",
)
EXECUTION = params.read(Path("params.yaml")).execution
QUOTE = Quote(5_000, 5_100, 100 * SHARE, 100 * SHARE)


def at_once(_seconds):
    """Orders arrive at once."""


class Screen:
    """What the venue shows: one quote that a test changes."""

    def __init__(self, quote=QUOTE, ts_s=60):
        self.quote, self.ts_s = quote, ts_s

    def __call__(self, market_id):
        return (self.quote, self.ts_s) if market_id == MARKET.market_id else None

    def close(self, gateway, quote=None, volume=0):
        """Another bar closes."""
        self.quote, self.ts_s = quote or self.quote, self.ts_s + 60
        bar = Bar(MARKET.market_id, self.ts_s, self.quote.mid_units, volume * SHARE, 1, self.quote.spread_units)
        gateway.bars_closed([(bar, self.quote)])


def intent(shares, price=5_100, side=Side.BUY, outcome=Outcome.YES, ts_s=60):
    """An order of whole shares."""
    token = MARKET.token(outcome)
    return OrderIntent(
        market_id=MARKET.market_id,
        token_id=token,
        outcome=outcome,
        side=side,
        price_units=price,
        shares_micro=shares * SHARE,
        tick_units=100,
        neg_risk=False,
        version="v1",
        reason="enter",
        ts_s=ts_s,
    )


@pytest.fixture
def screen():
    """A market at 0.50 to 0.51, 100 shares on each side."""
    return Screen()


@pytest.fixture
def gateway(screen):
    """A fresh paper account."""
    made = PaperGateway(CASH, EXECUTION, screen, at_once)
    made.know([MARKET])
    return made


def filled(gateway, order):
    """Shares that an order took at once; what it left is cancelled."""
    result = gateway.place(gateway.prepare(order))
    gateway.cancel([result.order_id])
    return result.filled_shares_micro / SHARE


def test_displayed_shares_are_taken_once(gateway, screen):
    """Of a quote that shows 100 shares all orders together take 100, until the display fell and rose again."""
    assert [filled(gateway, intent(60, ts_s=ts)) for ts in (60, 61, 62)] == [60, 40, 0]

    screen.close(gateway)
    assert filled(gateway, intent(60, ts_s=120)) == 0

    screen.close(gateway, replace(QUOTE, ask_size_micro=30 * SHARE))
    screen.close(gateway, QUOTE)
    assert filled(gateway, intent(100, ts_s=240)) == 70


def test_a_level_that_was_gone_is_new(gateway, screen):
    """When the touch has moved through a level, what stands there later is other people's shares."""
    assert filled(gateway, intent(100)) == 100

    screen.close(gateway, Quote(5_100, 5_200, 100 * SHARE, 100 * SHARE))
    screen.close(gateway, QUOTE)

    assert filled(gateway, intent(100, ts_s=180)) == 100


def test_a_market_buy_spends_its_money_and_leaves_nothing():
    """A FAK buy of 100 shares up to 0.53 spends 53 pUSD on the 100 shares at 0.51 and on shares behind them, and
    nothing of it rests; a second one up to 0.51 finds that level taken and is refused."""
    free = PaperGateway(CASH, EXECUTION.model_copy(update={"impact_share": 0.0}), Screen(), at_once)
    free.know([MARKET])
    fak = replace(intent(100, 5_300), order_type=OrderType.FAK)
    book = PaperBook(free._execution.model_copy(update={"latency_bars": 1, "order_ttl_bars": 5}), 60)
    book.send(fak, MARKET)

    result = free.place(free.prepare(fak))

    assert _of(free.trades(0)) == _of(book.on_bar(MARKET.market_id, QUOTE, 60, 0))
    assert [(one.price_units, one.shares_micro) for one in free.trades(0)] == [(5_100, 100 * SHARE), (5_200, 3_840_000)]
    assert 53_000_000 - 5_200 < result.filled_notional_micro <= 53_000_000
    assert (free.open_orders(), book.working) == ([], {})
    less = free.place(free.prepare(replace(fak, price_units=5_100, ts_s=61)))
    assert (less.status, less.reason) == (PlaceStatus.REJECTED, f"{NOTHING_TO_TAKE} with FAK order")


def test_both_tokens_take_from_one_book(gateway):
    """The sale of NO at one minus the ask takes the very shares that a purchase of YES takes."""
    assert filled(gateway, intent(100, 5_000, outcome=Outcome.NO)) == 100
    assert filled(gateway, intent(70)) == 70
    assert filled(gateway, intent(100, 4_900, Side.SELL, Outcome.NO)) == 30


def test_the_next_level_gives_what_the_touch_no_longer_has(gateway):
    """An order whose limit reaches behind an emptied touch fills there, at the worse price."""
    filled(gateway, intent(100))

    result = gateway.place(gateway.prepare(intent(50, 5_200, ts_s=61)))

    assert result.filled_shares_micro == 50 * SHARE
    assert gateway.trades(0)[-1].price_units == 5_200


def test_a_refused_order_takes_nothing(gateway):
    """What the account could not pay for is still there for the next order."""
    assert gateway.place(gateway.prepare(intent(10**9))).status is PlaceStatus.REJECTED
    assert filled(gateway, intent(100)) == 100


BARS = st.lists(
    st.tuples(st.integers(45, 55), st.integers(1, 3), st.integers(0, 900), st.integers(0, 900)), min_size=2, max_size=9
)
EMPTY = Quote(0, 10_000, 0, 0)


def _rules(bars, depth, queue="neutral"):
    update = {"order_ttl_bars": bars, "latency_bars": 1, "queue": queue, "model_depth_shares": depth}
    return EXECUTION.model_copy(update=update)


def _account(rules, screen):
    """A paper account that holds 5,000 shares."""
    gateway = PaperGateway(CASH, rules, screen, at_once)
    gateway.know([MARKET])
    gateway.restore(CASH, [_held(5_000)], {})
    return gateway


def _shown(order, quote, rules):
    """Shares that the other side of a quote shows up to an order's limit: its touch, and modelled levels behind it."""
    buys = order.side is Side.BUY
    touch, size = (quote.ask_units, quote.ask_size_micro) if buys else (quote.bid_units, quote.bid_size_micro)
    behind = (order.price_units - touch) // 100 * (1 if buys else -1)
    modelled = rules.model_depth_shares * SHARE * 100 // quote.spread_units // 10_000 * 10_000
    return size + behind * modelled if behind >= 0 and size else 0


def _of(fills):
    return [(fill.ts_s, fill.price_units, fill.shares_micro, fill.fee_micro) for fill in fills]


@given(
    bars=BARS,
    side=st.sampled_from(Side),
    off=st.integers(-2, 6),
    shares=st.integers(5, 5_000),
    depth=st.integers(1, 1_500),
    queue=st.sampled_from(["pessimistic", "neutral"]),
)
def test_a_rest_fills_as_the_backtests(bars, side, off, shares, depth, queue):
    """From its arrival on, an order gets the fills that the backtest's book gives it from the same bars, each a book of
    its own, whether its limit rests or is marketable; what crosses its limit is never more than what was shown."""
    quotes = [Quote(bid * 100, (bid + wide) * 100, shown * SHARE, shown * SHARE) for bid, wide, shown, _ in bars]
    rules = _rules(len(bars), depth, queue)
    screen = Screen(quotes[0])
    gateway = _account(rules, screen)
    own, sign = (quotes[0].bid_units, 1) if side is Side.BUY else (quotes[0].ask_units, -1)
    order = intent(shares, own + sign * off * 100, side)
    book = PaperBook(rules, 60)
    book.send(order, MARKET)

    expected = list(book.on_bar(MARKET.market_id, quotes[0], 60, 0))
    assert sum(fill.shares_micro for fill in expected) <= _shown(order, quotes[0], rules)
    gateway.place(gateway.prepare(order))
    for number, (quote, bar) in enumerate(zip(quotes[1:], bars[1:], strict=True), 2):
        fills = book.on_bar(MARKET.market_id, quote, 60 * number, bar[3] * SHARE)
        shown = _shown(order, quote, rules)
        assert sum(fill.shares_micro for fill in fills) <= (shown or bar[3] * SHARE // 2)
        expected += fills
        screen.ts_s -= 1
        screen.close(gateway, EMPTY)
        screen.ts_s -= 59
        screen.close(gateway, quote, bar[3])

    assert _of(gateway.trades(60)) == _of(expected)


@given(
    bars=st.integers(2, 9),
    side=st.sampled_from(Side),
    off=st.integers(0, 6),
    shares=st.integers(5, 5_000),
    shown=st.integers(1, 900),
    depth=st.integers(1, 1_500),
)
def test_an_unchanged_quote_gives_no_more_than_it_shows(bars, side, off, shares, shown, depth):
    """While a quote stays as it is and nothing trades, an order and a second one like it get together, in all bars,
    what the first bar shows up to their limit."""
    quote = replace(QUOTE, bid_size_micro=shown * SHARE, ask_size_micro=shown * SHARE)
    rules = _rules(bars, depth)
    screen = Screen(quote)
    gateway = _account(rules, screen)
    other, sign = (quote.ask_units, 1) if side is Side.BUY else (quote.bid_units, -1)
    for ts_s in (60, 61):
        order = intent(shares, other + sign * off * 100, side, ts_s=ts_s)
        if gateway.place(gateway.prepare(order)).status is not PlaceStatus.ACCEPTED:
            continue
        for _ in range(bars):
            screen.close(gateway)

    assert sum(fill.shares_micro for fill in gateway.trades(60)) <= _shown(order, quote, rules)


def test_what_a_limit_crosses_is_what_is_shown():
    """100,000 shares wanted up to 0.53 from an ask of 100 at 0.51: the first bar gives those and the two modelled
    levels behind them, with a fee; the next bar's book as many, free; the paper account, whose quote did not change,
    nothing until the quote shows more, and of levels that it took from only the rest."""
    order, rules, screen = intent(100_000, 5_300), _rules(5, 1_500), Screen()
    gateway = PaperGateway(10 * CASH, rules, screen, at_once)
    gateway.know([MARKET])
    book = PaperBook(rules, 60)
    book.send(order, MARKET)
    gateway.place(gateway.prepare(order))
    first, second = (book.on_bar(MARKET.market_id, QUOTE, ts_s, 0) for ts_s in (60, 120))
    assert [sum(fill.shares_micro for fill in fills) for fills in (first, second)] == [3_100 * SHARE] * 2
    assert all(fill.fee_micro > 0 for fill in first)
    assert [(fill.price_units, fill.fee_micro) for fill in second] == [(5_300, 0)]

    screen.close(gateway)
    assert gateway.shares_micro("11") == 3_100 * SHARE
    screen.close(gateway, replace(QUOTE, ask_size_micro=180 * SHARE))
    assert gateway.shares_micro("11") == 3_180 * SHARE
    screen.close(gateway, Quote(4_900, 5_000, 50 * SHARE, 50 * SHARE))
    assert gateway.shares_micro("11") == (3_180 + 50 + 1_500 - 180) * SHARE


def _held(shares):
    gateway = PaperGateway(CASH, EXECUTION, Screen(replace(QUOTE, ask_size_micro=shares * SHARE), 0), at_once)
    gateway.know([MARKET])
    gateway.place(gateway.prepare(intent(shares)))
    return gateway.trades(0)[0]


def test_a_resting_buy_fills_at_its_limit_without_a_fee(gateway, screen):
    """With 50 shares before it, a bid of 100 at the touch gets what half of a bar's volume leaves: 300 / 2 - 50."""
    result = gateway.place(gateway.prepare(intent(100, 5_000)))
    assert (result.venue_status, [one.matched_micro for one in gateway.open_orders()]) == ("live", [0])

    screen.close(gateway, volume=180)
    assert [one.matched_micro for one in gateway.open_orders()] == [40 * SHARE]
    screen.close(gateway, volume=1_000)

    assert gateway.open_orders() == []
    assert gateway.cash_micro() == CASH - 50 * SHARE
    assert gateway.shares_micro("11") == 100 * SHARE


def test_one_bars_volume_fills_two_rests_once(gateway, screen):
    """What the first resting order got of a bar's volume is not there for the second."""
    screen.quote = replace(QUOTE, bid_size_micro=0)
    for ts_s in (60, 61):
        gateway.place(gateway.prepare(intent(100, 5_000, ts_s=ts_s)))

    screen.close(gateway, volume=300)

    assert gateway.shares_micro("11") == 150 * SHARE


def test_what_rests_is_bound(gateway):
    """Cash behind a resting buy, and shares behind a resting sale, back no second order; a cancel frees them."""
    rests = intent(15_000, 5_000)
    assert gateway.place(gateway.prepare(rests)).status is PlaceStatus.ACCEPTED
    again = gateway.prepare(intent(15_000, 5_000, ts_s=61))
    assert gateway.place(again).status is PlaceStatus.REJECTED

    gateway.cancel_all()
    assert gateway.place(again).status is PlaceStatus.ACCEPTED


def test_an_order_that_the_fee_makes_too_dear_is_refused(screen):
    """What an order took, its fee and the money behind its rest are not more than the cash, to the base unit."""
    cost = 100 * 510_000 + 1_249_500 + 900 * 510_000
    for cash, status in ((cost - 1, PlaceStatus.REJECTED), (cost, PlaceStatus.ACCEPTED)):
        gateway = PaperGateway(cash, EXECUTION.model_copy(update={"impact_share": 0.0}), screen, at_once)
        gateway.know([MARKET])
        assert gateway.place(gateway.prepare(intent(1_000))).status is status


def test_a_decided_market_is_paid_and_its_orders_are_gone(gateway):
    """The winning token pays 1 pUSD a share, the other nothing, once; resting orders end."""
    filled(gateway, intent(100))
    filled(gateway, intent(40, 5_000, outcome=Outcome.NO, ts_s=61))
    gateway.place(gateway.prepare(intent(10, 4_000, ts_s=62)))
    before = gateway.cash_micro()

    gateway.resolved(MARKET.market_id, SHARE)
    gateway.resolved(MARKET.market_id, SHARE)

    assert gateway.cash_micro() == before + 100 * SHARE
    assert (gateway.shares_micro("11"), gateway.shares_micro("12")) == (0, 0)
    assert gateway.open_orders() == []


def test_shares_that_we_took_do_not_come_to_our_limit(gateway, screen):
    """What an order could not take does not fill from the very quote that it emptied, but from shares added to it."""
    assert gateway.place(gateway.prepare(intent(150))).filled_shares_micro == 100 * SHARE

    screen.close(gateway)
    assert gateway.shares_micro("11") == 100 * SHARE
    screen.close(gateway, replace(QUOTE, ask_size_micro=180 * SHARE))

    assert gateway.shares_micro("11") == 150 * SHARE


def test_a_paper_order_meets_the_book_of_its_arrival():
    """While the order is on its way the ask goes up: it pays the later price, and finds nothing beyond its limit. The
    hold of a market counts for orders that take, and not for those that rest."""
    screen, waited = Screen(), []

    def moves(seconds):
        waited.append(seconds)
        screen.quote = replace(QUOTE, bid_units=screen.quote.bid_units + 100, ask_units=screen.quote.ask_units + 100)

    slow = EXECUTION.model_copy(update={"impact_share": 0.0, "latency_ms": [80.0] * 11})
    gateway = PaperGateway(CASH, slow, screen, moves, clock=lambda: sum(waited))
    gateway.know([replace(MARKET, taker_delay_ms=150)])
    take = replace(intent(10, price=5_200), order_type=OrderType.FAK)
    rest = replace(intent(10, price=4_000), post_only=True, ts_s=62)

    assert gateway.place(gateway.prepare(take)).status is PlaceStatus.ACCEPTED
    assert [fill.price_units for fill in gateway.trades(0)] == [5_200]
    assert gateway.place(gateway.prepare(replace(take, ts_s=61))).status is PlaceStatus.REJECTED
    assert gateway.place(gateway.prepare(rest)).status is PlaceStatus.ACCEPTED
    assert waited == pytest.approx([0.23, 0.23, 0.08])


def test_orders_of_one_bar_are_on_their_way_together():
    """The latency of each order counts from the first one of its bar, as in the backtest: twenty orders do not wait
    twenty times, and the next bar begins anew."""
    waited = []
    slow = EXECUTION.model_copy(update={"latency_ms": [80.0] * 11})
    gateway = PaperGateway(100 * CASH, slow, Screen(), waited.append, clock=lambda: sum(waited))
    gateway.know([MARKET])

    for shares in range(10, 30):
        gateway.place(gateway.prepare(intent(shares, price=4_000)))
    gateway.place(gateway.prepare(intent(10, price=4_000, ts_s=120)))

    assert waited == pytest.approx([0.08] + 19 * [0.0] + [0.08])

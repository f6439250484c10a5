"""Rules of the other traders: an outside order meets noise and informed traders on the same book."""

import asyncio

from pipelines.core.domain import FeeSchedule, Outcome, Side
from simulator.engine.orders import Order, TimeInForce
from simulator.markets.source import Listing, Step, Tick
from simulator.venue.options import Options
from simulator.venue.venue import Venue

LISTING = Listing(
    "0x" + "11" * 32, "event", "Event", "Will it?", "will-it", "101", "102", 100, 5_000_000, FeeSchedule(0.05),
    "Other", 0, 60_000,
)  # fmt: skip
SHARES = 50_000_000


class OneMarket:
    """A source with one market whose next step is set by the test."""

    step_s, now_s = 60, 60

    def __init__(self):
        self.next = Tick(LISTING.market_id, 4_800, 5_200, 10**9, 10**9)

    def listings(self):
        return [LISTING]

    def resolutions(self):
        return []

    def headlines(self):
        return []

    def advance(self):
        self.now_s += 60
        return Step(self.now_s, [self.next])


def _venue_with_bid(units):
    """A venue with an outside bid for YES inside the maker's spread of 0.48 to 0.52."""
    source = OneMarket()
    venue = Venue(Options(), source)
    asyncio.run(venue.step())
    account = venue.exchange.account("0x" + "99" * 20)
    venue.exchange.deposit(account, 10**9)
    bid = Order("mine", account, LISTING.market_id, "101", Outcome.YES, Side.BUY, units, SHARES, TimeInForce.GTC)
    venue.exchange.place(bid)
    return venue, source, bid


def _step(venue, source, **flows):
    source.next = Tick(LISTING.market_id, 4_800, 5_200, 10**9, 10**9, **flows)
    asyncio.run(venue.step())


def test_an_informed_sale_takes_an_outside_bid_above_its_limit():
    """Who bids 0.51 where fair value is below it is sold to, at the bid."""
    venue, source, bid = _venue_with_bid(5_100)
    _step(venue, source, informed=((180, Side.SELL, 4_900, SHARES),))

    assert bid.remaining_micro == 0


def test_an_informed_sale_leaves_a_fair_bid_and_the_maker_alone():
    """A bid below the informed trader's limit stays, and so does the maker's quote."""
    venue, source, bid = _venue_with_bid(4_900)
    _step(venue, source, informed=((180, Side.SELL, 5_000, SHARES),))

    assert bid.remaining_micro == SHARES
    assert venue.market_maker.maker.shares("101") == 0


def test_noise_reaches_the_better_price_first():
    """A noise seller at the maker's bid meets the outside bid above it before the maker."""
    venue, source, bid = _venue_with_bid(4_900)
    _step(venue, source, trades=((180, Side.SELL, 4_800, 2 * SHARES),))

    assert bid.remaining_micro == 0
    assert venue.market_maker.maker.shares("101") == SHARES


def test_noise_finds_an_outside_order_behind_the_queue():
    """An outside bid at the maker's own price waits behind it: a trade smaller than the queue does not reach it."""
    venue, source, bid = _venue_with_bid(4_800)
    _step(venue, source, trades=((180, Side.SELL, 4_800, 10**9),))

    assert bid.remaining_micro == SHARES
    _step(venue, source, trades=((240, Side.SELL, 4_800, 10**9 + 2 * SHARES),))

    assert bid.remaining_micro == 0

"""Any operations in any order neither create nor lose money or shares, and a refusal changes nothing."""

import os

import msgspec
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from simulator_bench import listing, order

from pipelines.core.money import MICRO
from simulator.engine.audit import audit
from simulator.engine.exchange import Exchange
from simulator.engine.markets import MarketState
from simulator.engine.refusals import Refused
from simulator.markets.source import Tick
from simulator.venue.market_maker import MarketMaker
from simulator.venue.options import Options
from simulator.venue.restore import restore
from simulator.venue.saved_state import SavedState, capture
from simulator.venue.venue import Venue as ServedVenue

PRICES = st.one_of(st.integers(44, 56), st.integers(44, 56), st.integers(0, 100))
TRADERS = ("ann", "bob", "cyd", "dan")
STEPS = int(os.environ.get("SOAK_STEPS", "200"))
RUNS = int(os.environ.get("SOAK_RUNS", "80"))


def snapshot(venue: Exchange) -> tuple:
    """Everything that an operation may change, comparable."""
    accounts = [(a.address, a.cash_micro, sorted(a.positions.items())) for a in venue.accounts.values()]
    orders = [(o.order_id, o.remaining_micro, o.held_micro, o.status) for o in venue.orders.values()]
    markets = [(m.state, m.collateral_micro, m.tick_units) for m in venue.markets.values()]
    return accounts, orders, markets, len(venue.known), len(venue.pending), venue.fees_micro


class Listed:
    """A source with the listings and resolutions of an exchange's markets."""

    step_s, now_s = 60, 0

    def __init__(self, exchange):
        self.exchange = exchange

    def listings(self):
        """All markets."""
        return [market.listing for market in self.exchange.markets.values()]

    def resolutions(self):
        """Those that ended."""
        over = [m for m in self.exchange.markets.values() if m.payout_yes_micro is not None]
        return [(market.listing.market_id, market.payout_yes_micro, 0) for market in over]

    def headlines(self):
        """No headlines."""
        return []


def served(exchange):
    """A venue with an exchange's markets and without accounts."""
    return ServedVenue(Options(deposit_pusd=500), Listed(exchange))


class Venue(RuleBasedStateMachine):
    """Four traders and the market maker on three markets, with everything that can happen to them."""

    @initialize(at_once=st.booleans(), rate=st.sampled_from([0.0, 0.05, 0.07]))
    def begin(self, at_once, rate):
        """Open three markets of different ticks."""
        self.venue = Exchange(deposit_micro=500 * MICRO)
        self.venue.settle_at_once = at_once
        self.count = 0
        self.rate = rate
        for tick in (100, 10, 100):
            self.open_market(tick)
        self.market_maker = MarketMaker(self.venue)
        for who in TRADERS:
            self.venue.account(who)

    def open_market(self, tick):
        """List one more market."""
        self.count += 1
        self.venue.list_market(listing(self.count, tick_units=tick, rate=self.rate))

    def pick(self, index):
        """One of the markets."""
        markets = list(self.venue.markets.values())
        return markets[index % len(markets)]

    def attempt(self, action):
        """Call a function; a refusal must change nothing."""
        before = snapshot(self.venue)
        try:
            action()
        except Refused:
            assert snapshot(self.venue) == before

    @rule(
        who=st.sampled_from(TRADERS), side=st.sampled_from(["BUY", "SELL"]), outcome=st.sampled_from(["YES", "NO"]),
        price=PRICES, fine=st.integers(0, 9), shares=st.integers(0, 40_000),
        kind=st.sampled_from(["GTC", "GTC", "GTC", "GTD", "FOK", "FAK"]), index=st.integers(0, 5),
        post_only=st.booleans(),
    )  # fmt: skip
    def place(self, who, side, outcome, price, fine, shares, kind, index, post_only):
        """Place any order of any trader."""
        market = self.pick(index)
        units = price * 100 + (fine * 10 if market.tick_units == 10 else 0)
        budget = shares * 100 / 10_000 if side == "BUY" and kind in ("FOK", "FAK") else 0
        made = order(
            self.venue, who, side, outcome, units, 0 if budget else shares / 100, market=market, kind=kind,
            post_only=post_only and kind in ("GTC", "GTD"), budget=budget,
        )  # fmt: skip
        self.attempt(lambda: self.venue.place(made))

    @rule(bid=st.integers(40, 58), width=st.integers(1, 5), size=st.integers(0, 50_000), index=st.integers(0, 5))
    def quote(self, bid, width, size, index):
        """The market maker moves its quotes, through the traders' orders if need be."""
        market = self.pick(index)
        if market.state is MarketState.OPEN:
            ask = min(bid + width, 99)
            tick = Tick(market.listing.market_id, bid * 100, ask * 100, size * 10_000, size * 10_000)
            self.market_maker.quote(market, tick)

    @rule(
        price=st.integers(35, 65), shares=st.integers(1, 10**9), buys=st.booleans(), index=st.integers(0, 5),
        decimals=st.sampled_from([0, 0, 4, 5, 6]),
    )  # fmt: skip
    def noise(self, price, shares, buys, index, decimals):
        """A noise trader hits the book with shares, or with a sum of pUSD."""
        market = self.pick(index)
        self.market_maker.decimals = lambda market: decimals
        if market.state is MarketState.OPEN:
            self.market_maker.hit(market, (0, "BUY" if buys else "SELL", price * 100, shares))

    @rule(index=st.integers(0, 1000))
    def cancel(self, index):
        """Cancel some open order."""
        orders = [o for o in self.venue.orders.values() if not o.account.internal]
        if orders:
            self.venue.cancel(orders[index % len(orders)])

    @rule(
        who=st.tuples(st.sampled_from(TRADERS), st.sampled_from(TRADERS)),
        sides=st.sampled_from(["BB", "BS", "SB", "SS"]),
        price=st.integers(0, 100), shares=st.integers(0, 20_000), index=st.integers(0, 5),
    )  # fmt: skip
    def match(self, who, sides, price, shares, index):
        """Two traders agree on a quote: complementary, mint and merge, away from the book."""
        market = self.pick(index)
        same = sides[0] != sides[1]
        side = {"B": "BUY", "S": "SELL"}
        taker = order(self.venue, who[0], side[sides[0]], "YES", price * 100, shares / 100, market=market)
        quoted = price * 100 if same else 10_000 - price * 100
        outcome = "YES" if same else "NO"
        maker = order(self.venue, who[1], side[sides[1]], outcome, quoted, shares / 100, market=market)
        self.attempt(lambda: self.venue.match(taker, maker))

    @rule(index=st.integers(0, 1000))
    def void(self, index):
        """A maker cancels an open order in the exchange contract; it can never be sent again."""
        orders = [o for o in self.venue.orders.values() if not o.account.internal]
        if orders:
            chosen = orders[index % len(orders)]
            self.venue.void(chosen.order_id)
            with pytest.raises(Refused, match=r"canceled in the CTF exchange contract|not yet ready"):
                self.venue.place(chosen)

    @rule(who=st.sampled_from(TRADERS), micro=st.integers(0, 600 * MICRO), back=st.booleans())
    def cash(self, who, micro, back):
        """Cash arrives from outside or leaves; buys that lose their backing are cancelled."""
        account = self.venue.account(who)
        if back and micro:
            self.venue.deposit(account, micro)
        else:
            self.attempt(lambda: self.venue.withdraw(account, micro))
            self.venue.shed(account)

    @rule(who=st.sampled_from(TRADERS), cents=st.integers(0, 500))
    def rebate(self, who, cents):
        """A maker gets a part of the fees back."""
        self.attempt(lambda: self.venue.give_back_fees(self.venue.account(who), cents * 10_000))

    @rule()
    def restart(self):
        """A new venue that restores what this one keeps has the same open orders and money, and balanced books."""
        old = served(self.venue)
        old.exchange, old.market_maker = self.venue, self.market_maker
        kept = msgspec.json.decode(msgspec.json.encode(capture(old)), type=SavedState)
        fresh = served(self.venue)
        restore(fresh, kept)
        assert audit(fresh.exchange) == []
        assert fresh.exchange.deposits_micro == self.venue.deposits_micro
        assert list(fresh.exchange.orders) == [o.order_id for o in self.venue.orders.values() if not o.account.internal]

    @rule(index=st.integers(0, 1000), fails=st.booleans())
    def settle(self, index, fails):
        """A trade is mined, or its settlement fails."""
        trades = list(self.venue.pending.values())
        if trades:
            (self.venue.revert if fails else self.venue.settle)(trades[index % len(trades)])

    @rule(who=st.sampled_from(TRADERS), shares=st.integers(0, 60_000), index=st.integers(0, 5), back=st.booleans())
    def pairs(self, who, shares, index, back):
        """Split pUSD into a pair, or merge a pair."""
        act = self.venue.merge if back else self.venue.split
        self.attempt(lambda: act(self.venue.account(who), self.pick(index).listing.market_id, shares * 10_000))

    @rule(index=st.integers(0, 20), payout=st.sampled_from([0, MICRO, MICRO // 2]), last=st.integers(0, 9))
    def resolve(self, index, payout, last):
        """Resolve a market, pay its holders, and open another market."""
        market = self.pick(index)
        if last or market.state is MarketState.RESOLVED:
            return
        name = market.listing.market_id
        self.market_maker.withdraw(name)
        self.venue.resolve(name, payout)
        for holder in self.venue.holders(name):
            self.venue.redeem(holder, name)
        self.open_market(100)

    @invariant()
    def nothing_is_lost(self):
        """Cash, positions, fees and deposits agree to the base unit."""
        if hasattr(self, "venue"):
            assert audit(self.venue) == []


@pytest.mark.slow
def test_conservation():
    """Over 10,000 random operations: cash + collateral + fees = deposits, YES = NO = collateral, refusals are free."""
    run_state_machine_as_test(
        Venue,
        settings=settings(
            max_examples=RUNS, stateful_step_count=STEPS, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )

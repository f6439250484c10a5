"""The exchange's own traders: a market maker who posts the source's quotes, noise traders, and an informed trader."""

from collections.abc import Callable

from pipelines.core.domain import Outcome, Side
from pipelines.core.money import PRICE_SCALE, SHARE_GRID, floor_to_grid
from simulator.engine.accounts import Account
from simulator.engine.exchange import Exchange
from simulator.engine.markets import LiveMarket
from simulator.engine.orders import BUDGET_GRID, Order, TimeInForce
from simulator.markets.source import Tick, TradePrint

DEPTH = 5
"""Levels per side. The best has the source's size; each further tick adds half of that size."""


Levels = dict[tuple[bool, int], int]
"""Open shares by (is a bid, YES price)."""

CENT_MICRO = 10_000
"""One cent in base units of pUSD."""


class MarketMaker:
    """Three internal accounts. They sell YES by buying NO, so they need no inventory."""

    def __init__(self, exchange: Exchange):
        self.exchange = exchange
        self.maker = exchange.account("0x" + "a1" * 20, internal=True)
        self.noise = exchange.account("0x" + "b2" * 20, internal=True)
        self.informed = exchange.account("0x" + "c3" * 20, internal=True)
        self.reshape: Callable[[LiveMarket, Levels], Levels] = lambda market, levels: levels
        """Changes the levels before they are quoted (a fault sets it)."""
        self.decimals: Callable[[LiveMarket], int] = lambda market: 0
        """Decimals of the shares that a noise trader gets who spends a sum of pUSD; 0 if it buys a number of shares."""
        self._ticks: dict[str, Tick] = {}
        self._quotes: dict[str, dict[tuple[bool, int], Order]] = {}
        self.placed = 0
        """Number of internal orders so far; it makes their ids unique."""

    def quote(self, market: LiveMarket, tick: Tick) -> None:
        """Change the market maker's orders to the quote. Orders that already fit it keep their place in the queue."""
        self._ticks[tick.market_id] = tick
        wanted = ladder(tick, market.tick_units)
        if market.tick_pinned:
            wanted = rounded(wanted, market.tick_units)
        wanted = self.reshape(market, wanted)
        quoted = self._quotes.setdefault(tick.market_id, {})
        for key, order in list(quoted.items()):
            shares = wanted.get(key)
            if not order.remaining_micro or order.order_id not in self.exchange.orders:
                del quoted[key]
            elif shares is None:
                self.exchange.cancel(order)
                del quoted[key]
            elif shares != order.remaining_micro:
                # Most steps change only sizes. A cancel and a new order instead would nearly double the time of a step.
                self.exchange.resize(order, shares)
        for key, shares in wanted.items():
            if key not in quoted:
                quoted[key] = self._buy(self.maker, market, key[0], key[1], shares)
        self._tidy(market)

    def refresh(self, market: LiveMarket) -> None:
        """Post the last quote of the source again."""
        tick = self._ticks.get(market.listing.market_id)
        if tick is not None:
            self.quote(market, tick)

    def withdraw(self, market_id: str) -> None:
        """Cancel all orders of the market maker in a market, and stop quoting it."""
        self._ticks.pop(market_id, None)
        for order in self._quotes.pop(market_id, {}).values():
            if order.order_id in self.exchange.orders:
                self.exchange.cancel(order)

    def hit(self, market: LiveMarket, trade: TradePrint) -> None:
        """Send a noise trader's order. What finds no resting order is only published as a trade."""
        _, side, price_units, shares_micro = trade
        shares = floor_to_grid(shares_micro, SHARE_GRID)
        if shares and 0 < price_units < PRICE_SCALE:
            decimals = self.decimals(market)
            if decimals:
                self._spend(market, side is Side.BUY, price_units, shares, decimals)
            else:
                self._buy(self.noise, market, side is Side.BUY, price_units, shares)
        market.last_units, market.last_side = price_units, side
        market.last_token = market.listing.token_yes

    def take(self, market: LiveMarket, order: TradePrint) -> None:
        """Send an order of the informed trader. Its limit is inside the spread, so it meets outside orders only."""
        _, side, price_units, shares_micro = order
        self._buy(self.informed, market, side is Side.BUY, price_units, shares_micro)

    def _spend(self, market: LiveMarket, is_bid: bool, units: int, shares: int, decimals: int) -> None:
        """Spend whole cents of pUSD, so that resting orders are filled with fractions of 0.01 share."""
        own = units if is_bid else PRICE_SCALE - units
        budget = shares * own // PRICE_SCALE // CENT_MICRO * CENT_MICRO
        if budget:
            self._buy(self.noise, market, is_bid, units, 0, budget_micro=budget, share_grid=10 ** (6 - decimals))

    def _buy(
        self,
        account: Account,
        market: LiveMarket,
        is_bid: bool,
        units: int,
        shares: int,
        budget_micro: int = 0,
        share_grid: int = BUDGET_GRID,
    ) -> Order:
        outcome = Outcome.YES if is_bid else Outcome.NO
        self.placed += 1
        order = Order(
            order_id=f"internal-{self.placed}",
            account=account,
            market_id=market.listing.market_id,
            token_id=market.token(outcome),
            outcome=outcome,
            label=market.label(outcome),
            side=Side.BUY,
            price_units=units if is_bid else PRICE_SCALE - units,
            shares_micro=shares,
            budget_micro=budget_micro,
            share_grid=share_grid,
            kind=TimeInForce.GTC if account is self.maker else TimeInForce.FAK,
        )
        self.exchange.place(order)
        return order

    def _tidy(self, market: LiveMarket) -> None:
        """Merge pairs of shares, so that the collateral of a market does not grow for ever."""
        listing = market.listing
        for account in (self.maker, self.noise, self.informed):
            pairs = min(account.shares(listing.token_yes), account.shares(listing.token_no))
            if pairs:
                self.exchange.merge(account, listing.market_id, pairs)


def ladder(tick: Tick, tick_units: int) -> Levels:
    """Levels to quote: the recorded book if there is one, else `DEPTH` levels per side from the source's best."""
    if tick.levels:
        return {(is_bid, price): shares for is_bid, price, shares in tick.levels}
    levels: Levels = {}
    for is_bid, top, size in (
        (True, tick.bid_units, tick.bid_size_micro),
        (False, tick.ask_units, tick.ask_size_micro),
    ):
        if size < SHARE_GRID or not 0 < top < PRICE_SCALE:
            continue
        for depth in range(DEPTH):
            price = top - depth * tick_units if is_bid else top + depth * tick_units
            if tick_units <= price <= PRICE_SCALE - tick_units:
                levels[is_bid, price] = floor_to_grid(size + size * depth // 2, SHARE_GRID)
    return levels


def rounded(levels: Levels, tick_units: int) -> Levels:
    """Levels on a coarser tick: bids are rounded down, asks up; levels outside the range of prices are left out."""
    found: Levels = {}
    for (is_bid, units), shares in levels.items():
        on_grid = units // tick_units * tick_units if is_bid else -(-units // tick_units) * tick_units
        if tick_units <= on_grid <= PRICE_SCALE - tick_units:
            found[is_bid, on_grid] = found.get((is_bid, on_grid), 0) + shares
    return found

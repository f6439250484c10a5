"""The exchange's own traders: a market maker that posts the source's quotes, and noise traders that hit the book."""

import itertools

from pipelines.core.domain import Outcome, Side
from pipelines.core.money import PRICE_SCALE, SHARE_GRID, floor_to_grid
from simulator.engine.exchange import Exchange
from simulator.engine.markets import LiveMarket
from simulator.engine.orders import Order, TimeInForce
from simulator.markets.source import Tick, TradePrint

DEPTH = 5
"""Levels per side; the top is the source's, the others grow by half of its size per tick."""


class House:
    """Two internal accounts. Both only ever buy (a sale of YES is a purchase of NO), so neither needs inventory."""

    def __init__(self, exchange: Exchange):
        self.exchange = exchange
        self.maker = exchange.account("0x" + "a1" * 20, internal=True)
        self.noise = exchange.account("0x" + "b2" * 20, internal=True)
        self._quotes: dict[str, dict[tuple[bool, int], Order]] = {}
        self._ids = itertools.count(1)

    def quote(self, market: LiveMarket, tick: Tick) -> None:
        """Replace the market maker's orders by the quote; orders that are still right keep their place."""
        wanted = ladder(tick, market.tick_units)
        standing = self._quotes.setdefault(tick.market_id, {})
        for key, order in list(standing.items()):
            if order.remaining_micro != wanted.get(key):
                if order.remaining_micro and order.order_id in self.exchange.orders:
                    self.exchange.cancel(order)
                del standing[key]
        for key, shares in wanted.items():
            if key not in standing:
                standing[key] = self._buy(market, key[0], key[1], shares, TimeInForce.GTC)
        self._tidy(market)

    def withdraw(self, market_id: str) -> None:
        """Take the market maker out of a market (its orders are cancelled by the engine when a market ends)."""
        for order in self._quotes.pop(market_id, {}).values():
            if order.order_id in self.exchange.orders:
                self.exchange.cancel(order)

    def hit(self, market: LiveMarket, trade: TradePrint) -> None:
        """A noise trader takes what rests within its price; what finds nobody is printed only."""
        _, side, price_units, shares_micro = trade
        shares = floor_to_grid(shares_micro, SHARE_GRID)
        if shares and 0 < price_units < PRICE_SCALE:
            self._buy(market, side is Side.BUY, price_units, shares, TimeInForce.FAK)
        market.last_units, market.last_side = price_units, side
        market.last_token = market.listing.token_yes

    def _buy(self, market: LiveMarket, is_bid: bool, units: int, shares: int, kind: TimeInForce) -> Order:
        outcome = Outcome.YES if is_bid else Outcome.NO
        order = Order(
            order_id=f"house-{next(self._ids)}",
            account=self.maker if kind is TimeInForce.GTC else self.noise,
            market_id=market.listing.market_id,
            token_id=market.token(outcome),
            outcome=outcome,
            side=Side.BUY,
            price_units=units if is_bid else PRICE_SCALE - units,
            shares_micro=shares,
            kind=kind,
        )
        self.exchange.place(order)
        return order

    def _tidy(self, market: LiveMarket) -> None:
        listing = market.listing
        for account in (self.maker, self.noise):
            pairs = min(account.shares(listing.token_yes), account.shares(listing.token_no))
            if pairs:
                self.exchange.merge(account, listing.market_id, pairs)


def ladder(tick: Tick, tick_units: int) -> dict[tuple[bool, int], int]:
    """Open shares by (is_bid, YES price): the top of the source and deeper levels behind it."""
    levels: dict[tuple[bool, int], int] = {}
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

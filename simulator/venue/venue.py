"""The simulated venue: its markets, and the orders, keys, limits and wall clock of the accounts that trade there."""

import asyncio
from collections.abc import Callable

from simulator.engine.markets import LiveMarket
from simulator.engine.matching import crosses
from simulator.engine.orders import Order, OrderStatus, Trade
from simulator.engine.refusals import Refused
from simulator.markets.source import MarketSource
from simulator.signing.credentials import KeyRing
from simulator.venue.heartbeats import Heartbeats
from simulator.venue.limits import Limits
from simulator.venue.options import Options
from simulator.venue.rfq import RfqDesk
from simulator.venue.settlement import Settlement
from simulator.venue.tape import PublicTrade, Tape
from simulator.venue.venue_markets import VenueMarkets


class Venue(VenueMarkets):
    """One venue in one process. Call its methods on the event loop's thread only: nothing here takes a lock."""

    def __init__(self, options: Options, source: MarketSource):
        super().__init__(options, source)
        self.keys = KeyRing()
        self.tape = Tape()
        self.settlement = Settlement(
            self.exchange, options.mined_after_s, options.confirmed_after_s, self._trade_changed
        )
        self.heartbeats = Heartbeats(self.cancel_owner)
        self.desk = RfqDesk(self.exchange, self.wall_s)
        self.limits = Limits(options.rate_limits)
        self.nonces: dict[str, int] = {}
        """Next nonce of the relayer's batches by address of the owner, in lower case."""
        self.delayed: dict[str, Order] = {}
        """Orders that wait out their market's delay, by id."""
        self.on_trade: list[Callable[[Trade], None]] = []
        self.on_order: list[Callable[[str, Order], None]] = []
        self._expiries: dict[str, Order] = {}
        self.exchange.on_trade = self._traded
        self.exchange.on_order = self._order_changed

    # -- orders

    def place(self, order: Order) -> list[Trade]:
        """Place an order now, or later when its market delays takers; then its status is DELAYED.

        Raises:
            Refused: with the venue's text.
        """
        market = self.exchange.markets[order.market_id]
        delay_s = max(market.delay_s, self.hooks.delay(order))
        # Only takers wait: the delay protects resting orders from being filled at an old price.
        if delay_s <= 0 or order.post_only or not crosses(market.book, order):
            return self.exchange.place(order)
        self.exchange.admit(market, order)
        if order.order_id in self.delayed:
            raise Refused(f"order {order.order_id} is invalid. Duplicated.")
        order.status = OrderStatus.DELAYED
        self.delayed[order.order_id] = order
        asyncio.get_running_loop().call_later(delay_s, self._place_delayed, order)
        return []

    def taker_delay(self, order: Order) -> float:
        """Wall seconds for which the request of a crossing order is held, by its market or by a fault; else 0."""
        market = self.exchange.markets[order.market_id]
        if not crosses(market.book, order):
            return 0.0
        return max(market.taker_delay_s, self.hooks.hold(order.market_id))

    def delays_takers(self, market: LiveMarket) -> bool:
        """Whether crossing orders of a market are held."""
        return market.taker_delay_s > 0 or self.hooks.hold(market.listing.market_id) > 0

    def _place_delayed(self, order: Order) -> None:
        del self.delayed[order.order_id]
        order.status = OrderStatus.LIVE
        try:
            self.exchange.place(order)
        except Refused:  # the market, the book or the balance changed during the delay
            order.status = OrderStatus.INVALID
            self._order_changed("CANCELLATION", order)

    def reopen(self, order: Order) -> None:
        """Put an order back on its book after a restart."""
        self.exchange.reopen(order)
        if order.expires_s:
            self._expiries[order.order_id] = order

    # -- wall-clock upkeep

    def upkeep(self) -> None:
        """Do everything that is due by the wall clock: settlement, expiries, heartbeats."""
        wall_s = self.wall_s()
        self.settlement.advance(wall_s)
        for order in [o for o in self._expiries.values() if o.expires_s <= wall_s]:
            if order.order_id in self.exchange.orders:
                self.exchange.cancel(order, OrderStatus.CANCELED_EXPIRED_ORDER)
        self.heartbeats.sweep(wall_s)

    def cancel_owner(self, owner: str) -> None:
        """Cancel every open order that an API key posted."""
        for order in [o for o in self.exchange.orders.values() if o.owner == owner]:
            self.exchange.cancel(order)

    # -- calls from the engine

    def _traded(self, trade: Trade) -> None:
        trade.updated_s = trade.market_s
        self._trade_changed(trade)
        taker = trade.taker
        if not taker.account.internal:
            public = PublicTrade(
                trade.market_s,
                taker.token_id,
                taker.side,
                trade.price_units,
                trade.shares_micro,
                taker.maker_address,
                trade.trade_id,
            )
            self.tape.record(trade.market_id, public)
        self.activity.trade(trade)
        self.settlement.start(trade, self.wall_s())

    def _trade_changed(self, trade: Trade) -> None:
        self.incentives.settled(trade)
        for listener in self.on_trade:
            listener(trade)

    def _order_changed(self, event: str, order: Order) -> None:
        if event == "PLACEMENT" and order.expires_s and order.status is OrderStatus.LIVE:
            self._expiries[order.order_id] = order
        elif order.status is not OrderStatus.LIVE:
            self._expiries.pop(order.order_id, None)
        for listener in self.on_order:
            listener(event, order)

"""The exchange: it matches orders, executes trades, and cancels, closes and resolves."""

from collections.abc import Callable
from hashlib import blake2b

from simulator.engine.accounts import Account
from simulator.engine.book import Book
from simulator.engine.markets import LiveMarket, MarketState
from simulator.engine.matching import Crossing, crosses, transfers, walk
from simulator.engine.order_checks import OrderChecks
from simulator.engine.orders import MakerFill, Order, OrderStatus, Trade, TradeStatus
from simulator.engine.refusals import Refused
from simulator.engine.reservations import release, reserve

# A module constant, because looking up a member of an enum costs as much as the check that needs it.
_MATCHED = OrderStatus.MATCHED

NOTHING: list[Crossing] = []


class Exchange(OrderChecks):
    """All accounts, markets, orders and trades. A method succeeds as a whole, or raises `Refused` and changes nothing.

    `on_trade` and `on_order` are called after each change to a trade or an order of an outside account.
    """

    def __init__(self, *, deposit_micro: int, market_s: Callable[[], int] = lambda: 0):
        super().__init__(deposit_micro=deposit_micro, market_s=market_s)
        self.touched: set[str] = set()
        """Ids of markets whose book changed since the last publication."""
        self.on_trade: Callable[[Trade], None] = lambda trade: None
        self.on_order: Callable[[str, Order], None] = lambda event, order: None
        self.settle_at_once = False
        """Whether trades of outside accounts settle without delay, for tests and benchmarks of the engine."""

    # -- orders

    def place(self, order: Order) -> list[Trade]:
        """Match an order; the unfilled part of a GTC or GTD order goes onto the book.

        Returns:
            Its trades, best price first.

        Raises:
            Refused: with the venue's text; nothing was changed.
        """
        market = self.markets[order.market_id]
        internal = order.account.internal
        if not internal:
            self.admit(market, order)
        crossings = walk(market.book, order, market.listing.fee) if crosses(market.book, order) else NOTHING
        if not internal:
            if crossings or order.is_market:
                self._check_crossing(market, order, crossings)
            self.known.add(order.order_id)
        if not crossings:
            self._rest_or_end(market, order)
            return []
        trades = [self._execute(market, market.book, order, crossing) for crossing in crossings]
        self._rest_or_end(market, order)
        if not internal:
            # The trades spent cash that may also back the account's buys in other markets.
            self.shed(order.account)
        return trades

    def match(self, taker: Order, maker: Order) -> Trade:
        """Match two orders with each other, away from the book (an approved quote of a request for quotes).

        Raises:
            Refused: with the venue's text, also if they would not fill each other completely; nothing was changed.
        """
        market, private = self.markets[taker.market_id], Book()
        for order in (taker, maker):
            self.admit(market, order)
        private.add(maker)
        crossings = walk(private, taker, market.listing.fee) if crosses(private, taker) else NOTHING
        shares = sum(crossing.shares_micro for crossing in crossings)
        if not shares == taker.shares_micro == maker.shares_micro or taker.account is maker.account:
            raise Refused("there are no matching orders")
        self._check_crossing(market, taker, crossings)
        self.known.update((taker.order_id, maker.order_id))
        self._open(maker)
        trade = self._execute(market, private, taker, crossings[0])
        self._rest_or_end(market, taker)
        for order in (taker, maker):
            self.shed(order.account)
        return trade

    def _execute(self, market: LiveMarket, book: Book, order: Order, crossing: Crossing) -> Trade:
        debits, credits_, minted = transfers(order, crossing)
        trade = Trade(
            trade_id=trade_id(order.order_id, crossing.price_units),
            market_id=order.market_id,
            taker=order,
            makers=crossing.makers,
            shares_micro=crossing.shares_micro,
            price_units=crossing.price_units,
            cash_micro=crossing.cash_micro,
            fee_micro=crossing.fee_micro,
            market_s=self.market_s(),
            minted_micro=minted,
            debits=debits,
            credits=credits_,
            internal=order.account.internal and all(fill.order.account.internal for fill in crossing.makers),
        )
        for account, asset, micro in debits:
            account.add(asset, -micro)
        self._note_fill(order, crossing.shares_micro, trade)
        for fill in crossing.makers:
            self._fill_maker(book, fill, trade)
        self._register(market, trade)
        return trade

    def _note_fill(self, order: Order, shares_micro: int, trade: Trade) -> None:
        order.matched_micro += shares_micro
        if order.budget_micro:  # a market buy has no size of its own: its size is what it got
            order.shares_micro += shares_micro
        else:
            order.remaining_micro -= shares_micro
        order.trade_ids.append(trade.trade_id)

    def _fill_maker(self, book: Book, fill: MakerFill, trade: Trade) -> None:
        maker = fill.order
        self._note_fill(maker, fill.shares_micro, trade)
        book.reduce(maker, fill.shares_micro)
        if maker.remaining_micro == 0:
            self._forget(maker, _MATCHED)
        elif not maker.account.internal:
            reserve(maker)  # less is open now, so less is reserved

    def _register(self, market: LiveMarket, trade: Trade) -> None:
        self.touched.add(trade.market_id)
        market.last_units, market.last_side = trade.price_units, trade.taker.side
        market.last_token = trade.taker.token_id
        if trade.internal or self.settle_at_once:
            self.give_credits(trade)
            trade.status = TradeStatus.CONFIRMED
        else:
            self.pending[trade.trade_id] = trade
        if trade.internal:
            return
        self.trades[trade.trade_id] = trade
        for account in {trade.taker.account, *(fill.order.account for fill in trade.makers)}:
            if not account.internal:
                self.trades_of[account.address].append(trade)
        self.on_trade(trade)
        for fill in trade.makers:
            if not fill.order.account.internal:
                self.on_order("UPDATE", fill.order)
                self.shed(fill.order.account)

    def _rest_or_end(self, market: LiveMarket, order: Order) -> None:
        if order.remaining_micro > 0 and not order.is_market:
            market.book.add(order)
            self.touched.add(order.market_id)
            self._open(order)
        else:
            order.status = _MATCHED
            if not order.account.internal:
                self.matched.add(order.order_id)
        if not order.account.internal:
            self.on_order("PLACEMENT", order)

    def _open(self, order: Order) -> None:
        self.orders[order.order_id] = order
        self.orders_of[order.account.address][order.order_id] = order
        if not order.account.internal:
            reserve(order)

    def open_orders(self, account: Account) -> list[Order]:
        """Open orders of an account, oldest first."""
        return list(self.orders_of.get(account.address, {}).values())

    def reopen(self, order: Order) -> None:
        """Put an order back on its book after a restart, and reserve what backs it."""
        order.held_micro = 0
        self.markets[order.market_id].book.add(order)
        self._open(order)

    # -- ends

    def _forget(self, order: Order, status: OrderStatus) -> None:
        order.status = status
        if status is _MATCHED and not order.account.internal:
            self.matched.add(order.order_id)
        if order.held_micro:
            release(order)
        del self.orders[order.order_id]
        del self.orders_of[order.account.address][order.order_id]

    def shed(self, account: Account) -> None:
        """Cancel the newest buys that the account cannot pay for any more, after a trade or a withdrawal."""
        for market_id in [m for m, held in account.reserved.items() if held > account.cash_micro]:
            for order in reversed([o for o in self.open_orders(account) if o.market_id == market_id]):
                if account.reserved.get(market_id, 0) <= account.cash_micro:
                    break
                if order.is_buy:
                    self.cancel(order, OrderStatus.CANCELED_NOT_ENOUGH_BALANCE)

    def cancel(self, order: Order, status: OrderStatus = OrderStatus.CANCELED) -> None:
        """Take an open order off its book."""
        self.markets[order.market_id].book.remove(order)
        self.touched.add(order.market_id)
        self._forget(order, status)
        if not order.account.internal:
            self.on_order("CANCELLATION", order)

    def resize(self, order: Order, shares_micro: int) -> None:
        """Change the size of a resting internal order: the same as a cancel and a new order, but faster."""
        self.markets[order.market_id].book.resize(order, shares_micro)
        self.touched.add(order.market_id)
        order.remaining_micro = shares_micro
        order.shares_micro = order.matched_micro + shares_micro

    def void(self, order_id: str) -> None:
        """Cancel an order in the exchange contract: it leaves its book, and its hash is refused from now on."""
        self.voided.add(order_id)
        if order_id in self.orders:
            self.cancel(self.orders[order_id])

    def close(self, market_id: str) -> None:
        """Stop taking orders in a market, and cancel the resting ones."""
        market = self.markets[market_id]
        market.state = MarketState.CLOSED
        self._clear(market)

    def _clear(self, market: LiveMarket) -> None:
        for side in (market.book.bids, market.book.asks):
            for order in [o for level in list(side.levels.values()) for o in level.orders.values()]:
                self.cancel(order, OrderStatus.CANCELED_MARKET_RESOLVED)

    def resolve(self, market_id: str, payout_yes_micro: int) -> None:
        """Resolve a market: pending trades settle, resting orders are cancelled, and shares can be redeemed."""
        market = self.markets[market_id]
        # Shares of pending trades must be in their accounts before holders are paid.
        for trade in [t for t in self.pending.values() if t.market_id == market_id]:
            self.settle(trade)
        self._clear(market)
        market.state = MarketState.RESOLVED
        market.payout_yes_micro = payout_yes_micro
        market.resolved_s = self.market_s()


def trade_id(order_id: str, price_units: int) -> str:
    """UUID of a trade, made from the taker's order id and the price."""
    digest = blake2b(f"{order_id}/{price_units}".encode(), digest_size=16).hexdigest()
    return f"{digest[:8]}-{digest[8:12]}-{digest[12:16]}-{digest[16:20]}-{digest[20:]}"

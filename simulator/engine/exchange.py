"""The exchange: accounts, markets, orders and trades, with every change of money in one place."""

from collections.abc import Callable
from hashlib import blake2b

from pipelines.core.money import MICRO, PRICE_SCALE
from simulator.engine.accounts import Account
from simulator.engine.errors import Refused, not_enough_balance
from simulator.engine.markets import LiveMarket, MarketState
from simulator.engine.matching import Crossing, crosses, transfers, walk
from simulator.engine.orders import MakerFill, Order, OrderStatus, TimeInForce, Trade, TradeStatus
from simulator.engine.vault import Vault

MARKETABLE_BUY_MICRO = MICRO
"""Least pUSD of a buy that trades on arrival."""

# Looking up a member of an enum costs as much as the check that it is for.
_OPEN, _MATCHED = MarketState.OPEN, OrderStatus.MATCHED

NOTHING: list[Crossing] = []

FULL_BUDGET_SHARES = 10_000
"""A market buy is full when the rest of its budget buys less than 0.01 share at its limit."""


class Exchange(Vault):
    """All state of the venue. Methods either succeed whole or raise `Refused` and change nothing.

    `on_trade` and `on_order` are called after each change that an account may want to hear of.
    """

    def __init__(self, *, deposit_micro: int, market_s: Callable[[], int] = lambda: 0):
        super().__init__(deposit_micro=deposit_micro, market_s=market_s)
        self.orders: dict[str, Order] = {}
        """Open orders of all accounts by id."""
        self.known: set[str] = set()
        """Hashes of every order that outside accounts ever placed."""
        self.matched: set[str] = set()
        """Of these, the ones that were filled whole (or, FAK, as far as they could)."""
        self.touched: set[str] = set()
        """Markets whose book changed since the publisher looked."""
        self.on_trade: Callable[[Trade], None] = lambda trade: None
        self.on_order: Callable[[str, Order], None] = lambda event, order: None
        self.settle_at_once = False

    # -- orders

    def place(self, order: Order) -> list[Trade]:
        """Match an order and let the rest of a GTC or GTD order rest.

        Returns:
            The trades it made, best price first.

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
        trades = [self._execute(market, order, crossing) for crossing in crossings]
        self._rest_or_end(market, order)
        if not internal:
            self._shed(order.account)
        return trades

    def admit(self, market: LiveMarket, order: Order) -> None:
        """Checks that do not depend on the book.

        Raises:
            Refused: with the venue's text.
        """
        if market.state is not _OPEN:
            raise Refused("the market is not yet ready to process new orders")
        if order.order_id in self.known:
            raise _invalid(order, "Duplicated.")
        tick, price = market.tick_units, order.price_units
        if not tick <= price <= PRICE_SCALE - tick or (price % tick and not order.is_market):
            text = f"Price ({price / PRICE_SCALE:g}) breaks minimum tick size rule: {tick / PRICE_SCALE:g}"
            raise _invalid(order, text)
        if order.shares_micro < market.listing.min_size_micro and not order.is_market:
            size, least = order.shares_micro / MICRO, market.listing.min_size_micro / MICRO
            raise _invalid(order, f"Size ({size:g}) lower than the minimum: {least:g}")
        if order.account.banned:
            raise Refused(f"'{order.account.address}' address banned")
        if order.account.closed_only and order.is_buy:
            raise Refused(f"'{order.account.address}' address in closed only mode")
        self._check_backing(order)

    def _check_backing(self, order: Order) -> None:
        account = order.account
        if not order.is_buy:
            if order.shares_micro > account.free_shares(order.token_id):
                raise not_enough_balance(account.free_shares(order.token_id), order.shares_micro)
            return
        amount = order.budget_micro or order.shares_micro * order.price_units // PRICE_SCALE
        free = account.cash_micro - account.reserved.get(order.market_id, 0)
        if account.allowance_micro is not None:
            free = min(free, account.allowance_micro)
        if amount > free:
            raise not_enough_balance(free, amount)

    def _check_crossing(self, market: LiveMarket, order: Order, crossings: list[Crossing]) -> None:
        shares = sum(crossing.shares_micro for crossing in crossings)
        cash = sum(crossing.cash_micro for crossing in crossings)
        fee = sum(crossing.fee_micro for crossing in crossings)
        if order.kind is TimeInForce.FOK and not _is_full(order, shares, cash):
            raise Refused("order couldn't be fully filled. FOK orders are fully filled or killed.")
        if order.kind is TimeInForce.FAK and not crossings:
            raise Refused(
                "no orders found to match with FAK order. "
                "FAK orders are partially filled or killed if no match is found."
            )
        if not crossings:
            return
        if order.post_only:
            raise Refused("invalid post-only order: order crosses book")
        amount = _buy_amount(order)
        if order.is_buy and amount < MARKETABLE_BUY_MICRO:
            raise Refused(f"invalid amount for a marketable BUY order (${amount / MICRO:.4f}), min size: $1")
        if order.is_buy:
            rest = (order.shares_micro - shares) * order.price_units // PRICE_SCALE if not order.budget_micro else 0
            free = order.account.free_cash(market.listing.market_id)
            if cash + fee + max(rest, 0) > free:
                raise not_enough_balance(free, cash + fee + max(rest, 0))

    def _execute(self, market: LiveMarket, order: Order, crossing: Crossing) -> Trade:
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
            self._fill_maker(market, fill, trade)
        self._register(market, trade)
        return trade

    def _note_fill(self, order: Order, shares_micro: int, trade: Trade) -> None:
        order.matched_micro += shares_micro
        if order.budget_micro:
            order.shares_micro += shares_micro
        else:
            order.remaining_micro -= shares_micro
        order.trade_ids.append(trade.trade_id)

    def _fill_maker(self, market: LiveMarket, fill: MakerFill, trade: Trade) -> None:
        maker = fill.order
        self._note_fill(maker, fill.shares_micro, trade)
        market.book.reduce(maker, fill.shares_micro)
        if maker.remaining_micro == 0:
            self._forget(maker, _MATCHED)
        elif not maker.account.internal:
            self._hold(maker)

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
                self._shed(fill.order.account)

    def _rest_or_end(self, market: LiveMarket, order: Order) -> None:
        if order.remaining_micro > 0 and not order.is_market:
            self.orders[order.order_id] = order
            order.account.orders[order.order_id] = order
            market.book.add(order)
            self.touched.add(order.market_id)
            if not order.account.internal:
                self._hold(order)
        else:
            order.status = _MATCHED
            if not order.account.internal:
                self.matched.add(order.order_id)
        if not order.account.internal:
            self.on_order("PLACEMENT", order)

    # -- reservations

    def _hold(self, order: Order) -> None:
        """Set aside what backs the open part of a resting order."""
        if order.is_buy:
            held = -(-order.remaining_micro * order.price_units // PRICE_SCALE)
            table, key = order.account.reserved, order.market_id
        else:
            held = order.remaining_micro
            table, key = order.account.locked, order.token_id
        table[key] = table.get(key, 0) + held - order.held_micro
        order.held_micro = held

    def _release(self, order: Order) -> None:
        if order.is_buy:
            table, key = order.account.reserved, order.market_id
        else:
            table, key = order.account.locked, order.token_id
        left = table[key] - order.held_micro
        if left:
            table[key] = left
        else:
            del table[key]
        order.held_micro = 0

    def _forget(self, order: Order, status: OrderStatus) -> None:
        order.status = status
        if status is _MATCHED and not order.account.internal:
            self.matched.add(order.order_id)
        if order.held_micro:
            self._release(order)
        del self.orders[order.order_id]
        del order.account.orders[order.order_id]

    def _shed(self, account: Account) -> None:
        """Cancel the newest buys that lost their backing because cash was spent in another market."""
        for market_id in [m for m, held in account.reserved.items() if held > account.cash_micro]:
            for order in reversed([o for o in account.orders.values() if o.market_id == market_id]):
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

    def close(self, market_id: str) -> None:
        """Stop taking orders; resting ones are cancelled."""
        market = self.markets[market_id]
        market.state = MarketState.CLOSED
        self._clear(market)

    def _clear(self, market: LiveMarket) -> None:
        for side in (market.book.bids, market.book.asks):
            for order in [o for level in list(side.levels.values()) for o in level.orders.values()]:
                self.cancel(order, OrderStatus.CANCELED_MARKET_RESOLVED)

    def resolve(self, market_id: str, payout_yes_micro: int) -> None:
        """End a market: open trades settle, resting orders are cancelled, shares may be redeemed."""
        market = self.markets[market_id]
        for trade in [t for t in self.pending.values() if t.market_id == market_id]:
            self.settle(trade)
        self._clear(market)
        market.state = MarketState.RESOLVED
        market.payout_yes_micro = payout_yes_micro
        market.resolved_s = self.market_s()


def trade_id(order_id: str, price_units: int) -> str:
    """UUID of a trade, a function of the taker order and the price."""
    digest = blake2b(f"{order_id}/{price_units}".encode(), digest_size=16).hexdigest()
    return f"{digest[:8]}-{digest[8:12]}-{digest[12:16]}-{digest[16:20]}-{digest[20:]}"


def _invalid(order: Order, text: str) -> Refused:
    return Refused(f"order {order.order_id} is invalid. {text}")


def _buy_amount(order: Order) -> int:
    return order.budget_micro or order.shares_micro * order.price_units // PRICE_SCALE


def _is_full(order: Order, shares_micro: int, cash_micro: int) -> bool:
    if order.budget_micro:
        return (order.budget_micro - cash_micro) * PRICE_SCALE < FULL_BUDGET_SHARES * order.price_units
    return shares_micro == order.shares_micro

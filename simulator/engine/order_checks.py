"""Checks of an arriving order: its market, its price and size, and whether its account can pay for it."""

from collections import defaultdict
from collections.abc import Callable

from pipelines.core.money import MICRO, PRICE_SCALE
from simulator.engine.accounts import CASH
from simulator.engine.markets import LiveMarket, MarketState
from simulator.engine.matching import Crossing
from simulator.engine.orders import Order, TimeInForce
from simulator.engine.refusals import Refused, not_enough_allowance, not_enough_balance
from simulator.engine.vault import Vault
from simulator.signing.eip712 import EXCHANGES

MARKETABLE_BUY_MICRO = MICRO
"""Smallest buy that may trade on arrival, in base units of pUSD: 1 pUSD."""

FULL_BUDGET_SHARES = 10_000
"""A market buy counts as fully filled when the rest of its budget buys less than this at its limit: 0.01 share."""

# A module constant, because looking up a member of an enum costs as much as the check that needs it.
_OPEN = MarketState.OPEN


class OrderChecks(Vault):
    """The orders of an exchange and the checks before one is taken. A check raises `Refused` and changes nothing."""

    def __init__(self, *, deposit_micro: int, market_s: Callable[[], int] = lambda: 0):
        super().__init__(deposit_micro=deposit_micro, market_s=market_s)
        self.orders: dict[str, Order] = {}
        """Open orders of all accounts by id."""
        self.orders_of: defaultdict[str, dict[str, Order]] = defaultdict(dict)
        """Open orders by account address and id, oldest first."""
        self.known: set[str] = set()
        """Hashes of all orders that outside accounts ever placed; a hash is accepted once."""
        self.matched: set[str] = set()
        """Hashes in `known` of orders that were filled whole, or as far as a FAK order could be."""
        self.voided: set[str] = set()
        """Hashes of orders that their makers cancelled in the exchange contract."""

    def admit(self, market: LiveMarket, order: Order) -> None:
        """Check everything about an order that does not depend on the book.

        Raises:
            Refused: with the venue's text.
        """
        if market.state is not _OPEN:
            raise Refused("the market is not yet ready to process new orders")
        if order.order_id in self.voided:
            raise Refused("order canceled in the CTF exchange contract")
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
                raise self._shortage(order, order.shares_micro)
            return
        amount = _buy_amount(order)
        if amount > account.free_cash(order.market_id):
            raise self._shortage(order, amount)
        if account.allowance_micro is not None and amount > account.allowance_micro:
            market = self.markets[order.market_id]
            spender = EXCHANGES[3 if market.version == "v2" else 2, market.listing.neg_risk]
            raise not_enough_allowance(spender, account.allowance_micro, amount)

    def _shortage(self, order: Order, amount_micro: int) -> Refused:
        """Refusal of an order that its account cannot pay for; it names the balance and what is reserved or spent."""
        account, asset = order.account, CASH if order.is_buy else order.token_id
        settled = account.cash_micro if order.is_buy else account.shares(asset)
        active = (account.reserved if order.is_buy else account.locked).get(
            order.market_id if order.is_buy else asset, 0
        )
        debits = (debit for trade in self.pending.values() for debit in trade.debits)
        matched = sum(micro for owner, name, micro in debits if owner is account and name == asset)
        return not_enough_balance(settled + matched, amount_micro, active_micro=active, matched_micro=matched)

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
                raise self._shortage(order, cash + fee + max(rest, 0))


def _invalid(order: Order, text: str) -> Refused:
    return Refused(f"order {order.order_id} is invalid. {text}")


def _buy_amount(order: Order) -> int:
    return order.budget_micro or order.shares_micro * order.price_units // PRICE_SCALE


def _is_full(order: Order, shares_micro: int, cash_micro: int) -> bool:
    if order.budget_micro:
        return (order.budget_micro - cash_micro) * PRICE_SCALE < FULL_BUDGET_SHARES * order.price_units
    return shares_micro == order.shares_micro

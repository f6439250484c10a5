"""Reservations of open orders in their account: pUSD for a buy, shares for a sale."""

from pipelines.core.money import PRICE_SCALE
from simulator.engine.orders import Order


def reserve(order: Order) -> None:
    """Reserve what the open part of a resting order needs; an earlier reservation of the order is adjusted."""
    account = order.account
    if order.is_buy:
        # Rounded up: a reservation below the cost would let the account spend the last base unit twice.
        held = -(-order.remaining_micro * order.price_units // PRICE_SCALE)
        table, key = account.reserved, order.market_id
    else:
        held = order.remaining_micro
        table, key = account.locked, order.token_id
    table[key] = table.get(key, 0) + held - order.held_micro
    order.held_micro = held


def release(order: Order) -> None:
    """Release the reservation of an order."""
    account = order.account
    table, key = (account.reserved, order.market_id) if order.is_buy else (account.locked, order.token_id)
    left = table[key] - order.held_micro
    if left:
        table[key] = left
    else:
        del table[key]
    order.held_micro = 0

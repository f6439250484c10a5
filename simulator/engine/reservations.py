"""What backs an open order: pUSD behind a buy, shares behind a sale, set aside in the order's account."""

from pipelines.core.money import PRICE_SCALE
from simulator.engine.orders import Order


def reserve(order: Order) -> None:
    """Set aside what backs the open part of a resting order; what was set aside before counts."""
    account = order.account
    if order.is_buy:
        held = -(-order.remaining_micro * order.price_units // PRICE_SCALE)
        table, key = account.reserved, order.market_id
    else:
        held = order.remaining_micro
        table, key = account.locked, order.token_id
    table[key] = table.get(key, 0) + held - order.held_micro
    order.held_micro = held


def release(order: Order) -> None:
    """Give back what is set aside for an order."""
    account = order.account
    table, key = (account.reserved, order.market_id) if order.is_buy else (account.locked, order.token_id)
    left = table[key] - order.held_micro
    if left:
        table[key] = left
    else:
        del table[key]
    order.held_micro = 0

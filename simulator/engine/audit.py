"""Check that an exchange neither creates nor loses money or shares, for tests, `make soak` and the admin API."""

from collections import Counter

from pipelines.core.domain import Side
from pipelines.core.money import MICRO
from simulator.engine.accounts import CASH, Account
from simulator.engine.exchange import Exchange
from simulator.engine.markets import LiveMarket, MarketState


def audit(exchange: Exchange) -> list[str]:
    """Errors found in the books of an exchange, one sentence each; an empty list if there are no errors."""
    return [*_money(exchange), *_supply(exchange), *_accounts(exchange), *_books(exchange)]


def _in_flight(exchange: Exchange) -> Counter[str]:
    held: Counter[str] = Counter()
    for trade in exchange.pending.values():
        for _, asset, micro in trade.debits:
            held[asset] += micro
    return held


def _money(exchange: Exchange) -> list[str]:
    cash = sum(account.cash_micro for account in exchange.accounts.values())
    flying = _in_flight(exchange)[CASH]
    locked = sum(market.collateral_micro for market in exchange.markets.values())
    total = cash + flying + locked + exchange.fees_micro
    if total == exchange.deposits_micro:
        return []
    parts = f"cash {cash} + in flight {flying} + collateral {locked} + fees {exchange.fees_micro}"
    return [f"{parts} = {total}, deposits were {exchange.deposits_micro}"]


def _supply(exchange: Exchange) -> list[str]:
    flying, wrong = _in_flight(exchange), []
    for market in exchange.markets.values():
        tokens = (market.listing.token_yes, market.listing.token_no)
        yes, no = (sum(a.shares(t) for a in exchange.accounts.values()) + flying[t] for t in tokens)
        if market.state is not MarketState.RESOLVED and not yes == no == market.collateral_micro:
            wrong.append(f"{market.listing.market_id}: YES {yes}, NO {no}, collateral {market.collateral_micro}")
        # After a resolution holders are paid one by one, so supply and collateral differ until all are paid.
        if market.payout_yes_micro is not None:
            owed = (yes * market.payout_yes_micro + no * (MICRO - market.payout_yes_micro)) // MICRO
            if owed > market.collateral_micro:
                wrong.append(f"{market.listing.market_id}: owes {owed} with collateral {market.collateral_micro}")
    return wrong


def _accounts(exchange: Exchange) -> list[str]:
    return [line for a in exchange.accounts.values() if not a.internal for line in _account(exchange, a)]


def _account(exchange: Exchange, account: Account) -> list[str]:
    reserved: Counter[str] = Counter()
    locked: Counter[str] = Counter()
    for order in exchange.open_orders(account):
        table, key = (reserved, order.market_id) if order.side is Side.BUY else (locked, order.token_id)
        table[key] += order.held_micro
    wrong = []
    if dict(reserved) != account.reserved or dict(locked) != account.locked:
        wrong.append(f"{account.address}: reservations {account.reserved} {account.locked} differ from its orders")
    if account.cash_micro < max(account.reserved.values(), default=0):
        wrong.append(f"{account.address}: cash {account.cash_micro} does not back {account.reserved}")
    if any(micro < account.locked.get(token, 0) for token, micro in account.positions.items()):
        wrong.append(f"{account.address}: shares {account.positions} do not back {account.locked}")
    missing = any(token not in account.positions for token in account.locked)
    if missing or any(micro < 0 for micro in account.positions.values()):
        wrong.append(f"{account.address}: negative or missing shares {account.positions}")
    return wrong


def _books(exchange: Exchange) -> list[str]:
    return [line for market in exchange.markets.values() for line in _book(exchange, market)]


def _book(exchange: Exchange, market: LiveMarket) -> list[str]:
    wrong = []
    name = market.listing.market_id
    bid, ask = market.book.bids.best(), market.book.asks.best()
    if bid is not None and ask is not None and bid >= ask:
        wrong.append(f"{name}: crossed book, bid {bid} ask {ask}")
    for side in (market.book.bids, market.book.asks):
        if sorted(side.levels) != side.keys:
            wrong.append(f"{name}: prices of levels are out of step")
        for price, level in side.levels.items():
            if level.total_micro != sum(o.remaining_micro for o in level.orders.values()) or not level.orders:
                wrong.append(f"{name}: level {price} holds {level.total_micro}")
            if any(exchange.orders.get(o.order_id) is not o or o.remaining_micro <= 0 for o in level.orders.values()):
                wrong.append(f"{name}: level {price} holds an order that is not open")
    return wrong

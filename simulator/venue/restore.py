"""Restore the saved state of a venue after a restart."""

from dataclasses import replace

from pipelines.core.errors import ArtifactError
from simulator.engine.accounts import Account
from simulator.engine.audit import audit
from simulator.engine.markets import MarketState
from simulator.engine.orders import MakerFill, Order, Trade
from simulator.venue.saved_state import SavedAccount, SavedMarket, SavedOrder, SavedState, SavedTrade
from simulator.venue.venue import Venue


def restore(venue: Venue, state: SavedState) -> None:
    """Restore accounts, orders and trades into a new venue whose market time is that of the state.

    Raises:
        ArtifactError: if the books would not balance or the state refers to something it lacks. The venue is then
            half restored; do not use it.
    """
    if not state.accounts:
        return
    try:
        for kept in state.accounts:
            _account(venue, kept)
        for market in state.markets:
            _market(venue, market)
        orders = {kept.order_id: _order(venue, kept) for kept in state.orders}
        for trade in state.trades:
            _trade(venue, trade, orders)
        _sets(venue, state)
        for name in state.open_orders:
            venue.reopen(orders[name])
    except KeyError as error:
        raise ArtifactError(_advice(f"it names {error}, which it does not contain")) from None
    # The file may have been edited or be of another version; an exchange that loses money must not start.
    wrong = audit(venue.exchange)
    if wrong:
        raise ArtifactError(_advice(wrong[0]))
    # The source may have resolved markets while the process was down; their holders are paid now.
    for market_id in [m for m, market in venue.exchange.markets.items() if market.state is MarketState.RESOLVED]:
        venue.redeem_all(market_id)


def _advice(what: str) -> str:
    return f"the state of the exchange cannot be restored: {what}; delete the --state file to start again"


def _account(venue: Venue, kept: SavedAccount) -> None:
    exchange = venue.exchange
    account = exchange.accounts.get(kept.address)
    if account is None:
        account = exchange.accounts[kept.address] = Account(kept.address, internal=kept.internal)
    exchange.deposits_micro += kept.deposited_micro - account.deposited_micro
    account.cash_micro, account.deposited_micro = kept.cash_micro, kept.deposited_micro
    account.positions = dict(kept.positions)
    account.closed_only, account.banned, account.allowance_micro = kept.closed_only, kept.banned, kept.allowance_micro


def _market(venue: Venue, kept: SavedMarket) -> None:
    """Restore a market. If the source resolved it after the state was saved, it stays resolved."""
    market = venue.exchange.markets[kept.market_id]
    newer = market.state is MarketState.RESOLVED and kept.state is not MarketState.RESOLVED
    ends = ("state", "payout_yes_micro", "resolved_s") if newer else ()
    for name in SavedMarket.__slots__:
        if name not in ("market_id", "fee_rate", "min_size_micro", *ends):
            setattr(market, name, getattr(kept, name))
    listing = market.listing
    if kept.shown_end_s == -1:
        market.shown_end_s = listing.end_s
    if kept.fee_rate is not None and kept.min_size_micro is not None:
        fee = replace(listing.fee, rate=kept.fee_rate)
        market.listing = replace(listing, fee=fee, min_size_micro=kept.min_size_micro)
    if market.state is not MarketState.OPEN:
        venue.open_markets.discard(kept.market_id)


def _order(venue: Venue, kept: SavedOrder) -> Order:
    derived = ("account", "remaining_micro", "matched_micro", "status", "trade_ids")
    own = {name: getattr(kept, name) for name in SavedOrder.__slots__ if name not in derived}
    order = Order(account=venue.exchange.accounts[kept.account], **own)
    order.remaining_micro, order.matched_micro = kept.remaining_micro, kept.matched_micro
    order.status, order.trade_ids = kept.status, list(kept.trade_ids)
    return order


def _trade(venue: Venue, kept: SavedTrade, orders: dict[str, Order]) -> None:
    by_id = ("taker", "makers")
    own = {name: getattr(kept, name) for name in SavedTrade.__slots__ if name not in by_id}
    makers = [MakerFill(orders[name], shares, price) for name, shares, price in kept.makers]
    trade = Trade(taker=orders[kept.taker], makers=makers, debits=[], credits=[], **own)
    venue.exchange.trades[trade.trade_id] = trade
    for account in {order.account for order in trade.orders()}:
        if not account.internal:
            venue.exchange.trades_of[account.address].append(trade)


def _sets(venue: Venue, state: SavedState) -> None:
    exchange, activity = venue.exchange, venue.activity
    exchange.known, exchange.matched, exchange.voided = state.known, state.matched, state.voided
    exchange.fees_micro = state.fees_micro
    venue.wallets, venue.nonces = state.wallets, state.nonces
    if state.keys is not None:
        venue.keys = state.keys
    activity.rows.update(state.activity)
    activity.holdings.update(state.holdings)
    activity.market_of_token.update(
        {token: exchange.by_token[token].listing.market_id for held in state.holdings.values() for token in held}
    )
    venue.tape.restore(state.tape)
    venue.incentives.rewards, venue.incentives.rebated = state.rewards, state.rebated
    venue.market_maker.placed = state.internal_orders

"""The state of a venue as one JSON document, for a restart: accounts, orders, trades, keys and market time.

Trades in settlement are saved as confirmed. Orders in a taker's delay, heartbeats, requests for quotes and
notifications are not saved. Outside orders keep their time priority; the market maker's orders queue behind them.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

import msgspec
import structlog

from pipelines.core.artifacts import write_bytes
from pipelines.core.domain import Outcome, Side
from simulator.engine.accounts import CASH, Account
from simulator.engine.markets import LiveMarket, MarketState
from simulator.engine.orders import Order, OrderStatus, TimeInForce, Trade, TradeStatus
from simulator.markets.source import SourceOptions
from simulator.signing.credentials import KeyRing
from simulator.venue.activity import ActivityRow, Holding
from simulator.venue.incentives import Ledger
from simulator.venue.settlement import transaction_hash
from simulator.venue.tape import PublicTrade
from simulator.venue.venue import Venue


@dataclass(slots=True)
class SavedAccount:
    """An account. Its open orders are in `SavedState.open_orders`."""

    address: str
    cash_micro: int
    deposited_micro: int
    positions: dict[str, int]
    internal: bool
    closed_only: bool
    banned: bool
    allowance_micro: int | None


@dataclass(slots=True)
class SavedMarket:
    """The fields of a market that may differ from what its source lists."""

    market_id: str
    tick_units: int
    state: MarketState
    collateral_micro: int
    payout_yes_micro: int | None
    resolved_s: int
    last_units: int
    last_side: Side
    last_token: str
    tick_pinned: bool = False
    shown_end_s: int | None = -1
    rules: str = ""
    was_disputed: bool = False
    fee_rate: float | None = None
    min_size_micro: int | None = None
    """Taker fee and minimum size, which may differ from what the source lists; None in older documents."""


@dataclass(slots=True)
class SavedOrder:
    """An order that is open or part of a trade; `account` is the address."""

    order_id: str
    account: str
    market_id: str
    token_id: str
    outcome: Outcome
    side: Side
    price_units: int
    shares_micro: int
    kind: TimeInForce
    budget_micro: int
    post_only: bool
    expires_s: int
    created_s: int
    expiration: int
    owner: str
    maker_address: str
    builder: str
    remaining_micro: int
    matched_micro: int
    status: OrderStatus
    trade_ids: list[str]
    label: str = ""


@dataclass(slots=True)
class SavedTrade:
    """A trade; `taker` and `makers` name orders by id."""

    trade_id: str
    market_id: str
    taker: str
    makers: list[tuple[str, int, int]]
    """Order id, shares and price of each maker."""
    shares_micro: int
    price_units: int
    cash_micro: int
    fee_micro: int
    market_s: int
    minted_micro: int
    status: TradeStatus
    transaction_hash: str
    updated_s: int


@dataclass(slots=True)
class SavedState:
    """The document. Seed and market time are enough: that is a venue without outside accounts."""

    seed: int
    market_time_s: int
    world: str = ""
    """Options that decided the markets. The accounts fit only a venue with the same ones."""
    accounts: list[SavedAccount] = field(default_factory=list)
    markets: list[SavedMarket] = field(default_factory=list)
    orders: list[SavedOrder] = field(default_factory=list)
    trades: list[SavedTrade] = field(default_factory=list)
    open_orders: list[str] = field(default_factory=list)
    """Ids of open outside orders, the oldest first."""
    known: set[str] = field(default_factory=set)
    matched: set[str] = field(default_factory=set)
    voided: set[str] = field(default_factory=set)
    wallets: dict[str, str] = field(default_factory=dict)
    keys: KeyRing | None = None
    activity: dict[str, list[ActivityRow]] = field(default_factory=dict)
    holdings: dict[str, dict[str, Holding]] = field(default_factory=dict)
    tape: dict[str, list[PublicTrade]] = field(default_factory=dict)
    rewards: dict[str, Ledger] = field(default_factory=dict)
    rebated: dict[str, Ledger] = field(default_factory=dict)
    fees_micro: int = 0
    internal_orders: int = 0
    nonces: dict[str, int] = field(default_factory=dict)


def world_of(source: SourceOptions) -> str:
    """The options that decide which markets exist, as text."""
    return str(replace(source, resume_s=None))


def capture(venue: Venue) -> SavedState:
    """The state of the venue; call it between two steps. Without outside accounts only seed and market time."""
    exchange, source = venue.exchange, venue.options.source
    made = SavedState(source.seed, venue.now_s, world_of(source))
    if all(account.internal for account in exchange.accounts.values()):
        return made
    incoming = _incoming(venue)
    made.accounts = [_saved_account(account, incoming[account.address]) for account in exchange.accounts.values()]
    minted = _sums((trade.market_id, trade.minted_micro) for trade in exchange.pending.values())
    made.markets = [_saved_market(m, minted[m.listing.market_id]) for m in exchange.markets.values() if _is_touched(m)]
    # Pending trades are saved as confirmed, so their credits, collateral and fees count as settled.
    made.fees_micro = exchange.fees_micro + sum(trade.fee_micro for trade in exchange.pending.values())
    outside = [order for order in exchange.orders.values() if not order.account.internal]
    made.open_orders = [order.order_id for order in outside]
    traded = (order for trade in exchange.trades.values() for order in trade.orders())
    made.orders = [_saved_order(o) for o in {order.order_id: order for order in (*outside, *traded)}.values()]
    made.trades = [_saved_trade(trade) for trade in exchange.trades.values()]
    made.known, made.matched, made.voided = exchange.known, exchange.matched, exchange.voided
    made.wallets, made.keys = venue.wallets, venue.keys
    made.activity, made.holdings = venue.activity.rows, venue.activity.holdings
    made.tape = venue.tape.rows()
    made.rewards, made.rebated = venue.incentives.rewards, venue.incentives.rebated
    made.nonces = venue.nonces
    made.internal_orders = venue.market_maker.placed
    return made


def _sums(rows: Iterable[tuple[str, int]]) -> defaultdict[str, int]:
    found: defaultdict[str, int] = defaultdict(int)
    for name, micro in rows:
        found[name] += micro
    return found


def _incoming(venue: Venue) -> defaultdict[str, defaultdict[str, int]]:
    """Base units that pending trades will deliver, by account address and asset."""
    found: defaultdict[str, defaultdict[str, int]] = defaultdict(lambda: defaultdict(int))
    for trade in venue.exchange.pending.values():
        for account, asset, micro in trade.credits:
            found[account.address][asset] += micro
    return found


def _saved_account(account: Account, incoming: defaultdict[str, int]) -> SavedAccount:
    assets = {asset for asset in (*account.positions, *incoming) if asset != CASH}
    positions = {asset: account.shares(asset) + incoming[asset] for asset in sorted(assets)}
    return SavedAccount(
        address=account.address,
        cash_micro=account.cash_micro + incoming[CASH],
        deposited_micro=account.deposited_micro,
        positions={asset: micro for asset, micro in positions.items() if micro},
        internal=account.internal,
        closed_only=account.closed_only,
        banned=account.banned,
        allowance_micro=account.allowance_micro,
    )


def _is_touched(market: LiveMarket) -> bool:
    """Whether a market must be saved: False if it ended normally and holds no collateral."""
    over = market.state is MarketState.RESOLVED and market.resolved_s >= market.listing.end_s
    return not over or market.collateral_micro != 0


def _saved_market(market: LiveMarket, minted_micro: int) -> SavedMarket:
    apart = ("market_id", "collateral_micro", "fee_rate", "min_size_micro")
    own = {name: getattr(market, name) for name in SavedMarket.__slots__ if name not in apart}
    return SavedMarket(
        market_id=market.listing.market_id,
        collateral_micro=market.collateral_micro + minted_micro,
        fee_rate=market.listing.fee.rate,
        min_size_micro=market.listing.min_size_micro,
        **own,
    )


def _saved_order(order: Order) -> SavedOrder:
    own = {name: getattr(order, name) for name in SavedOrder.__slots__ if name != "account"}
    return SavedOrder(account=order.account.address, **own)


def _saved_trade(trade: Trade) -> SavedTrade:
    final = trade.reverted
    return SavedTrade(
        trade_id=trade.trade_id,
        market_id=trade.market_id,
        taker=trade.taker.order_id,
        makers=[(fill.order.order_id, fill.shares_micro, fill.price_units) for fill in trade.makers],
        shares_micro=trade.shares_micro,
        price_units=trade.price_units,
        cash_micro=trade.cash_micro,
        fee_micro=trade.fee_micro,
        market_s=trade.market_s,
        minted_micro=trade.minted_micro,
        status=TradeStatus.FAILED if final else TradeStatus.CONFIRMED,
        transaction_hash=trade.transaction_hash if final else transaction_hash(trade.trade_id),
        updated_s=trade.updated_s,
    )


def encode(venue: Venue) -> bytes:
    """The state of the venue as JSON."""
    return msgspec.json.encode(capture(venue))


def write(venue: Venue, path: Path) -> None:
    """Write the state to `path` by rename, so that a crash leaves the old document or the new one."""
    write_bytes(path, encode(venue))


def read(path: Path, source: SourceOptions) -> SavedState | None:
    """The saved state; None if there is no file or it is of another seed.

    If the options for the markets differ, only the market time is used. A file that cannot be used is renamed to
    `NAME.other` or `NAME.unreadable`, so that nothing overwrites it.
    """
    if not path.exists():
        return None
    try:
        state = msgspec.json.decode(path.read_bytes(), type=SavedState)
    except (OSError, msgspec.DecodeError) as error:
        _rename(path, "unreadable", str(error))
        return None
    if state.accounts and state.world != world_of(source):
        _rename(path, "other", "it belongs to other markets")
        state = SavedState(state.seed, state.market_time_s)
    return state if state.seed == source.seed else None


def _rename(path: Path, suffix: str, reason: str) -> None:
    renamed = path.with_name(f"{path.name}.{suffix}")
    path.replace(renamed)
    log = structlog.get_logger(part="simulator")
    log.warning("the saved state is not used; accounts start again", kept=str(renamed), reason=reason)

"""Orders and trades inside the engine. A NO order is kept in the YES book at the mirrored price."""

from dataclasses import dataclass, field
from enum import StrEnum

from pipelines.core.domain import Outcome, Side
from pipelines.core.money import PRICE_SCALE
from simulator.engine.accounts import Account
from simulator.markets.labels import YES_NO

BUDGET_GRID = 100
"""Shares of a market buy are multiples of this many base units, 0.0001 share: the venue allows four decimals."""


class TimeInForce(StrEnum):
    """How long an order lives."""

    GTC = "GTC"
    GTD = "GTD"
    FOK = "FOK"
    FAK = "FAK"


class OrderStatus(StrEnum):
    """Status of an order as the venue names it."""

    LIVE = "LIVE"
    MATCHED = "MATCHED"
    DELAYED = "DELAYED"
    CANCELED = "CANCELED"
    CANCELED_MARKET_RESOLVED = "CANCELED_MARKET_RESOLVED"
    CANCELED_NOT_ENOUGH_BALANCE = "CANCELED_NOT_ENOUGH_BALANCE"
    INVALID = "INVALID"
    CANCELED_EXPIRED_ORDER = "CANCELED_EXPIRED_ORDER"


class TradeStatus(StrEnum):
    """Settlement of a trade."""

    MATCHED = "MATCHED"
    MINED = "MINED"
    CONFIRMED = "CONFIRMED"
    RETRYING = "RETRYING"
    FAILED = "FAILED"


@dataclass(slots=True, eq=False)
class Order:
    """An order of one account for one token.

    `price_units` is in the order's own token; `is_bid` and `book_units` place it in the YES book. A market buy has a
    budget in pUSD base units (`budget_micro`) instead of a number of shares, which is then 0 until it is filled.
    """

    order_id: str
    account: Account
    market_id: str
    token_id: str
    outcome: Outcome
    side: Side
    price_units: int
    shares_micro: int
    kind: TimeInForce = TimeInForce.GTC
    budget_micro: int = 0
    post_only: bool = False
    expires_s: int = 0
    """Wall time at which the order leaves the book; 0 means never."""
    created_s: int = 0
    """Wall time of arrival."""
    expiration: int = 0
    """Expiry in Unix seconds as signed by the client; 0 if it does not expire."""
    owner: str = ""
    """API key that posted the order."""
    maker_address: str = ""
    builder: str = ""
    remaining_micro: int = 0
    matched_micro: int = 0
    held_micro: int = 0
    """pUSD (buy) or shares (sale) that are reserved for the open part."""
    status: OrderStatus = OrderStatus.LIVE
    trade_ids: list[str] = field(default_factory=list)
    is_buy: bool = True
    is_bid: bool = False
    book_units: int = 0
    level_key: int = 0
    """Key of the order's level: its YES price, negated for an ask."""
    is_market: bool = False
    """Whether it is FOK or FAK, and so never rests."""
    batch: int = 0
    """Position in the batch of its request, from 1; 0 for a single order."""
    share_grid: int = BUDGET_GRID
    """The shares of a market buy are a multiple of this many base units."""
    label: str = ""
    """Name of the outcome on the wire; Yes or No when left out."""

    def __post_init__(self) -> None:
        is_yes = self.outcome is Outcome.YES
        self.label = self.label or YES_NO[0 if is_yes else 1]
        self.is_buy = self.side is Side.BUY
        self.is_bid = self.is_buy == is_yes
        self.book_units = self.price_units if is_yes else PRICE_SCALE - self.price_units
        self.level_key = self.book_units if self.is_bid else -self.book_units
        self.remaining_micro = self.shares_micro
        self.is_market = self.kind is TimeInForce.FOK or self.kind is TimeInForce.FAK


@dataclass(frozen=True, slots=True)
class MakerFill:
    """A resting order's part of a trade. `price_units` is the price of the order's own token."""

    order: Order
    shares_micro: int
    price_units: int


@dataclass(slots=True, eq=False)
class Trade:
    """One taker order against one price level. Debits are taken at once, credits are given when it settles."""

    trade_id: str
    market_id: str
    taker: Order
    makers: list[MakerFill]
    shares_micro: int
    price_units: int
    """In the taker's token."""
    cash_micro: int
    """pUSD that the taker paid or received before the fee."""
    fee_micro: int
    market_s: int
    minted_micro: int
    """Collateral that settlement locks (mint) or, when negative, frees (merge)."""
    debits: list[tuple[Account, str, int]]
    """Account, token id ("" for pUSD) and base units that left the account."""
    credits: list[tuple[Account, str, int]]
    status: TradeStatus = TradeStatus.MATCHED
    transaction_hash: str = ""
    updated_s: int = 0
    bucket: int = 0
    reverted: bool = False
    """Whether its settlement failed finally and the debits were given back."""
    internal: bool = False
    """Whether both sides are internal accounts: then it settles at once and causes no message."""

    def orders(self) -> list[Order]:
        """The taker's order, then the makers'."""
        return [self.taker, *(fill.order for fill in self.makers)]

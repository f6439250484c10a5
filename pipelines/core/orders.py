"""The vocabulary of orders: what `decide` wants, what a gateway signed, and what the venue answered.

It is in core because the live gateway (venue) and the paper gateway (trading) speak it and neither may import
the other. Only a proven refusal is `REJECTED`; everything that is neither proven accepted nor proven refused is
`UNKNOWN` and is looked up by the order's hash before anything is sent again.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol

import msgspec

from pipelines.core.domain import Bar, FeeSchedule, Fill, Market, Outcome, Quote, Side
from pipelines.core.errors import VenueError


class OrderType(StrEnum):
    """How long an order may wait, as on the wire."""

    GTC = "GTC"
    """Takes what is marketable; the rest waits until it is cancelled."""
    GTD = "GTD"
    """As GTC, and the venue itself cancels it after a time."""
    FAK = "FAK"
    """Takes what is marketable now; the rest is gone. A sale states shares; a buy states the pUSD that it spends
    (`money.market_buy_micro`), and a better price gives it more shares."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderIntent:
    """An order that a decision asks for: shares on the 0.01 grid, its limit `price_units` on the market's tick."""

    market_id: str
    token_id: str
    outcome: Outcome
    side: Side
    price_units: int
    shares_micro: int
    tick_units: int
    neg_risk: bool
    version: str
    reason: str
    """Why it is sent: enter, exit, stop_loss, take_profit, trailing_stop, kill_switch, ..."""
    ts_s: int
    """Market time of the close that was decided on."""
    order_type: OrderType = OrderType.GTC
    post_only: bool = False
    """The venue refuses the order instead of letting it take."""
    lifetime_s: int = 0
    """Seconds that a GTD order may rest, for the venue's own clock; at least the venue's minimum is asked for."""
    after_ms: int = 0
    """Market milliseconds from `ts_s` to a decision between two closes; 0 at a close."""


def intent_json(intent: OrderIntent | None) -> str | None:
    """An intent as the journal keeps it, JSON; None without one. A decision at a close has no `after_ms`: earlier
    versions knew none, and their decisions are compared with those of today."""
    if intent is None:
        return None
    document = msgspec.to_builtins(intent)
    if not intent.after_ms:
        del document["after_ms"]
    return msgspec.json.encode(document).decode()


NOTHING_TO_TAKE = "no orders found to match"
"""The venue's words for a FAK order that met no bid or ask within its limit: refused, and nothing is wrong."""


@dataclass(frozen=True, slots=True)
class SignedOrder:
    """A signed order, not yet sent. `order_id` is its EIP-712 hash, so it is known before the venue is asked."""

    order_id: str
    intent: OrderIntent
    payload: Mapping[str, Any]
    """What the gateway sends; opaque to everyone else, serialisable as JSON."""


class NotOffered(VenueError):
    """The account cannot do this by itself; the message says what its owner does."""


class PlaceStatus(StrEnum):
    """What is proven about an order that was sent."""

    ACCEPTED = "accepted"
    REJECTED = "rejected"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class PlaceResult:
    """The answer to one order. `venue_status` is live, matched, delayed, unmatched or empty.

    The filled amounts are what the answer itself states (0 when delayed or resting); fills are booked from trades.
    """

    status: PlaceStatus
    order_id: str
    venue_status: str = ""
    filled_shares_micro: int = 0
    filled_notional_micro: int = 0
    trade_ids: tuple[str, ...] = ()
    reason: str = ""


@dataclass(frozen=True, slots=True)
class CancelResult:
    """Which orders were cancelled, and why the others were not (order id -> the venue's words)."""

    cancelled: tuple[str, ...]
    not_cancelled: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class OpenOrder:
    """An order that rests at the venue. `created_s` is wall time."""

    order_id: str
    market_id: str
    token_id: str
    outcome: Outcome
    side: Side
    price_units: int
    shares_micro: int
    matched_micro: int
    status: str
    created_s: int


def _by_hand(what: str, market: Market) -> str:
    return f"{what} of {market.question[:60]!r} ({market.market_id}) at https://polymarket.com/portfolio"


class OrderGateway(Protocol):
    """One account at one venue. Synchronous: the bot calls it in a thread. Errors are `pipelines.core.errors`.

    Members with a body are optional. The last four are about what a venue knows by itself; they do nothing unless the
    gateway is its own venue.
    """

    @property
    def account(self) -> str:
        """The address or name that holds the funds."""
        ...

    def prepare(self, intent: OrderIntent) -> SignedOrder:
        """Sign; no network. The result's `order_id` is the journal's key."""
        ...

    def place(self, order: SignedOrder) -> PlaceResult:
        """Send once. Never raises for what the venue or the network did: that is `UNKNOWN` or `REJECTED`."""
        ...

    def cancel(self, order_ids: Sequence[str]) -> CancelResult:
        """Cancel these orders."""
        ...

    def cancel_all(self) -> CancelResult:
        """Cancel every open order of the account."""
        ...

    def open_orders(self) -> list[OpenOrder]:
        """All resting orders."""
        ...

    def order(self, order_id: str) -> OpenOrder | None:
        """A resting order; None when the venue does not list it as open (filled, cancelled or never accepted)."""
        ...

    def trades(self, after_s: int) -> list[Fill]:
        """Our fills at or after a time (in the venue's trade time, UTC s), oldest first, each with a stable fill id."""
        ...

    def cash_micro(self) -> int:
        """Collateral in base units."""
        ...

    def shares_micro(self, token_id: str) -> int:
        """Balance of a token in base units."""
        ...

    def know(self, markets: Iterable[Market]) -> None:
        """Remember the static data of markets before they are traded."""
        ...

    def failed(self) -> list[Fill]:
        """Of the last reading of `trades`: fills that the venue lists as failed for good. They did not happen."""
        return []

    def left_out(self) -> list[str]:
        """What could not be read since the last call, a line each for people. Readings go on without such rows."""
        return []

    def refresh_balance(self, token_id: str = "") -> None:
        """Ask the venue to read a balance anew ("" is the cash): its cache may lag. Never raises."""
        return

    def fee(self, market_id: str) -> FeeSchedule | None:
        """The taker fee that the venue charges in a market now, read anew; None where it does not say. Never raises."""
        return None

    def redeem(self, market: Market) -> None:
        """Ask for the payout of a decided market; the cash comes later. Safe to repeat until it is there.

        Raises:
            NotOffered: where this account has no such way; the message says what its owner does instead.
            VenueError: if it could not be asked for now.
        """
        raise NotOffered(_by_hand("redeem the shares", market))

    def split(self, market: Market, shares_micro: int) -> None:
        """Turn pUSD into pairs of YES and NO shares.

        Raises:
            NotOffered: where this account has no such way; the message says what its owner does instead.
        """
        raise NotOffered(_by_hand(f"split {shares_micro / 1e6:g} pUSD", market))

    def merge(self, market: Market, shares_micro: int) -> None:
        """Turn pairs of YES and NO shares into pUSD.

        Raises:
            NotOffered: where this account has no such way; the message says what its owner does instead.
        """
        raise NotOffered(_by_hand(f"merge {shares_micro / 1e6:g} pairs", market))

    def heartbeat(self) -> None:
        """Keep what rests alive; blocking.

        Raises:
            VenueError: if the venue does not accept it.
        """
        ...

    def contested(self) -> int:
        """How many heartbeats in a row found that another program had sent one of its own meanwhile."""
        return 0

    def restore(self, cash_micro: int, fills: Iterable[Fill], settled_micro: Mapping[str, int]) -> None:
        """Earlier sessions: what was paid in, every booking, and market id -> what its payout brought."""
        return

    def fills_at_close(self) -> bool:
        """Whether what filled in a bar is known once `bars_closed` was told of it, and not before: nothing of a bar is
        cancelled or counted earlier."""
        return False

    def bars_closed(self, closed: Iterable[tuple[Bar, Quote]]) -> None:
        """Bars that have just closed, each with the YES quote at its close. Called from another thread; quick."""
        return

    def resolved(self, market_id: str, payout_yes_micro: int) -> None:
        """A market is decided: its orders are gone and its shares are paid."""
        return

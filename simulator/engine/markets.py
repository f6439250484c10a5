"""A listed market inside the engine: static data, book, collateral, and whether it takes orders."""

from dataclasses import dataclass, field
from enum import StrEnum
from hashlib import sha256

from pipelines.core.domain import Outcome, Side
from simulator.engine.book import Book
from simulator.markets.labels import YES_NO
from simulator.markets.source import Listing


class MarketState(StrEnum):
    """Life of a market."""

    OPEN = "open"
    CLOSED = "closed"
    """No orders are taken; waiting for its resolution."""
    RESOLVED = "resolved"


def neg_risk_id(event_id: str) -> str:
    """Id of the negative-risk market of an event: 31 bytes, and one for the question."""
    return "0x" + sha256(event_id.encode()).hexdigest()[:62] + "00"


@dataclass(slots=True, eq=False)
class LiveMarket:
    """A market with its book. `tick_units` may change at runtime; `collateral_micro` backs YES and NO shares alike."""

    listing: Listing
    number: int
    """Gamma's numeric id."""
    tick_units: int = 0
    book: Book = field(default_factory=Book)
    state: MarketState = MarketState.OPEN
    collateral_micro: int = 0
    payout_yes_micro: int | None = None
    resolved_s: int = 0
    last_units: int = 0
    """Last trade: price in YES units (0 never traded), side and token as printed."""
    last_side: Side = Side.BUY
    last_token: str = ""
    version: str = "v1"
    rewards_micro: int = 0
    """Liquidity rewards of a market day."""
    delay_s: float = 0.0
    """Taker delay (sports); 0 executes at once."""
    tick_pinned: bool = False
    """The tick stays as it is, whatever the source quotes; the market maker rounds to it."""
    shown_end_s: int | None = -1
    """Scheduled end as it is shown; None where none is shown. Trading ends at the listing's."""
    rules: str = ""
    """Text of the rules; that of the listing when empty."""
    resolution_status: str = ""
    """What the resolution waits for: proposed, disputed; empty before and after."""
    was_disputed: bool = False
    labels: tuple[str, str] = YES_NO
    """Names of the first and the second outcome."""

    def __post_init__(self) -> None:
        if not self.tick_units:
            self.tick_units = self.listing.tick_units
        if self.shown_end_s == -1:
            self.shown_end_s = self.listing.end_s

    def outcome(self, token_id: str) -> Outcome:
        """Outcome that a token of this market pays on."""
        return Outcome.YES if token_id == self.listing.token_yes else Outcome.NO

    def token(self, outcome: Outcome) -> str:
        """Token id of an outcome."""
        return self.listing.token_yes if outcome is Outcome.YES else self.listing.token_no

    def label(self, outcome: Outcome) -> str:
        """Name of an outcome, as it is spelled on the wire."""
        return self.labels[0 if outcome is Outcome.YES else 1]

    def payout_micro(self, outcome: Outcome) -> int:
        """pUSD base units per share after the resolution.

        Raises:
            ValueError: if the market is not resolved.
        """
        if self.payout_yes_micro is None:
            raise ValueError(f"market {self.listing.market_id} is not resolved; ask after its end")
        return self.payout_yes_micro if outcome is Outcome.YES else 1_000_000 - self.payout_yes_micro

"""A listed market inside the engine: static data, book, collateral and state."""

from dataclasses import dataclass, field
from enum import StrEnum
from hashlib import sha256

from pipelines.core.domain import Outcome, Side
from simulator.engine.book import Book
from simulator.markets.labels import YES_NO
from simulator.markets.source import Listing


class MarketState(StrEnum):
    """State of a market."""

    OPEN = "open"
    CLOSED = "closed"
    """Takes no orders and waits for its resolution."""
    RESOLVED = "resolved"


def neg_risk_id(event_id: str) -> str:
    """Id of the negative-risk market of an event: 31 bytes of hash and a 0 byte, where questions have their number."""
    return "0x" + sha256(event_id.encode()).hexdigest()[:62] + "00"


@dataclass(slots=True, eq=False)
class LiveMarket:
    """A market with its book. `tick_units` may change at runtime; `collateral_micro` backs YES and NO shares."""

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
    """Price of the last trade in units of 1e-4 of `last_token`; 0 before the first trade."""
    last_side: Side = Side.BUY
    last_token: str = ""
    version: str = "v1"
    rewards_micro: int = 0
    """Liquidity rewards per market day in base units of pUSD."""
    delay_s: float = 0.0
    """Wall seconds that a crossing order waits before it is matched (sports); 0 matches at once."""
    taker_delay_s: float = 0.0
    """Wall seconds for which the request of a crossing order is held, as the listing says."""
    tick_pinned: bool = False
    """Whether a fault fixed the tick: quotes of the source are then rounded to it."""
    shown_end_s: int | None = -1
    """Scheduled end that clients see; None shows no end. Trading ends at `listing.end_s` in any case."""
    rules: str = ""
    """Text of the rules after a change; empty for the original text."""
    resolution_status: str = ""
    """`proposed` or `disputed` while the market waits for its resolution, else empty."""
    was_disputed: bool = False
    labels: tuple[str, str] = YES_NO
    """Names of the first and the second outcome."""

    def __post_init__(self) -> None:
        if not self.tick_units:
            self.tick_units = self.listing.tick_units
        if self.shown_end_s == -1:
            self.shown_end_s = self.listing.end_s

    def outcome(self, token_id: str) -> Outcome:
        """Outcome of a token of this market."""
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
            raise ValueError(f"market {self.listing.market_id} is not resolved; call this after its resolution")
        return self.payout_yes_micro if outcome is Outcome.YES else 1_000_000 - self.payout_yes_micro

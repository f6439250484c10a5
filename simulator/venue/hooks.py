"""What faults may change about a venue, in one place; without faults each does nothing."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pipelines.core.domain import Outcome
from simulator.engine.markets import LiveMarket
from simulator.engine.orders import Order


@dataclass(slots=True)
class Hooks:
    """Functions that a venue asks."""

    delay: Callable[[Order], float] = lambda order: 0.0
    """Wall seconds that a crossing order waits before it is matched (sports)."""
    hold: Callable[[str], float] = lambda market_id: 0.0
    """Wall seconds for which requests with crossing orders of a market are held."""
    blocked: Callable[[], bool] = lambda: False
    """Whether callers are told that their region may not trade."""
    relayer_busy: Callable[[], bool] = lambda: False
    """Whether the relayer refuses a batch because another one is on its way."""
    relayer_retired: Callable[[], bool] = lambda: False
    """Whether the contracts that the relayer calls are retired."""
    relayer_fails: Callable[[], bool] = lambda: False
    """Whether a batch of the relayer fails when it is executed."""
    postpone: Callable[[LiveMarket, int], bool] = lambda market, payout: False
    """Whether a resolution that the source reports is put off."""
    announced: Callable[[LiveMarket, Outcome], Outcome | None] = lambda market, winner: winner
    """The winner that the message of a resolution names; None when no message is sent."""
    shown_book: Callable[[LiveMarket, dict[str, Any]], dict[str, Any]] = lambda market, document: document
    """A snapshot of a book as it is shown."""

"""Functions through which faults change a venue. Their defaults change nothing."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pipelines.core.domain import Outcome
from simulator.engine.markets import LiveMarket
from simulator.engine.orders import Order


@dataclass(slots=True)
class Hooks:
    """Functions that the venue calls at the points where a fault may interfere; `faults` replaces them."""

    delay: Callable[[Order], float] = lambda order: 0.0
    """Wall seconds that a crossing order waits before it is matched (sports)."""
    hold: Callable[[str], float] = lambda market_id: 0.0
    """Wall seconds for which requests with crossing orders of a market are held."""
    blocked: Callable[[], bool] = lambda: False
    """Whether callers get the answer that their region may not trade."""
    relayer_busy: Callable[[], bool] = lambda: False
    """Whether the relayer refuses a batch because another one of the wallet is not finished."""
    relayer_retired: Callable[[], bool] = lambda: False
    """Whether the contracts that the relayer calls are retired."""
    relayer_fails: Callable[[], bool] = lambda: False
    """Whether a batch of the relayer fails when it is executed."""
    postpone: Callable[[LiveMarket, int], bool] = lambda market, payout: False
    """Whether a resolution that the source reports is postponed."""
    announced: Callable[[LiveMarket, Outcome], Outcome | None] = lambda market, winner: winner
    """The winner that the message of a resolution names; None when no message is sent."""
    shown_book: Callable[[LiveMarket, dict[str, Any]], dict[str, Any]] = lambda market, document: document
    """The JSON of a book snapshot as clients get it."""

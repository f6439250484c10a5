"""Faults of resolutions: early, late, disputed, 50-50, with the wrong winner in the message, or without a message."""

import random
from dataclasses import dataclass

from pipelines.core.domain import Outcome
from pipelines.core.errors import ParameterError
from pipelines.core.money import MICRO, PRICE_SCALE
from simulator.engine.markets import LiveMarket, MarketState
from simulator.faults.catalog import Fault
from simulator.faults.order_faults import FaultCheck
from simulator.venue.venue import Venue

PAYOUTS = (0.0, 0.5, 1.0)


@dataclass(slots=True)
class Waiting:
    """A market whose payout is decided but postponed until market time `due_s`."""

    due_s: int
    market_id: str
    payout_yes_micro: int


class ResolutionFaults:
    """Faults of the resolution of markets. `waiting` has the postponed resolutions."""

    def __init__(self, venue: Venue, strikes: FaultCheck, chance: random.Random):
        self.venue = venue
        self.strikes = strikes
        self.chance = chance
        self.waiting: list[Waiting] = []
        self._silent: set[str] = set()
        venue.hooks.postpone = self._postpone
        venue.hooks.announced = self._announced

    def resolve(self, market: LiveMarket, fault: Fault, *, silent: bool) -> None:
        """Resolve a market now; `silent` sends no message about it.

        Raises:
            ParameterError: if the payout is not 0, 0.5 or 1.
        """
        payout = self._payout(market, fault)
        if silent:
            self._silent.add(market.listing.market_id)
        self.waiting = [row for row in self.waiting if row.market_id != market.listing.market_id]
        self.venue.resolve(market.listing.market_id, payout)

    def _payout(self, market: LiveMarket, fault: Fault) -> int:
        if fault.kind == "resolve_half":
            return MICRO // 2
        wanted = fault.options.get("payout")
        if wanted is not None and wanted not in PAYOUTS:
            raise ParameterError(f"payout was {wanted!r}; give 0, 0.5 or 1")
        if wanted is not None:
            return round(wanted * MICRO)
        bid, ask = market.book.top(Outcome.YES)
        mid = ((bid or 0) + (PRICE_SCALE if ask is None else ask)) / 2 / PRICE_SCALE
        return MICRO if self.chance.random() < mid else 0

    def _postpone(self, market: LiveMarket, payout: int) -> bool:
        """Whether a resolution that the source reports is postponed; if so, it is kept in `waiting`."""
        if any(row.market_id == market.listing.market_id for row in self.waiting):
            return True
        fault = self.strikes("resolve_disputed", "resolve_late", market_id=market.listing.market_id)
        if fault is None or market.state is MarketState.RESOLVED:
            return False
        disputed = fault.kind == "resolve_disputed"
        market.resolution_status = "disputed" if disputed else "proposed"
        market.was_disputed = disputed
        due_s = self.venue.now_s + round(fault.number("delay_min", 60.0) * 60)
        final = MICRO - payout if disputed and fault.number("flip", 0) else payout
        self.waiting.append(Waiting(due_s, market.listing.market_id, final))
        return True

    def advance(self) -> None:
        """Resolve the postponed markets that are due."""
        due = [row for row in self.waiting if row.due_s <= self.venue.now_s]
        for row in due:
            self.waiting.remove(row)
            self.venue.resolve(row.market_id, row.payout_yes_micro)

    def _announced(self, market: LiveMarket, winner: Outcome) -> Outcome | None:
        """The winner that the message of a resolution names; None if no message is sent."""
        market_id = market.listing.market_id
        if market_id in self._silent or self.strikes("resolution_unsaid", market_id=market_id):
            return None
        return winner.other if self.strikes("wrong_winner", market_id=market_id) else winner

"""Asking for the payouts of decided markets: again after a failure, later each time, and said to a person."""

import time
from dataclasses import dataclass
from typing import Final

from pipelines.core.domain import Market
from pipelines.core.errors import VenueError
from pipelines.core.orders import NotOffered, OrderGateway

LOOK_AGAIN_S: Final = 5.0
LONGEST_WAIT_S: Final = 300.0
"""Wall time between two questions about one payout; it doubles with each failure."""

SAID_AFTER: Final = 3
"""Failures in a row after which a person is told."""


@dataclass(slots=True)
class _Asked:
    failures: int = 0
    due_s: float = float("-inf")


class Payouts:
    """The payouts that were asked for, by market."""

    def __init__(self, gateway: OrderGateway) -> None:
        self._gateway = gateway
        self._asked: dict[str, _Asked] = {}

    def ask(self, market: Market) -> str:
        """Ask for a payout unless that was done a moment ago; what a person has to know, each once, else nothing."""
        asked = self._asked.setdefault(market.market_id, _Asked())
        if time.monotonic() < asked.due_s:
            return ""
        try:
            self._gateway.redeem(market)
        except NotOffered as error:
            asked.due_s = float("inf")
            return f"to be paid, {error}"
        except VenueError as error:
            asked.failures += 1
            asked.due_s = time.monotonic() + min(LOOK_AGAIN_S * 2.0 ** (asked.failures - 1), LONGEST_WAIT_S)
            if asked.failures != SAID_AFTER:
                return ""
            return (
                f"{market.question[:60]!r} ({market.market_id}) was not redeemed in {SAID_AFTER} tries, the last time "
                f"because {error}; it is tried again, or redeem it at https://polymarket.com/portfolio"
            )
        asked.failures, asked.due_s = 0, time.monotonic() + LOOK_AGAIN_S
        return ""

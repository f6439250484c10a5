"""What authenticated routes share: the venue, its faults, and who calls."""

from collections.abc import Callable

from starlette.requests import Request

from simulator.api.http import Gatekeeper
from simulator.faults.state import Faults
from simulator.signing.credentials import Credentials
from simulator.venue.venue import Venue


class Private:
    """Base of the authenticated parts of the CLOB."""

    def __init__(self, venue: Callable[[], Venue], faults: Callable[[], Faults]):
        self._venue = venue
        self._faults = faults

    @property
    def venue(self) -> Venue:
        """The venue.

        Raises:
            Refused: 503 while history is still being made.
        """
        return self._venue()

    def _gate(self) -> Gatekeeper:
        return Gatekeeper(self.venue)

    async def _caller(self, request: Request, *, writes: bool = False) -> Credentials:
        return await self._gate().caller(request, writes=writes)

"""Base of authenticated routes: the venue, its faults, and the caller of a request."""

from collections.abc import Callable

from starlette.requests import Request

from simulator.api.authentication import Authenticator
from simulator.engine.refusals import Refused
from simulator.faults.state import Faults
from simulator.signing.credentials import Credentials
from simulator.venue.limits import BucketKind
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

    def _authenticator(self) -> Authenticator:
        return Authenticator(self.venue)

    async def _caller(self, request: Request, *, writes: bool = False) -> Credentials:
        return await self._authenticator().caller(request, writes=writes)

    def _spend(self, request: Request, caller: Credentials, kind: BucketKind, tokens: int) -> None:
        """Take tokens from a signer's bucket; headers of the answer show how many are left.

        Raises:
            Refused: 429 when they are not there and limits are enforced.
        """
        spent = self.venue.limits.spend(caller.address, kind, tokens, self.venue.wall_s())
        if spent is None:
            return
        request.state.headers = spent.headers
        if spent.refused:
            raise Refused("Too Many Requests", 429)

"""Code that all parts of the Data API use: errors, and the parameters that name markets and users."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import wraps

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from simulator.api.responses import Handler, answer
from simulator.engine.markets import LiveMarket
from simulator.engine.refusals import Refused
from simulator.venue.venue import Venue

MAX_CONDITIONS = 20
FIRST_EVENT = 20_000
"""Numeric id of the first event, for Gamma and the Data API."""


def guarded(handler: Handler) -> Handler:
    """A handler whose refusals become the Data API's error bodies."""

    @wraps(handler)
    async def run(request: Request) -> Response:
        try:
            if "offset" in request.query_params:
                raise Refused("offset is not supported, use cursor")
            return await handler(request)
        except Refused as refused:
            code = {404: "not_found", 503: "unavailable"}.get(refused.status, "invalid_parameter")
            trace = "00000000000000000000000000000000"
            retryable = refused.status >= 500
            body = {"error": refused.text, "code": code, "retryable": retryable, "trace_id": trace}
            return answer(body, refused.status)

    return run


class DataPart(ABC):
    """Base of the Data API's parts."""

    def __init__(self, venue: Callable[[], Venue]):
        self._venue = venue

    @property
    def venue(self) -> Venue:
        """The venue.

        Raises:
            Refused: 503 while history is still being made.
        """
        return self._venue()

    @abstractmethod
    def table(self) -> list[tuple[str, Handler]]:
        """The routes of this part, with their handlers."""

    def routes(self) -> list[BaseRoute]:
        """The routes of this part, with their handlers."""
        return [Route(path, guarded(handler), methods=["GET"]) for path, handler in self.table()]

    def conditions(self, request: Request) -> list[LiveMarket]:
        """Markets named by `condition` or `condition_id`, repeated or comma-separated; unknown ones are left out.

        Raises:
            Refused: for more than 20.
        """
        names = listed(request, "condition") + listed(request, "condition_id")
        if len(names) > MAX_CONDITIONS:
            raise Refused(f"at most {MAX_CONDITIONS} conditions")
        return [m for m in (self.venue.exchange.markets.get(name.lower()) for name in names) if m]

    def markets_of_events(self, request: Request, name: str = "event_id") -> list[LiveMarket]:
        """Markets of the events that a parameter names: numeric ids, or slugs."""
        positions = self.venue.event_positions
        numbers = {str(FIRST_EVENT + place): slug for slug, place in positions.items()}
        slugs = [numbers.get(event, event) for event in listed(request, name)]
        return [market for slug in slugs for market in self.venue.markets_of_event.get(slug, [])]

    def users(self, user: str | None) -> list[str]:
        """Addresses of the account behind a wallet, or of all outside accounts."""
        if user:
            account = self.venue.account_of(user)
            return [account.address] if account else []
        return [a.address for a in self.venue.exchange.accounts.values() if not a.internal]


def listed(request: Request, name: str) -> list[str]:
    """Values of a parameter that may be repeated or comma-separated."""
    return [part for value in request.query_params.getlist(name) for part in value.split(",") if part]


def required_user(request: Request) -> str:
    """The `user` parameter.

    Raises:
        Refused: if it is missing.
    """
    user = request.query_params.get("user")
    if not user:
        raise Refused("user is required")
    return user

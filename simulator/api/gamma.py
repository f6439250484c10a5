"""The Gamma API: metadata of markets and events, with arrays inside JSON strings as on the venue."""

import base64
import binascii
from collections.abc import Callable, Iterable
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from simulator.api import formats
from simulator.api import gamma_documents as documents
from simulator.api.data_base import FIRST_EVENT
from simulator.api.gamma_filters import event_filters, market_filters, named_markets, ordered, ordered_events
from simulator.api.responses import answer, guarded, integer
from simulator.engine.markets import LiveMarket
from simulator.engine.refusals import Refused
from simulator.venue.venue import Venue

MAX_PAGE = 100
MAX_OFFSET = 2000


class Gamma:
    """Markets and events."""

    def __init__(self, venue: Callable[[], Venue]):
        self._venue = venue

    @property
    def venue(self) -> Venue:
        """The venue.

        Raises:
            Refused: 503 while history is still being made.
        """
        return self._venue()

    def routes(self) -> list[BaseRoute]:
        """The routes of this part, with their handlers."""
        table: list[tuple[str, Any]] = [
            ("/", self.status), ("/status", self.status), ("/ok", self.status),
            ("/markets", self.markets), ("/markets/keyset", self.markets_keyset),
            ("/markets/slug/{slug}", self.market_by_slug), ("/markets/{number}", self.market_by_number),
            ("/events", self.events), ("/events/keyset", self.events_keyset),
            ("/events/slug/{slug}", self.event_by_slug), ("/events/{number}", self.event_by_number),
            ("/markets/{number}/tags", self.market_tags), ("/events/{number}/tags", self.event_tags),
            ("/tags", self.tags), ("/tags/slug/{slug}", self.tag), ("/tags/{tag_id}", self.tag),
            ("/tags/{tag_id}/related-tags", self.nothing), ("/tags/slug/{slug}/related-tags", self.nothing),
            ("/tags/{tag_id}/related-tags/tags", self.nothing), ("/tags/slug/{slug}/related-tags/tags", self.nothing),
            ("/series", self.nothing), ("/series/{number}", self.no_such), ("/teams", self.nothing),
            ("/sports", self.nothing), ("/sports/market-types", self.no_market_types),
            ("/comments", self.nothing), ("/comments/keyset", self.no_comments),
            ("/comments/user_address/{address}", self.nothing), ("/comments/{number}", self.nothing),
            ("/public-search", self.search), ("/public-profile", self.profile),
        ]  # fmt: skip
        return [Route(path, guarded(handler), methods=["GET"]) for path, handler in table]

    async def status(self, request: Request) -> Response:
        """OK when the venue is open."""
        _ = self.venue
        return answer("OK")

    async def nothing(self, request: Request) -> Response:
        """An empty list."""
        return answer([])

    async def no_comments(self, request: Request) -> Response:
        """An empty list: comments are not simulated."""
        return answer({"comments": []})

    async def no_market_types(self, request: Request) -> Response:
        """An empty list: types of sports markets are not simulated."""
        return answer({"marketTypes": []})

    async def no_such(self, request: Request) -> Response:
        """An empty list: such objects are not simulated."""
        return _missing()

    async def profile(self, request: Request) -> Response:
        """Profile of a wallet that has an account; its name is empty."""
        address = request.query_params.get("address", "")
        account = self.venue.account_of(address)
        if account is None:
            return answer({"type": "not found error", "error": "profile not found"}, 404)
        opened_s = next((row.ts_s for row in self.venue.activity.rows[account.address]), self.venue.now_s)
        document = {"createdAt": formats.iso(opened_s), "proxyWallet": address.lower(), "profileImage": ""}
        user = {"id": address.lower(), "creator": False, "mod": False}
        nameless = {"displayUsernamePublic": False, "bio": "", "pseudonym": "", "name": "", "xUsername": ""}
        return answer(document | nameless | {"users": [user], "verifiedBadge": False})

    # -- markets

    def _markets(self, request: Request) -> list[LiveMarket]:
        venue, query = self.venue, request.query_params
        filters = market_filters(venue, query)
        return ordered(venue, [m for m in named_markets(venue, query) if all(fits(m) for fits in filters)], query)

    async def markets(self, request: Request) -> Response:
        """Markets by offset."""
        rows = _offset_page(self._markets(request), request)
        events: dict[str, Any] = {}
        return answer([self._market(m, events) for m in rows])

    async def markets_keyset(self, request: Request) -> Response:
        """Markets by cursor, at most 100 per page."""
        rows, cursor = _keyset(self._markets(request), request, lambda m: m.number)
        tagged = request.query_params.get("include_tag") == "true"
        tags = [{"tags": [documents.tag(m.listing.category)]} if tagged else {} for m in rows]
        events: dict[str, Any] = {}
        found = [self._market(m, events) | t for m, t in zip(rows, tags, strict=True)]
        return answer(_with_cursor("markets", found, cursor))

    async def market_by_slug(self, request: Request) -> Response:
        """One market by slug."""
        slug = request.path_params["slug"]
        return self._one(m for m in self.venue.exchange.markets.values() if m.listing.slug == slug)

    async def market_by_number(self, request: Request) -> Response:
        """One market by its numeric id."""
        return self._one(self._numbered(request))

    def _numbered(self, request: Request) -> list[LiveMarket]:
        number = request.path_params["number"]
        return [m for m in self.venue.exchange.markets.values() if str(m.number) == number]

    async def market_tags(self, request: Request) -> Response:
        """Tags of a market."""
        found = self._numbered(request)
        return answer([documents.tag(m.listing.category) for m in found]) if found else _missing()

    def _one(self, found: Iterable[LiveMarket]) -> Response:
        market = next(iter(found), None)
        return _missing() if market is None else answer(self._market(market))

    def _market(self, market: LiveMarket, events: dict[str, Any] | None = None) -> dict[str, Any]:
        """A market with its event. `events` caches the events of a page."""
        known = {} if events is None else events
        slug = market.listing.event_id
        if slug not in known:
            known[slug] = self._event(slug, with_markets=False)
        return {**documents.market(self.venue, market), "events": [known[slug]]}

    # -- events

    def _event_numbers(self) -> dict[str, int]:
        return {slug: FIRST_EVENT + i for slug, i in self.venue.event_positions.items()}

    def _events(self, request: Request) -> list[tuple[int, str]]:
        venue, query = self.venue, request.query_params
        filters = event_filters(venue, query)
        rows = [(number, slug) for slug, number in self._event_numbers().items()]
        return ordered_events(venue, [row for row in rows if all(fits(row) for fits in filters)], query)

    async def events(self, request: Request) -> Response:
        """Events by offset."""
        rows = _offset_page(self._events(request), request)
        return answer([self._event(slug, with_markets=True) for _, slug in rows])

    async def events_keyset(self, request: Request) -> Response:
        """Events by cursor."""
        rows, cursor = _keyset(self._events(request), request, lambda row: row[0])
        return answer(_with_cursor("events", [self._event(slug, with_markets=True) for _, slug in rows], cursor))

    async def event_by_slug(self, request: Request) -> Response:
        """One event by slug."""
        return self._one_event(request.path_params["slug"])

    async def event_by_number(self, request: Request) -> Response:
        """One event by its numeric id."""
        return self._one_event(self._event_slug(request))

    def _event_slug(self, request: Request) -> str:
        number = request.path_params["number"]
        return next((slug for slug, n in self._event_numbers().items() if str(n) == number), "")

    async def event_tags(self, request: Request) -> Response:
        """Tags of an event."""
        markets = self.venue.markets_of_event.get(self._event_slug(request))
        return answer([documents.tag(markets[0].listing.category)]) if markets else _missing()

    def _one_event(self, slug: str) -> Response:
        if slug not in self.venue.markets_of_event:
            return _missing()
        return answer(self._event(slug, with_markets=True))

    def _event(self, slug: str, *, with_markets: bool) -> dict[str, Any]:
        document = documents.event(self.venue, slug)
        if with_markets:
            markets = self.venue.markets_of_event[slug]
            document["markets"] = [documents.market(self.venue, m) for m in markets]
            document["tags"] = [documents.tag(markets[0].listing.category)]
        return document

    async def tags(self, request: Request) -> Response:
        """Categories as tags."""
        return answer(self._tags())

    def _tags(self) -> list[dict[str, Any]]:
        return [documents.tag(n) for n in sorted({m.listing.category for m in self.venue.exchange.markets.values()})]

    async def tag(self, request: Request) -> Response:
        """One tag by its id or slug."""
        wanted = set(request.path_params.values())
        found = [tag for tag in self._tags() if wanted & {tag["id"], tag["slug"]}]
        return answer(found[0]) if found else _missing()

    async def search(self, request: Request) -> Response:
        """Events whose title has all words of `q`."""
        words = request.query_params.get("q", "").lower().split()
        hits = [
            slug
            for slug, markets in self.venue.markets_of_event.items()
            if words and all(word in markets[0].listing.event_title.lower() for word in words)
        ]
        events = [self._event(slug, with_markets=True) for slug in hits[:20]]
        return answer({"events": events, "pagination": {"hasMore": len(hits) > 20, "totalResults": len(hits)}})


def _missing() -> Response:
    return answer({"type": "not found error", "error": "id not found"}, 404)


def _offset_page(rows: list[Any], request: Request) -> list[Any]:
    limit = integer(request, "limit", 20, low=0, high=500)
    offset = integer(request, "offset", 0)
    if offset > MAX_OFFSET:
        raise Refused("offset too large, use /markets/keyset", 422)
    return rows[offset : offset + limit]


def _keyset(rows: list[Any], request: Request, number: Callable[[Any], int]) -> tuple[list[Any], str | None]:
    limit = min(integer(request, "limit", 20, low=1, high=10_000), MAX_PAGE)
    cursor = request.query_params.get("after_cursor")
    start = 0
    if cursor:
        after = _decode(cursor)
        start = next((i + 1 for i, row in enumerate(rows) if number(row) == after), len(rows))
    part = rows[start : start + limit]
    more = start + limit < len(rows)
    return part, (base64.urlsafe_b64encode(str(number(part[-1])).encode()).decode() if more else None)


def _decode(cursor: str) -> int:
    try:
        return int(base64.urlsafe_b64decode(cursor).decode("ascii")[:20])
    except (ValueError, binascii.Error):
        raise Refused("invalid after_cursor", 422) from None


def _with_cursor(name: str, rows: list[Any], cursor: str | None) -> dict[str, Any]:
    return {name: rows} | ({"next_cursor": cursor} if cursor else {})

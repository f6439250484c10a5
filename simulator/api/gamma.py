"""The Gamma API: metadata of markets and events, with arrays inside JSON strings as on the venue."""

import base64
import binascii
import json
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from pipelines.core.domain import Outcome
from pipelines.core.money import MICRO, PRICE_SCALE
from simulator.api import wire
from simulator.api.clob_public import question_id
from simulator.api.http import answer, guarded, integer
from simulator.engine.errors import Refused
from simulator.engine.markets import LiveMarket, MarketState
from simulator.venue.venue import Venue

MAX_PAGE = 100
MAX_OFFSET = 2000
FIRST_EVENT = 20_000
FEE_TYPES = {"crypto": "crypto_fees_v2", "sports": "sports_fees_v3", "politics": "politics_fees"}


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
        """All routes."""
        table: list[tuple[str, Any]] = [
            ("/", self.status), ("/status", self.status), ("/ok", self.status),
            ("/markets", self.markets), ("/markets/keyset", self.markets_keyset),
            ("/markets/slug/{slug}", self.market_by_slug), ("/markets/{number}", self.market_by_number),
            ("/events", self.events), ("/events/keyset", self.events_keyset),
            ("/events/slug/{slug}", self.event_by_slug), ("/events/{number}", self.event_by_number),
            ("/tags", self.tags), ("/series", self.nothing), ("/teams", self.nothing), ("/sports", self.nothing),
            ("/comments", self.nothing), ("/public-search", self.search),
        ]  # fmt: skip
        return [Route(path, guarded(handler), methods=["GET"]) for path, handler in table]

    async def status(self, request: Request) -> Response:
        """OK once there are markets."""
        _ = self.venue
        return answer("OK")

    async def nothing(self, request: Request) -> Response:
        """An empty list."""
        return answer([])

    # -- markets

    def _markets(self, request: Request) -> list[LiveMarket]:
        exchange = self.venue.exchange
        query = request.query_params
        conditions = _many(query.getlist("condition_ids"))
        tokens = _many(query.getlist("clob_token_ids"))
        found: Iterable[LiveMarket] = exchange.markets.values()
        if conditions:
            found = [exchange.markets[c] for c in conditions if c in exchange.markets]
        elif tokens:
            found = {
                exchange.by_token[t].listing.market_id: exchange.by_token[t] for t in tokens if t in exchange.by_token
            }.values()
        numbers, slugs = _many(query.getlist("id")), _many(query.getlist("slug"))
        return _ordered(
            [
                m
                for m in found
                if (not numbers or str(m.number) in numbers)
                and (not slugs or m.listing.slug in slugs)
                and _in_dates(query, m.listing.start_s, m.listing.end_s)
                and _is_closed_as_asked(query.get("closed"), m.state is not MarketState.OPEN)
            ],
            request,
        )

    async def markets(self, request: Request) -> Response:
        """Markets by offset."""
        rows = _offset_page(self._markets(request), request)
        return answer([self._market(m) for m in rows])

    async def markets_keyset(self, request: Request) -> Response:
        """Markets by cursor: at most 100 a page."""
        rows, cursor = _keyset(self._markets(request), request, lambda m: m.number)
        tagged = request.query_params.get("include_tag") == "true"
        tags = [{"tags": [tag(m.listing.category)]} if tagged else {} for m in rows]
        found = [self._market(m) | t for m, t in zip(rows, tags, strict=True)]
        return answer(_with_cursor("markets", found, cursor))

    async def market_by_slug(self, request: Request) -> Response:
        """One market by slug."""
        slug = request.path_params["slug"]
        return self._one(m for m in self.venue.exchange.markets.values() if m.listing.slug == slug)

    async def market_by_number(self, request: Request) -> Response:
        """One market by its numeric id."""
        number = request.path_params["number"]
        return self._one(m for m in self.venue.exchange.markets.values() if str(m.number) == number)

    def _one(self, found: Iterable[LiveMarket]) -> Response:
        market = next(iter(found), None)
        if market is None:
            return answer({"type": "not found error", "error": "id not found"}, 404)
        return answer(self._market(market))

    def _market(self, market: LiveMarket, *, with_event: bool = True) -> dict[str, Any]:
        document = market_document(self.venue, market)
        if with_event:
            document["events"] = [self._event(market.listing.event_id, with_markets=False)]
        return document

    # -- events

    def _event_numbers(self) -> dict[str, int]:
        return {slug: FIRST_EVENT + i for slug, i in self.venue.event_positions.items()}

    def _events(self, request: Request) -> list[tuple[int, str]]:
        query = request.query_params
        numbers, slugs = _many(query.getlist("id")), _many(query.getlist("slug"))
        rows = []
        for slug, number in self._event_numbers().items():
            markets = self.venue.markets_of_event[slug]
            closed = all(m.state is not MarketState.OPEN for m in markets)
            dates = _in_dates(query, min(m.listing.start_s for m in markets), max(m.listing.end_s for m in markets))
            asked = (not numbers or str(number) in numbers) and (not slugs or slug in slugs)
            if asked and dates and _is_closed_as_asked(query.get("closed"), closed):
                rows.append((number, slug))
        return rows if query.get("ascending", "true") != "false" else rows[::-1]

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
        number = request.path_params["number"]
        slugs = [slug for slug, n in self._event_numbers().items() if str(n) == number]
        return self._one_event(slugs[0] if slugs else "")

    def _one_event(self, slug: str) -> Response:
        if slug not in self.venue.markets_of_event:
            return answer({"type": "not found error", "error": "id not found"}, 404)
        return answer(self._event(slug, with_markets=True))

    def _event(self, slug: str, *, with_markets: bool) -> dict[str, Any]:
        markets = self.venue.markets_of_event[slug]
        first = markets[0].listing
        closed = all(m.state is not MarketState.OPEN for m in markets)
        start_s = min(m.listing.start_s for m in markets)
        document: dict[str, Any] = {
            "id": str(FIRST_EVENT + self.venue.event_positions[slug]),
            "ticker": slug,
            "slug": slug,
            "title": first.event_title,
            "description": f"Simulated event. {first.event_title}",
            "resolutionSource": "",
            "startDate": wire.iso(start_s),
            "creationDate": wire.iso(start_s),
            "endDate": wire.iso(max(m.listing.end_s for m in markets)),
            "image": "",
            "icon": "",
            "active": True,
            "closed": closed,
            "archived": False,
            "new": False,
            "featured": False,
            "restricted": True,
            "createdAt": wire.iso(start_s),
            "updatedAt": wire.iso(self.venue.now_s),
            "enableOrderBook": True,
            "negRisk": first.neg_risk,
            "enableNegRisk": first.neg_risk,
            "negRiskAugmented": False,
            "commentCount": 0,
            "cyom": False,
            "showAllOutcomes": True,
            "showMarketImages": True,
            "automaticallyActive": True,
            "pendingDeployment": False,
            "deploying": False,
            "requiresTranslation": False,
        }
        if with_markets:
            document["markets"] = [self._market(m, with_event=False) for m in markets]
            document["tags"] = [tag(first.category)]
        return document

    async def tags(self, request: Request) -> Response:
        """Categories as tags."""
        return answer(
            [tag(name) for name in sorted({m.listing.category for m in self.venue.exchange.markets.values()})]
        )

    async def search(self, request: Request) -> Response:
        """Events whose title holds the words of `q`."""
        words = request.query_params.get("q", "").lower().split()
        hits = [
            slug
            for slug, markets in self.venue.markets_of_event.items()
            if words and all(word in markets[0].listing.event_title.lower() for word in words)
        ]
        events = [self._event(slug, with_markets=True) for slug in hits[:20]]
        return answer({"events": events, "pagination": {"hasMore": len(hits) > 20, "totalResults": len(hits)}})


def tag(category: str) -> dict[str, str]:
    """A category as a tag."""
    return {"id": str(sum(category.encode())), "label": category, "slug": category.lower().replace(" ", "-")}


def market_document(venue: Venue, market: LiveMarket) -> dict[str, Any]:
    """A market as Gamma shows it."""
    listing = market.listing
    is_open = market.state is MarketState.OPEN
    prices = outcome_prices(market)
    shares, last = _volume(venue, market)
    volume = shares / MICRO
    bid, ask = market.book.top(Outcome.YES)
    category = listing.category.lower()
    document: dict[str, Any] = {
        "id": str(market.number),
        "question": listing.question,
        "conditionId": listing.market_id,
        "slug": listing.slug,
        "resolutionSource": "",
        "endDate": wire.iso(listing.end_s),
        "liquidity": str(_liquidity(market)),
        "startDate": wire.iso(listing.start_s),
        "image": "",
        "icon": "",
        "description": f"Simulated market. {listing.question}",
        "outcomes": json.dumps(["Yes", "No"]),
        "outcomePrices": json.dumps(prices),
        "volume": str(volume),
        "active": True,
        "closed": not is_open,
        "marketMakerAddress": "",
        "createdAt": wire.iso(listing.start_s),
        "updatedAt": wire.iso(venue.now_s),
        "new": False,
        "featured": False,
        "archived": False,
        "resolvedBy": "0x157Ce2d672854c848c9b79C49a8Cc6cc89176a49",
        "restricted": True,
        "groupItemTitle": listing.question,
        "groupItemThreshold": "0",
        "questionID": question_id(market),
        "enableOrderBook": True,
        "orderPriceMinTickSize": wire.number(market.tick_units),
        "orderMinSize": wire.whole(listing.min_size_micro),
        "volumeNum": volume,
        "liquidityNum": _liquidity(market),
        "endDateIso": wire.iso(listing.end_s)[:10],
        "startDateIso": wire.iso(listing.start_s)[:10],
        "hasReviewedDates": True,
        "volume24hr": volume,
        "volumeClob": volume,
        "liquidityClob": _liquidity(market),
        "clobTokenIds": json.dumps([listing.token_yes, listing.token_no]),
        "umaBond": "500",
        "umaReward": "5",
        "umaResolutionStatuses": "[]",
        "makerBaseFee": 1000,
        "takerBaseFee": 1000,
        "customLiveness": 0,
        "acceptingOrders": is_open,
        "acceptingOrdersTimestamp": wire.iso(listing.start_s),
        "negRisk": listing.neg_risk,
        "negRiskRequestID": "",
        "ready": False,
        "funded": False,
        "cyom": False,
        "competitive": 1.0,
        "pagerDutyNotificationEnabled": False,
        "approved": True,
        "clobRewards": [],
        "rewardsMinSize": 50,
        "rewardsMaxSpread": 3.5,
        "spread": round(((ask or PRICE_SCALE) - (bid or 0)) / PRICE_SCALE, 4),
        "lastTradePrice": wire.number(last),
        "automaticallyActive": True,
        "clearBookOnStart": False,
        "manualActivation": False,
        "negRiskOther": False,
        "umaResolutionStatus": "resolved" if market.state is MarketState.RESOLVED else None,
        "pendingDeployment": False,
        "deploying": False,
        "rfqEnabled": False,
        "holdingRewardsEnabled": False,
        "feesEnabled": bool(listing.fee.rate),
        "feeType": FEE_TYPES.get(category, "other_fees") if listing.fee.rate else "zero_fees",
        "feeSchedule": _fees(market),
        "requiresTranslation": False,
        "version": market.version,
        "secondsDelay": int(market.delay_s),
    }
    if bid is not None:
        document["bestBid"] = wire.number(bid)
    if ask is not None:
        document["bestAsk"] = wire.number(ask)
    if market.version == "v2":
        document["positionIds"] = [listing.token_yes, listing.token_no]
    if market.resolved_s:
        document["closedTime"] = wire.iso(market.resolved_s).replace("T", " ").replace("Z", "+00")
    if document["umaResolutionStatus"] is None:
        del document["umaResolutionStatus"]
    return document


def _fees(market: LiveMarket) -> dict[str, Any] | None:
    fee = market.listing.fee
    if not fee.rate:
        return None
    exponent = int(fee.exponent) if fee.exponent == int(fee.exponent) else fee.exponent
    return {"exponent": exponent, "rate": fee.rate, "takerOnly": True, "rebateRate": 0.25}


def outcome_prices(market: LiveMarket) -> list[str]:
    """Prices of Yes and No: the payout when resolved, the middle of the book before."""
    if market.payout_yes_micro is not None:
        yes = market.payout_yes_micro // 100
    else:
        bid, ask = market.book.top(Outcome.YES)
        yes = ((bid or 0) + (PRICE_SCALE if ask is None else ask)) // 2
    return [wire.price(yes), wire.price(PRICE_SCALE - yes)]


def _volume(venue: Venue, market: LiveMarket) -> tuple[int, int]:
    history = venue.source.history(market.listing.market_id)
    last = market.last_units or (int(history.mid_units[-1]) if len(history.mid_units) else PRICE_SCALE // 2)
    return int(history.volume_micro.sum()), last


def _liquidity(market: LiveMarket) -> float:
    bids, asks = market.book.levels(Outcome.YES)
    micro = sum(p * s for p, s in bids) + sum((PRICE_SCALE - p) * s for p, s in asks)
    return round(micro / PRICE_SCALE / MICRO, 4)


def _many(values: Iterable[str]) -> list[str]:
    """Repeated keys and comma-separated lists alike."""
    return [part for value in values for part in value.split(",") if part]


def _is_closed_as_asked(asked: str | None, closed: bool) -> bool:
    return asked not in ("true", "false") or closed == (asked == "true")


def _in_dates(query: Any, start_s: int, end_s: int) -> bool:
    bounds = (
        ("start_date_min", start_s, 1),
        ("start_date_max", start_s, -1),
        ("end_date_min", end_s, 1),
        ("end_date_max", end_s, -1),
    )
    return all((value - _date(query[name])) * sign >= 0 for name, value, sign in bounds if query.get(name))


def _date(text: str) -> float:
    try:
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        raise Refused("invalid date", 422) from None


ORDERS: dict[str, Callable[[LiveMarket], Any]] = {
    "id": lambda m: m.number,
    "startDate": lambda m: m.listing.start_s,
    "endDate": lambda m: m.listing.end_s,
    "createdAt": lambda m: m.listing.start_s,
    "start_date": lambda m: m.listing.start_s,
    "end_date": lambda m: m.listing.end_s,
}


def _ordered(markets: list[LiveMarket], request: Request) -> list[LiveMarket]:
    query = request.query_params
    reverse = query.get("ascending") == "false"
    key = ORDERS.get(query.get("order", "id"), ORDERS["id"])
    return sorted(markets, key=lambda m: (key(m), m.number), reverse=reverse)


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

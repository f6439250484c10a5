"""Filters and order of Gamma's lists. A filter by a property that no simulated market has gives an empty list."""

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any, TypeVar

from starlette.datastructures import QueryParams

from simulator.api import gamma_documents as documents
from simulator.api.clob_documents import question_id
from simulator.engine.markets import LiveMarket, MarketState
from simulator.engine.refusals import Refused
from simulator.venue.venue import Venue

FOREIGN_TO_MARKETS = ("sports_market_types", "game_id")
FOREIGN_TO_EVENTS = ("series_id", "recurrence")
"""Filters by properties that no simulated market has."""


T = TypeVar("T")
Fits = Callable[[T], bool]


def market_filters(venue: Venue, query: QueryParams) -> list[Fits[LiveMarket]]:
    """The filters that a query sets, the fast ones first. A market is listed if it passes all of them."""
    over = MarketState.RESOLVED
    wanted: list[Fits[LiveMarket] | None] = [
        _nothing(query, FOREIGN_TO_MARKETS),
        _named(query, "id", lambda m: str(m.number)),
        _named(query, "slug", lambda m: m.listing.slug),
        _named(query, "question_ids", question_id),
        _named(query, "tag_id", lambda m: str(documents.tag(m.listing.category)["id"])),
        _asked(query, "closed", lambda m: m.state is not MarketState.OPEN),
        _named(query, "uma_resolution_status", lambda m: "resolved" if m.state is over else ""),
        _named(query, "resolution_status", _status),
        _dated(query, lambda m: (m.listing.start_s, m.listing.end_s)),
        *_between(query, "volume_num", partial(documents.volume, venue)),
        *_between(query, "liquidity_num", documents.liquidity),
    ]
    return [fits for fits in wanted if fits is not None]


def named_markets(venue: Venue, query: QueryParams) -> Iterable[LiveMarket]:
    """Markets named by condition, token or position ids; all markets if no id is given."""
    exchange = venue.exchange
    conditions = many(query.getlist("condition_ids"))
    if conditions:
        return [exchange.markets[c] for c in conditions if c in exchange.markets]
    positions = many(query.getlist("position_ids"))
    tokens = many(query.getlist("clob_token_ids")) + positions
    if not tokens:
        return exchange.markets.values()
    found = {exchange.by_token[t].listing.market_id: exchange.by_token[t] for t in tokens if t in exchange.by_token}
    return [market for market in found.values() if not positions or market.version == "v2"]


def event_filters(venue: Venue, query: QueryParams) -> list[Fits[tuple[int, str]]]:
    """The same for events, as (number, slug)."""
    markets = venue.markets_of_event
    excluded = many(query.getlist("exclude_tag_id"))

    def tag(event: tuple[int, str]) -> dict[str, Any]:
        return documents.tag(markets[event[1]][0].listing.category)

    def volume(event: tuple[int, str]) -> float:
        return sum(documents.volume(venue, m) for m in markets[event[1]])

    def liquidity(event: tuple[int, str]) -> float:
        return sum(documents.liquidity(m) for m in markets[event[1]])

    def closed(event: tuple[int, str]) -> bool:
        return all(m.state is not MarketState.OPEN for m in markets[event[1]])

    wanted: list[Fits[tuple[int, str]] | None] = [
        _nothing(query, FOREIGN_TO_EVENTS),
        _named(query, "id", lambda event: str(event[0])),
        _named(query, "slug", lambda event: event[1]),
        _named(query, "tag_id", lambda event: str(tag(event)["id"])),
        _named(query, "tag_slug", lambda event: str(tag(event)["slug"])),
        (lambda event: tag(event)["id"] not in excluded) if excluded else None,
        _asked(query, "closed", closed),
        _asked(query, "ended", closed),
        _asked(query, "live", lambda event: not closed(event)),
        _dated(query, lambda event: _life(markets[event[1]])),
        *_between(query, "volume", volume),
        *_between(query, "liquidity", liquidity),
    ]
    return [fits for fits in wanted if fits is not None]


def _life(markets: Sequence[LiveMarket]) -> tuple[int, int]:
    return min(m.listing.start_s for m in markets), max(m.listing.end_s for m in markets)


def _status(market: LiveMarket) -> str:
    """The filter `resolutionStatus`, which only markets of protocol v2 pass."""
    if market.version != "v2":
        return ""
    return "resolved" if market.state is MarketState.RESOLVED else "active"


def _nothing(query: QueryParams, names: Iterable[str]) -> Fits[Any] | None:
    return (lambda one: False) if any(query.get(name) for name in names) else None


def _named(query: QueryParams, name: str, value: Callable[[T], str]) -> Fits[T] | None:
    names = set(many(query.getlist(name)))
    return (lambda one: value(one) in names) if names else None


def _asked(query: QueryParams, name: str, value: Callable[[T], bool]) -> Fits[T] | None:
    asked = query.get(name)
    return (lambda one: value(one) == (asked == "true")) if asked in ("true", "false") else None


def many(values: Iterable[str]) -> list[str]:
    """Values of a key that may be repeated or comma-separated."""
    return [part for value in values for part in value.split(",") if part]


DATES = (("start_date", 0), ("start_time", 0), ("end_date", 1))


def _dated(query: QueryParams, life: Callable[[T], tuple[int, int]]) -> Fits[T] | None:
    bounds = [
        (which, sign, _date(query[f"{name}_{suffix}"]))
        for name, which in DATES
        for suffix, sign in (("min", 1), ("max", -1))
        if query.get(f"{name}_{suffix}")
    ]
    return (lambda one: all((life(one)[which] - at) * sign >= 0 for which, sign, at in bounds)) if bounds else None


def _between(query: QueryParams, name: str, value: Callable[[T], float]) -> list[Fits[T]]:
    """Filters for `name`_min and `name`_max, if they are given."""
    found: list[Fits[T]] = []
    for suffix, sign in (("min", 1), ("max", -1)):
        text = query.get(f"{name}_{suffix}")
        if text:
            found.append(_beyond(value, sign, _number(text, f"{name}_{suffix}")))
    return found


def _beyond(value: Callable[[T], float], sign: int, bound: float) -> Fits[T]:
    return lambda one: (value(one) - bound) * sign >= 0


def _number(text: str, name: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise Refused(f"invalid {name}", 422) from None


def _date(text: str) -> float:
    try:
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        raise Refused("invalid date", 422) from None


ORDERS: dict[str, Callable[[Venue, LiveMarket], float]] = {
    "id": lambda venue, market: market.number,
    "startdate": lambda venue, market: market.listing.start_s,
    "createdat": lambda venue, market: market.listing.start_s,
    "enddate": lambda venue, market: market.listing.end_s,
    "closedtime": lambda venue, market: market.resolved_s,
    "liquidity": lambda venue, market: documents.liquidity(market),
    "volume": documents.volume,
    "volume24hr": lambda venue, market: documents.volume(venue, market, 86_400),
    "volume1wk": lambda venue, market: documents.volume(venue, market, 7 * 86_400),
}
"""Sort keys of market lists; spellings with underscores, and with Num or Clob behind, are the same."""


def ordered(venue: Venue, markets: Iterable[LiveMarket], query: QueryParams) -> list[LiveMarket]:
    """Markets in the order of a query's sort key; without one by number."""
    name = query.get("order", "id").split(",")[0].replace("_", "").lower()
    key = ORDERS.get(name.removesuffix("num").removesuffix("clob"), ORDERS["id"])
    return sorted(markets, key=lambda m: (key(venue, m), m.number), reverse=query.get("ascending") == "false")


EVENT_ORDERS: dict[str, Callable[[Venue, Sequence[LiveMarket]], float]] = {
    "startdate": lambda venue, markets: min(m.listing.start_s for m in markets),
    "enddate": lambda venue, markets: max(m.listing.end_s for m in markets),
    "volume": lambda venue, markets: sum(documents.volume(venue, m) for m in markets),
    "volume24hr": lambda venue, markets: sum(documents.volume(venue, m, 86_400) for m in markets),
    "liquidity": lambda venue, markets: sum(map(documents.liquidity, markets)),
}
"""Sort keys of event lists; without one, by number."""


def ordered_events(venue: Venue, rows: list[tuple[int, str]], query: QueryParams) -> list[tuple[int, str]]:
    """Events, as (number, slug), by the sort key of a query."""
    key = EVENT_ORDERS.get(query.get("order", "").split(",")[0].replace("_", "").lower())
    if key is not None:
        rows = sorted(rows, key=lambda row: (key(venue, venue.markets_of_event[row[1]]), row[0]))
    return rows if query.get("ascending", "true") != "false" else rows[::-1]

"""Gamma: which markets there are. Lists through the keyset route and turns each row into a `Market`."""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

import msgspec

from pipelines.core import log
from pipelines.core.domain import Market
from pipelines.core.money import MICRO, to_micro
from pipelines.venue import gamma_rows, listing_facts
from pipelines.venue.gamma_rows import Odd
from pipelines.venue.http import VenueHttp
from pipelines.venue.listing_facts import ListingFacts
from pipelines.venue.wire import GammaLabel, GammaPage

PAGE = 100
"""Most markets per page that the venue serves since 2026-05-14."""

EMPTY_PAGES = 3
"""So many pages in a row without a row end a reading. One alone does not: the end is where no cursor is."""

_log = log.get("gamma")


async def listed(
    http: VenueHttp,
    *,
    only_accepting: bool = False,
    odd: list[Odd] | None = None,
    facts: dict[str, ListingFacts] | None = None,
    **filters: Any,
) -> AsyncIterator[Market]:
    """Markets of the keyset route that pass the filters and can be read; `odd` receives the rows that are odd, `facts`
    by market id what else the listing says.

    `only_accepting` leaves out those that take no orders now (open markets may wait for their resolution for days).
    A row that cannot be read, that repeats an earlier one, or that names a token of another market is left out; the
    others are read all the same.

    Filters are the venue's own (`closed`, `end_date_min`, `condition_ids`, ...); a list repeats its key.
    """
    known: dict[str, Market] = {}
    owner: dict[str, str] = {}
    async for raw in _rows(http, filters):
        row = gamma_rows.read(raw)
        _tell(row.odd, odd)
        if row.market is None or (only_accepting and not row.accepting):
            continue
        before = known.setdefault(row.market.market_id, row.market)
        if before is not row.market:
            reason = "listed twice" if before == row.market else "listed twice, and otherwise before"
            _tell((Odd(row.name, reason, left_out=True),), odd)
            continue
        tokens = (row.market.token_yes, row.market.token_no)
        taken = [owner[token] for token in tokens if token in owner]
        if taken:
            del known[row.market.market_id]
            _tell((Odd(row.name, f"names a token of market {taken[0]}", left_out=True),), odd)
            continue
        owner |= dict.fromkeys(tokens, row.market.market_id)
        if facts is not None:
            facts[row.market.market_id] = listing_facts.read(raw)
        yield row.market


def _tell(found: Sequence[Odd], odd: list[Odd] | None) -> None:
    if odd is not None:
        odd += found
    for one in found:
        _log.debug("odd row", row=one.name, reason=one.reason, left_out=one.left_out)


async def _rows(http: VenueHttp, filters: Mapping[str, Any]) -> AsyncIterator[Any]:
    """Rows as JSON gives them, page by page; a cursor that comes again ends the reading."""
    seen: set[str] = set()
    empty = 0
    cursor: str | None = None
    while True:
        params: dict[str, Any] = {"limit": PAGE, "include_tag": "true", **_plain(filters)}
        if cursor:
            params["after_cursor"] = cursor
        page = await http.get("/markets/keyset", GammaPage, params)
        for raw in page.markets or ():
            yield raw
        cursor = page.next_cursor if isinstance(page.next_cursor, str) else None
        empty = 0 if page.markets else empty + 1
        if not cursor or cursor in seen or empty >= EMPTY_PAGES:
            return
        seen.add(cursor)


def _plain(filters: Mapping[str, Any]) -> dict[str, Any]:
    return {k: str(v).lower() if isinstance(v, bool) else v for k, v in filters.items() if v is not None}


async def tradable(
    http: VenueHttp, limit: int, odd: list[Odd] | None = None, facts: dict[str, ListingFacts] | None = None
) -> list[Market]:
    """Up to `limit` markets that take orders now, those with the most volume of the last 24 hours first."""
    found: list[Market] = []
    rows = listed(http, only_accepting=True, odd=odd, facts=facts, closed=False, order="volume24hr", ascending=False)
    async for market in rows:
        found.append(market)
        if len(found) >= limit:
            break
    return found


async def accepting(http: VenueHttp, market_ids: Sequence[str], odd: list[Odd] | None = None) -> list[Market]:
    """Those of some markets that take orders now, asked for by their ids."""
    found: list[Market] = []
    for first in range(0, len(market_ids), PAGE):
        asked = list(market_ids[first : first + PAGE])
        rows = listed(http, only_accepting=True, odd=odd, closed=False, condition_ids=asked)
        found += [market async for market in rows]
    return found


async def payouts(http: VenueHttp, market_ids: Sequence[str], disputed: set[str] | None = None) -> dict[str, int]:
    """Base units that a YES share of each resolved market paid; the others of `market_ids` are left out. Ids of those
    whose resolution was disputed are added to `disputed`."""
    found: dict[str, int] = {}
    for first in range(0, len(market_ids), PAGE):
        asked = {"limit": PAGE, "closed": "true", "condition_ids": list(market_ids[first : first + PAGE])}
        page = await http.get("/markets/keyset", GammaPage, asked)
        for raw in page.markets or ():
            paid = _paid(raw)
            if paid is not None:
                found[paid[0]] = paid[1]
                if disputed is not None and _disputed(raw):
                    disputed.add(paid[0])
    return found


def _disputed(raw: Any) -> bool:
    """Whether a step of the resolution is a dispute; a list that cannot be read has none."""
    try:
        steps = msgspec.convert(raw, GammaLabel).uma_resolution_statuses or []
        named = msgspec.json.decode(steps, type=list[str]) if isinstance(steps, str) else steps
    except (msgspec.DecodeError, msgspec.ValidationError):
        return False
    return any(step.strip().lower() == "disputed" for step in named)


def _paid(raw: Any) -> tuple[str, int] | None:
    """Condition id and payout; None while the oracle has not decided, or where no decided market has such prices."""
    try:
        label = msgspec.convert(raw, GammaLabel)
        if label.uma_resolution_status != "resolved":
            return None
        yes, no = msgspec.json.decode(label.outcome_prices or "[]", type=tuple[str, str])
        paid = to_micro(yes)
        decided = paid in {0, MICRO // 2, MICRO} and paid + to_micro(no) == MICRO
        return (label.condition_id, paid) if decided else None
    except (msgspec.DecodeError, msgspec.ValidationError, ValueError, ArithmeticError):
        return None

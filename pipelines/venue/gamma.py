"""Gamma: which markets there are. Lists through the keyset route and turns each into a `Market`."""

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

from pipelines.core.domain import FeeSchedule, Market
from pipelines.core.errors import DataError
from pipelines.core.money import MICRO, price_to_units, to_micro
from pipelines.venue.fees import FREE, schedule
from pipelines.venue.http import VenueHttp
from pipelines.venue.topics import topic_of
from pipelines.venue.wire import GammaLabel, GammaLabels, GammaMarket, GammaPage

PAGE = 100
"""Most markets per page that the venue serves since 2026-05-14."""


async def listed(http: VenueHttp, *, only_accepting: bool = False, **filters: Any) -> AsyncIterator[Market]:
    """Markets of the keyset route that pass the filters and can be read; those of a shape we do not know are left out.

    `only_accepting` leaves out those that take no orders now (open markets may wait for their resolution for days).

    Filters are the venue's own (`closed`, `end_date_min`, `condition_ids`, ...); a list repeats its key.
    """
    cursor: str | None = None
    while True:
        params: dict[str, Any] = {"limit": PAGE, "include_tag": "true", **_plain(filters)}
        if cursor:
            params["after_cursor"] = cursor
        page = await http.get("/markets/keyset", GammaPage, params)
        for wire in page.markets:
            market = parse(wire)
            if market is not None and not (only_accepting and (wire.accepting_orders is False or wire.closed)):
                yield market
        if not page.next_cursor or page.next_cursor == cursor or not page.markets:
            return
        cursor = page.next_cursor


def _plain(filters: Mapping[str, Any]) -> dict[str, Any]:
    return {k: str(v).lower() if isinstance(v, bool) else v for k, v in filters.items() if v is not None}


async def tradable(http: VenueHttp, limit: int) -> list[Market]:
    """Up to `limit` markets that take orders now, those with the most volume of the last 24 hours first."""
    found: list[Market] = []
    async for market in listed(http, only_accepting=True, closed=False, order="volume24hr", ascending=False):
        found.append(market)
        if len(found) >= limit:
            break
    return found


async def payouts(http: VenueHttp, market_ids: Sequence[str]) -> dict[str, int]:
    """Base units that a YES share of each resolved market paid; the others of `market_ids` are left out."""
    found: dict[str, int] = {}
    for first in range(0, len(market_ids), PAGE):
        asked = {"limit": PAGE, "closed": "true", "condition_ids": list(market_ids[first : first + PAGE])}
        page = await http.get("/markets/keyset", GammaLabels, asked)
        found |= {label.condition_id: paid for label in page.markets if (paid := _paid(label)) is not None}
    return found


def _paid(label: GammaLabel) -> int | None:
    """None while the oracle has not decided, or where the prices are none that a decided market has."""
    if label.uma_resolution_status != "resolved":
        return None
    try:
        yes, no = msgspec.json.decode(label.outcome_prices or "[]", type=tuple[str, str])
        paid = to_micro(yes)
        return paid if paid in {0, MICRO // 2, MICRO} and paid + to_micro(no) == MICRO else None
    except (msgspec.DecodeError, msgspec.ValidationError, ValueError, ArithmeticError):
        return None


def parse(wire: GammaMarket) -> Market | None:
    """A binary market; None without an order book or two tokens, or with an unknown version or unknown fees."""
    tokens = _tokens(wire)
    if wire.enable_order_book is False or not wire.condition_id or len(tokens) != 2:
        return None
    if wire.version not in (None, "v1", "v2") or (wire.fees_enabled and wire.fee_schedule is None):
        return None
    event = wire.events[0] if wire.events else None
    topic = _topic(wire)
    return Market(
        market_id=wire.condition_id,
        event_id=(event.slug or str(event.id)) if event else wire.condition_id,
        question=wire.question or wire.slug or wire.condition_id,
        token_yes=tokens[0],
        token_no=tokens[1],
        tick_units=price_to_units(str(wire.order_price_min_tick_size or "0.01")),
        min_size_micro=to_micro(str(wire.order_min_size or 5)),
        fee=_fee(wire, topic),
        start_s=seconds(wire.start_date),
        end_s=seconds(wire.end_date),
        topic=topic,
        neg_risk=bool(wire.neg_risk),
        version=wire.version or "v1",
    )


def _tokens(wire: GammaMarket) -> list[str]:
    if wire.version == "v2":
        return list(wire.position_ids or [])
    try:
        return msgspec.json.decode(wire.clob_token_ids or "[]", type=list[str])
    except msgspec.DecodeError as error:
        raise DataError(f"market {wire.condition_id}: clobTokenIds was {wire.clob_token_ids!r}: {error}") from None


def _topic(wire: GammaMarket) -> str:
    named = [wire.category or "", wire.fee_type or ""] + [tag.slug or tag.label for tag in wire.tags or []]
    topic = topic_of(named)
    return topic if topic != "other" else topic_of([wire.question or ""])


def _fee(wire: GammaMarket, topic: str) -> FeeSchedule:
    if wire.fee_schedule is not None:
        return FeeSchedule(wire.fee_schedule.rate, wire.fee_schedule.exponent)
    if wire.fees_enabled is False:
        return FREE
    start, end = seconds(wire.start_date), seconds(wire.end_date)
    return schedule(topic, start, end - start if start is not None and end is not None else None)


def seconds(text: str | None) -> int | None:
    """UTC seconds of ISO-8601 with `Z`, or of `YYYY-MM-DD HH:MM:SS+00`; None when absent or unreadable."""
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        return None
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())

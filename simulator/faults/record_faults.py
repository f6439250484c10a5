"""Faults of listings and history: malformed records, overlapping pages, endless cursors. Pure functions of JSON."""

import base64
import hashlib
import json
from collections.abc import Callable
from typing import Any

from simulator.faults.catalog import RECORDS

Record = dict[str, Any]


def is_chosen(seed: int, name: str, share: float) -> bool:
    """Whether a record is malformed. It depends on seed and name only, so a record is malformed on every page."""
    return int.from_bytes(_digest(seed, name)[:4], "big") < share * 2**32


def kind_of(seed: int, name: str) -> str:
    """The kind of a malformed record, one of `RECORDS`."""
    return RECORDS[int.from_bytes(_digest(seed, name)[4:8], "big") % len(RECORDS)]


def _digest(seed: int, name: str) -> bytes:
    return hashlib.sha256(f"odd record {seed} {name}".encode()).digest()


# -- Gamma


def odd_market(market: Record, kind: str) -> Any:
    """A malformed record of a market; `kind` is one of `RECORDS`."""
    return _MARKET[kind](market)


def _with(**changes: Any) -> Callable[[Record], Any]:
    return lambda market: {**market, **changes}


def _tokens(market: Record) -> list[str]:
    found: list[str] = json.loads(market["clobTokenIds"])
    return found


def _without_slug(market: Record) -> Record:
    events = [{key: value for key, value in event.items() if key != "slug"} for event in market.get("events", [])]
    return {**market, "events": events}


def _without(market: Record, *names: str) -> Record:
    return {key: value for key, value in market.items() if key not in names}


_MARKET: dict[str, Callable[[Record], Any]] = {
    "tokens_null": _with(clobTokenIds="null"),
    "tokens_list": lambda market: {**market, "clobTokenIds": _tokens(market)},
    "tokens_same": lambda market: {**market, "clobTokenIds": json.dumps(_tokens(market)[:1] * 2)},
    "min_size_text": _with(orderMinSize="abc"),
    "event_without_slug": _without_slug,
    "tag_without_label": _with(tags=[{"id": "7", "slug": "no-label"}]),
    "no_fee_schedule": _with(feesEnabled=True, feeSchedule=None),
    "tiny_tick": _with(orderPriceMinTickSize=0.00001),
    "key_missing": lambda market: _without(market, "conditionId", "outcomes"),
    "key_null": _with(question=None, slug=None, acceptingOrders=None),
    "list_for_text": lambda market: {
        **market,
        "question": [market["question"]],
        "conditionId": [market["conditionId"]],
    },
    "closed_without_prices": _with(closed=True, acceptingOrders=False, outcomePrices='["0", "0"]'),
    "record_null": lambda market: None,
    "record_text": lambda market: "null",
    "no_end": lambda market: _without(market, "endDate", "endDateIso"),
}


def odd_markets(rows: list[Record], seed: int, share: float, only: str) -> list[Any]:
    """Records of a page, a share of them malformed. `only` names the kind; empty draws one for each record."""
    return [
        odd_market(row, only or kind_of(seed, str(row["conditionId"])))
        if is_chosen(seed, str(row["conditionId"]), share)
        else row
        for row in rows
    ]


def odd_events(rows: list[Record], seed: int, share: float, only: str) -> list[Any]:
    """Events with malformed markets; of a share of the events the slug is missing, or the label of a tag."""
    made: list[Any] = []
    for row in rows:
        event = {**row, "markets": odd_markets(row.get("markets", []), seed, share, only)}
        if is_chosen(seed, f"event {row['id']}", share):
            event = _without(event, "slug") if not only else event
            event["tags"] = [{"id": "7", "slug": "no-label"}]
        made.append(event)
    return made


def forever(document: Record, asked: str) -> Record:
    """A keyset page whose next cursor is the cursor of the request, so that paging never ends."""
    rows: list[Record] = next(value for value in document.values() if isinstance(value, list))
    first = str(rows[-1]["id"]) if rows else "1"
    return {**document, "next_cursor": asked or base64.urlsafe_b64encode(first.encode()).decode()}


# -- history and trades of the Data API


def null_rows(rows: list[Record], seed: int, share: float) -> list[Any]:
    """Rows, a share of them with a null: as price, as time, or instead of the whole row."""
    made: list[Any] = []
    for row in rows:
        name = f"{row.get('timestamp')} {row.get('price')} {row.get('transaction_hash', '')}"
        if is_chosen(seed, name, share):
            pick = _digest(seed, name)[8] % 3
            made.append(None if pick == 0 else {**row, ("price", "timestamp")[pick - 1]: None})
        else:
            made.append(row)
    return made


def endless(document: Record, asked: str) -> Record:
    """A page of the Data API whose next cursor is the cursor of the request, so that paging never ends."""
    own = document.get("pagination") or {}
    cursor = asked or own.get("next_cursor") or base64.urlsafe_b64encode(b"1:100").decode()
    return {**document, "pagination": {**own, "has_more": True, "next_cursor": cursor}}

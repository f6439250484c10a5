"""Faults of WebSockets: of a whole connection, and of single messages of the market channel."""

import json
import random
from typing import Any

from simulator.faults.catalog import FRAMES, UNITS, Fault
from simulator.faults.order_faults import FaultCheck
from simulator.venue.venue import Venue

MESSAGES = ("token_silent", "odd_frames", "odd_stamps")
"""Faults that change single messages."""

FACTORS = {"s": 1e-3, "us": 1e3, "ns": 1e6}
"""Factor from milliseconds to each unit."""


class StreamFaults:
    """Changes to the messages of WebSockets while faults are on."""

    def __init__(self, venue: Venue, active: list[Fault], strikes: FaultCheck, chance: random.Random):
        self.venue = venue
        self.active = active
        self.strikes = strikes
        self.chance = chance
        self._held: dict[int, list[str]] = {}

    def batch(self, connection: object, messages: list[str]) -> list[str] | None:
        """The messages to send instead of a batch; None closes the connection."""
        if not self.active:
            return messages
        if self.strikes("ws_drop"):
            return None
        if self.strikes("ws_freeze"):
            return []
        if self.strikes("ws_duplicate"):
            messages = [message for message in messages for _ in range(2)]
        if self.strikes("ws_reorder"):
            return self._reorder(id(connection), messages)
        return messages

    def market_batch(self, connection: object, messages: list[str]) -> list[str] | None:
        """The same for the market channel, where faults also drop or change single messages."""
        if any(fault.kind in MESSAGES for fault in self.active):
            messages = [changed for message in messages if (changed := self._message(message)) is not None]
        return self.batch(connection, messages)

    def _message(self, text: str) -> str | None:
        silent = self.strikes("token_silent")
        if silent:
            said = without(text, silent, self._tokens(silent))
            if said is None:
                return None
            text = said
        odd = self.strikes("odd_frames")
        if odd:
            return unreadable(text, odd.words.get("variant", ""), self.chance)
        stamp = self.strikes("odd_stamps")
        return stamped(text, stamp.words.get("unit", ""), self.chance) if stamp else text

    def _tokens(self, fault: Fault) -> set[str]:
        if fault.words.get("token"):
            return {fault.words["token"]}
        markets = self.venue.exchange.markets
        chosen = [markets[fault.market]] if fault.market else list(markets.values())
        return {token for m in chosen for token in (m.listing.token_yes, m.listing.token_no)}

    def _reorder(self, key: int, messages: list[str]) -> list[str]:
        held = self._held.pop(key, None)
        if held is None and len(messages) < 2:
            self._held[key] = messages
            return []
        shuffled = messages + (held or [])
        self.chance.shuffle(shuffled)
        return shuffled


def without(text: str, fault: Fault, tokens: set[str]) -> str | None:
    """A message without its parts about some tokens; None if nothing is left."""
    document = json.loads(text)
    if document.get("asset_id") in tokens or (not fault.words.get("token") and document.get("market") == fault.market):
        return None
    changes = document.get("price_changes")
    if changes is None:
        return text
    kept = [row for row in changes if row["asset_id"] not in tokens]
    return json.dumps({**document, "price_changes": kept}) if kept else None


def stamped(text: str, unit: str, chance: random.Random) -> str:
    """A message whose timestamp is in seconds, microseconds or nanoseconds instead of milliseconds."""
    document = json.loads(text)
    if str(document.get("timestamp", "")).isdigit():
        factor = FACTORS[unit or chance.choice(UNITS)]
        document["timestamp"] = str(int(int(document["timestamp"]) * factor))
    return json.dumps(document)


def unreadable(text: str, variant: str, chance: random.Random) -> str:
    """A replacement that a client cannot read: an older or unknown schema, a wrong type, or text that is not JSON."""
    document = json.loads(text)
    kind = variant or chance.choice(FRAMES)
    if kind == "not_json":
        return "upstream connect error or disconnect/reset before headers"
    if kind == "truncated":
        return text[: len(text) // 2]
    return json.dumps(_odd(document, kind))


def _odd(document: dict[str, Any], kind: str) -> Any:
    market = document.get("market", "")
    rows = document.get("price_changes") or [{"asset_id": document.get("asset_id", ""), "price": "0.5", "size": "1"}]
    first = rows[0]
    if kind == "unknown_event":
        return {"event_type": "book_delta_v3", "market": market, "asset_id": first["asset_id"], "d": [[1, "0.5"]]}
    if kind == "list_for_object":
        return [[document]]
    if kind == "old_changes":
        changes = [{"price": row.get("price"), "side": row.get("side", "BUY"), "size": row.get("size")} for row in rows]
        head = {"event_type": "price_change", "asset_id": first["asset_id"], "market": market}
        return {**head, "changes": changes, "timestamp": document.get("timestamp", "0"), "hash": "0"}
    if "price_changes" in document:
        return {**document, "price_changes": [{**row, "best_bid": None, "best_ask": None} for row in rows]}
    stamp = document.get("timestamp", "0")
    head = {"event_type": "best_bid_ask", "market": market, "asset_id": first["asset_id"], "timestamp": stamp}
    return {**head, "best_bid": None, "best_ask": None, "spread": None}

"""/rtds: reference prices of the listed series or of the replayed recording, by the topics of the venue's socket."""

import json
from collections import defaultdict
from typing import Any

from starlette.websockets import WebSocket

from simulator.api import formats
from simulator.api.connection import Connection
from simulator.faults.reference_faults import Say
from simulator.series import feeds
from simulator.venue.venue import Venue


class RtdsChannel:
    """Subscriptions by topic and asset, and the messages of every step."""

    def __init__(self, venue: Venue, say: Say):
        self._say = say
        self._feed = feeds.of_source(venue.source)
        self._wanted: defaultdict[str, dict[Connection, str | None]] = defaultdict(dict)
        venue.on_step.append(self._step)

    async def serve(self, socket: WebSocket) -> None:
        """Serve one client until its connection is closed."""
        connection = Connection(socket, lambda _key, batch: batch)
        try:
            await connection.run(self._subscribe)
        finally:
            for listeners in self._wanted.values():
                listeners.pop(connection, None)

    def _subscribe(self, connection: Connection, frame: dict[str, Any]) -> bool:
        rows = frame.get("subscriptions")
        if frame.get("action") != "subscribe" or not isinstance(rows, list):
            return False
        for row in rows:
            topic = row.get("topic") if isinstance(row, dict) else None
            if topic in feeds.TOPICS:
                self._join(connection, str(topic), _symbol(row.get("filters")))
        return True

    def _join(self, connection: Connection, topic: str, symbol: str | None) -> None:
        self._wanted[topic][connection] = symbol
        for first in () if self._feed is None else self._feed.first(topic):
            pair, newest = first["payload"]["symbol"], first["payload"]["data"][-1:]
            if symbol in (None, pair) and all(self._say(topic, pair, one["value"]) is not None for one in newest):
                connection.push(formats.encode(first).decode())

    def _step(self) -> None:
        if self._feed is None:
            return
        for topic, listeners in self._wanted.items():
            for message in self._feed.updates(topic) if listeners else ():
                said = self._said(message)
                for connection, symbol in listeners.items():
                    if said is not None and symbol in (None, message["payload"]["symbol"]):
                        connection.push(said)

    def _said(self, message: dict[str, Any]) -> str | None:
        """An update as it is sent; None where a fault keeps it back."""
        payload = message["payload"]
        value = self._say(message["topic"], payload["symbol"], payload["value"])
        if value is None:
            return None
        if value != payload["value"]:
            message = {**message, "payload": {**payload, "value": value, "full_accuracy_value": repr(value)}}
        return formats.encode(message).decode()


def _symbol(filters: Any) -> str | None:
    """The pair that a subscription is limited to; None for all of them."""
    try:
        found = json.loads(filters) if isinstance(filters, str) and filters else None
    except ValueError:
        return None
    symbol = found.get("symbol") if isinstance(found, dict) else None
    return str(symbol).lower() if symbol else None

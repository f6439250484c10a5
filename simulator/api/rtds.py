"""/rtds: reference prices of the series that the venue lists, by the topics of the real-time data socket."""

import json
from collections import defaultdict
from typing import Any

from starlette.websockets import WebSocket

from simulator.api import formats
from simulator.api.connection import Connection
from simulator.series import feeds
from simulator.series.source import SeriesMarkets
from simulator.venue.venue import Venue


class RtdsChannel:
    """Subscriptions by topic and asset, and the messages of every step."""

    def __init__(self, venue: Venue):
        self._source = venue.source if isinstance(venue.source, SeriesMarkets) else None
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
        if self._source is None or feeds.silent(self._source.now_s):
            return
        for asset in self._source.underlyings:
            first = feeds.history(self._source, topic, asset)
            if symbol in (None, first["payload"]["symbol"]):
                connection.push(formats.encode(first).decode())

    def _step(self) -> None:
        if self._source is None:
            return
        for topic, listeners in self._wanted.items():
            for message in feeds.updates(self._source, topic) if listeners else ():
                text = formats.encode(message).decode()
                for connection, symbol in listeners.items():
                    if symbol in (None, message["payload"]["symbol"]):
                        connection.push(text)


def _symbol(filters: Any) -> str | None:
    """The pair that a subscription is limited to; None for all of them."""
    try:
        found = json.loads(filters) if isinstance(filters, str) and filters else None
    except ValueError:
        return None
    symbol = found.get("symbol") if isinstance(found, dict) else None
    return str(symbol).lower() if symbol else None

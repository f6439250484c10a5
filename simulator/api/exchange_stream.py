"""/exchange/ws and /exchange/stream: trades of the underlyings, in the protocol of Binance's public streams.

A raw stream is /exchange/ws/NAME or a subscription at /exchange/ws, a combined one /exchange/stream?streams=A/B. Names
are like btcusdt@trade; a name without trades is accepted and stays silent, as there.
"""

import json
import time
from collections.abc import Callable
from typing import Any, Final

from starlette.websockets import WebSocket

from simulator.api import formats
from simulator.api.connection import Client
from simulator.faults.reference_faults import Say
from simulator.series import trades
from simulator.series.trades import AssetTrade
from simulator.venue.venue import Venue

QUANTITY: Final = "0.01000000"
"""Shares of every trade. No reader of prices needs them."""
METHODS: Final = ("SUBSCRIBE", "UNSUBSCRIBE", "LIST_SUBSCRIPTIONS", "SET_PROPERTY", "GET_PROPERTY")


class TradeSocket(Client):
    """A client with its streams; each message is a frame."""

    def __init__(self, socket: WebSocket) -> None:
        super().__init__(socket)
        named = socket.path_params.get("stream") or socket.query_params.get("streams") or ""
        self.is_combined = socket.url.path.endswith("/stream")
        self.streams: dict[str, None] = dict.fromkeys(filter(None, named.split("/")))

    async def run(self) -> None:
        """Serve until either side closes."""
        await self.serve(self._receive())

    async def _receive(self) -> None:
        while (text := await self.text()) is not None:
            self.push(formats.encode(self.answer(text)).decode())

    def answer(self, text: str) -> dict[str, Any]:
        """The answer to a frame of the client, after what it asks for is done."""
        try:
            frame = json.loads(text)
        except (ValueError, RecursionError):
            return {"code": 3, "msg": "Invalid JSON: expected value at line 1 column 1"}
        if not isinstance(frame, dict) or "method" not in frame:
            return _invalid(f"missing field `method` at line 1 column {len(text)}")
        number = frame.get("id")
        if "id" not in frame or isinstance(number, bool) or not isinstance(number, int | str | None):
            return _invalid("request ID must be an unsigned integer")
        if frame["method"] not in METHODS:
            expected = ", ".join(f"`{one}`" for one in METHODS)
            return _invalid(f"unknown variant `{frame['method']}`, expected one of {expected} at line 1 column 28")
        return self._done(frame["method"], frame.get("params", []), number)

    def _done(self, method: str, given: Any, number: int | str | None) -> dict[str, Any]:
        if method == "LIST_SUBSCRIPTIONS":
            return {"result": list(self.streams), "id": number}
        if method.endswith("_PROPERTY"):
            return self._property(method, given, number)
        if not isinstance(given, list) or not all(isinstance(one, str) for one in given):
            return _invalid("params must be a list of stream names")
        for name in given:
            if method == "SUBSCRIBE":
                self.streams[name] = None
            else:
                self.streams.pop(name, None)
        return {"result": None, "id": number}

    def _property(self, method: str, given: Any, number: int | str | None) -> dict[str, Any]:
        if not isinstance(given, list) or not given or not isinstance(given[0], str):
            return _invalid("property name must be a string")
        if given[0] != "combined":
            return {"code": 0, "msg": "Unknown property", "id": number}
        if method == "GET_PROPERTY":
            return {"result": self.is_combined, "id": number}
        if len(given) != 2 or not isinstance(given[1], bool):
            return {"code": 1, "msg": "Invalid value type: expected Boolean"}
        self.is_combined = given[1]
        return {"result": None, "id": number}


class ExchangeStream:
    """The trades of a venue's underlyings for everybody who subscribed. Between two steps market time goes on at the
    speed of the clock, so trades come as they would and not once a step."""

    def __init__(self, venue: Venue, say: Say, clock: Callable[[], float] = time.monotonic) -> None:
        self._venue = venue
        self._say = say
        self._clock = clock
        self._feed = trades.of_source(venue.source, venue.options.speed)
        self._clients: dict[TradeSocket, None] = {}
        self._before: dict[str, float] = {}
        self._sent_ms = venue.now_ms
        self._stepped_s = clock()
        venue.on_step.append(self._step)

    async def serve(self, socket: WebSocket) -> None:
        """Serve one client until its connection is closed."""
        client = TradeSocket(socket)
        self._clients[client] = None
        try:
            await client.run()
        finally:
            del self._clients[client]

    def advance(self) -> None:
        """Send the trades that have come since the last step."""
        passed_ms = int((self._clock() - self._stepped_s) * self._venue.options.speed * 1_000.0)
        self._send(self._venue.now_ms + min(passed_ms, self._venue.source.step_s * 1_000))

    def _step(self) -> None:
        self._stepped_s = self._clock()
        self._send(self._venue.now_ms)

    def _send(self, until_ms: int) -> None:
        if until_ms <= self._sent_ms:
            return
        after_ms, self._sent_ms = self._sent_ms, until_ms
        if self._feed is None or not self._clients:
            return
        for trade in self._feed.sent(after_ms, until_ms):
            self._publish(trade)

    def _publish(self, trade: AssetTrade) -> None:
        name = f"{trade.symbol.lower()}usdt@trade"
        listening = [client for client in self._clients if name in client.streams]
        value = self._say(trades.SOURCE, trade.symbol, trade.value) if listening else None
        if value is None:
            return
        row = {
            "e": "trade",
            "E": trade.sent_ms,
            "s": f"{trade.symbol}USDT",
            "t": trade.number,
            "p": f"{value:.8f}",
            "q": QUANTITY,
            "T": trade.ts_ms,
            "m": value < self._before.get(trade.symbol, value),
            "M": True,
        }
        self._before[trade.symbol] = value
        plain = formats.encode(row).decode()
        combined = f'{{"stream":"{name}","data":{plain}}}'
        for client in listening:
            client.push(combined if client.is_combined else plain)


def _invalid(what: str) -> dict[str, Any]:
    return {"code": 2, "msg": f"Invalid request: {what}"}

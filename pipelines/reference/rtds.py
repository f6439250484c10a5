"""The venue's real-time data socket: Binance prices (`crypto_prices`) and Chainlink's (`crypto_prices_chainlink`).

A message has the price's own time in its payload and the time of sending outside; the first answer to a subscription is
a list of the last prices. The socket stops silently while it stays open, so a silence is reported and the connection
replaced.
"""

import json
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from typing import Any, Final

from pipelines.reference.fields import asset_of, known_ms, number
from pipelines.reference.prices import Price, Silence
from pipelines.venue.channel import Channel, Lost

TOPICS: Final = {"crypto_prices": "binance", "crypto_prices_chainlink": "chainlink"}
SILENT_AFTER_S: Final = 15.0


class Rtds:
    """Reference prices of some assets from the venue's socket, all without `symbols`.

    A price is known by the rule of `fields.known_ms`.
    """

    def __init__(
        self,
        url: str,
        symbols: Iterable[str] = (),
        *,
        silence_s: float = SILENT_AFTER_S,
        by_message: bool = False,
        now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
        keep: Callable[[Mapping[str, Any]], None] | None = None,
    ) -> None:
        self._symbols = frozenset(symbols)
        self._by_message = by_message
        self._now_ms = now_ms
        self._keep = keep
        self._channel = Channel(url, self._hello, silence_s=silence_s)

    def _hello(self) -> Mapping[str, Any]:
        wanted = [{"topic": topic, "type": "*", "filters": ""} for topic in TOPICS]
        return {"action": "subscribe", "subscriptions": wanted}

    async def prices(self) -> AsyncIterator[Price | Silence]:
        """Prices as they arrive, `Silence` where the connection broke or said nothing."""
        async for frame in self._channel.frames():
            if isinstance(frame, Lost):
                yield Silence("rtds", frame.reason)
            elif isinstance(frame, Mapping):
                if self._keep is not None:
                    self._keep(frame)
                known_at = known_ms(sent(frame), self._now_ms(), by_message=self._by_message)
                for price in parse(frame, known_at):
                    if not self._symbols or price.symbol in self._symbols:
                        yield price


def sent(message: Mapping[str, Any]) -> Any:
    """What a message says of the time at which it was sent, in milliseconds; None where it says nothing."""
    return message.get("timestamp")


def parse(
    message: Mapping[str, Any], known_ms: int, time_ms: Callable[[Any], float | None] | None = None
) -> list[Price]:
    """Prices of one message; empty where it is about something else or holds none. Never raises for a bad message.

    `time_ms` reads the time of a price; without one it is a number of milliseconds.
    """
    read_ms = number if time_ms is None else time_ms
    source, payload = TOPICS.get(str(message.get("topic"))), message.get("payload")
    if isinstance(payload, str):
        try:
            payload = json.loads(payload)
        except (ValueError, RecursionError):
            return []
    if source is None or not isinstance(payload, Mapping):
        return []
    symbol = asset_of(payload.get("symbol"))
    rows = payload["data"] if isinstance(payload.get("data"), list) else [payload]
    made = []
    for row in rows:
        if not isinstance(row, Mapping):
            continue
        value, ts_ms = number(row.get("full_accuracy_value", row.get("value"))), read_ms(row.get("timestamp"))
        value = number(row.get("value")) if value is None or value > 1e15 else value
        if symbol and value is not None and ts_ms is not None and 0.0 < ts_ms < 1e14:
            made.append(Price(symbol, source, int(ts_ms), known_ms, value))
    return sorted(made, key=lambda one: one.ts_ms)

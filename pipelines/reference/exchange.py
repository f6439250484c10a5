"""An exchange's public stream of trades (Binance), a source of its own: it checks the venue's `binance` prices, whose
values and times differ, and never mixes with them. Its moves since the newest price of a market's own source are known
before that source says them (`Board.fair`)."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from typing import Any, Final

from pipelines.reference.fields import asset_of, known_ms, number
from pipelines.reference.prices import EXCHANGE, Price, Silence
from pipelines.venue.channel import Channel, Lost

SOURCE: Final = EXCHANGE
SILENT_AFTER_S: Final = 20.0
LOOK_EVERY_S: Final = 1.0
"""Wall seconds between two looks for assets that have joined."""


class Subscription:
    """The assets whose trades a connection is asked for. `wanted` says which are needed now; those that join later are
    added to the open connection, and none is dropped."""

    def __init__(self, wanted: Callable[[], Iterable[str]]) -> None:
        self._wanted = wanted
        self._asked: set[str] = set()

    def hello(self) -> Mapping[str, Any]:
        """The first frame of a connection."""
        self._asked |= set(self._wanted())
        return hello(self._asked)

    async def follow(self, channel: Channel) -> None:
        """Add assets that join, until cancelled. What a broken connection did not take is asked for again."""
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            joined = set(self._wanted()) - self._asked
            if joined and await channel.send(hello(joined)):
                self._asked |= joined


class Exchange:
    """Trades of assets against USDT: of those that `symbols` names, as long as `follow` runs also of those that it
    names later. `url` is a stream of the form wss://stream.binance.com:9443/ws. A price is known by the rule of
    `fields.known_ms`."""

    def __init__(
        self,
        url: str,
        symbols: Callable[[], Iterable[str]],
        *,
        silence_s: float = SILENT_AFTER_S,
        by_message: bool = False,
        now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        self._by_message = by_message
        self._now_ms = now_ms
        self._subscription = Subscription(symbols)
        self._channel = channel(url, self._subscription, silence_s=silence_s)

    async def follow(self) -> None:
        """Add assets that join, until cancelled."""
        await self._subscription.follow(self._channel)

    async def prices(self) -> AsyncIterator[Price | Silence]:
        """Prices as they arrive, `Silence` where the connection broke or said nothing."""
        async for frame in self._channel.frames():
            if isinstance(frame, Lost):
                yield Silence(SOURCE, frame.reason)
            elif isinstance(frame, Mapping):
                known_at = known_ms(sent(frame), self._now_ms(), by_message=self._by_message)
                price = parse(frame, known_at)
                if price is not None:
                    yield price


def channel(url: str, subscription: Subscription, *, silence_s: float = SILENT_AFTER_S) -> Channel:
    """A connection to a stream of trades for the assets of a subscription."""
    return Channel(url, subscription.hello, silence_s=silence_s, pings=False)


def hello(symbols: Iterable[str]) -> Mapping[str, Any]:
    """The frame that asks for trades of these assets against USDT."""
    return {"method": "SUBSCRIBE", "params": [f"{one.lower()}usdt@trade" for one in sorted(symbols)], "id": 1}


def sent(message: Mapping[str, Any]) -> Any:
    """What a trade message says of the time at which it was sent, in milliseconds; None where it says nothing."""
    return _row(message).get("E")


def _row(message: Mapping[str, Any]) -> Mapping[str, Any]:
    """A message without the envelope of a combined stream."""
    inner = message.get("data")
    return inner if isinstance(inner, Mapping) else message


def parse(message: Mapping[str, Any], known_ms: int) -> Price | None:
    """The price of a trade message, plain or inside a combined stream; None for anything else."""
    row = _row(message)
    if row.get("e") not in ("trade", "aggTrade"):
        return None
    symbol, value, ts_ms = asset_of(row.get("s")), number(row.get("p")), number(row.get("T"))
    if not symbol or value is None or ts_ms is None or ts_ms >= 1e14:
        return None
    return Price(symbol, SOURCE, int(ts_ms), known_ms, value)

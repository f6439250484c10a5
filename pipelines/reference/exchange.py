"""An exchange's public stream of trades (Binance), a source of its own: it checks the venue's `binance` prices, whose
values and times differ, and never mixes with them."""

import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from typing import Any, Final

from pipelines.reference.prices import Price, Silence
from pipelines.reference.rtds import asset_of, number
from pipelines.venue.channel import Channel, Lost

SOURCE: Final = "exchange"
SILENT_AFTER_S: Final = 20.0


class Exchange:
    """Trades of some assets against USDT. `url` is a stream of the form wss://stream.binance.com:9443/ws."""

    def __init__(
        self,
        url: str,
        symbols: Iterable[str],
        *,
        silence_s: float = SILENT_AFTER_S,
        now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        wanted = hello(symbols)
        self._now_ms = now_ms
        self._channel = Channel(url, lambda: wanted, silence_s=silence_s)

    async def prices(self) -> AsyncIterator[Price | Silence]:
        """Prices as they arrive, `Silence` where the connection broke or said nothing."""
        async for frame in self._channel.frames():
            if isinstance(frame, Lost):
                yield Silence(SOURCE, frame.reason)
            elif isinstance(frame, Mapping) and (price := parse(frame, self._now_ms())) is not None:
                yield price


def hello(symbols: Iterable[str]) -> Mapping[str, Any]:
    """The first frame of a connection: trades of these assets against USDT."""
    return {"method": "SUBSCRIBE", "params": [f"{one.lower()}usdt@trade" for one in sorted(symbols)], "id": 1}


def parse(message: Mapping[str, Any], known_ms: int) -> Price | None:
    """The price of a trade message, plain or inside a combined stream; None for anything else."""
    inner = message.get("data")
    row = inner if isinstance(inner, Mapping) else message
    if row.get("e") not in ("trade", "aggTrade"):
        return None
    symbol, value, ts_ms = asset_of(row.get("s")), number(row.get("p")), number(row.get("T"))
    if not symbol or value is None or ts_ms is None or ts_ms >= 1e14:
        return None
    return Price(symbol, SOURCE, int(ts_ms), known_ms, value)

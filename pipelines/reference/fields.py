"""Fields of messages about reference prices: assets, numbers, and when a message became known."""

import math
from typing import Any


def known_ms(sent: Any, arrived_ms: int, *, by_message: bool) -> int:
    """When the prices of a message became known: when it arrived; with `by_message` at the time at which it says that
    it was sent, because the venue's market time is not wall time. The one rule for every source, live and recorded."""
    said_ms = number(sent) if by_message else None
    return arrived_ms if said_ms is None else int(said_ms)


def asset_of(symbol: Any) -> str:
    """The asset of a pair as feeds write it.

    >>> asset_of("btcusdt"), asset_of("eth/usd"), asset_of(None)
    ('BTC', 'ETH', '')
    """
    text = symbol.upper().replace("/", "").replace("-", "") if isinstance(symbol, str) else ""
    for quote in ("USDT", "USDC", "USD"):
        text = text.removesuffix(quote)
    return text


def number(value: Any) -> float | None:
    """A finite positive number, also as text; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        found = float(value)
    except (ValueError, OverflowError):
        return None
    return found if math.isfinite(found) and found > 0.0 else None

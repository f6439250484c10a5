"""What the venue's socket of reference prices sends at a step: the exchange's price at once, the oracle's later.

Now and then nothing is sent for a while although the socket stays open, as users of the real one report.
"""

from typing import Any, Final

from simulator.series.source import SeriesMarkets

ORACLE_LATE_S: Final = 1
SENT_AFTER_MS: Final = 40
"""Time between the making of the exchange's price and its sending."""
SILENT_EVERY_S: Final = 1_800
SILENT_FOR_S: Final = 40
HISTORY_S: Final = 120
"""Prices of the first answer to a subscription."""

TOPICS: Final = {"crypto_prices": "usdt", "crypto_prices_chainlink": "/usd"}


def silent(now_s: int) -> bool:
    """Whether the feed sends nothing at that market time."""
    return now_s % SILENT_EVERY_S >= SILENT_EVERY_S - SILENT_FOR_S


def updates(source: SeriesMarkets, topic: str) -> list[dict[str, Any]]:
    """Messages of a topic at the source's market time; none while the feed is silent."""
    if silent(source.now_s):
        return []
    return [_message(source, topic, symbol) for symbol in source.underlyings]


def history(source: SeriesMarkets, topic: str, symbol: str) -> dict[str, Any]:
    """The first answer to a subscription: the last prices."""
    until_s = source.now_s - (ORACLE_LATE_S if topic == "crypto_prices_chainlink" else 0)
    rows = _prices(source, topic, symbol, until_s - HISTORY_S, until_s + 1)
    data = [{"timestamp": (until_s - HISTORY_S + k) * 1_000, "value": value} for k, value in enumerate(rows)]
    payload = {"symbol": symbol.lower() + TOPICS[topic], "data": data}
    return {"topic": topic, "type": "subscribe", "timestamp": source.now_s * 1_000 + SENT_AFTER_MS, "payload": payload}


def _message(source: SeriesMarkets, topic: str, symbol: str) -> dict[str, Any]:
    made_s = source.now_s - (ORACLE_LATE_S if topic == "crypto_prices_chainlink" else 0)
    value = _prices(source, topic, symbol, made_s, made_s + 1)[0]
    payload = {
        "symbol": symbol.lower() + TOPICS[topic],
        "timestamp": made_s * 1_000,
        "value": value,
        "full_accuracy_value": f"{value:.8f}",
    }
    return {"topic": topic, "type": "update", "timestamp": source.now_s * 1_000 + SENT_AFTER_MS, "payload": payload}


def _prices(source: SeriesMarkets, topic: str, symbol: str, from_s: int, to_s: int) -> list[float]:
    path = source.underlyings[symbol]
    found = path.oracle(from_s, to_s) if topic == "crypto_prices_chainlink" else path.prices(from_s, to_s)
    return [float(value) for value in found]

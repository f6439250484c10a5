"""What the venue's socket of reference prices sends at a step.

Of a simulated series: the exchange's price at once, the oracle's later. Now and then nothing is sent for a while
although the socket stays open, as users of the real one report. Of a replayed recording: its prices, each sent at the
time at which it was known, with the recording's own silences.
"""

from typing import Any, Final, Protocol

from simulator.markets.recorded_prices import PricePath
from simulator.markets.recorded_source import ReplayedMarkets
from simulator.markets.source import MarketSource
from simulator.series.source import SeriesMarkets

ORACLE_LATE_S: Final = 1
SENT_AFTER_MS: Final = 40
"""Time between the making of the exchange's price and its sending."""
SILENT_EVERY_S: Final = 1_800
SILENT_FOR_S: Final = 40
HISTORY_S: Final = 120
"""Prices of the first answer to a subscription."""

TOPICS: Final = {"crypto_prices": "usdt", "crypto_prices_chainlink": "/usd"}
SOURCES: Final = {"crypto_prices": "binance", "crypto_prices_chainlink": "chainlink"}
REPLAYED: Final = 2_000
"""Prices of the first answer about an asset of a recording: enough for the volatility of a feed of minutes."""


class Feed(Protocol):
    """The prices of a source of markets as messages of a topic."""

    def first(self, topic: str) -> list[dict[str, Any]]:
        """The first answers to a subscription: the last prices of each asset."""
        ...

    def updates(self, topic: str) -> list[dict[str, Any]]:
        """What became known in the last step."""
        ...


def of_source(source: MarketSource) -> Feed | None:
    """The feed of a source; None where its markets settle on no reference price."""
    if isinstance(source, SeriesMarkets):
        return SeriesFeed(source)
    return ReplayedFeed(source) if isinstance(source, ReplayedMarkets) and source.prices else None


class SeriesFeed:
    """Prices of simulated underlyings."""

    def __init__(self, source: SeriesMarkets) -> None:
        self._source = source

    def first(self, topic: str) -> list[dict[str, Any]]:
        """The last prices of each asset; nothing while the feed is silent."""
        if silent(self._source.now_s):
            return []
        return [history(self._source, topic, asset) for asset in self._source.underlyings]

    def updates(self, topic: str) -> list[dict[str, Any]]:
        """One price of each asset; nothing while the feed is silent."""
        return updates(self._source, topic)


class ReplayedFeed:
    """Prices of a recording. Those of an exchange's own stream have no topic and are not sent."""

    def __init__(self, source: ReplayedMarkets) -> None:
        self._source = source

    def first(self, topic: str) -> list[dict[str, Any]]:
        """The last prices of each asset that are known."""
        now_ms, made = self._source.now_s * 1_000, []
        for path in self._paths(topic):
            last = path.known(0, now_ms).stop
            rows = slice(max(0, last - REPLAYED), last)
            pairs = zip(path.ts_ms[rows].tolist(), path.value[rows].tolist(), strict=True)
            data = [{"timestamp": ts_ms, "value": value} for ts_ms, value in pairs]
            payload = {"symbol": path.symbol.lower() + TOPICS[topic], "data": data}
            made.append({"topic": topic, "type": "subscribe", "timestamp": now_ms, "payload": payload})
        return made

    def updates(self, topic: str) -> list[dict[str, Any]]:
        """The prices that became known in the step, in that order."""
        until_ms = self._source.now_s * 1_000
        found = []
        for path in self._paths(topic):
            rows = path.known(until_ms - self._source.step_s * 1_000, until_ms)
            columns = (column[rows].tolist() for column in (path.known_ms, path.ts_ms, path.value))
            found += [(path.symbol.lower() + TOPICS[topic], *row) for row in zip(*columns, strict=True)]
        return [_update(topic, *row) for row in sorted(found, key=lambda row: row[1])]

    def _paths(self, topic: str) -> list[PricePath]:
        return [path for path in self._source.prices if path.source == SOURCES[topic]]


def _update(topic: str, pair: str, sent_ms: int, ts_ms: int, value: float) -> dict[str, Any]:
    payload = {"symbol": pair, "timestamp": ts_ms, "value": value, "full_accuracy_value": repr(value)}
    return {"topic": topic, "type": "update", "timestamp": sent_ms, "payload": payload}


def silent(now_s: int) -> bool:
    """Whether the feed sends nothing at that market time."""
    return now_s % SILENT_EVERY_S >= SILENT_EVERY_S - SILENT_FOR_S


def late_s(topic: str) -> int:
    """Seconds between the time of a price and the step at which it is sent."""
    return ORACLE_LATE_S if topic == "crypto_prices_chainlink" else 0


def sent_ms(topic: str, made_s: int) -> int:
    """Market time at which the price of a second is sent: the one definition of how late the feeds are."""
    return (made_s + late_s(topic)) * 1_000 + SENT_AFTER_MS


def updates(source: SeriesMarkets, topic: str) -> list[dict[str, Any]]:
    """Messages of a topic at the source's market time; none while the feed is silent."""
    if silent(source.now_s):
        return []
    return [_message(source, topic, symbol) for symbol in source.underlyings]


def history(source: SeriesMarkets, topic: str, symbol: str) -> dict[str, Any]:
    """The first answer to a subscription: the last prices."""
    until_s = source.now_s - late_s(topic)
    rows = _prices(source, topic, symbol, until_s - HISTORY_S, until_s + 1)
    data = [{"timestamp": (until_s - HISTORY_S + k) * 1_000, "value": value} for k, value in enumerate(rows)]
    payload = {"symbol": symbol.lower() + TOPICS[topic], "data": data}
    return {"topic": topic, "type": "subscribe", "timestamp": sent_ms(topic, until_s), "payload": payload}


def _message(source: SeriesMarkets, topic: str, symbol: str) -> dict[str, Any]:
    made_s = source.now_s - late_s(topic)
    value = _prices(source, topic, symbol, made_s, made_s + 1)[0]
    made = _update(topic, symbol.lower() + TOPICS[topic], sent_ms(topic, made_s), made_s * 1_000, value)
    made["payload"]["full_accuracy_value"] = f"{value:.8f}"
    return made


def _prices(source: SeriesMarkets, topic: str, symbol: str, from_s: int, to_s: int) -> list[float]:
    path = source.underlyings[symbol]
    found = path.oracle(from_s, to_s) if topic == "crypto_prices_chainlink" else path.prices(from_s, to_s)
    return [float(value) for value in found]

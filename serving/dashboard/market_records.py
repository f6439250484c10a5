"""What was seen and decided in each market, bar by bar, for the market's own page."""

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from pipelines import reasons
from pipelines.core.domain import Forecast, Market, Position
from pipelines.core.money import PRICE_SCALE
from pipelines.decide import Decision, Inputs, Rules
from pipelines.features.scale import price_after
from pipelines.features.spec import FEATURES
from serving.loaded_model import Turn

PRICES: Final = 1_440
"""Bars whose prices are kept per market."""

FORECASTS: Final = 64
"""Bars whose forecasts are kept per market: an hour of minute bars, and the last few."""

DECISIONS: Final = 100
"""Decisions that are kept per market."""

HOUR_S: Final = 3_600

LEFT: Final = 200
"""Markets that are no longer followed and whose records are kept."""


@dataclass(slots=True)
class Record:
    """One market's past. Prices are (market time, mid, bid, ask) in units of 0.0001."""

    market: Market
    prices: deque[tuple[int, int, int, int]] = field(default_factory=lambda: deque(maxlen=PRICES))
    forecasts: deque[tuple[int, int, Forecast]] = field(default_factory=lambda: deque(maxlen=FORECASTS))
    decisions: deque[dict[str, Any]] = field(default_factory=lambda: deque(maxlen=DECISIONS))
    newest: Inputs | None = None

    def add(self, one: Inputs, made: Decision, why: str, armed: bool) -> None:
        """Remember a bar."""
        bar, quote = one.bar, one.quote
        self.market, self.newest = one.market, one
        self.prices.append((bar.ts_s, bar.mid_units, quote.bid_units, quote.ask_units))
        if one.warm:
            self.forecasts.append((bar.ts_s, bar.mid_units, one.forecast))
        self.decisions.appendleft(
            {
                "ts_s": made.ts_s,
                "action": made.wish,
                "acting": made.intent is not None,
                "armed": armed,
                "refusal": made.refusal.reason.value if made.refusal else None,
                "why": why,
                "confidence": made.confidence,
            }
        )


class MarketRecords:
    """The records of all markets that were decided since the start; those that left are kept for a while."""

    def __init__(self) -> None:
        self._records: dict[str, Record] = {}
        self.dropped = 0
        """How many markets that left have been forgotten; the journal remembers them."""

    def add(self, turn: Turn, held: Mapping[str, Position], rules: Rules, armed: bool) -> dict[str, str]:
        """Remember the turn of a bar; market id -> the reason of its decision, in words."""
        told = {}
        for one, made in zip(turn.inputs, turn.decisions, strict=True):
            name = one.market.market_id
            told[name] = reasons.reason(one, held.get(name), made, rules)
            # What was decided last comes last, so that the oldest of those that left are dropped first.
            record = self._records.pop(name, None) or Record(one.market)
            record.add(one, made, told[name], armed)
            self._records[name] = record
        while len(self._records) > len(turn.inputs) + LEFT:
            self._records.pop(next(iter(self._records)))
            self.dropped += 1
        return told

    def of(self, market_id: str) -> Record | None:
        """What is remembered of a market; None where it was not decided since the start."""
        return self._records.get(market_id)


def document(record: Record, length_s: int) -> dict[str, Any]:
    """A record as JSON: prices, the forecast of now and of an hour ago as fans, features, decisions."""
    newest = record.forecasts[-1] if record.forecasts else None
    earlier = [one for one in record.forecasts if newest is not None and one[0] <= newest[0] - HOUR_S]
    features = () if record.newest is None or not record.newest.warm else record.newest.features
    return {
        "prices": [[ts_s, *(units / PRICE_SCALE for units in row)] for ts_s, *row in record.prices],
        "fan": fan(newest, length_s),
        "fan_hour_ago": fan(earlier[-1] if earlier else None, length_s),
        "features": list(_features(features)),
        "sentiment": record.newest.sentiment if record.newest is not None else None,
        "decisions": list(record.decisions),
    }


def fan(made: tuple[int, int, Forecast] | None, length_s: int) -> list[list[float]]:
    """(market time, mean, lower, upper) in prices at each horizon, from the bar of the forecast on; empty without."""
    if made is None:
        return []
    ts_s, mid, forecast = made
    mids = np.full(len(forecast.mean), mid)
    rows = [price_after(mids, row) for row in (forecast.mean, forecast.lower, forecast.upper)]
    now = mid / PRICE_SCALE
    ahead = [
        [float(ts_s + (step + 1) * length_s), *map(float, row)] for step, row in enumerate(zip(*rows, strict=True))
    ]
    return [[float(ts_s), now, now, now], *ahead]


def _features(values: Sequence[float] | Any) -> Iterator[dict[str, Any]]:
    for feature, value in zip(FEATURES, values, strict=False):
        yield {"name": feature.name, "meaning": feature.meaning, "unit": feature.unit, "value": float(value)}

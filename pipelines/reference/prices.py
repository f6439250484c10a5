"""Reference prices: one price, the protocol of its sources, and the path of one asset from one source."""

import math
from bisect import bisect_right
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Final, Protocol

SILENCE_S: Final = 10.0
"""A feed that sends every second counts as frozen after this time without a newer price."""
MEMORY_S: Final = 1_800.0
"""The volatility is computed over this much time."""
FEWEST_MOVES: Final = 20
STEP_MS: Final = 1_000
"""Moves are measured over at least this time, because shorter ones are mostly the bounce between bid and ask."""
DOUBT_SHARE: Final = 0.002
"""A move of less than this share is always believed."""
DOUBT_SIGMAS: Final = 15.0
"""A larger move is believed up to this many standard deviations; a still larger one after `CONFIRMED_BY` prices near
it."""
CONFIRMED_BY: Final = 2
AHEAD_MS: Final = 5_000
"""The time of a price is wrong if it lies this much after the time at which the price became known."""


@dataclass(frozen=True, slots=True)
class Price:
    """One price of an asset: `symbol` in capitals (BTC), `source` (binance, chainlink), milliseconds since 1970."""

    symbol: str
    source: str
    ts_ms: int
    """When it was made."""
    known_ms: int
    """When it could be known here."""
    value: float


@dataclass(frozen=True, slots=True)
class Silence:
    """A source has lost its connection, or nothing came through it for too long."""

    source: str
    reason: str


class PriceSource(Protocol):
    """A source of reference prices: the socket of the venue or of the simulator (which also replays recordings), an
    exchange's stream."""

    def prices(self) -> AsyncIterator[Price | Silence]:
        """Prices in the order in which they became known, until the task is cancelled."""
        ...


class Path:
    """The prices of one asset from one source in the order in which they became known, and the figures for a fair
    value.

    Between two prices the earlier one holds. Questions name the time of asking: prices that became known later do not
    exist then, so one path answers for every bar of a history and for now. A price that is no number, that is older
    than the last one, or that lies in the future is left out; one that jumps is held back until others confirm it.
    """

    def __init__(self, silence_s: float = SILENCE_S, memory_s: float = MEMORY_S) -> None:
        self._silence_ms = int(silence_s * 1_000)
        self._memory_ms = int(memory_s * 1_000)
        self._ts: list[int] = []
        self._known: list[int] = []
        self._value: list[float] = []
        self._area: list[float] = []
        self._gaps: list[int] = []
        self._square: list[float] = []
        self._moves: list[int] = []
        self._anchor: list[int] = []
        self._suspects: list[Price] = []
        self._doubt_from: list[int] = []
        self._doubt_to: list[int] = []
        self.refused = 0
        """Prices that were left out."""

    def __len__(self) -> int:
        return len(self._ts)

    def add(self, price: Price) -> None:
        """Add the next price."""
        late = bool(self._ts) and (price.ts_ms <= self._ts[-1] or price.known_ms < self._known[-1])
        if late or not (math.isfinite(price.value) and price.value > 0.0) or price.ts_ms > price.known_ms + AHEAD_MS:
            self.refused += 1
        elif not self._ts or self._credible(price, self._value[-1], self._ts[-1]):
            self._settle(price)
            self._append(price)
        else:
            self._doubt(price)

    def _credible(self, price: Price, before: float, before_ms: int) -> bool:
        move = abs(math.log(price.value / before))
        if move <= DOUBT_SHARE:
            return True
        rate = self._rate(len(self._ts))
        elapsed_s = max((price.ts_ms - before_ms) / 1_000.0, 1.0)
        return rate is not None and move <= DOUBT_SIGMAS * math.sqrt(rate * elapsed_s)

    def _doubt(self, price: Price) -> None:
        """Hold a price back. When enough held-back prices agree with each other, they are believed."""
        last = self._suspects[-1] if self._suspects else None
        if last is not None and not self._credible(price, last.value, last.ts_ms):
            self.refused += len(self._suspects)
            self._suspects.clear()
        if not self._suspects and len(self._doubt_from) == len(self._doubt_to):
            self._doubt_from.append(price.known_ms)
        self._suspects.append(price)
        if len(self._suspects) > CONFIRMED_BY:
            held, self._suspects = self._suspects, []
            self._doubt_to.append(price.known_ms)
            for one in held:
                self._append(Price(one.symbol, one.source, one.ts_ms, price.known_ms, one.value))

    def _settle(self, price: Price) -> None:
        """Add a price near the last believed one, and drop those that were held back."""
        self.refused += len(self._suspects)
        self._suspects.clear()
        if len(self._doubt_from) > len(self._doubt_to):
            self._doubt_to.append(price.known_ms)

    def _append(self, price: Price) -> None:
        if not self._ts:
            self._area.append(0.0)
            self._gaps.append(0)
            self._square.append(0.0)
            self._moves.append(0)
            self._anchor.append(0)
        else:
            elapsed = price.ts_ms - self._ts[-1]
            self._area.append(self._area[-1] + self._value[-1] * elapsed)
            self._gaps.append(self._gaps[-1] + (elapsed > self._silence_ms))
            anchor = self._anchor[-1]
            apart = price.ts_ms - self._ts[anchor] >= STEP_MS
            move = math.log(price.value / self._value[anchor]) if apart else 0.0
            # A move over a gap does not show what happened in each second, so it is left out.
            counts = apart and elapsed <= self._silence_ms
            self._square.append(self._square[-1] + (move * move if counts else 0.0))
            self._moves.append(self._moves[-1] + counts)
            self._anchor.append(len(self._ts) if apart else anchor)
        self._ts.append(price.ts_ms)
        self._known.append(price.known_ms)
        self._value.append(price.value)

    def known(self, now_ms: int) -> int:
        """How many prices were known at a time; the other methods take this number as `count`."""
        return bisect_right(self._known, now_ms)

    def doubtful(self, now_ms: int) -> bool:
        """Whether a jump was waiting to be confirmed at that time."""
        began = bisect_right(self._doubt_from, now_ms)
        return began > 0 and (began > len(self._doubt_to) or now_ms < self._doubt_to[began - 1])

    def last(self, count: int) -> tuple[int, float] | None:
        """Time and value of the newest of the first `count` prices."""
        return (self._ts[count - 1], self._value[count - 1]) if count else None

    def frozen(self, now_ms: int, count: int) -> bool:
        """Whether the newest price was too old at that time."""
        return count == 0 or now_ms - self._ts[count - 1] > self._silence_ms

    def at(self, ts_ms: int, count: int) -> float | None:
        """The price that held at a time; None before the first one, and inside a gap."""
        place = bisect_right(self._ts, ts_ms, hi=count) - 1
        if place < 0 or ts_ms - self._ts[place] > self._silence_ms:
            return None
        return self._value[place]

    def mean(self, from_ms: int, to_ms: int, count: int) -> float | None:
        """Mean over a time, every instant with the same weight; None where a gap or the beginning lies inside."""
        first = bisect_right(self._ts, from_ms, hi=count) - 1
        last = bisect_right(self._ts, to_ms, hi=count) - 1
        if first < 0 or from_ms - self._ts[first] > self._silence_ms or to_ms - self._ts[last] > self._silence_ms:
            return None
        if self._gaps[last] != self._gaps[first]:
            return None
        return (
            self._value[last]
            if to_ms <= from_ms
            else (self._upto(to_ms, last) - self._upto(from_ms, first)) / (to_ms - from_ms)
        )

    def _upto(self, ts_ms: int, place: int) -> float:
        return self._area[place] + self._value[place] * (ts_ms - self._ts[place])

    def variance_rate(self, count: int) -> float | None:
        """Variance of the log price per second over the memory before the newest price; None with too few moves."""
        return self._rate(count)

    def _rate(self, count: int) -> float | None:
        if count < 2:
            return None
        last = count - 1
        first = bisect_right(self._ts, self._ts[last] - self._memory_ms, hi=count)
        first = min(first, last)
        moves = self._moves[last] - self._moves[first]
        elapsed_s = (self._ts[last] - self._ts[first]) / 1_000.0
        rate = (self._square[last] - self._square[first]) / elapsed_s if elapsed_s > 0.0 else 0.0
        return rate if moves >= FEWEST_MOVES and rate > 0.0 else None

    def forget(self, before_ms: int) -> None:
        """Drop prices that were made before `before_ms`, except the last of them, which may still hold."""
        place = bisect_right(self._ts, before_ms) - 1
        if place <= 0:
            return
        for column in (self._ts, self._known, self._value, self._area, self._gaps, self._square, self._moves):
            del column[:place]
        self._anchor = [max(one - place, 0) for one in self._anchor[place:]]

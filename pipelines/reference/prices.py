"""Reference prices: one price, the protocol of its sources, and the path of one asset from one source."""

import math
from bisect import bisect_right
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Final, Protocol

from pipelines.reference.habit import STEP_MS, Habit

SILENCE_S: Final = 10.0
"""A feed that sends every second counts as frozen after this time without a newer price."""
EXCHANGE: Final = "exchange"
"""The source of an exchange's own stream of trades, which arrives within a tenth of a second; the venue's socket sends
its prices once a second, the oracle's another second later."""
MEMORY_S: Final = 1_800.0
"""The volatility is computed over this much time."""
FEWEST_MOVES: Final = 20
CONFIRMED_BY: Final = 3
CONFIRM_SHARE: Final = 0.5
"""A larger move than is usual (`Habit.limit`) is believed after so many prices near it over this share of the silence,
both times 1 + log10 of how many times larger it is: 10 times the price needs more than the sum of all usual moves."""
CONTRADICTED: Final = 4.0
"""The same takes this much longer while another source of the asset says something else."""
AGREED_TIMES: Final = 10.0
"""A jump of up to so many limits is believed at once when another source shows it too. A larger one then takes the
log10 alone, because both may have come through one socket."""
WARM_UP_TIMES: Final = 10.0
"""A first jump of so many times the limit, before a habit is known, is no move: the price before it was wrong."""
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
    than the last one, or that lies in the future is left out. One that moved further than is usual (`Habit`) is held
    back until later ones or another source (`hear`) confirm it.
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
        self._flat: list[bool] = []
        self.habit = Habit(self._silence_ms, self._memory_ms)
        self._agreed: bool | None = None
        self._held_back: list[Price] = []
        self._excess = 1.0
        self._doubt_from: list[int] = []
        self._doubt_to: list[int] = []
        self.refused = 0
        """Prices that were left out."""

    def __len__(self) -> int:
        return len(self._ts)

    def add(self, price: Price) -> None:
        """Add the next price."""
        if self._late(price) or not (math.isfinite(price.value) and price.value > 0.0):
            self.refused += 1
        elif not self._ts or self._move(price) <= self.habit.limit(price.ts_ms):
            self._settle(price)
            self._append(price)
        else:
            self._doubt(price)

    def _late(self, price: Price) -> bool:
        ts_ms, known_ms = self.newest_seen_ms, self._known[-1] if self._known else 0
        known_ms = self._held_back[-1].known_ms if self._held_back else known_ms
        late = bool(self._ts) and (price.ts_ms <= ts_ms or price.known_ms < known_ms)
        return late or price.ts_ms > price.known_ms + AHEAD_MS

    def _move(self, price: Price) -> float:
        return abs(math.log(price.value / self._value[-1]))

    def _doubt(self, price: Price) -> None:
        """Hold a price back. When enough held-back prices agree with each other for long enough, they are believed."""
        last = self._held_back[-1] if self._held_back else None
        if last is not None:
            apart = abs(math.log(price.value / last.value))
            if apart > self.habit.limit_over(price.ts_ms - last.ts_ms):
                self.refused += len(self._held_back)
                self._held_back.clear()
        if not self.holds_back:
            self._agreed = None
            self._excess = self._move(price) / self.habit.limit(price.ts_ms)
            if len(self._doubt_from) == len(self._doubt_to):
                self._doubt_from.append(price.known_ms)
        self._held_back.append(price)
        self._confirm(price.known_ms)

    @property
    def holds_back(self) -> bool:
        """Whether prices are held back."""
        return bool(self._held_back)

    def hear(self, agreed: bool | None, known_ms: int) -> None:
        """Take what other sources say of the prices that are held back: the same, something else, or nothing new."""
        self._agreed = self._agreed if agreed is None else agreed
        self._confirm(known_ms)

    def _confirm(self, known_ms: int) -> None:
        """Believe what was held back once it has lasted for as long as its size asks for."""
        larger = math.log10(self._excess)
        if self._agreed:
            times = larger if self._excess > AGREED_TIMES else 0.0
        else:
            times = (1.0 + larger) * (1.0 if self._agreed is None else CONTRADICTED)
        lasted_ms = self._held_back[-1].ts_ms - self._held_back[0].ts_ms
        if len(self._held_back) > times * CONFIRMED_BY and lasted_ms >= times * CONFIRM_SHARE * self._silence_ms:
            self._believe(known_ms)

    def _believe(self, known_ms: int) -> None:
        """Add the prices that were held back; they are known from `known_ms` on."""
        held, self._held_back = self._held_back, []
        known_ms = max(known_ms, held[-1].known_ms)
        self._doubt_to.append(known_ms)
        was_wrong = self.habit.sigma is None and self._excess > WARM_UP_TIMES
        for place, one in enumerate(held):
            made = Price(one.symbol, one.source, one.ts_ms, known_ms, one.value)
            self._append(made, is_move=place > 0 or not was_wrong)

    def _settle(self, price: Price) -> None:
        """Add a price near the last believed one, and drop those that were held back."""
        self.refused += len(self._held_back)
        self._held_back.clear()
        if len(self._doubt_from) > len(self._doubt_to):
            self._doubt_to.append(price.known_ms)

    def _append(self, price: Price, *, is_move: bool = True) -> None:
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
            counts = apart and is_move and elapsed <= self._silence_ms
            self._square.append(self._square[-1] + (move * move if counts else 0.0))
            self._moves.append(self._moves[-1] + counts)
            self._anchor.append(len(self._ts) if apart else anchor)
        self._ts.append(price.ts_ms)
        self._known.append(price.known_ms)
        self._value.append(price.value)
        self._flat.append(self.habit.take(price.ts_ms, price.value))

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

    @property
    def newest_ms(self) -> int:
        """Time of the newest believed price; 0 before the first."""
        return self._ts[-1] if self._ts else 0

    @property
    def newest_seen_ms(self) -> int:
        """Time of the newest price, also of one that is held back; 0 before the first."""
        return self._held_back[-1].ts_ms if self._held_back else self.newest_ms

    def newest_held_back(self, until_ms: int) -> Price | None:
        """The newest price that is held back and was made until a time."""
        return next((one for one in reversed(self._held_back) if one.ts_ms <= until_ms), None)

    def held(self, ts_ms: int) -> tuple[int, float] | None:
        """Time and value of the believed price that held at a time; None before the first one, and inside a gap."""
        place = bisect_right(self._ts, ts_ms) - 1
        if place < 0 or ts_ms - self._ts[place] > self._silence_ms:
            return None
        return self._ts[place], self._value[place]

    def seen(self, ts_ms: int) -> tuple[int, float] | None:
        """`held` with the prices that are held back."""
        price = self.newest_held_back(ts_ms)
        return self.held(ts_ms) if price is None else (price.ts_ms, price.value)

    def flat(self, count: int) -> bool:
        """Whether the newest price has stayed unchanged for so long that its source is frozen."""
        return count > 0 and self._flat[count - 1]

    def frozen(self, now_ms: int, count: int) -> bool:
        """Whether nothing new was known at that time: the newest price was too old, or unchanged for too long."""
        return self.silent(now_ms, count) or self.flat(count)

    def silent(self, now_ms: int, count: int) -> bool:
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
        columns = (self._ts, self._known, self._value, self._area, self._gaps, self._square, self._moves, self._flat)
        for column in columns:
            del column[:place]
        self._anchor = [max(one - place, 0) for one in self._anchor[place:]]

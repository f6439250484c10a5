"""The price paths of all assets with the fair values that they imply, and the external probabilities of markets."""

from collections.abc import Iterable, Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pipelines.core.domain import FloatArray
from pipelines.core.settlement import Settlement
from pipelines.reference.external import EXTERNAL, ExternalProbabilities
from pipelines.reference.fair import fair_value
from pipelines.reference.pair import Pair
from pipelines.reference.prices import EXCHANGE, MEMORY_S, SILENCE_S, Path, Price

COARSE_STEPS: Final = (2.5, 120.0)
"""For a recording with prices further apart than a live feed's: silence and memory, as multiples of that distance."""
LOOK_BACK_S: Final = 3
"""`fair_before` is the fair value this long before a close. A move since then may not be in the market's price yet."""
KEEP_MS: Final = 5 * 3_600_000
"""How long live prices are kept: as long as the longest series lasts, and the memory of the volatility before it."""


Geometry = tuple[float, float]
"""Silence and memory of a path in seconds."""


class Board:
    """Prices of every asset and source. `silence_s` and `memory_s` are those of the feeds that `by_feed` does not
    name."""

    def __init__(
        self,
        silence_s: float = SILENCE_S,
        memory_s: float = MEMORY_S,
        by_feed: Mapping[tuple[str, str], Geometry] | None = None,
    ) -> None:
        self._geometry = (silence_s, memory_s)
        self._by_feed = dict(by_feed or {})
        self.paths: dict[tuple[str, str], Path] = {}
        self._pairs: dict[tuple[str, str], list[tuple[str, Pair]]] = {}
        self.external = ExternalProbabilities()

    @classmethod
    def of(cls, prices: Iterable[Price]) -> "Board":
        """The board of a recorded history. Silence and memory of each feed follow from the distance of its prices; a
        feed with a single price has those of the coarsest."""
        ordered = sorted(prices, key=lambda one: (one.known_ms, one.ts_ms))
        times: dict[tuple[str, str], list[int]] = {}
        for one in (price for price in ordered if price.source != EXTERNAL):
            times.setdefault((one.symbol, one.source), []).append(one.ts_ms)
        by_feed = {
            feed: _geometry(float(np.median(np.diff(sorted(set(known))))) / 1_000.0)
            for feed, known in times.items()
            if len(set(known)) > 1
        }
        made = cls(*max(by_feed.values(), default=(SILENCE_S, MEMORY_S)), by_feed)
        for one in ordered:
            made.take(one)
        return made

    def empty(self) -> "Board":
        """A board for the same feeds, before their first price."""
        return Board(*self._geometry, self._by_feed)

    def take(self, price: Price) -> None:
        """Add a price to its path, or a probability to those of its market."""
        if price.source == EXTERNAL:
            self.external.take(price)
            return
        key = (price.symbol, price.source)
        if key not in self.paths:
            self._open(key)
        self.paths[key].add(price)
        for feed in (key, *((price.symbol, source) for source, _ in self._pairs[key])):
            self._compare(feed, price.known_ms)
        for _, pair in self._pairs[key]:
            pair.take(price.known_ms)

    def _open(self, key: tuple[str, str]) -> None:
        """Begin the path of a feed, compared with the other sources of its asset."""
        made = Path(*self._by_feed.get(key, self._geometry))
        self._pairs[key] = []
        for other, path in self.paths.items():
            if other[0] == key[0]:
                pair = Pair(path, made)
                self._pairs[key].append((other[1], pair))
                self._pairs[other].append((key[1], pair))
        self.paths[key] = made

    def _compare(self, feed: tuple[str, str], known_ms: int) -> None:
        """Tell a path that holds prices back what the other sources say of them."""
        doubted = self.paths[feed]
        if doubted.holds_back:
            verdicts = {pair.verdict(doubted) for _, pair in self._pairs[feed]}
            doubted.hear(next((said for said in (True, False) if said in verdicts), None), known_ms)

    def forget(self, now_ms: int) -> None:
        """Drop prices that no market can need any more."""
        for path in self.paths.values():
            path.forget(now_ms - KEEP_MS)
        self.external.forget(now_ms)

    def fair(self, rule: Settlement | None, now_ms: int) -> tuple[float | None, str]:
        """Probability of YES of a market with this rule at a time, or None with the reason."""
        if rule is None:
            return None, "the market settles on no reference price"
        path = self.paths.get((rule.symbol, rule.source))
        if path is None:
            return None, f"no {rule.source} price of {rule.symbol} is known"
        if self._contradicted(rule, now_ms):
            return None, f"two sources of {rule.symbol} lie further apart than they usually do"
        return fair_value(path, rule, now_ms, self._ahead(rule, path, now_ms))

    def _ahead(self, rule: Settlement, path: Path, now_ms: int) -> float | None:
        """The price of the rule's source as an exchange's stream implies it: the newest one times the move of the
        exchange since it was made, so that a constant difference of both does not count. None where no newer price of
        the exchange is known, or one that waits to be confirmed."""
        stream, own = self.paths.get((rule.symbol, EXCHANGE)), path.last(path.known(now_ms))
        if stream is None or own is None or stream.doubtful(now_ms):
            return None
        count = stream.known(now_ms)
        newest, then = stream.last(count), stream.at(own[0], count)
        if newest is None or then is None or newest[0] <= own[0] or stream.frozen(now_ms, count):
            return None
        return own[1] * newest[1] / then

    def _contradicted(self, rule: Settlement, now_ms: int) -> bool:
        for source, pair in self._pairs[rule.symbol, rule.source]:
            other = self.paths[rule.symbol, source]
            if pair.apart(now_ms) and not other.frozen(now_ms, other.known(now_ms)):
                return True
        return False

    def pair(self, rule: Settlement | None, ts_s: int, length_s: int) -> tuple[float | None, float | None]:
        """`fair` at the close of a bar and LOOK_BACK_S (at least a bar) before it: what `Inputs.fair` and
        `Inputs.fair_before` hold."""
        return self.pair_ms(rule, ts_s * 1_000, length_s)

    def pair_ms(self, rule: Settlement | None, now_ms: int, length_s: int) -> tuple[float | None, float | None]:
        """The same at a time in ms, which need not be a close."""
        return self.fair(rule, now_ms)[0], self.fair_before(rule, now_ms, length_s)

    def fair_before(self, rule: Settlement | None, now_ms: int, length_s: int) -> float | None:
        """`fair` LOOK_BACK_S (at least a bar) before a time."""
        return self.fair(rule, now_ms - max(LOOK_BACK_S, length_s) * 1_000)[0]

    def series(self, rule: Settlement | None, ts_s: NDArray[np.int64], length_s: int) -> FloatArray:
        """`pair` at the close of many bars, shape (n, 2); NaN where there is none."""
        if rule is None:
            return np.full((len(ts_s), 2), np.nan)
        found = (self.pair(rule, ts, length_s) for ts in ts_s.tolist())
        rows = [[np.nan if one is None else one for one in pair] for pair in found]
        return np.array(rows, dtype=np.float64).reshape(-1, 2)

    def stated(self, market_id: str, rule: Settlement | None, ts_s: NDArray[np.int64], length_s: int) -> FloatArray:
        """`series` and the external probability at the close of many bars, shape (n, 3); NaN where there is none."""
        return np.column_stack([self.series(rule, ts_s, length_s), self.external.series(market_id, ts_s)])


def _geometry(step_s: float) -> Geometry:
    return max(SILENCE_S, COARSE_STEPS[0] * step_s), max(MEMORY_S, COARSE_STEPS[1] * step_s)

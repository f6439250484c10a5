"""The last `lookback` bars of each market, as the forecaster reads them: features, mids, sentiment, filter states."""

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipelines.core.brackets import Bracket
from pipelines.core.domain import Bar, FloatArray
from pipelines.features import ladder, order_flow, reference_gap
from pipelines.features.market_context import CONTEXT, Moves, RollingContext
from pipelines.features.rolling import RollingFeatures
from pipelines.features.spec import FEATURES
from pipelines.features.state_space import STATES, RollingStateSpace, StateSpace
from pipelines.news import decay

EXTRA_BARS = 40
"""Bars before the window that fill the longest rolling feature (30), with room for a late point."""
FILTER_BARS = 2_880
"""Bars that are fetched for a market that is new: a state-space filter remembers how lively a market is for days."""
KEPT_BARS = FILTER_BARS
"""Bars that a window keeps, to fold a new model's filter over them, or a headline that was read late."""
FILTERS = 2
"""Filters that are kept up to date: the model's, and that of a bundle in shadow."""


@dataclass(frozen=True, slots=True)
class View:
    """A window as it was at the close of its last bar: (L, features), (L,), (L,), and the columns of SEEN (L, s): the
    states of the filter that was asked for (zeros without one) and the market context. A copy, safe in another
    thread."""

    features: FloatArray
    mids: NDArray[np.int64]
    sentiment: FloatArray
    last: Bar
    states: FloatArray


@dataclass(slots=True)
class _Past:
    """What filter and context read of one bar, and the (known at, score) pairs of the headlines that fell into it."""

    ts_s: int
    mid_units: int
    volume_micro: int
    spread_units: int
    sizes_micro: tuple[int, int]
    fair: tuple[float, float]
    flow: Sequence[float]
    headlines: tuple[tuple[int, float], ...] = ()

    def into(self, rolling: RollingStateSpace) -> tuple[float, ...]:
        tone = decay.tone(score for _, score in sorted(self.headlines)) if self.headlines else 0.0
        return rolling.push(self.ts_s, self.mid_units, self.volume_micro, tone, len(self.headlines))


class _Newest:
    """The newest `lookback` rows of a table that grows by a row a bar; rows move only when the memory is full."""

    def __init__(self, lookback: int, columns: tuple[int, ...] = (), dtype: Any = np.float64) -> None:
        self._lookback = self._end = lookback
        self._rows = np.zeros((2 * lookback, *columns), dtype=dtype)

    def append(self, row: Any) -> None:
        """Add a row; the oldest one leaves."""
        if self._end == len(self._rows):
            kept = self._lookback - 1
            self._rows[:kept] = self._rows[self._end - kept :]
            self._end = kept
        self._rows[self._end] = row
        self._end += 1

    def copy(self) -> NDArray[Any]:
        """The rows, (lookback, columns), oldest first; zeros where there were none yet."""
        return self._rows[self._end - self._lookback : self._end].copy()


class _Folded:
    """A model's filter over the bars of a window, and what it left at the newest ones."""

    def __init__(self, fitted: StateSpace, rolling: RollingStateSpace, lookback: int) -> None:
        self.fitted = fitted
        self.states = _Newest(lookback, (len(STATES),))
        self._rolling = rolling

    def push(self, past: _Past) -> None:
        """Fold one more bar."""
        self.states.append(past.into(self._rolling))


class Window:
    """One market's contiguous bars. A bar that does not follow the last one starts the window anew.

    `bracket` are the market's levels, and `exclusive` says that one market of its event at most can pay.
    """

    def __init__(
        self,
        lookback: int,
        length_s: int,
        end_s: int | None,
        bracket: Bracket | None = None,
        *,
        exclusive: bool = False,
    ) -> None:
        self._lookback = lookback
        self._length = length_s
        self._end_s = end_s
        self.bracket = bracket
        self.exclusive = exclusive
        self._closes: dict[int, tuple[int, int | None]] = {}
        self._reset()

    def _reset(self) -> None:
        self._rolling = RollingFeatures(self._end_s)
        self._features = _Newest(self._lookback, (len(FEATURES),))
        self._mids = _Newest(self._lookback, dtype=np.int64)
        self._sentiment = _Newest(self._lookback)
        self._past: deque[_Past] = deque(maxlen=KEPT_BARS)
        self._folded: list[_Folded] = []
        self._surroundings: RollingContext | None = None
        self._pending = 0
        self._contexts = _Newest(self._lookback, (len(CONTEXT),))
        self.count = 0
        self.last: Bar | None = None

    @property
    def warm(self) -> bool:
        """Whether every bar of the window has full rolling sums behind it."""
        return self.count >= self._lookback

    def follows(self, ts_s: int) -> bool:
        """Whether a bar with this close is the next one."""
        return self.last is None or ts_s == self.last.ts_s + self._length

    def push(
        self,
        bar: Bar,
        sentiment: float = 0.0,
        headlines: Iterable[tuple[int, float]] = (),
        fair: tuple[float, float] = reference_gap.UNKNOWN,
        flow: Sequence[float] = order_flow.NOTHING,
    ) -> None:
        """Append a bar; a repeated or older one is ignored, one after a gap empties the window first.

        `headlines` are the (known at, score) pairs that were read since the last bar. One that was known before it
        enters the bar it belongs to, as it does in training. `fair` are the fair values of the bar, as
        `reference_gap.step` reads them, `flow` are those of `ORDER_FLOW`.
        """
        if self.last is not None and bar.ts_s <= self.last.ts_s:
            return
        if not self.follows(bar.ts_s):
            self._reset()
        self._features.append(self._rolling.push(bar.ts_s, bar.mid_units, bar.volume_micro))
        self._mids.append(bar.mid_units)
        self._sentiment.append(sentiment)
        self._remember(bar, fair, flow)
        # A filter cannot go back: it is folded again over the bars that are kept.
        if self._enter(headlines):
            self._folded.clear()
        for folded in self._folded:
            folded.push(self._past[-1])
        self.count += 1
        self.last = bar

    def _remember(self, bar: Bar, fair: tuple[float, float], flow: Sequence[float]) -> None:
        move = bar.mid_units - self._past[-1].mid_units if self._past else None
        self._closes[bar.ts_s] = bar.mid_units, move
        if len(self._closes) > KEPT_BARS:
            del self._closes[next(iter(self._closes))]
        sizes = bar.bid_size_micro, bar.ask_size_micro
        self._past.append(_Past(bar.ts_s, bar.mid_units, bar.volume_micro, bar.spread_units, sizes, fair, flow))
        self._pending = min(self._pending + 1, KEPT_BARS)

    def close_at(self, ts_s: int) -> tuple[int, int | None] | None:
        """Price of the bar that closed at a time and its move since the one before, in 1e-4, None where that lacks;
        None where the bar lacks."""
        return self._closes.get(ts_s)

    def without_context(self) -> list[int]:
        """Close times of the bars that have no market context yet."""
        if self._surroundings is None:
            self._surroundings, self._pending = RollingContext(), len(self._past)
        return [self._past[-back].ts_s for back in range(self._pending, 0, -1)]

    def surround(self, closed: "EventClose") -> None:
        """Make the market context of the oldest bar that has none yet, from the closes of its event's markets then."""
        assert self._surroundings is not None, "the times of `without_context` say which closes to make"
        past = self._past[-self._pending]
        _, move = self._closes[past.ts_s]
        seen = past.ts_s, past.mid_units, past.spread_units, past.sizes_micro, closed.moves.others(move)
        exclusive_units = closed.exclusive_units if self.exclusive else 0
        place = closed.places.get(self, ladder.ABSENT)
        self._contexts.append(self._surroundings.push(*seen, place, exclusive_units, past.fair, past.flow))
        self._pending -= 1

    def forget_surroundings(self) -> None:
        """Make the context of every bar anew the next time: a sibling has other bars now."""
        self._surroundings = None

    def _enter(self, headlines: Iterable[tuple[int, float]]) -> bool:
        """Put headlines into their bars; whether one fell into a bar before the last."""
        late = False
        for known_s, score in headlines:
            place = len(self._past) - 1 - max(0, (self._past[-1].ts_s - known_s) // self._length)
            if place >= 0:
                self._past[place].headlines += ((known_s, score),)
                late |= place < len(self._past) - 1
        return late

    def view(self, fitted: StateSpace | None = None) -> View:
        """A copy of the window, with the states of a filter where one is given; it must not be empty.

        Bars that were not surrounded yet count as without siblings.
        """
        assert self.last is not None, "an empty window has no view"
        surround((self,))
        states = np.zeros((self._lookback, len(STATES))) if fitted is None else self._states_of(fitted)
        seen = np.concatenate((states, self._contexts.copy()), axis=1)
        return View(self._features.copy(), self._mids.copy(), self._sentiment.copy(), self.last, seen)

    def _states_of(self, fitted: StateSpace) -> FloatArray:
        """States of the last `lookback` bars. A filter that is new here, or a late headline, costs one fold over the
        bars that are kept; afterwards each bar costs one step."""
        folded = next((one for one in self._folded if one.fitted == fitted), None)
        if folded is None:
            folded = _Folded(fitted, RollingStateSpace(fitted, self._end_s, self._length), self._lookback)
            self._folded = [*self._folded, folded][-FILTERS:]
            for past in self._past:
                folded.push(past)
        return folded.states.copy()


class EventClose:
    """What the markets of an event did in the bar that closed at a time, made once for all of them."""

    def __init__(self, windows: Sequence[Window], ts_s: int) -> None:
        there = [(one, close) for one in windows if (close := one.close_at(ts_s)) is not None]
        self.moves = Moves([move for _, (_, move) in there if move is not None])
        """How the markets moved."""
        self.exclusive_units = sum(mid for one, (mid, _) in there if one.exclusive)
        """Sum of the prices of those of which one at most can pay, in 1e-4."""
        rungs = {one: (one.bracket, mid, move or 0) for one, (mid, move) in there if one.bracket is not None}
        self.places = dict(zip(rungs, ladder.places_of(list(rungs.values())), strict=True))
        """Place of each market among the brackets."""


def surround(windows: Sequence[Window]) -> None:
    """Make the market context of the bars that have none yet, of all markets of an event."""
    closes: dict[int, EventClose] = {}
    for window in windows:
        for ts_s in window.without_context():
            if ts_s not in closes:
                closes[ts_s] = EventClose(windows, ts_s)
            window.surround(closes[ts_s])

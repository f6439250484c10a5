"""The last `lookback` bars of each market, as the forecaster reads them: features, mids, sentiment, filter states."""

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from pipelines.core.brackets import Bracket
from pipelines.core.domain import Bar, FloatArray
from pipelines.features import ladder, reference_gap
from pipelines.features.market_context import CONTEXT, RollingContext
from pipelines.features.rolling import RollingFeatures
from pipelines.features.spec import FEATURES
from pipelines.features.state_space import STATES, RollingStateSpace, StateSpace
from pipelines.news import decay

EXTRA_BARS = 40
"""Bars before the window that fill the longest rolling feature (30), with room for a late point."""
FILTER_BARS = 720
"""Bars that are fetched for a market that is new: a state-space filter has a memory of its volume."""
KEPT_BARS = 1_440
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
    fair: tuple[float, float] = reference_gap.UNKNOWN
    headlines: list[tuple[int, float]] = field(default_factory=list)

    def into(self, rolling: RollingStateSpace) -> tuple[float, ...]:
        tone = decay.tone(score for _, score in sorted(self.headlines))
        return rolling.push(self.ts_s, self.mid_units, self.volume_micro, tone, len(self.headlines))


class _Folded:
    """A model's filter over the bars of a window, and what it left at the newest ones."""

    def __init__(self, fitted: StateSpace, rolling: RollingStateSpace, lookback: int) -> None:
        self.fitted = fitted
        self.states: FloatArray = np.zeros((lookback, len(STATES)))
        self._rolling = rolling

    def push(self, past: _Past) -> None:
        """Fold one more bar."""
        self.states[:-1] = self.states[1:]
        self.states[-1] = past.into(self._rolling)


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
        self._moves: dict[int, int] = {}
        self._mids: dict[int, int] = {}
        self._reset()

    def _reset(self) -> None:
        self._rolling = RollingFeatures(self._end_s)
        self.features: FloatArray = np.zeros((self._lookback, len(FEATURES)))
        self.mids: NDArray[np.int64] = np.zeros(self._lookback, dtype=np.int64)
        self.sentiment: FloatArray = np.zeros(self._lookback)
        self._past: deque[_Past] = deque(maxlen=KEPT_BARS)
        self._folded: list[_Folded] = []
        self._surroundings: RollingContext | None = None
        self._pending = 0
        self._contexts: FloatArray = np.zeros((self._lookback, len(CONTEXT)))
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
    ) -> None:
        """Append a bar; a repeated or older one is ignored, one after a gap empties the window first.

        `headlines` are the (known at, score) pairs that were read since the last bar. One that was known before it
        enters the bar it belongs to, as it does in training. `fair` are the fair values of the bar, as
        `reference_gap.step` reads them.
        """
        if self.last is not None and bar.ts_s <= self.last.ts_s:
            return
        if not self.follows(bar.ts_s):
            self._reset()
        for column in (self.features, self.mids, self.sentiment):
            # A shift of 60 rows costs less than a ring buffer whose view has to be put in order on every bar.
            column[:-1] = column[1:]
        self.features[-1] = self._rolling.push(bar.ts_s, bar.mid_units, bar.volume_micro)
        self.mids[-1] = bar.mid_units
        self.sentiment[-1] = sentiment
        self._remember(bar, fair)
        # A filter cannot go back: it is folded again over the bars that are kept.
        if self._enter(headlines):
            self._folded.clear()
        for folded in self._folded:
            folded.push(self._past[-1])
        self.count += 1
        self.last = bar

    def _remember(self, bar: Bar, fair: tuple[float, float]) -> None:
        if self._past:
            self._moves[bar.ts_s] = bar.mid_units - self._past[-1].mid_units
            if len(self._moves) > KEPT_BARS:
                self._moves.pop(next(iter(self._moves)))
        self._mids[bar.ts_s] = bar.mid_units
        if len(self._mids) > KEPT_BARS:
            self._mids.pop(next(iter(self._mids)))
        sizes = bar.bid_size_micro, bar.ask_size_micro
        self._past.append(_Past(bar.ts_s, bar.mid_units, bar.volume_micro, bar.spread_units, sizes, fair))
        self._pending = min(self._pending + 1, KEPT_BARS)

    def move_at(self, ts_s: int) -> int | None:
        """Move in 1e-4 of the bar that closed at a time since the one before it; None where one of them lacks."""
        return self._moves.get(ts_s)

    def mid_at(self, ts_s: int) -> int | None:
        """Price in 1e-4 of the bar that closed at a time; None where it lacks."""
        return self._mids.get(ts_s)

    def surround(self, siblings: Sequence["Window"]) -> None:
        """Make the market context of the bars that have none yet, from the windows of the event's other markets."""
        if self._surroundings is None:
            self._surroundings, self._pending = RollingContext(), len(self._past)
        for place in range(len(self._past) - self._pending, len(self._past)):
            past = self._past[place]
            moved = place > 0 or len(self._past) == KEPT_BARS
            others = [one.move_at(past.ts_s) for one in siblings] if moved else []
            known = [move for move in others if move is not None]
            seen = past.ts_s, past.mid_units, past.spread_units, past.sizes_micro, known
            made = self._surroundings.push(*seen, *self._place(past, siblings), past.fair)
            self._contexts[:-1] = self._contexts[1:]
            self._contexts[-1] = made
        self._pending = 0

    def _place(self, past: _Past, siblings: Sequence["Window"]) -> tuple[Sequence[float], int]:
        """The place among the brackets of the event at a bar, and the sum of the prices of exclusive markets (0 for
        others)."""
        place: Sequence[float] = ladder.ABSENT
        exclusive_units = 0
        if self.bracket is not None:
            there = [one for one in siblings if one.bracket is not None and one.mid_at(past.ts_s) is not None]
            place = ladder.place_of(self._rung(past.ts_s), [one._rung(past.ts_s) for one in there])
        if self.exclusive:
            mids = [one.mid_at(past.ts_s) or 0 for one in siblings if one.exclusive]
            exclusive_units = past.mid_units + sum(mids)
        return place, exclusive_units

    def _rung(self, ts_s: int) -> ladder.Rung:
        assert self.bracket is not None
        return self.bracket, self._mids[ts_s], self._moves.get(ts_s, 0)

    def forget_surroundings(self) -> None:
        """Make the context of every bar anew the next time: a sibling has other bars now."""
        self._surroundings = None

    def _enter(self, headlines: Iterable[tuple[int, float]]) -> bool:
        """Put headlines into their bars; whether one fell into a bar before the last."""
        late = False
        for known_s, score in headlines:
            place = len(self._past) - 1 - max(0, (self._past[-1].ts_s - known_s) // self._length)
            if place >= 0:
                self._past[place].headlines.append((known_s, score))
                late |= place < len(self._past) - 1
        return late

    def view(self, fitted: StateSpace | None = None) -> View:
        """A copy of the window, with the states of a filter where one is given; it must not be empty.

        Bars that were not surrounded yet count as without siblings.
        """
        assert self.last is not None, "an empty window has no view"
        self.surround(())
        states = np.zeros((self._lookback, len(STATES))) if fitted is None else self._states_of(fitted)
        seen = np.concatenate((states, self._contexts), axis=1)
        return View(self.features.copy(), self.mids.copy(), self.sentiment.copy(), self.last, seen)

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

"""What a recording keeps back: the newest event, so that it can be traded as a replay that no stage has seen.

Everything that stages read ends at the bar from which the replay is traded (`as_of_s`), so training never sees the
time that is traded later, in no market. Where the newest event spans most of the recording (long-lived markets) or
is the only one, the last fifth of time of all markets is kept back instead.
"""

from dataclasses import dataclass

import numpy as np

from pipelines.core.domain import Market
from pipelines.core.raw_tables import Bars, BoolArray, IntArray

TIME_SHARE = 0.2
"""Share of the recording's time that is kept back when no event can be."""
MOST_LOST = 0.4
"""An event is kept back only if the time after its start holds at most this share of the other bars."""
MOST_REPLAYED = 40
"""Markets of a replay that is cut by time: those with the most bars in it."""


@dataclass(frozen=True)
class HoldOut:
    """`event_id` None means a cut by time. Bars up to `as_of_s` may be learned from; the replay is traded after it."""

    event_id: str | None
    as_of_s: int


def choose(markets: list[Market], bars: Bars, *, lookback: int, horizon: int, length_s: int) -> HoldOut:
    """The newest event by its last bar among markets of at least lookback + horizon bars, else a cut by time.

    Of several that reach the recording's end, the one that began last, so that the least is lost to training; those
    with room to trade (twice lookback + horizon) come before shorter ones.
    """
    needed = lookback + horizon
    long_enough = bars.where((bars.counts(len(markets)) >= needed)[bars.code])
    events = np.array([m.event_id for m in markets])[long_enough.code]
    if len(np.unique(events)) >= 2:
        newest = max(_lives(events, long_enough.ts_s), key=lambda life: life.rank(2 * needed * length_s))
        starts_s = newest.first_s + lookback * length_s
        others = long_enough.ts_s[events != newest.name]
        if np.mean(others > starts_s) <= MOST_LOST:
            return HoldOut(newest.name, starts_s)
    first, end = int(bars.ts_s.min()), int(bars.ts_s.max())
    return HoldOut(None, end - int((end - first) * TIME_SHARE) // length_s * length_s)


@dataclass(frozen=True)
class _Life:
    name: str
    first_s: int
    last_s: int

    def rank(self, room_s: int) -> tuple[int, bool, int, str]:
        return self.last_s, self.last_s - self.first_s >= room_s, self.first_s, self.name


def _lives(events: np.ndarray, ts_s: IntArray) -> list[_Life]:
    names, code = np.unique(events, return_inverse=True)
    first, last = np.full(len(names), np.iinfo(np.int64).max), np.zeros(len(names), np.int64)
    np.minimum.at(first, code, ts_s)
    np.maximum.at(last, code, ts_s)
    return [_Life(str(n), int(f), int(e)) for n, f, e in zip(names, first, last, strict=True)]


def learned(markets: list[Market], bars: Bars, held: HoldOut) -> BoolArray:
    """Mask of the bars that stages may read."""
    kept_back = np.array([m.event_id == held.event_id for m in markets])
    return np.asarray((bars.ts_s <= held.as_of_s) & ~kept_back[bars.code], bool)


def replayed(markets: list[Market], bars: Bars, held: HoldOut, *, lookback: int, length_s: int) -> BoolArray:
    """Mask of the bars of the replay, with `lookback` bars before `as_of_s` so that it starts warm."""
    after = bars.ts_s > held.as_of_s
    if held.event_id is not None:
        chosen = np.array([m.event_id == held.event_id for m in markets])
    else:
        counts = np.bincount(bars.code[after], minlength=len(markets))
        rank = np.argsort(np.argsort(-counts, kind="stable"))
        chosen = (counts > 0) & (rank < MOST_REPLAYED)
    chosen &= bars.counts(len(markets)) > lookback
    return np.asarray(chosen[bars.code] & (bars.ts_s > held.as_of_s - (lookback + 1) * length_s), bool)

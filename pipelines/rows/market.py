"""Features of one market: its bars split at gaps, each part computed by itself."""

import itertools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipelines.core.brackets import Bracket
from pipelines.core.domain import FloatArray
from pipelines.core.settlement import Settlement
from pipelines.features.compute import batch

IntArray = NDArray[np.int64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class MarketBars:
    """Bars of one market in time order, with what the features need to know about it."""

    market_id: str
    event_id: str
    end_s: int | None
    ts_s: IntArray
    mid_units: IntArray
    volume_micro: IntArray
    spread_units: IntArray
    bid_size_micro: IntArray
    ask_size_micro: IntArray
    settlement: Settlement | None = None
    bracket: Bracket | None = None
    exclusive: bool = False
    """Whether the venue says that one market of the event at most can pay."""
    flow: FloatArray | None = None
    """`ORDER_FLOW` at each close, (n, len(ORDER_FLOW)); None where nothing of it was recorded."""


def parts(ts_s: IntArray, length_s: int) -> list[slice]:
    """Longest runs of bars that follow each other without a gap."""
    breaks = np.flatnonzero(np.diff(ts_s) != length_s) + 1
    edges = [0, *breaks.tolist(), len(ts_s)]
    return [slice(left, right) for left, right in itertools.pairwise(edges)]


def long_enough(ts_s: IntArray, length_s: int, shortest: int) -> Bools:
    """Which bars (n,) lie in a run of at least `shortest` bars: others can never be in a window with its target."""
    keep = np.zeros(len(ts_s), dtype=bool)
    for part in parts(ts_s, length_s):
        keep[part] = part.stop - part.start >= shortest
    return keep


def features(bars: MarketBars, length_s: int) -> FloatArray:
    """Raw features (n, 15) of every bar; they start anew after a gap."""
    made = [
        batch(bars.ts_s[part], bars.mid_units[part], bars.volume_micro[part], bars.end_s)
        for part in parts(bars.ts_s, length_s)
    ]
    return np.concatenate(made)

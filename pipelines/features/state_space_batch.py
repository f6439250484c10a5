"""Filter and market context over whole histories: `step` of both as machine code. The live process never imports this.

`states` and `contexts` are what training, backtest, gate and drift read; `negative_log_likelihood` is what the fit
minimises.
"""

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FunctionType
from typing import Any

import numba
import numpy as np
from numba.core.caching import UserProvidedCacheLocator
from numpy.typing import NDArray

from pipelines.core import money
from pipelines.core.brackets import Bracket
from pipelines.core.domain import FloatArray
from pipelines.core.money import MICRO
from pipelines.features import ladder as ld
from pipelines.features import market_context as mc
from pipelines.features import reference_gap as rg
from pipelines.features import scale
from pipelines.features import state_space as ss
from pipelines.features.feature import IntArray
from pipelines.features.order_flow import ORDER_FLOW
from pipelines.features.scale import log_odds

NO_END_S = -1
"""In a column of scheduled ends: the market has none."""
ROBUST = 5.0
"""Innovations beyond so many standard deviations count linearly: prices have heavier tails than the normal law."""


class BySource(UserProvidedCacheLocator):
    """Where numba keeps machine code: below a folder that is named after the sources."""

    @classmethod
    def get_suitable_cache_subpath(cls, py_file: str) -> str:
        """The package's name."""
        return Path(py_file).parent.name


def _cache() -> bool:
    """Keep machine code between processes, in a folder named after the sources: numba alone would not notice a change
    in `state_space`. False where no folder can be written."""
    sources = (money.__file__, scale.__file__, ss.__file__, mc.__file__, ld.__file__, rg.__file__, __file__)
    digest = hashlib.sha256(b"".join(Path(str(name)).read_bytes() for name in sources)).hexdigest()[:16]
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = home / "oddsmith" / "numba" / f"{numba.__version__}-{digest}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return False
    numba.config.CACHE_DIR = str(folder)  # type: ignore[attr-defined]
    numba.config.CACHE_LOCATOR_CLASSES = f"{__name__}.{BySource.__name__}"  # type: ignore[attr-defined]
    return os.access(folder, os.W_OK)


_fast: Any = numba.njit(nogil=True, cache=_cache())


def _compiled(module: Any, *functions: Any) -> Any:
    """The last of a module's functions as machine code; those before it are called by those after."""
    called: dict[str, Any] = {}
    for function in functions:
        scope = {**module.__dict__, **called}
        called[function.__name__] = _fast(FunctionType(function.__code__, scope, function.__name__))
    return called[functions[-1].__name__]


_step = _compiled(ss, ss.rounding, ss.grid_width, ss.relative_volume, ss.activity, ss.step)
_context_step = _compiled(mc, mc.agreed, mc.step)
_ladder_fit = _compiled(ld, ld.kind_of, ld.deviation, ld.fit_ranges, ld.fit_levels, ld.fit)
_ladder_place = _compiled(ld, ld.normal, ld.place)
_ladder_step = _fast(ld.step)
_reference_step = _fast(rg.step)


@dataclass(frozen=True)
class Columns:
    """Bars of many markets, one gap-free run after the other: what `state_space.step` takes, each (n,)."""

    odds: FloatArray
    units: IntArray
    volume: FloatArray
    tone: FloatArray
    headlines: IntArray
    left: FloatArray
    starts: NDArray[np.bool_]

    @classmethod
    def of(
        cls,
        ts_s: IntArray,
        mid_units: IntArray,
        volume_micro: IntArray,
        tone: FloatArray,
        headlines: IntArray,
        end_s: IntArray,
        starts: NDArray[np.bool_],
        length_s: int,
    ) -> "Columns":
        """From the columns of the feature table; `starts` marks the first bar of each run, `end_s` may be NO_END_S."""
        left = np.where(end_s == NO_END_S, ss.NO_END, np.maximum(end_s - ts_s, 0) / length_s)
        return cls(log_odds(mid_units), mid_units, volume_micro / MICRO, tone, headlines, left, starts)

    def take(self, rows: IntArray) -> "Columns":
        """Some rows, whole runs in their order."""
        return Columns(*(np.ascontiguousarray(column[rows]) for column in self.arrays))

    @property
    def arrays(self) -> tuple[Any, ...]:
        """The columns in the order of the compiled functions' arguments."""
        return self.odds, self.units, self.volume, self.tone, self.headlines, self.left, self.starts


def states(fitted: ss.StateSpace, columns: Columns) -> FloatArray:
    """What the filter leaves at every bar, (n, len(STATES)), equal to the bit to `RollingStateSpace`."""
    made = np.empty((len(columns.odds), len(ss.STATES)))
    _run(np.array(fitted.parameters), *columns.arrays, made)
    return made


def negative_log_likelihood(parameters: Sequence[float] | FloatArray, columns: Columns) -> float:
    """Of all moves, given the past of each; the constant is left out. Innovations beyond ROBUST count linearly."""
    return float(_likelihood(np.asarray(parameters, dtype=np.float64), *columns.arrays))


@dataclass(frozen=True)
class Rungs:
    """Of each bar's market, (n,) each: the number of the ladder that it is a bracket of (-1 for none), its levels, and
    whether the venue says that one market of its event at most can pay."""

    ladder: IntArray
    lower: FloatArray
    upper: FloatArray
    exclusive: NDArray[np.bool_]

    @classmethod
    def of(
        cls, brackets: Sequence[Bracket | None], exclusive: Sequence[bool], event: Sequence[int], counts: Sequence[int]
    ) -> "Rungs":
        """From the brackets of markets, the numbers of their events, and how many bars each has."""
        numbers: dict[tuple[int, str], int] = {}
        ladder = [
            -1 if one is None else numbers.setdefault((number, one.ladder), len(numbers))
            for one, number in zip(brackets, event, strict=True)
        ]
        levels = ([np.nan if one is None else getattr(one, name) for one in brackets] for name in ("lower", "upper"))
        columns = np.array(ladder, dtype=np.int64), *map(np.array, levels), np.array(exclusive, dtype=bool)
        return cls(*(np.repeat(column, counts) for column in columns))


@dataclass(frozen=True)
class Books:
    """Bars of many markets, one gap-free run after the other: what `market_context.step` takes, each (n,).

    `event` numbers the event of each bar's market; spread in 1e-4 and sizes in base units are 0 where no book was seen.
    """

    event: IntArray
    starts: NDArray[np.bool_]
    ts_s: IntArray
    mid_units: IntArray
    spread_units: IntArray
    bid_size_micro: IntArray
    ask_size_micro: IntArray
    rungs: Rungs | None = field(default=None, kw_only=True)
    """None where no market has levels."""
    fair: FloatArray | None = field(default=None, kw_only=True)
    """Fair values at each close and shortly before it, (n, 2), NaN where none is known; None where none is at all."""
    flow: FloatArray | None = field(default=None, kw_only=True)
    """`ORDER_FLOW` at each close, (n, len(ORDER_FLOW)); None where nothing was seen."""


def contexts(books: Books) -> FloatArray:
    """The market context of every bar, (n, len(CONTEXT)), equal to the bit to `RollingContext`."""
    made = np.empty((len(books.ts_s), len(mc.CONTEXT)))
    hour = books.ts_s % 86_400 // 3_600
    book = books.mid_units, books.spread_units, books.bid_size_micro, books.ask_size_micro
    fair = np.full((len(made), 2), np.nan) if books.fair is None else books.fair
    _contexts(hour, *book, *siblings(books), places(books), exclusive_units(books), fair, books.starts, made)
    made[:, len(mc.CONTEXT) - len(ORDER_FLOW) :] = 0.0 if books.flow is None else books.flow
    return made


def places(books: Books) -> FloatArray:
    """Where each bar's market lies among the brackets of its ladder then, (n, ladder.PLACE); NaN for unknown."""
    found = np.full((len(books.ts_s), ld.PLACE), np.nan)
    rungs = books.rungs
    rows = np.zeros(0, dtype=np.int64) if rungs is None else np.flatnonzero(rungs.ladder >= 0)
    if rungs is None or len(rows) == 0:
        return found
    order = rows[np.lexsort((rungs.upper[rows], rungs.lower[rows], books.ts_s[rows], rungs.ladder[rows]))]
    move = np.where(books.starts, 0, np.diff(books.mid_units, prepend=0))
    _places(order, rungs.ladder, books.ts_s, rungs.lower, rungs.upper, books.mid_units, move, found)
    return found


def exclusive_units(books: Books) -> IntArray:
    """Sum of the prices of each bar's event at that time where its markets exclude each other, else 0: (n,) in 1e-4."""
    summed = np.zeros(len(books.ts_s), dtype=np.int64)
    rows = np.zeros(0, dtype=np.int64) if books.rungs is None else np.flatnonzero(books.rungs.exclusive)
    if len(rows):
        span = int(books.ts_s.max()) + 1
        _, group = np.unique(books.event[rows] * span + books.ts_s[rows], return_inverse=True)
        total = np.zeros(int(group.max()) + 1, dtype=np.int64)
        np.add.at(total, group, books.mid_units[rows])
        summed[rows] = total[group]
    return summed


def siblings(books: Books) -> tuple[IntArray, IntArray, IntArray]:
    """Sum, number and largest of the moves of the other markets of each bar's event since the bar before, (n,) each.

    A market counts in a bar in which it has a move: not in the first of a run.
    """
    count = len(books.ts_s)
    zeros = np.zeros(count, dtype=np.int64), np.zeros(count, dtype=np.int64), np.zeros(count, dtype=np.int64)
    rows = np.flatnonzero(~books.starts)
    if len(rows) == 0:
        return zeros
    move = books.mid_units[rows] - books.mid_units[rows - 1]
    span = int(books.ts_s.max()) + 1
    _, group = np.unique(books.event[rows] * span + books.ts_s[rows], return_inverse=True)
    total = np.zeros(int(group.max()) + 1, dtype=np.int64)
    np.add.at(total, group, move)
    number = np.bincount(group)
    order = np.lexsort((move, np.abs(move), group))
    last = np.cumsum(number) - 1
    largest, second = order[last], order[np.maximum(last - 1, 0)]
    peak = np.where(largest[group] == np.arange(len(rows)), move[second[group]], move[largest[group]])
    alone = number[group] == 1
    others, many, peaks = zeros
    others[rows], many[rows] = total[group] - move, number[group] - 1
    peaks[rows] = np.where(alone, 0, peak)
    return others, many, peaks


@_fast
def _contexts(hour, mid, spread, bid, ask, others, many, peak, place, sums, fair, starts, made):  # type: ignore[no-untyped-def]
    state, rung, gap = np.zeros(mc.SIZE), np.zeros(ld.STATE), np.zeros(rg.STATE)
    near, last = len(mc.NEAR), len(mc.NEAR) + len(ld.LADDER)
    for bar in range(len(mid)):
        if starts[bar]:
            state[:] = 0.0
            rung[:] = 0.0
            gap[:] = 0.0
        _context_step(
            state, made[bar], hour[bar], mid[bar], spread[bar], bid[bar], ask[bar], others[bar], many[bar], peak[bar]
        )
        made[bar, near:] = 0.0
        _ladder_step(rung, made[bar, near:], place[bar], mid[bar], sums[bar])
        _reference_step(gap, made[bar, last:], fair[bar, 0], fair[bar, 1], mid[bar])


@_fast
def _places(order, ladder, ts, lower, upper, mid, move, found):  # type: ignore[no-untyped-def]
    law, left, count = np.zeros(ld.LAW), 0, len(order)
    while left < count:
        right = left + 1
        while right < count and ladder[order[right]] == ladder[order[left]] and ts[order[right]] == ts[order[left]]:
            right += 1
        rows = order[left:right]
        low, high, units, moves = lower[rows], upper[rows], mid[rows], move[rows]
        _ladder_fit(low, high, units, len(rows), law)
        for own in range(len(rows)):
            _ladder_place(low, high, units, moves, len(rows), own, law, found[rows[own]])
        left = right


@_fast
def _run(parameters, odds, units, volume, tone, headlines, left, starts, made):  # type: ignore[no-untyped-def]
    state = np.zeros(ss.STATE_SIZE)
    for bar in range(len(odds)):
        if starts[bar]:
            state[:] = 0.0
            state[ss.GRID] = ss.COARSE_UNITS
        _step(state, parameters, odds[bar], units[bar], volume[bar], tone[bar], headlines[bar], left[bar])
        made[bar, 0] = state[ss.UNDER]
        made[bar, 1] = state[ss.OVER]
        made[bar, 2] = state[ss.BOUNCE]
        made[bar, 3] = state[ss.INNOVATION]
        made[bar, 4] = tone[bar]


@_fast
def _likelihood(parameters, odds, units, volume, tone, headlines, left, starts):  # type: ignore[no-untyped-def]
    state = np.zeros(ss.STATE_SIZE)
    total = 0.0
    for bar in range(len(odds)):
        if starts[bar]:
            state[:] = 0.0
            state[ss.GRID] = ss.COARSE_UNITS
        _step(state, parameters, odds[bar], units[bar], volume[bar], tone[bar], headlines[bar], left[bar])
        variance = state[ss.VARIANCE]
        if variance > 0.0:
            square = state[ss.INNOVATION] * state[ss.INNOVATION] / variance
            if square > ROBUST * ROBUST:
                square = 2.0 * ROBUST * np.sqrt(square) - ROBUST * ROBUST
            total += 0.5 * (square + np.log(variance))
    return total

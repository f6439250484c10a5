"""The state-space filter over whole histories: `state_space.step` as machine code. The live process never imports this.

`states` is what training, backtest, gate and drift read; `negative_log_likelihood` is what the fit minimises.
"""

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FunctionType
from typing import Any

import numba
import numpy as np
from numba.core.caching import UserProvidedCacheLocator
from numpy.typing import NDArray

from pipelines.core import money
from pipelines.core.domain import FloatArray
from pipelines.core.money import MICRO
from pipelines.features import scale
from pipelines.features import state_space as ss
from pipelines.features.feature import IntArray
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
    sources = (money.__file__, scale.__file__, ss.__file__, __file__)
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
_CALLED: dict[str, Any] = {}
for _function in (ss.rounding, ss.grid_width, ss.relative_volume, ss.activity, ss.step):
    _scope = {**ss.__dict__, **_CALLED}
    _CALLED[_function.__name__] = _fast(FunctionType(_function.__code__, _scope, _function.__name__))
_step = _CALLED["step"]


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

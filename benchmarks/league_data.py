"""What the league is played on: the last pull, synthetic worlds by edge and seed, recordings of real prices."""

import tempfile
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.judged_bars import JUDGED
from benchmarks.recorded_rows import RecordedRows, first_that_fits, importable
from benchmarks.skill_world import skill_world
from pipelines.core.artifacts import read_json, sha256_path
from pipelines.core.params import Params
from pipelines.core.products import FEATURES, WINDOW
from pipelines.features.state_space import StateSpace
from pipelines.forecast import state_space_fit
from pipelines.forecast.baselines import Means
from pipelines.forecast.training_windows import IntArray, Rows

DEFAULT_WORLD = "reversion"
JUDGED_BARS = 30_000
"""About so many bars are judged: every k-th bar time, the same ones in every market."""


@dataclass(frozen=True)
class Course:
    """What every forecaster of one data set gets, and the bars on which it is judged."""

    name: str
    rows: Rows
    params: Params
    data_hash: str
    observation: Any
    slices: tuple[str, ...]
    trades: bool
    """Whether market histories lie in data/raw, so that the threshold rule can be played."""
    fitted: StateSpace | None
    """The state-space filter: fitted once, since it depends on the data and the seed alone."""
    world: str | None = None
    """Which errors the quotes of a synthetic world make (`simulator.world`); None for recordings."""
    edge: float | None = None
    limit: Means | None = None
    """The best forecast that is possible, or its bound, where the generator tells it."""

    def positions(self) -> IntArray:
        """Bars that get a forecast: all with a full lookback where the rule trades, else those that are judged."""
        settings = self.params.forecast
        ahead = 0 if self.trades else settings.horizon_bars
        found = [self.rows.positions(name, settings.lookback_bars, ahead) for name in self.slices]
        every = np.sort(np.concatenate(found))
        return every if self.trades else self._thinned(self.rows.lively(every))

    def judged(self) -> IntArray:
        """Bars that are judged: those with a full target and a price in [0.02, 0.98], thinned."""
        settings = self.params.forecast
        whole = [self.rows.positions(name, settings.lookback_bars, settings.horizon_bars) for name in self.slices]
        return self._thinned(self.rows.lively(np.sort(np.concatenate(whole))))

    def _thinned(self, positions: IntArray) -> IntArray:
        step = max(1, round(len(positions) / JUDGED_BARS))
        thinned: IntArray = positions[(self.rows.ts_s[positions] // self.rows.length_s) % step == 0]
        return thinned


def last_pull(params: Params) -> Course:
    """The feature table of this folder; the selection slice alone is judged, the gate's is left to the gate."""
    source = str(read_json(WINDOW)["source"]) if WINDOW.is_file() else "unknown"
    made = params.simulator
    simulated = source == "simulated"
    name = f"{_world(made.world, made.edge, made.seed)}, pulled" if simulated else f"source {source}"
    rows = Rows.read(FEATURES)
    observation = read_json(FEATURES / "scaler.json")
    course = _course(name, rows, params, sha256_path(FEATURES), observation, ("selection",), trades=True)
    return replace(course, world=made.world, edge=made.edge) if simulated else course


def _world(world: str, edge: float, seed: int) -> str:
    """Name of a synthetic world; the default kind is not named."""
    kind = "" if world == DEFAULT_WORLD else f"world {world}, "
    return f"{kind}edge {edge:g}, seed {seed}"


def synthetic(edge: float, seed: int, params: Params) -> Course:
    """A world of the default's shape and of the parameters' kind (`simulator.world`): bars, volumes and headlines of
    the generator, without the exchange in between."""
    made = params.simulator.world
    name = _world(made, edge, seed)
    found = skill_world(seed, edge, params, params.simulator.history_days)
    course = _course(name, found.rows, params, name, {}, JUDGED)
    best = cache(lambda: found.limit(params.forecast.horizon_bars))
    return replace(course, world=made, edge=edge, limit=lambda _, positions: best()[positions])


def recording(path: Path, params: Params) -> Course:
    """A recording of prices, pulled and cut like any other data; one that `oddsmith data import` reads is imported.

    Raises:
        DataError: if nothing can be learned from it, or nothing comes after that.
        RuntimeError: with the last line of a stage that refuses it.
    """
    with tempfile.TemporaryDirectory() as work:
        given = importable(path, Path(work))
        return first_that_fits(given, params, (), partial(_recorded, path.name))


def _recorded(name: str, made: RecordedRows) -> Course:
    return _course(name.split(".", maxsplit=1)[0], made.rows, made.params, name, made.scaler, JUDGED)


def _course(
    name: str,
    rows: Rows,
    params: Params,
    data_hash: str,
    observation: Any,
    slices: tuple[str, ...],
    trades: bool = False,
) -> Course:
    settings = params.forecast
    fitted = state_space_fit.fit(rows, settings.seed) if settings.filter else None
    return Course(name, rows, params, data_hash, observation, slices, trades, fitted)

"""Windows over the feature table: which bars have a full lookback and target, and their arrays."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from pipelines.core.artifacts import read_json
from pipelines.core.domain import FloatArray
from pipelines.core.errors import DataError
from pipelines.core.money import PRICE_SCALE
from pipelines.features.market_context import CONTEXT
from pipelines.features.scale import log_odds
from pipelines.features.spec import FEATURE_NAMES
from pipelines.features.state_space import STATES, StateSpace
from pipelines.features.state_space_batch import NO_END_S, Columns, states
from pipelines.inference.predictor import Raw, Windows

IntArray = NDArray[np.int64]

FILTERED = ("volume_micro", "tone", "headlines", "end_s")
"""Columns that only the state-space filter reads."""

BATCH_ROWS = 131_072
"""Rows that are read at a time."""
MIN_PRICE_UNITS = 200
"""Bars outside [0.02, 0.98] teach nothing and are left out of training and of the metrics."""


@dataclass(frozen=True)
class Rows:
    """The feature table as arrays, sorted by market and time; `run_start`/`run_end` bound each gap-free run."""

    market_id: NDArray[Any]
    event: IntArray
    ts_s: IntArray
    slice_name: NDArray[Any]
    mid_units: IntArray
    sentiment: FloatArray
    volume_micro: IntArray
    tone: FloatArray
    headlines: IntArray
    end_s: IntArray
    """Scheduled end, NO_END_S where there is none."""
    features: FloatArray
    run_start: IntArray
    run_end: IntArray
    length_s: int
    context: FloatArray | None = None
    """Market context of every bar, (bars, len(CONTEXT)); None is neutral."""

    @classmethod
    def read(cls, folder: Path) -> "Rows":
        """The table of data/features.

        Raises:
            DataError: if it is missing, cannot be read or lacks a column.
        """
        length_s = int(read_json(folder / "slices.json")["length_s"])
        path = folder / "features.parquet"
        table = _table(path)
        codes, names = _texts(table["market_id"])
        ts = table["ts_s"].to_numpy()
        breaks = np.flatnonzero((codes[1:] != codes[:-1]) | (np.diff(ts) != length_s)) + 1
        edges = np.concatenate(([0], breaks, [len(ts)]))
        sizes = np.diff(edges)
        events, event_names = _texts(table["event_id"])
        slice_codes, slice_names = _texts(table["slice"])
        return cls(
            market_id=names[codes],
            event=np.argsort(np.argsort(event_names))[events],
            ts_s=ts,
            slice_name=slice_names[slice_codes],
            mid_units=table["mid_units"].to_numpy().astype(np.int64),
            sentiment=table["sentiment"].to_numpy(),
            volume_micro=table["volume_micro"].to_numpy().astype(np.int64),
            tone=table["tone"].to_numpy(),
            headlines=table["headlines"].to_numpy().astype(np.int64),
            end_s=table["end_s"].fill_null(NO_END_S).to_numpy().astype(np.int64),
            features=_matrix(path, FEATURE_NAMES, len(ts)),
            run_start=np.repeat(edges[:-1], sizes),
            run_end=np.repeat(edges[1:], sizes),
            length_s=length_s,
            context=_matrix(path, CONTEXT, len(ts)),
        )

    def positions(self, slice_name: str, lookback: int, horizon: int = 0) -> IntArray:
        """Bars of a slice whose window of `lookback` bars, and `horizon` bars after it, lie in one run."""
        index = np.arange(len(self.ts_s))
        whole = (index - self.run_start >= lookback - 1) & (self.run_end - index > horizon)
        return np.flatnonzero(whole & (self.slice_name == slice_name))

    def lively(self, positions: IntArray) -> IntArray:
        """Those of the positions whose price lies in [0.02, 0.98]."""
        mid = self.mid_units[positions]
        return positions[(mid >= MIN_PRICE_UNITS) & (mid <= PRICE_SCALE - MIN_PRICE_UNITS)]

    def columns(self) -> Columns:
        """What the state-space filter reads, run by run."""
        starts = np.arange(len(self.ts_s)) == self.run_start
        news = self.tone, self.headlines, self.end_s
        return Columns.of(self.ts_s, self.mid_units, self.volume_micro, *news, starts, self.length_s)

    def states(self, fitted: StateSpace | None) -> "BarStates":
        """What a filter leaves at every bar (zeros without one), and the market context."""
        count = len(self.ts_s)
        left = np.zeros((count, len(STATES))) if fitted is None else states(fitted, self.columns())
        return BarStates(left, self.context)

    def windows(self, lookback: int, states: "BarStates") -> Windows:
        """From positions to raw features (n, L, k), mids (n, L), sentiment (n, L) and states (n, L, s) up to each."""

        def of(positions: IntArray) -> Raw:
            index = positions[:, None] + np.arange(1 - lookback, 1)
            return self.features[index], self.mid_units[index], self.sentiment[index], states.at(index)

        return of

    def moves(self, positions: IntArray, horizon: int) -> FloatArray:
        """Change of log-odds from each position to 1..H bars later, (n, H); NaN beyond the end of its run."""
        index, beyond = self._ahead(positions, horizon)
        moves = log_odds(self.mid_units[index]) - log_odds(self.mid_units[positions])[:, None]
        moves[beyond] = np.nan
        return moves

    def price_moves(self, positions: IntArray, horizon: int) -> FloatArray:
        """Change of price from each position to 1..H bars later, (n, H); NaN beyond the end of its run."""
        index, beyond = self._ahead(positions, horizon)
        moves: FloatArray = (self.mid_units[index] - self.mid_units[positions][:, None]) / PRICE_SCALE
        moves[beyond] = np.nan
        return moves

    def _ahead(self, positions: IntArray, horizon: int) -> tuple[IntArray, NDArray[np.bool_]]:
        """Rows 1..H bars after each position, the run's last one where there is none, and where there is none."""
        index = positions[:, None] + np.arange(1, horizon + 1)
        last = self.run_end[positions][:, None] - 1
        return np.minimum(index, last), index > last


@dataclass(frozen=True)
class BarStates:
    """The columns of SEEN at every bar: `left` by a filter, (bars, len(STATES)), and the market context, (bars,
    len(CONTEXT)), neutral where it is None. Side by side they are made for the bars that are asked for."""

    left: FloatArray
    context: FloatArray | None

    def at(self, index: IntArray) -> FloatArray:
        """The columns at some bars: the index's shape and one more axis, of len(SEEN)."""
        left = self.left[index]
        context = np.zeros((*index.shape, len(CONTEXT))) if self.context is None else self.context[index]
        return np.concatenate((left, context), axis=-1)


TEXTS = ("market_id", "event_id", "slice")
KEYS = (*TEXTS, "ts_s", "mid_units", "sentiment", *FILTERED)


def _table(path: Path) -> pa.Table:
    """All columns but features and context."""
    try:
        there = pq.read_schema(path).names
        if missing := [name for name in (*KEYS, *FEATURE_NAMES, *CONTEXT) if name not in there]:
            raise DataError(f"{path} lacks {', '.join(missing)}; run `python -m pipelines featurize` again")
        return pq.read_table(path, columns=list(KEYS), read_dictionary=list(TEXTS))
    except (OSError, pa.ArrowInvalid) as error:
        raise DataError(f"{path} cannot be read ({error}); run `python -m pipelines featurize` again") from None


def _texts(column: pa.ChunkedArray) -> tuple[IntArray, NDArray[Any]]:
    """Codes (n,) and the texts they stand for: each text is in memory once."""
    whole = column.unify_dictionaries().combine_chunks()
    return whole.indices.to_numpy(), whole.dictionary.to_numpy(zero_copy_only=False)


def _matrix(path: Path, names: Sequence[str], rows: int) -> FloatArray:
    """Columns of the file side by side, (rows, len(names)), read part by part."""
    made = np.empty((rows, len(names)))
    start = 0
    for batch in pq.ParquetFile(path).iter_batches(columns=list(names), batch_size=BATCH_ROWS):
        end = start + batch.num_rows
        for place, name in enumerate(names):
            made[start:end, place] = batch[name].to_numpy()
        start = end
    return made


def training_positions(rows: Rows, slice_name: str, lookback: int, horizon: int) -> IntArray:
    """Bars of a slice to learn from.

    Raises:
        DataError: if there is none.
    """
    found = rows.lively(rows.positions(slice_name, lookback, horizon))
    if len(found) == 0:
        raise DataError(
            f"slice {slice_name} has no bar with {lookback} bars before and {horizon} after it at a price in"
            f" [0.02, 0.98]; pull a longer history or lower forecast.lookback_bars"
        )
    return found


def drawn(positions: IntArray, count: int, seed: tuple[int, ...]) -> IntArray:
    """`count` positions drawn uniformly, with repetition only where there are fewer."""
    return np.random.default_rng(seed).choice(positions, size=count, replace=count > len(positions))


def at_most(positions: IntArray, count: int, seed: tuple[int, ...]) -> IntArray:
    """The positions in a random order, `count` of them where there are more."""
    return drawn(positions, min(count, len(positions)), seed)


def scaled_target(moves: FloatArray, volatility: FloatArray) -> NDArray[np.float32]:
    """Change of log-odds, or what a filter leaves of it, over volatility x sqrt(h): (n, H), (n,) -> (n, H)."""
    steps = np.sqrt(np.arange(1, moves.shape[1] + 1))
    return (moves / (volatility[:, None] * steps)).astype(np.float32)


def known_quantile(values: NDArray[np.floating[Any]], level: float) -> FloatArray:
    """Quantile of each column (n, H) -> (H,), of what is not missing (NaN); 0 where a whole column is."""
    if not np.isnan(values).any():
        return np.asarray(np.quantile(values, level, axis=0))
    known = [column[np.isfinite(column)] for column in values.T]
    return np.array([float(np.quantile(column, level)) if len(column) else 0.0 for column in known])

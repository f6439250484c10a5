"""Forecasts of the gate slice from the sealed bundle: stored ones when they are proven to be its own, else computed."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from pipelines.core import log
from pipelines.core.domain import FloatArray
from pipelines.core.errors import DataError
from pipelines.core.sections import ExecutionParams
from pipelines.features.market_context import CONTEXT
from pipelines.features.state_space import STATES
from pipelines.features.state_space_batch import NO_END_S, Columns, states
from pipelines.inference.bundle import Bundle
from pipelines.inference.predictor import Forecasts, Predictor
from pipelines.replay import market_history

PROOF_BARS = 400
"""Windows of the gate slice on which stored forecasts must equal the bundle's."""

TOLERANCE = 1e-3
"""Log-odds; stored forecasts are float32 and batches of other sizes may round differently."""

BATCH = 1024


def gate_series() -> list[market_history.Series]:
    """All bars of the markets that have some in the gate slice."""
    read = market_history.read_series(market_history.read_markets())
    return [one for one in read if (one.slices == "gate").any()]


def gate_histories(
    bundle: Bundle,
    execution: ExecutionParams,
    series: Sequence[market_history.Series],
    stored: Path = market_history.FORECASTS,
) -> list[market_history.History]:
    """Histories of the gate slice with the bundle's forecasts.

    Raises:
        DataError: if the gate slice holds no bar with a full lookback.
    """
    predictor = bundle.predictor()
    if stored.is_file():
        read = _stored(execution, stored)
        if read and _proven(predictor, series, read):
            return read
    log.get("gate").info("forecasting", markets=len(series))
    made = [_forecast(predictor, one, execution) for one in series]
    kept = [one for one in made if one is not None]
    if not kept:
        raise DataError("The gate slice holds no market with a full lookback; pull a longer history.")
    return kept


def _stored(execution: ExecutionParams, path: Path) -> list[market_history.History]:
    try:
        return market_history.read("gate", execution, path)
    except DataError:
        return []


def _proven(predictor: Predictor, series: Iterable[market_history.Series], read: list[market_history.History]) -> bool:
    """Whether the stored forecasts are those of this predictor, on bars spread over all markets."""
    by_id = {one.market.market_id: one for one in series}
    rng = np.random.default_rng(0)
    each = max(1, PROOF_BARS // len(read))
    for one in read:
        whole = by_id[one.market.market_id]
        rows = np.searchsorted(whole.ts_s, one.ts_s)
        picked = np.sort(rng.choice(len(one), min(each, len(one)), replace=False))
        if (rows[picked] < predictor.lookback - 1).any():
            return False
        fresh = windows(predictor, whole, filter_states(predictor, whole), rows[picked])
        if np.abs(fresh.mean - one.mean[picked]).max() > TOLERANCE:
            return False
    return True


def _forecast(
    predictor: Predictor, series: market_history.Series, execution: ExecutionParams
) -> market_history.History | None:
    return forecast_rows(predictor, series, np.flatnonzero(series.slices == "gate"), execution)


def forecast_rows(
    predictor: Predictor, series: market_history.Series, rows: market_history.IntArray, execution: ExecutionParams
) -> market_history.History | None:
    """Bars `rows` of a series with forecasts of their windows; None with fewer than two that have a whole window."""
    rows = rows[rows >= predictor.lookback - 1]
    rows = rows[_contiguous(series, rows, predictor.lookback)]
    if len(rows) < 2:
        return None
    left = filter_states(predictor, series)
    parts = [windows(predictor, series, left, rows[k : k + BATCH]) for k in range(0, len(rows), BATCH)]
    joined: list[FloatArray] = [
        np.concatenate([getattr(part, name) for part in parts]) for name in ("mean", "lower", "upper", "confidence")
    ]
    return market_history.join(series, rows, Forecasts(*joined), execution)


def _contiguous(series: market_history.Series, rows: market_history.IntArray, lookback: int) -> market_history.IntArray:
    """Positions in `rows` whose window has no gap."""
    step = _step(series)
    spans = series.ts_s[rows] - series.ts_s[rows - lookback + 1]
    return np.flatnonzero(spans == (lookback - 1) * step)


def _step(series: market_history.Series) -> int:
    return int(np.median(np.diff(series.ts_s))) if len(series.ts_s) > 1 else 0


def filter_states(predictor: Predictor, series: market_history.Series) -> FloatArray:
    """What the predictor's filter leaves at every bar of the series (zeros without one), anew after each gap, and the
    market context."""
    count, step = len(series.ts_s), _step(series)
    context = np.zeros((count, len(CONTEXT))) if series.context is None else series.context
    if predictor.filter is None:
        return np.concatenate((np.zeros((count, len(STATES))), context), axis=1)
    columns = Columns.of(
        series.ts_s,
        series.mid_units,
        series.volume_micro,
        np.zeros(count) if series.tone is None else series.tone,
        np.zeros(count, dtype=np.int64) if series.headlines is None else series.headlines,
        np.full(count, NO_END_S if series.market.end_s is None else series.market.end_s),
        np.append(True, np.diff(series.ts_s) != step),
        max(step, 1),
    )
    return np.concatenate((states(predictor.filter, columns), context), axis=1)


def windows(
    predictor: Predictor, series: market_history.Series, left: FloatArray, rows: market_history.IntArray
) -> Forecasts:
    """Forecasts of the windows that end at `rows`; `left` is what the filter leaves at every bar."""
    index = rows[:, None] + np.arange(-predictor.lookback + 1, 1)
    seen = series.features[index], series.mid_units[index], series.sentiment[index], left[index]
    return predictor.forecast_batch(*seen)

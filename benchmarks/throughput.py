"""A whole history through features, batched forecasts and a policy, and the bare network on the same windows."""

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks.worlds import World
from pipelines.core.domain import FloatArray
from pipelines.core.money import MICRO
from pipelines.core.params import Params
from pipelines.features import compute
from pipelines.features.market_context import CONTEXT
from pipelines.features.state_space import STATES
from pipelines.features.state_space_batch import NO_END_S, Columns, states
from pipelines.inference.predictor import BATCH, Forecasts, Predictor, Raw, Windows
from pipelines.replay.lanes import field, parameters, screen
from pipelines.replay.market_history import History, IntArray
from pipelines.replay.signals import concatenated, threshold_params
from pipelines.trading.sizing import SizingTable

MARKETS = 12
LENGTH_S = 60
TABLE = SizingTable(0.6, 0.05, 0.04, 0, 0)


def measure(made: World, params: Params, folder: Path) -> dict[str, float | str | None]:
    """`decisions_per_s` from raw bars to decisions, `onnx_windows_per_s` of the network alone on prepared inputs in the
    same batches and threads, and their ratio; null with the reason without a trained forecaster."""
    if not (folder / "forecaster.onnx").is_file():
        reason = f"{folder} holds no trained forecaster; `make run` trains one"
        return {"decisions_per_s": None, "onnx_windows_per_s": None, "decisions_per_s_reason": reason}
    predictor = Predictor(folder)
    past = made.later[:MARKETS]
    first = _decisions(past, made, params, predictor)
    speeds = [first, _decisions(past, made, params, predictor)]
    bare = max(_bare(past, predictor) for _ in range(2))
    decisions = max(speeds)
    return {
        "decisions_per_s": round(decisions, 1),
        "onnx_windows_per_s": round(bare, 1),
        "decisions_share_of_onnx": round(decisions / bare, 3),
    }


def _decisions(past: list[History], made: World, params: Params, predictor: Predictor) -> float:
    """Bars per second: features of all bars, forecasts of all windows, the threshold rule with all limits."""
    began = time.perf_counter()
    ready, bars = [], 0
    for one in past:
        features = compute.batch(one.ts_s, one.mid_units, one.volume_micro, one.market.end_s)
        rows = np.arange(predictor.lookback - 1, len(one))
        forecasts = predictor.forecast_many(_windows(one, features, predictor), rows)
        ready.append(_with(one, features, rows, forecasts))
        bars += len(rows)
    flat = field(ready, made.scaler, params.execution.impact_share, forecast_block=False)
    seen = concatenated(ready, params.execution.impact_share)
    cash = params.backtest.cash_pusd * MICRO
    screen(
        flat,
        parameters(params, TABLE, LENGTH_S),
        seen.move_units,
        seen.cost_units,
        threshold_params(params, LENGTH_S).rule,
        cash,
    )
    return bars / (time.perf_counter() - began)


def _columns(one: History) -> Columns:
    """What a filter reads of a history, without headlines."""
    count = len(one)
    quiet = np.zeros(count), np.zeros(count, dtype=np.int64), np.full(count, one.market.end_s or NO_END_S)
    return Columns.of(one.ts_s, one.mid_units, one.volume_micro, *quiet, np.arange(count) == 0, LENGTH_S)


def _windows(one: History, features: FloatArray, predictor: Predictor) -> Windows:
    nothing = np.zeros((len(one), len(STATES)))
    found = nothing if predictor.filter is None else states(predictor.filter, _columns(one))
    left = np.concatenate((found, np.zeros((len(one), len(CONTEXT)))), axis=1)

    def windows(rows: IntArray) -> Raw:
        index = rows[:, None] + np.arange(1 - predictor.lookback, 1)
        return features[index], one.mid_units[index], one.sentiment[index], left[index]

    return windows


def _with(one: History, features: FloatArray, rows: IntArray, forecasts: Forecasts) -> History:
    names = ("ts_s", "mid_units", "bid_units", "ask_units", "volume_micro", "spread_units", "sentiment")
    columns = {name: getattr(one, name)[rows] for name in names}
    made = {name: getattr(forecasts, name) for name in ("mean", "lower", "upper", "confidence")}
    return replace(one, features=features[rows], **columns, **made)


def _bare(past: list[History], predictor: Predictor) -> float:
    """Windows per second of the network alone."""
    batches = []
    for one in past:
        rows = np.arange(predictor.lookback - 1, len(one))
        values = predictor.seen.of(*_windows(one, one.features, predictor)(rows))[0]
        batches += [values[start : start + BATCH] for start in range(0, len(values), BATCH)]
    began = time.perf_counter()
    with ThreadPoolExecutor(max_workers=2) as pool:
        list(pool.map(predictor.network, batches))
    return sum(map(len, batches)) / (time.perf_counter() - began)

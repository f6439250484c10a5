"""The forecasters of the league: how each is made on a course, and what it forecasts there."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from benchmarks import classical
from benchmarks.league_data import Course
from benchmarks.without_inputs import without
from pipelines.core.errors import ParameterError
from pipelines.core.kinds import forecasters
from pipelines.forecast import baselines
from pipelines.forecast.training_windows import IntArray
from pipelines.inference.predictor import Forecasts, Predictor

CLASSICAL = {
    "persistence": lambda rows, params: baselines.persistence(params),
    "ar": baselines.autoregression,
    "arima": classical.arima,
    "prophet": classical.prophet,
    "fracast": classical.fracast,
}
SLOW = {"prophet": (150, 300), "fracast": (150, 300)}
"""Bars that calibrate and bars that judge a forecaster which takes most of a second for one."""
WITHOUT_FILTER = {f"{kind}_without_filter": kind for kind in ("ridge", "hybrid")}
"""Rows of the ablation: the same forecaster from the price alone, `forecast.filter: false`."""
WITHOUT_SIZES = {f"{kind}_without_sizes": kind for kind in ("ridge", "hybrid")}
"""Rows of the ablation: the same forecaster on bars whose displayed sizes nobody saw."""
ONLINE = "online_ensemble"
"""The other rows' forecasts, weighted bar by bar by what they were worth until then (`league_online`)."""
LIMIT = "limit"
"""The best forecast that is possible in a synthetic world, or its bound: from the generator, for comparison alone."""
LIVE_MARKETS = 80
TIMED = 5


def known() -> tuple[str, ...]:
    """Names of all rows: baselines, every kind of forecaster, ablations, the online ensemble, the limit."""
    return (*CLASSICAL, *sorted(forecasters(), key=_order), *WITHOUT_FILTER, *WITHOUT_SIZES, ONLINE, LIMIT)


def _order(kind: str) -> tuple[int, str]:
    shown = ("ssm", "ridge", "boosting", "lstm", "gru", "hybrid", "sentiment_lstm", "garch_lstm", "transformer")
    return (shown.index(kind) if kind in shown else len(shown), kind)


@dataclass(frozen=True)
class Made:
    """Forecasts at some bars, what the training took, and a forecast of 80 markets, in milliseconds (median)."""

    positions: IntArray
    forecasts: Forecasts
    training_s: float
    inference_ms: float


def forecast(course: Course, kind: str, folder: Path) -> Made:
    """Make one forecaster on a course, in `folder` where it has files, and forecast the bars of the course."""
    if kind == LIMIT:
        return _limit(course)
    if kind in CLASSICAL:
        return _classical(course, kind)
    from pipelines.forecast import candidate  # noqa: PLC0415 - TensorFlow is loaded by those who train

    if kind in WITHOUT_SIZES:
        course = replace(course, rows=without(course.rows, "sizes"))
    settings = {"kind": (WITHOUT_FILTER | WITHOUT_SIZES).get(kind, kind), "filter": kind not in WITHOUT_FILTER}
    params = course.params.model_copy(update={"forecast": course.params.forecast.model_copy(update=settings)})
    report = candidate.make(course.rows, params, folder, course.data_hash, course.observation, course.fitted)
    candidate.checkpoint_of(params, course.data_hash).clear()
    predictor, positions = Predictor(folder), course.positions()
    windows = course.rows.windows(predictor.lookback, course.rows.states(predictor.filter))
    made, live = predictor.forecast_many(windows, positions), windows(positions[:LIVE_MARKETS])
    return Made(positions, made, float(report["training_s"]), _median_ms(lambda: predictor.forecast_batch(*live)))


def _classical(course: Course, kind: str) -> Made:
    calibrate, judge = SLOW.get(kind, (None, None))
    started = time.monotonic()
    means = CLASSICAL[kind](course.rows, course.params)
    one = baselines.calibrated(kind, means, course.rows, course.params, calibrate)
    training_s = round(time.monotonic() - started, 1)
    positions = course.positions() if judge is None else _drawn(course.judged(), judge)
    live = positions[: LIVE_MARKETS if judge is None else 8]
    share = LIVE_MARKETS / len(live)
    spent = _median_ms(lambda: one.forecast(course.rows, live), TIMED if judge is None else 1)
    return Made(positions, one.forecast(course.rows, positions), training_s, share * spent)


def _limit(course: Course) -> Made:
    """The limit as it is, with intervals from the calibration slice."""
    if course.limit is None:
        raise ParameterError(f"{course.name} has no known limit; only worlds of --edge have one")
    one = baselines.calibrated(LIMIT, course.limit, course.rows, course.params)
    whole = replace(one, shrink=np.ones_like(one.shrink))
    positions = course.positions()
    return Made(positions, whole.forecast(course.rows, positions), 0.0, 0.0)


def _drawn(positions: IntArray, count: int) -> IntArray:
    chosen = np.random.default_rng(11).choice(positions, size=min(count, len(positions)), replace=False)
    return np.sort(chosen)


def _median_ms(work: Callable[[], object], times: int = TIMED) -> float:
    spent = []
    for _ in range(times):
        began = time.perf_counter()
        work()
        spent.append(time.perf_counter() - began)
    return round(float(np.median(spent)) * 1e3, 2)

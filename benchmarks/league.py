"""`oddsmith league`: every forecaster under one protocol, in the guide's benchmark table.

Each kind is trained on the fit slice with the same windows and seed, calibrated on the next, and measured on the
selection slice: errors at the last horizon, skill against persistence, value at risk, and the Sharpe ratio of the
threshold rule after costs. The Kalman limit comes from `benchmarks.kalman`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from benchmarks import kalman
from benchmarks.league_page import Entry, page
from pipelines.core import log
from pipelines.core.artifacts import read_json, sha256_path, write_bytes, write_json
from pipelines.core.domain import FloatArray
from pipelines.core.errors import ParameterError
from pipelines.core.money import MICRO
from pipelines.core.params import Params, load
from pipelines.core.products import FEATURES, WINDOW, report_json
from pipelines.core.scheduler import each
from pipelines.forecast import baselines
from pipelines.forecast.accuracy import measure
from pipelines.forecast.stage import forecasts, table
from pipelines.forecast.training_windows import Rows
from pipelines.inference.predictor import Forecasts, Predictor
from pipelines.replay import market_history
from pipelines.replay.loop import replay, tape
from pipelines.replay.performance import Figures, figures
from pipelines.replay.rules import make
from pipelines.replay.signals import sizing_table

BASELINES = ("persistence", "ar")
FORECASTERS = ("ssm", "ridge", "hybrid", "gru", "lstm", "sentiment_lstm", "garch_lstm")
WITHOUT_FILTER = {f"{kind}_without_filter": kind for kind in ("ridge", "hybrid")}
"""Rows of the ablation: the same forecaster from the price alone, `forecast.filter: false`."""
WORK = Path("var/league")
PAGE = Path("docs/results/league.md")
DOCUMENT = report_json("league")
LIMIT = report_json("kalman")
SLICE = "selection"
VAR_LEVEL = 0.05


@dataclass(frozen=True)
class Course:
    """What every forecaster gets: the feature table with its hash and its scaler's document, and the parameters."""

    rows: Rows
    params: Params
    data_hash: str
    observation: Any


def run(kinds: Sequence[str] = (), *, measure_limit: bool = False) -> None:
    """Train, measure and render; no kinds means all. The Kalman limit is measured again, or read where it is known.

    Raises:
        ParameterError: naming a kind that is not known.
    """
    params = load()
    known = (*BASELINES, *FORECASTERS, *WITHOUT_FILTER)
    for kind in kinds:
        if kind not in known:
            raise ParameterError(f"forecaster was {kind!r}; known are {', '.join(known)}")
    rows = Rows.read(FEATURES)
    if measure_limit:
        kalman.write(LIMIT)
    settings = params.forecast.model_copy(update={"windows": params.league.windows, "epochs": params.league.epochs})
    params = params.model_copy(update={"forecast": settings})
    names = ("persistence", *(kind for kind in kinds or known if kind != "persistence"))
    course = Course(rows, params, sha256_path(FEATURES), read_json(FEATURES / "scaler.json"))
    entries: list[Entry] = []
    for kind, (made, seconds) in zip(names, each(forecast, course, names, params.compute), strict=True):
        entries.append(judge(kind, made, seconds, course, entries[0].value_at_risk["loss"] if entries else None))
        skill, sharpe = entries[-1].metrics["skill_price_pooled"], entries[-1].trading.sharpe_day
        log.get("league").info("measured", kind=kind, skill_pct=round(100 * skill, 2), sharpe=sharpe)
    limit = read_json(LIMIT) if LIMIT.is_file() else None
    write_json(DOCUMENT, {"entries": [_document(entry) for entry in entries], "kalman": limit})
    write_bytes(PAGE, page(entries, limit, params, _source()).encode())
    log.get("league").info("written", page=str(PAGE))


def judge(kind: str, made: Forecasts, seconds: float, course: Course, null: float | None) -> Entry:
    """The row of a forecaster; `null` is the value-at-risk loss of persistence, None for itself."""
    rows, params = course.rows, course.params
    lookback, horizon = params.forecast.lookback_bars, params.forecast.horizon_bars
    every = rows.positions(SLICE, lookback)
    file = WORK / kind / "forecasts.parquet"
    file.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table(rows, every, made), file)
    judged = np.isin(every, rows.lively(rows.positions(SLICE, lookback, horizon)))
    positions = every[judged]
    kept = Forecasts(made.mean[judged], made.lower[judged], made.upper[judged], made.confidence[judged])
    risk = value_at_risk(rows.moves(positions, horizon)[:, -1], kept.lower[:, -1], null)
    return Entry(kind, measure(rows, positions, kept), risk, _trade(file, params), seconds)


def value_at_risk(moves: FloatArray, lower: FloatArray, null: float | None) -> dict[str, float]:
    """The 5 % lower bound as value at risk: share of moves below it, pinball loss, gain over persistence."""
    error = moves - lower
    loss = float(np.mean(np.maximum(VAR_LEVEL * error, (VAR_LEVEL - 1.0) * error)))
    gain = 0.0 if null is None or null == 0.0 else 1.0 - loss / null
    return {"exceeded": float(np.mean(error < 0.0)), "loss": loss, "improvement": gain}


def forecast(course: Course, kind: str) -> tuple[Forecasts, float]:
    """Train one forecaster; its forecasts at every bar of the selection slice, and the seconds that training took."""
    rows, params = course.rows, course.params
    positions = rows.positions(SLICE, params.forecast.lookback_bars)
    if kind in BASELINES:
        return baselines.fit(kind, rows, params).forecast(rows, positions), 0.0
    from pipelines.forecast import candidate  # noqa: PLC0415 - TensorFlow is loaded by those who train

    settings = {"kind": WITHOUT_FILTER.get(kind, kind), "filter": kind not in WITHOUT_FILTER}
    chosen = params.model_copy(update={"forecast": params.forecast.model_copy(update=settings)})
    folder = WORK / kind / "forecaster"
    report = candidate.make(rows, chosen, folder, course.data_hash, course.observation)
    made = forecasts(rows, Predictor(folder), positions)
    candidate.checkpoint_of(chosen, course.data_hash).clear()
    return made, float(report["training_s"])


def _trade(file: Path, params: Params) -> Figures:
    histories = market_history.read(SLICE, params.execution, file)
    length_s = market_history.bar_length_s()
    strategy = make("threshold", params, sizing_table(histories, params), None, length_s)
    cash = params.backtest.cash_pusd * MICRO
    return figures(replay(tape(histories, None, params.execution.model_depth_shares), strategy, cash), cash, length_s)


def _source() -> str:
    return str(read_json(WINDOW)["source"]) if WINDOW.is_file() else "unknown"


def _document(entry: Entry) -> dict[str, Any]:
    return {
        "name": entry.name,
        "metrics": entry.metrics,
        "value_at_risk": entry.value_at_risk,
        "trading": entry.trading.document(),
        "training_s": entry.training_s,
    }

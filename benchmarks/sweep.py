"""Command sweep: thousands of parameter sets of the threshold rule through the compiled tier -> reports/sweep.json.

Every market has an account of its own, and the agent slice is used: the selection slice chooses the policy and may not
choose its parameters too. The combinations are fanned out as `compute.scheduler` says: here, in processes, or on Dask.
"""

import itertools
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from pipelines.core import log
from pipelines.core.artifacts import write_json
from pipelines.core.domain import FloatArray
from pipelines.core.money import MICRO
from pipelines.core.params import Params, load
from pipelines.core.products import FEATURES, report_json
from pipelines.core.scheduler import each
from pipelines.replay import market_history, trials
from pipelines.replay.lanes import Field, field, parameters, screen
from pipelines.replay.market_history import History, IntArray
from pipelines.replay.performance import YEAR_S, sharpe
from pipelines.replay.signals import concatenated, sizing_table, threshold_params
from pipelines.trading import compiled
from pipelines.trading.observation import MarketScaler
from pipelines.trading.threshold_rule import Rule

REPORT = report_json("sweep")
SLICE = "agent"
CHUNK = 50
BEST = 20
COST_MULTIPLES = np.linspace(0.5, 2.75, 10)
EXIT_MULTIPLES = (0.0, 0.2, 0.4)
HOLDS = (20, 40, 60, 90, 120, 180, 240)
CONFIDENCES = (0.5, 0.6, 0.65, 0.7, 0.75)
STOP_COSTS = (1.0, 1.5, 2.0, 3.0)


@dataclass(frozen=True)
class Combination:
    """One set of parameters of the threshold rule and of the limits around it."""

    cost_multiple: float
    exit_multiple: float
    max_hold_bars: int
    min_confidence: float
    stop_cost_multiple: float


@dataclass(frozen=True)
class ScreenInputs:
    """What every combination is played on."""

    field: Field
    par: FloatArray
    moves: FloatArray
    costs: FloatArray
    length_s: int
    cash_micro: int


def run() -> None:
    """Play every combination, write the best ones and that of params.yaml, keep each as a trial."""
    params = load()
    histories = market_history.read(SLICE, params.execution)
    began = time.perf_counter()
    document = swept(screen_inputs(histories, params, market_history.bar_length_s()), grid(params), params)
    seconds = time.perf_counter() - began
    document |= {"slice": SLICE, "markets": len(histories), "seconds": round(seconds, 2)}
    write_json(REPORT, {name: value for name, value in document.items() if name != "all"})
    for row in document["all"]:
        measured = {name: row[name] for name in ("pnl_pusd", "sharpe_bar")}
        trials.append("sweep", {"policy": "threshold", **row["params"]}, measured)
    best = document["best"][0]
    shown = {"combinations": document["combinations"], "seconds": round(seconds, 2)}
    log.get("sweep").info(
        "best", pnl_pusd=best["pnl_pusd"], as_it_is=document["as_it_is_pusd"], **best["params"], **shown
    )


def screen_inputs(histories: Sequence[History], params: Params, length_s: int) -> ScreenInputs:
    """Flat arrays and signals of some histories, with the limits of params.yaml."""
    impact = params.execution.impact_share
    scaler = MarketScaler.read(FEATURES / "scaler.json")
    seen = concatenated(histories, impact)
    return ScreenInputs(
        field(histories, scaler, impact, forecast_block=False),
        parameters(params, sizing_table(histories, params), length_s),
        seen.move_units,
        seen.cost_units,
        length_s,
        params.backtest.cash_pusd * MICRO,
    )


def grid(params: Params) -> list[Combination]:
    """The parameters as they are, then every combination."""
    rule = threshold_params(params)
    now = Combination(
        rule.cost_multiple,
        rule.exit_multiple,
        rule.max_hold_bars,
        params.risk.min_confidence,
        params.risk.stop_cost_multiple,
    )
    product = itertools.product(COST_MULTIPLES.tolist(), EXIT_MULTIPLES, HOLDS, CONFIDENCES, STOP_COSTS)
    return [now, *(Combination(*values) for values in product)]


def swept(where: ScreenInputs, combinations: Sequence[Combination], params: Params) -> dict[str, Any]:
    """What every combination earned, the best first; the first one given is `as_it_is`."""
    chunks = [combinations[start : start + CHUNK] for start in range(0, len(combinations), CHUNK)]
    measured = [row for part in each(played, where, chunks, params.compute) for row in part]
    rows: list[dict[str, Any]] = [
        {"params": asdict(one), **row} for one, row in zip(combinations, measured, strict=True)
    ]
    return {
        "as_it_is_pusd": rows[0]["pnl_pusd"],
        "combinations": len(rows),
        "share_that_earned": float(np.mean([row["pnl_pusd"] > 0.0 for row in rows])),
        "best": sorted(rows, key=lambda row: -row["pnl_pusd"])[:BEST],
        "all": rows,
    }


def played(where: ScreenInputs, chunk: Sequence[Combination]) -> list[dict[str, float | None]]:
    """`pnl_pusd` of some combinations, summed over markets, and `sharpe_bar` of that sum (annualised)."""
    _, step = np.unique(where.field.bars[:, compiled.TS], return_inverse=True)
    return [_measured(where, _equity(where, one), step) for one in chunk]


def _equity(where: ScreenInputs, one: Combination) -> IntArray:
    par = where.par.copy()
    par[compiled.MIN_CONFIDENCE], par[compiled.STOP_COSTS] = one.min_confidence, one.stop_cost_multiple
    rule = Rule(one.cost_multiple, one.exit_multiple, one.max_hold_bars * where.length_s)
    return screen(where.field, par, where.moves, where.costs, rule, where.cash_micro)


def _measured(where: ScreenInputs, equity: IntArray, step: IntArray) -> dict[str, float | None]:
    changes = np.diff(equity, prepend=where.cash_micro)
    changes[where.field.first] = 0
    together = np.bincount(step, weights=changes) / MICRO
    return {
        "pnl_pusd": round(float(changes.sum()) / MICRO, 6),
        "sharpe_bar": sharpe(together, YEAR_S / where.length_s),
    }

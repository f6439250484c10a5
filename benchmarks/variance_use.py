"""Does the predicted variance help stops, sizes and the maker? `python -m benchmarks.variance_use --worlds 20`.

The threshold rule trades the later tape of a world on the Kalman limit's forecasts, or on those of a trained forecaster
(`--forecaster FOLDER`, such as models/forecaster), with settings of `sizing` and
`risk` alone (compiled, equal to the event-driven replay). A figure is the P&L with the variance less that of the same
rule without it:

* `sizes`: `sizing.max_deviation_fraction` at the median of earlier entries, so that wide intervals stake less;
* `sizes_both_ways`: the same with twice the cap: less in wide intervals, more in narrow ones;
* `stops`: `risk.stop_deviations` of STOP_DEVIATIONS above the fixed stops, less the fixed stops as shipped;
* `stops_by_variance`: less fixed stops that are as far away at the median entry: what following the variance is worth;
* `wider_stops`: these fixed stops less the shipped ones: what the distance alone is worth;
* `no_stops`: without any, less the shipped ones;
* `maker`: `policy.micro_trades.spread_deviations` of 1 less 0, event by event, in the first MAKER_WORLDS worlds.

Finished worlds are kept in var/variance_use.jsonl. The last line is JSON: by edge and figure [mean, low, high] in pUSD,
95 % over worlds.
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.contest import LENGTH_S
from benchmarks.kept_rows import KeptRows
from benchmarks.mean_interval import mean_interval
from benchmarks.stops import played, with_stops
from benchmarks.worlds import World, world
from pipelines.core.artifacts import sha256_path
from pipelines.core.command_line import number, whole
from pipelines.core.domain import FloatArray
from pipelines.core.money import MICRO, PRICE_SCALE
from pipelines.core.params import Params, load
from pipelines.inference.predictor import Predictor
from pipelines.replay import rules
from pipelines.replay.account import AccountTape
from pipelines.replay.lanes import field
from pipelines.replay.loop import replay, tape
from pipelines.replay.market_history import IntArray
from pipelines.replay.signals import concatenated, entries, sizing_table
from pipelines.trading import compiled
from pipelines.trading.sizing import NO_SIGNALS

KEPT = Path("var/variance_use.jsonl")
SOURCES = (
    "pipelines/trading",
    "pipelines/replay",
    "pipelines/decide.py",
    "simulator/markets",
    "benchmarks/variance_use.py",
    "benchmarks/stops.py",
)
PAIRS = {
    "sizes": ("sizes", "shipped"),
    "sizes_both_ways": ("sizes_both_ways", "shipped"),
    "stops": ("stops", "shipped"),
    "stops_by_variance": ("stops", "wider_stops"),
    "wider_stops": ("wider_stops", "shipped"),
    "no_stops": ("no_stops", "shipped"),
    "maker": ("maker_by_variance", "maker"),
}
"""Figure -> the variants that are subtracted."""
EVENTS = 42
MAKER_WORLDS = 4
STOP_DEVIATIONS = 2.0

Row = dict[str, Any]


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure what is missing and print one JSON line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.variance_use", description=__doc__)
    parser.add_argument("--edge", type=number(0, 1), nargs="*", default=[1.0, 0.5])
    parser.add_argument("--worlds", type=whole(2), default=20)
    parser.add_argument("--forecaster", type=Path, help="folder of a trained forecaster instead of the Kalman limit")
    asked = parser.parse_args(arguments)
    params, kept = load(), KeptRows(KEPT, SOURCES)
    made_by = "kalman" if asked.forecaster is None else sha256_path(asked.forecaster)[:12]
    predictor = None if asked.forecaster is None else Predictor(asked.forecaster)
    for edge in asked.edge:
        for seed in range(1, asked.worlds + 1):
            about = {"edge": edge, "seed": seed, "forecasts": made_by}
            kept.once(about, lambda: one_world(seed, edge, params, predictor))  # noqa: B023
    rows = [row for row in kept.rows if row["forecasts"] == made_by and row["seed"] <= asked.worlds]
    by_edge = {edge: [row for row in rows if row["edge"] == edge] for edge in asked.edge}
    found = {
        f"{edge:g}": {name: difference(rows, *pair) for name, pair in PAIRS.items()} for edge, rows in by_edge.items()
    }
    print(json.dumps({"benchmark": "variance_use", "forecasts": made_by, "worlds": asked.worlds, "by_edge": found}))


def one_world(seed: int, edge: float, params: Params, predictor: Predictor | None = None) -> Row:
    """P&L in pUSD of every variant on one world's later tape."""
    made = world(seed, edge, EVENTS, params.execution, predictor)
    flat = [
        field(part, made.scaler, params.execution.impact_share, forecast_block=False)
        for part in (made.earlier, made.later)
    ]
    shared = AccountTape.of(made.later, flat[1], params.execution.impact_share, turn=params.execution.turn)
    costs = concatenated(made.earlier, params.execution.impact_share).cost_units
    entered = np.concatenate([entries(one, params) for one in made.earlier])
    variants = threshold_variants(params, flat[0].bars[entered], costs[entered])
    table = sizing_table(made.earlier, params)
    found = {name: played(shared, one, table).pnl_pusd for name, one in variants.items()}
    return found | (_makers(made, params) if seed <= MAKER_WORLDS else {})


def threshold_variants(params: Params, bars: IntArray, costs: FloatArray) -> dict[str, Params]:
    """The parameters of each variant; distances and bounds are medians of the earlier bars with an entry."""
    price, deviation = bars[:, compiled.MID], bars[:, compiled.DEVIATION]
    # A market's last bar is marked at its payout, which may be 0.
    price = np.maximum(np.minimum(price, PRICE_SCALE - price), 1)
    usual = params.sizing.max_position_fraction * float(np.median(deviation / price))
    twice = min(2.0 * params.sizing.max_position_fraction, params.risk.max_position_fraction)
    shipped = params.risk.stop_cost_multiple
    as_far = float(np.median(np.maximum(STOP_DEVIATIONS * deviation / costs, shipped)))
    return {
        "shipped": params,
        "sizes": _with(params, "sizing", max_deviation_fraction=usual),
        "sizes_both_ways": _with(params, "sizing", max_deviation_fraction=usual, max_position_fraction=twice),
        "stops": _with(params, "risk", stop_deviations=STOP_DEVIATIONS),
        "wider_stops": _with(params, "risk", stop_cost_multiple=as_far),
        "no_stops": with_stops(params, None),
    }


def _with(params: Params, section: str, **update: float) -> Params:
    return params.model_copy(update={section: getattr(params, section).model_copy(update=update)})


def _makers(made: World, params: Params) -> Row:
    """The two-sided maker with and without quotes in spreads that a bar's predicted move exceeds."""
    shared = tape(made.later, made.scaler, params.execution.model_depth_shares)
    cash, found = params.backtest.cash_pusd * MICRO, {}
    for name, deviations in (("maker", 0.0), ("maker_by_variance", 1.0)):
        given = {**rules.policy_params("micro_trades", params, LENGTH_S), "spread_deviations": deviations}
        strategy = rules.make("micro_trades", params, NO_SIGNALS, made.scaler, LENGTH_S, given=given)
        found[name] = (replay(shared, strategy, cash).equity_micro[-1] - cash) / MICRO
    return found


def difference(rows: Sequence[Row], name: str, without: str, samples: int = 2_000) -> list[float]:
    """A variant less another in pUSD: mean over worlds and its 95 % interval."""
    gained = [row[name] - row[without] for row in rows if name in row]
    return [round(one, 1) for one in mean_interval(gained, samples=samples)]


if __name__ == "__main__":
    main()

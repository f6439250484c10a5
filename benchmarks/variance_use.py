"""Does the predicted variance help sizes and stops? `python -m benchmarks.variance_use --worlds 4 --edge 1 0.5`.

The threshold rule trades the same later tape of a world, on the Kalman limit's forecasts, as it is and with

* `sized`: the position shrinks where the interval of the last horizon is wider than usual: its cap times the median
  width over the width, at most 1;
* `sized_up`: the same with twice the cap, at most the limit of `risk`, so that about as much is at stake on average;
* `stops`: instead of the fixed stops, one at STOP_SD predicted standard deviations of the last horizon from the entry;
* `unstopped`: without stops: what `stops` has beyond it is what its stop is worth.

Finished worlds are kept in var/variance_use.jsonl. The last line is JSON: by edge and variant the difference to the
rule as it is, in pUSD and in Sharpe ratio by day, [mean, low, high] over worlds, and whether it is better (interval of
the pUSD above 0).
"""

import argparse
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.contest import LENGTH_S, Contest
from benchmarks.kept_rows import KeptRows
from benchmarks.worlds import HORIZON, NORMAL_90, world
from pipelines.core.command_line import number, whole
from pipelines.core.domain import Direction, Forecast, Position
from pipelines.core.money import MICRO, PRICE_SCALE
from pipelines.core.params import Params, load
from pipelines.replay import rules
from pipelines.replay.loop import replay
from pipelines.replay.performance import figures
from pipelines.trading.policies import CASH, Policy, Target
from pipelines.trading.policies.base import Inputs, Observation, held_direction

KEPT = Path("var/variance_use.jsonl")
SOURCES = ("pipelines/trading", "pipelines/replay", "pipelines/decide.py", "simulator/markets")
VARIANTS = ("sized", "sized_up", "stops", "unstopped")
EVENTS = 42
STOP_SD = 2.0
LEAST = 0.2

Row = dict[str, Any]


@dataclass(frozen=True)
class WithVariance:
    """A policy whose size or stop depends on the interval of its forecast."""

    inner: Policy
    usual_width: float
    stop_sd: float | None = None

    @property
    def kind(self) -> str:
        """The inner policy's name."""
        return self.inner.kind

    uses_forecast = True
    reads_observation = False

    def target(self, inputs: Inputs, position: Position | None, observation: Observation | None) -> Target:
        """The inner policy's wish, smaller in wide intervals; or flat once the stop is passed."""
        wish = self.inner.target(inputs, position, observation)
        if self.stop_sd is not None:
            return CASH if position is not None and self._stopped(inputs, position, self.stop_sd) else wish
        share = min(1.0, max(LEAST, self.usual_width / width(inputs.forecast)))
        return Target(wish.direction, wish.fraction * share)

    def _stopped(self, inputs: Inputs, position: Position, multiple: float) -> bool:
        mid = inputs.bar.mid_units
        one = width(inputs.forecast) / (2.0 * NORMAL_90) * mid * (PRICE_SCALE - mid) / PRICE_SCALE
        adverse = (position.entry_units - mid) * (1 if held_direction(position) is Direction.LONG else -1)
        return adverse > multiple * one


def width(forecast: Forecast) -> float:
    """Width of the interval at the last horizon, in log-odds."""
    return float(forecast.upper[-1] - forecast.lower[-1])


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure what is missing and print one JSON line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.variance_use", description=__doc__)
    parser.add_argument("--edge", type=number(0, 1), nargs="*", default=[1.0, 0.5])
    parser.add_argument("--worlds", type=whole(2), default=4)
    asked = parser.parse_args(arguments)
    params, kept = load(), KeptRows(KEPT, SOURCES)
    for edge in asked.edge:
        for seed in range(1, asked.worlds + 1):
            kept.once({"edge": edge, "seed": seed}, lambda: one_world(seed, edge, params))  # noqa: B023
    by_edge = {edge: [r for r in kept.rows if r["edge"] == edge and r["seed"] <= asked.worlds] for edge in asked.edge}
    found = {f"{edge:g}": {name: difference(rows, name) for name in VARIANTS} for edge, rows in by_edge.items()}
    print(json.dumps({"benchmark": "variance_use", "worlds": asked.worlds, "by_edge": found}))


def one_world(seed: int, edge: float, params: Params) -> Row:
    """P&L and Sharpe ratio of the rule and of its variants on one tape."""
    contest = Contest.of(world(seed, edge, EVENTS, params.execution), params)
    plain = rules.make("threshold", params, contest.table, contest.world.scaler, LENGTH_S)
    usual = float(
        np.median([np.median(one.upper[:, HORIZON - 1] - one.lower[:, HORIZON - 1]) for one in contest.earlier])
    )
    sized = rules.with_policy(plain, WithVariance(plain.policy, usual))
    most = min(2.0 * params.sizing.max_position_fraction, params.risk.max_position_fraction)
    unstopped = params.risk.model_copy(update={"stop_loss": 0.0, "take_profit": 0.0, "trailing_stop": 0.0})
    variants = {
        "plain": plain,
        "sized": sized,
        "sized_up": replace(sized, sizing=params.sizing.model_copy(update={"max_position_fraction": most})),
        "unstopped": replace(plain, risk=unstopped),
        "stops": replace(rules.with_policy(plain, WithVariance(plain.policy, usual, STOP_SD)), risk=unstopped),
    }
    cash = params.backtest.cash_pusd * MICRO
    made = {name: figures(replay(contest.tape, one, cash), cash, LENGTH_S) for name, one in variants.items()}
    return {name: {"pnl_pusd": one.pnl_pusd, "sharpe_day": one.sharpe_day or 0.0} for name, one in made.items()}


def difference(rows: Sequence[Row], name: str, samples: int = 2_000) -> Row:
    """A variant less the plain rule, with 95 % intervals over worlds."""
    found: Row = {}
    for figure in ("pnl_pusd", "sharpe_day"):
        values = np.array([row[name][figure] - row["plain"][figure] for row in rows])
        drawn = values[np.random.default_rng(0).integers(0, len(values), (samples, len(values)))].mean(axis=1)
        low, high = np.quantile(drawn, (0.025, 0.975))
        found[figure] = [round(float(value), 3) for value in (values.mean(), low, high)]
    return {**found, "better": found["pnl_pusd"][1] > 0.0}


if __name__ == "__main__":
    main()

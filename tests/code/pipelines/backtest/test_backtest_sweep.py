"""The sweep: thousands of combinations through the compiled tier."""

import sys
from pathlib import Path

import numpy as np

from pipelines.backtest import sweep
from pipelines.engine.lanes import field, parameters
from pipelines.engine.replay import replay, tape
from pipelines.engine.rules import make
from pipelines.engine.signals import signals

sys.path.insert(0, str(Path(__file__).parents[1] / "engine"))
from test_engine_identity import CASH, PARAMS, TABLE, history, scaler


def where(histories):
    """The ground of some random markets."""
    seen = [signals(one, PARAMS.execution.impact_share) for one in histories]
    moves, costs = (np.concatenate([getattr(one, name) for one in seen]) for name in ("move_units", "cost_units"))
    flat = field(histories, scaler(), PARAMS.execution.impact_share, forecast_block=False)
    return sweep.ScreenInputs(flat, parameters(PARAMS, TABLE, 60), moves, costs, 60, CASH)


def test_the_grid_holds_thousands_and_begins_with_what_is_set():
    """Thousands of combinations, none twice, the parameters of params.yaml first."""
    grid = sweep.grid(PARAMS)
    assert len(grid) > 2_000
    assert len(set(grid[1:])) == len(grid) - 1
    assert grid[0].cost_multiple == PARAMS.policy.cost_multiple


def test_a_combination_earns_what_the_event_driven_tier_earns():
    """Each number of the sweep is the P&L of a replay with those parameters, market by market."""
    past = [history(seed) for seed in (1, 2, 3)]
    one = sweep.Combination(0.7, 25, 0.75, 1.5)
    risk = PARAMS.risk.model_copy(update={"min_confidence": 0.75, "stop_cost_multiple": 1.5})
    policy = PARAMS.policy.model_copy(update={"cost_multiple": 0.7, "max_hold_bars": 25})
    params = PARAMS.model_copy(update={"risk": risk, "policy": policy})
    rules = make("threshold", params, TABLE, None, 60)
    alone = [replay(tape([market], None, 1500), rules, CASH).equity_micro[-1] - CASH for market in past]
    assert sweep.played(where(past), [one]) == [sum(alone) / 1e6]


def test_processes_sweep_to_the_same_numbers():
    """Fanned out over processes the sweep gives the same rows in the same order."""
    grid = sweep.grid(PARAMS)[:120]
    ground = where([history(1), history(2)])
    elsewhere = PARAMS.model_copy(update={"compute": PARAMS.compute.model_copy(update={"scheduler": "processes"})})
    here = sweep.swept(ground, grid, PARAMS)
    assert sweep.swept(ground, grid, elsewhere) == here
    assert here["best"][0]["pnl_pusd"] == max(row["pnl_pusd"] for row in here["all"])

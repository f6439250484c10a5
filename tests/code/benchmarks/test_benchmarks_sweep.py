"""The sweep: thousands of combinations through the compiled tier."""

import sys
from pathlib import Path

import numpy as np
import pytest
from dask.distributed import LocalCluster

from benchmarks import sweep
from pipelines.replay.lanes import field, parameters
from pipelines.replay.loop import replay, tape
from pipelines.replay.rules import make
from pipelines.replay.signals import concatenated, threshold_params

sys.path.insert(0, str(Path(__file__).parents[1] / "pipelines/replay"))
from test_replay_identity import CASH, PARAMS, TABLE, history, scaler


def where(histories):
    """What the sweep plays on, from some random markets."""
    seen = concatenated(histories, PARAMS.execution.impact_share)
    flat = field(histories, scaler(), PARAMS.execution.impact_share, forecast_block=False)
    return sweep.ScreenInputs(flat, parameters(PARAMS, TABLE, 60), seen.move_units, seen.cost_units, 60, CASH)


def test_the_grid_holds_thousands_and_begins_with_what_is_set():
    """Thousands of combinations, none twice, the parameters of params.yaml first."""
    grid = sweep.grid(PARAMS)
    assert len(grid) > 2_000
    assert len(set(grid[1:])) == len(grid) - 1
    assert grid[0].cost_multiple == threshold_params(PARAMS).cost_multiple


def test_a_combination_earns_what_the_event_driven_tier_earns():
    """Each row of the sweep holds P&L and Sharpe ratio of replays with those parameters, market by market, added up."""
    past = [history(seed) for seed in (1, 2, 3)]
    one = sweep.Combination(0.7, 0.3, 25, 0.75, 1.5)
    risk = PARAMS.risk.model_copy(update={"min_confidence": 0.75, "stop_cost_multiple": 1.5})
    policy = PARAMS.policy.with_kind("threshold", cost_multiple=0.7, exit_multiple=0.3, max_hold_bars=25)
    params = PARAMS.model_copy(update={"risk": risk, "policy": policy})
    rules = make("threshold", params, TABLE, None, 60)
    alone = [replay(tape([market], None, 1500), rules, CASH).equity_micro for market in past]
    together = np.diff(np.sum(alone, axis=0), prepend=3 * CASH) / 1e6
    (row,) = sweep.played(where(past), [one])
    assert row["pnl_pusd"] == together.sum().round(6) != 0.0
    assert row["sharpe_bar"] == pytest.approx(together.mean() / together.std(ddof=1) * np.sqrt(365 * 24 * 60))


def test_processes_sweep_to_the_same_numbers():
    """Fanned out over processes the sweep gives the same rows in the same order."""
    grid = sweep.grid(PARAMS)[:120]
    inputs = where([history(1), history(2)])
    elsewhere = PARAMS.model_copy(update={"compute": PARAMS.compute.model_copy(update={"scheduler": "processes"})})
    here = sweep.swept(inputs, grid, PARAMS)
    assert sweep.swept(inputs, grid, elsewhere) == here
    assert here["best"][0]["pnl_pusd"] == max(row["pnl_pusd"] for row in here["all"])


@pytest.mark.slow
def test_dask_workers_sweep_to_the_same_numbers():
    """A real scheduler with two worker processes gives the rows of this process, in the same order."""
    grid = sweep.grid(PARAMS)[:120]
    inputs = where([history(1), history(2)])
    here = sweep.swept(inputs, grid, PARAMS)
    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster:
        compute = PARAMS.compute.model_copy(update={"scheduler": cluster.scheduler_address})
        assert sweep.swept(inputs, grid, PARAMS.model_copy(update={"compute": compute})) == here

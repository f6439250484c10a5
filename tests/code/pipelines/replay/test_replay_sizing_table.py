"""The sizing table: what the trades of the threshold rule earned."""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pipelines.core.money import PRICE_SCALE
from pipelines.replay.signals import HOLD_ROWS, entries, signals, sizing_table, threshold_params
from pipelines.trading import threshold_rule

sys.path.insert(0, str(Path(__file__).parent))
from test_replay_identity import PARAMS, history


def outcome(past, row):
    """P&L per share in price units of the trade that the rule makes of a signal, bar by bar."""
    seen, rule, latency = signals(past, PARAMS.execution.impact_share), threshold_params(PARAMS), 1
    held = 1 if seen.move_units[row] > 0 else -1
    bar = row + latency
    while bar < len(past) - 1 and threshold_rule.keeps(
        seen.move_units[bar], seen.cost_units[bar], rule.exit_multiple, rule.max_hold_bars, held, bar - row - latency
    ):
        bar += 1
    left = min(bar + latency, len(past) - 1)
    return held * (past.mid_units[left] - past.mid_units[row + latency]) - seen.cost_units[row]


def test_the_table_holds_the_trades_that_the_rule_makes():
    """Each signal counts with the exit of the rule, not with the end of its forecast."""
    pasts = [history(seed) for seed in range(4)]
    table = sizing_table(pasts, PARAMS)
    net = (
        np.array([outcome(one, row) for one in pasts for row in np.flatnonzero(entries(one, PARAMS)[:-HOLD_ROWS])])
        / PRICE_SCALE
    )
    assert table.signals == len(net) > 50
    assert table.win_probability == pytest.approx(np.mean(net > 0.0))
    assert table.mean_win == pytest.approx(net[net > 0.0].mean())
    assert table.mean_loss == pytest.approx(-net[net <= 0.0].mean())


def test_a_gain_after_the_forecast_has_ended_counts():
    """A price that stands still for 24 bars and moves then, while the forecast goes on, is a win of the rule."""
    past = history(0)
    rows = len(past)
    late = np.minimum(np.maximum(np.arange(rows) - 60, 0), 100) * 20 + 4_000
    bars = {"mid_units": late, "bid_units": late - 50, "ask_units": late + 50}
    move = np.zeros_like(past.mean)
    move[:40, -1] = 2.0
    move[40:150, -1] = 0.1
    rising = replace(past, **bars, mean=move, confidence=np.ones(rows))
    table = sizing_table([rising], PARAMS)
    assert table.signals > 0
    assert table.win_probability == 1.0

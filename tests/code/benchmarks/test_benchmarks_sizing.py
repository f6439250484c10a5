"""What `benchmarks.sizing` compares the sizing table with."""

import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks import sizing
from pipelines.replay.signals import HOLD_ROWS, entries, signals

sys.path.insert(0, str(Path(__file__).parents[1] / "pipelines" / "replay"))
from test_replay_identity import PARAMS, history


def test_the_table_of_moves_asks_what_24_bars_earn():
    """The table that sizes were taken from before: the move of 24 bars of each signal, less a round trip."""
    past = [history(seed) for seed in range(4)]
    net = []
    for one in past:
        seen = signals(one, PARAMS.execution.impact_share)
        for row in np.flatnonzero(entries(one, PARAMS)[:-HOLD_ROWS]):
            moved = one.mid_units[row + HOLD_ROWS] - one.mid_units[row + 1]
            net.append(np.sign(seen.move_units[row]) * moved - seen.cost_units[row])
    assert sizing.of_moves(past, PARAMS).win_probability == pytest.approx(np.mean(np.array(net) > 0.0))

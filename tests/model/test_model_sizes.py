"""What the linear path makes of displayed sizes: it learns what they tell where the simulator lets them tell something
(`size_lean`), and adds nothing where they tell nothing."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks.skill_world import skill_world
from pipelines.core.params import read
from pipelines.features.market_context import CONTEXT
from pipelines.forecast.accuracy import Errors
from pipelines.forecast.candidate import Base
from pipelines.forecast.training_windows import training_positions

SHIPPED = read(Path("params.yaml"))
SHAPE = {"event_length_min": 240, "event_every_min": 60, "markets_per_event": 4}
SIZES = [CONTEXT.index(name) for name in ("lean", "lean_spread", "micro_gap")]
LOOKBACK, HORIZON = 8, 24
POOLED = slice(0, 5)


def _errors(rows, params):
    """Errors of the linear path alone (no filter) on what comes after the slices that it was fitted on."""
    fit = training_positions(rows, "fit", LOOKBACK, HORIZON)
    path = Base.of(rows, params, None).with_linear(rows, params, fit)
    later = [rows.lively(rows.positions(name, LOOKBACK, HORIZON)) for name in ("agent", "selection", "gate")]
    positions = np.concatenate(later)
    return Errors.of(rows, positions, path.ahead(rows, positions), POOLED)


def _added(size_lean):
    """Skill that the sizes add on the same bars, h = 1 to 5, with its event-clustered 95 % interval."""
    simulator = SHIPPED.simulator.model_copy(update={**SHAPE, "size_lean": size_lean})
    forecast = SHIPPED.forecast.model_copy(update={"lookback_bars": LOOKBACK, "filter": False})
    params = SHIPPED.model_copy(update={"simulator": simulator, "forecast": forecast})
    rows = skill_world(6, 1.0, params, days=4).rows
    hidden = rows.context.copy()
    hidden[:, SIZES] = 0.0
    whole, without = _errors(rows, params), _errors(replace(rows, context=hidden), params)
    return whole.skill - without.skill, *whole.interval(without)


@pytest.mark.slow
def test_sizes_that_tell_the_next_move_are_learned():
    """With size_lean 2, about what recorded baseball books tell, sizes add skill, the interval above a tenth of a per
    cent; with size_lean 0 they add nothing that can be told from 0."""
    _, low, _ = _added(2.0)
    assert low > 0.001
    value, low, _ = _added(0.0)
    assert abs(value) < 0.001
    assert low <= 0.0

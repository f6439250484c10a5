"""What the fitted filter makes of synthetic markets, without reading a parameter of theirs: nearly the limit where
there is an edge, exactly the price where there is none."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks.skill_world import skill_world
from pipelines.core.params import read
from pipelines.forecast import candidate
from pipelines.forecast.accuracy import Errors
from pipelines.inference.predictor import Predictor

pytestmark = pytest.mark.slow

SHIPPED = read(Path("params.yaml"))
WORLD = {"event_length_min": 360, "event_every_min": 60, "markets_per_event": 5}
PARAMS = SHIPPED.model_copy(
    update={
        "simulator": SHIPPED.simulator.model_copy(update=WORLD),
        "forecast": SHIPPED.forecast.model_copy(update={"kind": "ssm"}),
    }
)
POOLED = slice(1, None)


def _made(edge, folder):
    """Errors of the filter alone and of the Kalman limit on what comes after the calibration slice, and forecasts."""
    made = skill_world(4, edge, PARAMS, days=6)
    rows = made.rows
    candidate.make(rows, PARAMS, folder, "data", {})
    predictor = Predictor(folder)
    later = [rows.lively(rows.positions(name, 60, 24)) for name in ("agent", "selection", "gate")]
    positions = np.concatenate(later)
    found = predictor.forecast_many(rows.windows(60, rows.states(predictor.filter)), positions)
    limit = made.limit(24)[positions]
    return Errors.of(rows, positions, found.mean, POOLED), Errors.of(rows, positions, limit, POOLED), found


@pytest.mark.nightly
def test_the_filter_comes_close_to_the_limit(tmp_path):
    """At edge 1 a filter fitted on 57 events reaches nine tenths of what anyone can know, and its intervals cover."""
    filtered, limit, found = _made(1.0, tmp_path / "forecaster")
    assert limit.skill > 0.05
    assert filtered.skill > 0.9 * limit.skill
    assert filtered.interval()[0] > 0.0
    assert (found.confidence > 0.7).any()


@pytest.mark.nightly
def test_without_an_edge_the_forecast_is_the_price(tmp_path):
    """At edge 0 what is left after the shrink moves the error by less than a twentieth of a per cent, and no bar is
    confident."""
    filtered, _, found = _made(0.0, tmp_path / "forecaster")
    assert abs(filtered.skill) < 0.0005
    assert found.confidence.max() < 0.7

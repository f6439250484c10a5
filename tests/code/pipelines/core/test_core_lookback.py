"""How much history a forecast reads where markets are short."""

from pathlib import Path

import numpy as np

from pipelines.core import lookback
from pipelines.core.params import read

PARAMS = read(Path(__file__).parents[4] / "params.yaml")


def test_long_markets_are_read_with_the_lookback_asked_for():
    """Markets most of whose bars have a whole window keep forecast.lookback_bars."""
    assert lookback.fitting(np.array([720, 720, 30]), 60, 24) == 60


def test_short_markets_are_read_with_the_least_lookback():
    """Where most bars would have no window, as in markets of an hour or a baseball game, a forecast reads 8 bars."""
    assert lookback.fitting(np.full(290, 60), 60, 24) == 8
    assert lookback.fitting(np.array([20, 20, 121]), 60, 24) == 8


def test_a_lookback_below_the_least_is_never_made_longer():
    """Nothing is read beyond what was asked for."""
    assert lookback.fitting(np.array([12]), 5, 4) == 5


def test_the_lookback_travels_with_the_data(tmp_path: Path):
    """A stage reads what the pull decided, and the parameters where nothing was decided."""
    assert lookback.decided(PARAMS, tmp_path) == PARAMS

    lookback.write(tmp_path, lookback.with_decided(PARAMS, 8, 1))

    kept = lookback.decided(PARAMS, tmp_path)
    assert kept.forecast.lookback_bars == 8
    assert lookback.needed(kept) == 9


def test_short_markets_are_learned_from_at_the_horizons_that_they_have():
    """Where almost no bar has the whole horizon one bar that follows is enough; other markets keep the whole horizon,
    and a number that a person gives counts."""
    assert lookback.least_ahead(np.full(50, 720), 0, 60, 24) == 24
    assert lookback.least_ahead(np.full(50, 60), 0, 8, 12) == 12
    assert lookback.least_ahead(np.full(50, 20), 0, 8, 24) == 1
    assert lookback.least_ahead(np.repeat([20, 40], [70, 30]), 0, 8, 24) == 24
    assert lookback.least_ahead(np.repeat([20, 40], [95, 5]), 0, 8, 24) == 1
    assert lookback.least_ahead(np.full(50, 60), 5, 8, 12) == 5
    assert lookback.least_ahead(np.full(50, 720), 500, 60, 24) == 24

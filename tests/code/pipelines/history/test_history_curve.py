"""A curve drawn from fewer points than bars covers what all bars cover."""

import numpy as np
import pytest

from pipelines.history.curve import drawdowns, points

START = 1_772_323_200


def walk(bars, seed=1):
    """Market times with gaps, and an equity that wanders in base units."""
    draw = np.random.default_rng(seed)
    ts_s = START + np.cumsum(draw.choice([60, 60, 60, 86_400], bars, p=[0.4, 0.3, 0.299, 0.001]))
    return ts_s, 10_000_000_000 + np.cumsum(draw.integers(-9_000_000, 9_100_000, bars))


@pytest.mark.parametrize("columns", [1, 7, 390, 1_500])
def test_no_extreme_of_any_column_is_lost(columns):
    """Each column keeps its first, last, lowest and highest equity and its deepest drawdown, in the order of time."""
    ts_s, equity = walk(43_200)
    fallen = drawdowns(ts_s, equity)
    made = points(ts_s, equity, fallen, columns)

    assert len(made) <= 5 * columns
    times = [row[0] for row in made]
    assert times == sorted(set(times))
    column = (ts_s - ts_s[0]) * columns // (ts_s[-1] - ts_s[0] + 1)
    kept = (np.array(times) - ts_s[0]) * columns // (ts_s[-1] - ts_s[0] + 1)
    for one in np.unique(column):
        whole, part = equity[column == one] / 1e6, np.array([row[1] for row in made])[kept == one]
        assert (part[0], part[-1], part.min(), part.max()) == (whole[0], whole[-1], whole.min(), whole.max())
        deepest = np.array([row[2] for row in made])[kept == one].max()
        assert deepest == pytest.approx(fallen[column == one].max(), abs=1e-6)


@pytest.mark.parametrize("bars", [0, 1, 2, 40])
def test_few_bars_are_all_there(bars):
    """Where the picture has room for all bars, every bar is a point."""
    ts_s, equity = walk(bars)

    assert [row[0] for row in points(ts_s, equity, drawdowns(ts_s, equity), 8)] == ts_s.tolist()


def test_what_the_owner_moves_is_no_drawdown():
    """A withdrawal at a high leaves the drawdown at 0, and a deposit hides no loss."""
    ts_s = START + 60 * np.arange(5)
    equity = np.array([100, 100, 60, 54, 104]) * 1_000_000

    found = drawdowns(ts_s, equity, [(START + 120, -40_000_000), (START + 240, 50_000_000)])

    assert found.tolist() == pytest.approx([0.0, 0.0, 0.0, 0.1, 1 - 104 / 110])

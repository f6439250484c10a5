from pathlib import Path

import numpy as np
import pytest

from benchmarks.evaluate import iqm, render, summary
from benchmarks.worlds import world
from pipelines.core.params import read

PARAMS = read(Path("params.yaml"))


def test_the_interquartile_mean_is_the_mean_of_the_middle_half():
    """Of 1..8 the middle half is 3..6; with a number that four does not divide, the ends count in part."""
    assert iqm(np.arange(1.0, 9.0)) == pytest.approx(4.5)
    assert iqm(np.array([0.0, 10.0, 1000.0])) == pytest.approx((10.0 * 1.0 + 0.25 * 0.0 + 0.25 * 1000.0) / 1.5)
    assert iqm(np.array([7.0])) == 7.0


def test_the_table_has_an_interval_and_is_sorted():
    """Each strategy stands with its interval; the best comes first."""
    rows = [{"cash": 0.0, "good": 5.0 + k} for k in range(8)]
    table = summary(rows, samples=200)
    assert table["good"]["low_pusd"] <= table["good"]["iqm_pusd"] <= table["good"]["high_pusd"]
    assert table["good"]["above_zero"] == 1.0
    lines = render(table, 1.0, learned=False).splitlines()
    assert lines.index(next(line for line in lines if line.startswith("| good"))) < len(lines) - 1


def test_judged_time_is_unseen():
    """Every event that agents train on has ended before the first one they are judged on begins."""
    made = world(3, 1.0, 24, PARAMS.execution)
    assert max(one.ts_s[-1] for one in made.earlier) <= min(one.ts_s[0] for one in made.later)
    assert not {one.market.event_id for one in made.earlier} & {one.market.event_id for one in made.later}

"""The cut of time into slices."""

import itertools

import numpy as np
import pytest

from pipelines.core.errors import DataError
from pipelines.featurize.slices import PURGED, SLICES, cut

SHARES = {"fit": 0.4, "calibration": 0.12, "agent": 0.18, "selection": 0.12, "gate": 0.18}
DAY = 86_400


def _days(length_days, every_days, total_days):
    starts = np.arange(0, total_days - length_days + 1e-9, every_days)
    return {f"e{i}": (int(s * DAY), int((s + length_days) * DAY)) for i, s in enumerate(starts)}


def test_events_are_whole_and_in_order():
    """With many short events every slice holds whole events only, in the order of time, and straddlers are purged."""
    events = _days(1, 1 / 6, 16)
    made = cut(events, SHARES, 84 * 60)
    assert made.mode == "whole_events"
    for name, left, right in zip(SLICES, made.bounds, made.bounds[1:], strict=False):
        inside = [event for event, where in made.slice_of_event.items() if where == name]
        assert inside
        assert all(left <= events[e][0] and events[e][1] <= right for e in inside)
    straddling = [e for e, (a, b) in events.items() if any(a < bound < b for bound in made.bounds[1:-1])]
    assert sorted(straddling) == sorted(e for e, where in made.slice_of_event.items() if where == PURGED)


def test_bars_of_a_whole_event_share_its_slice():
    """In mode whole_events every bar of an event has the slice of the event."""
    events = _days(1, 1 / 6, 16)
    made = cut(events, SHARES, 84 * 60)
    assert set(made.of_bars("e0", np.arange(0, DAY, 60))) == {"fit"}


def test_long_events_are_cut_with_an_embargo():
    """Where whole events leave a slice empty, bars are cut by time; no window or target reaches over a boundary."""
    lookback, horizon, length = 60, 24, 60
    embargo = (lookback + horizon) * length
    made = cut({"only": (0, 10 * DAY)}, SHARES, embargo)
    assert made.mode == "cut_events"
    ts = np.arange(0, 10 * DAY + 1, length)
    names = made.of_bars("only", ts)
    assert set(names) == {*SLICES, PURGED}
    for before, after in itertools.pairwise(SLICES):
        last_target = ts[names == before].max() + horizon * length
        first_input = ts[names == after].min() - (lookback - 1) * length
        assert last_target < first_input


def test_every_bar_has_one_slice_in_the_order_of_time():
    """Leaving out purged bars, the slice of a later bar is never an earlier slice."""
    made = cut({"only": (0, 10 * DAY)}, SHARES, 5000)
    names = made.of_bars("only", np.arange(0, 10 * DAY + 1, 60))
    order = [SLICES.index(name) for name in names if name != PURGED]
    assert order == sorted(order)


def test_no_events_and_too_short_a_history_are_refused():
    """Without events, or with slices shorter than two embargoes, the error says what to do."""
    with pytest.raises(DataError, match="no events"):
        cut({}, SHARES, 60)
    with pytest.raises(DataError, match="longer history"):
        cut({"only": (0, 3 * 3600)}, SHARES, 84 * 60)

"""The fills of resting orders are fitted and judged on different windows, and windows are what is independent."""

import numpy as np
import pytest

from benchmarks.fills import AT_S, Sides, probe, probes, sides, split, summed
from benchmarks.recorded_windows import Recording, Window
from pipelines.venue.settlement_rules import of_slug

RULE = of_slug("btc-updown-5m-1776323400")
UNKNOWN = np.full((300, 2), np.nan)


def window(name, mids, *, won):
    """A window of 300 s with a spread of two cents around a path of mids."""
    mid = np.asarray(mids, dtype=float)
    size = np.full(300, 50.0)
    left_s = np.arange(300.0, 0.0, -1.0)
    return Window(
        name, left_s, mid - 0.01, mid + 0.01, size, size, mid + 0.01, mid - 0.01, won, "payout", RULE, UNKNOWN
    )


def falling(name, *, won):
    """From 50 cents to 20: a resting bid of YES fills, one of NO does not."""
    return window(name, np.linspace(0.5, 0.2, 300), won=won)


def test_a_falling_price_fills_yes_alone_and_yes_lost():
    """By the books each of the probes is a one-sided fill, and all are on the loser where NO paid."""
    lost, paid = falling("lost", won=False), falling("paid", won=True)
    found = sides(None, list(probes([lost, paid])))

    assert found == {"lost": Sides(len(AT_S), len(AT_S), 0.0), "paid": Sides(len(AT_S), 0.0, 0.0)}
    assert probe(lost, 200, yes=True).through
    assert not probe(lost, 200, yes=False).through


def test_the_interval_is_over_windows_and_not_over_probes():
    """As many fills in fewer windows are less evidence; with fills in one window alone there is none."""
    many = {str(k): Sides(1.0, float(k % 10 != 0), 0.0) for k in range(100)}
    few = {str(k): Sides(10.0, 10.0 * (k != 0), 0.0) for k in range(10)}
    wide, narrow = summed(few), summed(many)

    assert wide["on_loser_share"] == narrow["on_loser_share"] == pytest.approx(0.9)
    assert (wide["one_sided"], narrow["one_sided"]) == (100.0, 100.0)
    assert (wide["one_sided_windows"], narrow["one_sided_windows"]) == (10, 100)
    assert np.ptp(wide["on_loser_interval"]) > 2.0 * np.ptp(narrow["on_loser_interval"])
    assert summed({"one": Sides(40.0, 40.0, 0.0), "none": Sides(0.0, 0.0, 5.0)})["on_loser_interval"] is None


def test_windows_with_less_than_a_fill_do_not_count():
    """Traces of a fill in many windows are no evidence from many windows."""
    found = summed({str(k): Sides(0.9, 0.9, 0.0) for k in range(30)} | {"whole": Sides(1.0, 1.0, 0.0)})

    assert found["one_sided_windows"] == 1


def test_the_fit_sees_no_window_that_is_judged():
    """The earlier two thirds fit, the later third is judged."""
    made = [falling(str(k), won=False) for k in range(9)]
    first, later = split(Recording(made))

    assert [one.name for one in first] == list("012345")
    assert [one.name for one in later] == list("678")

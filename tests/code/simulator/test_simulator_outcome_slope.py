"""Outcomes follow the last fair value, or favourites win more often than it says."""

import numpy as np

from simulator.markets.events import Family, build, paths
from simulator.markets.price_model import Model


def made(slope):
    """Paths of 300 short markets."""
    family = Family(3, Model(edge=0.0, outcome_slope=slope), event_length_min=10, event_every_min=10)
    return paths(family, [build(family, number) for number in range(60)])


def test_a_slope_changes_outcomes_and_nothing_that_is_shown():
    """Above 1 favourites win more often; prices, books and volume are those of a world without it, to the bit."""
    plain, biased = made(1.0), made(3.0)
    last = plain.fair[:, -1]
    right = [np.mean((last > 0.5) == one.resolved_yes) for one in (plain, biased)]

    np.testing.assert_array_equal(plain.mid_units, biased.mid_units)
    np.testing.assert_array_equal(plain.volume_micro, biased.volume_micro)
    assert right[1] > right[0] + 0.05
    assert np.mean(biased.resolved_yes) < 0.7

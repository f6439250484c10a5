"""Schedules that the drill found and shrank: each broke an invariant once, and its defect is mended."""

import logging

import pytest
import structlog

from drills.plan import Plan
from drills.playing import run

FOUND = {
    "payments are booked while no market is left": {
        "seed": 10,
        "bars": 1,
        "dies_at": None,
        "events": [
            {"at_min": 70.0, "fault": "resolve_early"},
            {"at_min": 117.0, "fault": "resolve_half"},
            {"at_min": 137.0, "fault": "deposit"},
        ],
    },
    "a 403 is counted once, not for as long as nothing is asked": {
        "seed": 1,
        "bars": 1,
        "dies_at": None,
        "events": [
            {"at_min": 10.0, "fault": "geoblock", "for_min": 90},
            {"at_min": 50.0, "fault": "resolve_early"},
            {"at_min": 80.0, "fault": "resolve_half"},
        ],
    },
}
"""What must hold, and the smallest schedule in which it did not."""


@pytest.mark.parametrize("name", FOUND)
def test_a_schedule_that_failed_once_holds(name):
    """No invariant breaks in a schedule that broke one before its defect was mended."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))

    assert run(Plan.of(FOUND[name])).violations == []
    structlog.reset_defaults()

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
    "a fee that the venue raised is booked, whatever it comes to": {
        "seed": 1004,
        "bars": 1,
        "dies_at": None,
        "events": [{"at_min": 132.0, "fault": "resolve_half"}, {"at_min": 139.0, "fault": "fee_change"}],
    },
    "an order that fills while stream and list of trades are silent is waited for": {
        "seed": 5106,
        "bars": 1,
        "dies_at": None,
        "events": [
            {"at_min": 36.0, "fault": "trades_empty", "for_min": 150},
            {"at_min": 38.0, "fault": "ws_drop", "for_min": 150},
        ],
    },
    "a trade that the list left out is found while the books differ": {
        "seed": 3061,
        "bars": 12,
        "dies_at": None,
        "events": [
            {"at_min": 16.0, "fault": "empty_books", "for_min": 30},
            {"at_min": 41.0, "fault": "ws_freeze", "for_min": 150},
            {"at_min": 114.0, "fault": "trades_incomplete", "for_min": 150, "rows": 3},
        ],
    },
    "shares that were sold are not paid when their market is decided": {
        "seed": 4001,
        "bars": 1,
        "dies_at": None,
        "events": [
            {"at_min": 90.0, "fault": "ws_drop", "for_min": 150},
            {"at_min": 104.0, "fault": "trades_empty", "for_min": 150},
            {"at_min": 179.0, "fault": "resolve_half"},
        ],
    },
    "a sale that fails after a purchase is sold again": {
        "seed": 6011,
        "bars": 12,
        "dies_at": None,
        "events": [
            {"at_min": 135.0, "fault": "rate_limit", "for_min": 60},
            {"at_min": 207.0, "fault": "settlement_fails", "for_min": 150},
        ],
    },
    "a silent stream that is up does not make a filled order a cancelled one": {
        "seed": 15095,
        "bars": 1,
        "dies_at": None,
        "events": [
            {"at_min": 137.0, "fault": "rate_limit", "for_min": 60},
            {"at_min": 143.0, "fault": "ws_freeze", "for_min": 150},
            {"at_min": 187.0, "fault": "trades_empty", "for_min": 150},
        ],
    },
    "a rest that filled in part before it was cancelled, in silence, is waited for": {
        "seed": 20,
        "bars": 8,
        "dies_at": None,
        "events": [
            {"at_min": 75.0, "fault": "ws_freeze", "for_min": 240},
            {"at_min": 75.0, "fault": "trades_empty", "for_min": 240},
        ],
    },
    "less than can be sold is settled with its market": {
        "seed": 14085,
        "bars": 1,
        "dies_at": None,
        "events": [{"at_min": 165.0, "fault": "decided_away", "payout": 0}],
    },
    "a sale that is confirmed after its market was paid takes the payout back": {
        "seed": 126074,
        "bars": 3,
        "dies_at": None,
        "events": [
            {"at_min": 73.0, "fault": "restart", "for_min": 60},
            {"at_min": 166.0, "fault": "rate_limit", "for_min": 150},
            {"at_min": 218.0, "fault": "settlement_fails_then_confirms", "for_min": 150},
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

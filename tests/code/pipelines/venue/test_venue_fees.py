from datetime import UTC, datetime

import pytest

from pipelines.core.domain import FeeSchedule
from pipelines.core.venue_dates import taker_delay_ms
from pipelines.venue.fees import schedule


def day(text):
    """Seconds of a UTC date."""
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())


@pytest.mark.parametrize(
    ("category", "started", "length", "expected"),
    [
        ("Crypto", "2025-07-21", 3_600, FeeSchedule(0.0)),
        ("Crypto", "2026-01-06", 900, FeeSchedule(0.25, 2.0)),
        ("Crypto", "2026-01-06", 3_600, FeeSchedule(0.0)),
        ("Crypto", "2026-03-07", 86_400, FeeSchedule(0.25, 2.0)),
        ("Crypto", "2026-04-01", 86_400, FeeSchedule(0.07)),
        ("Sports", "2026-04-01", None, FeeSchedule(0.03)),
        ("Sports", "2026-07-11", None, FeeSchedule(0.05)),
        ("Geopolitics", "2026-07-11", None, FeeSchedule(0.0)),
        ("Politics", "2026-03-29", None, FeeSchedule(0.0)),
        ("Something new", "2026-08-01", None, FeeSchedule(0.05)),
        ("Sports", None, None, FeeSchedule(0.05)),
    ],
)
def test_a_market_pays_the_fees_of_its_start(category, started, length, expected):
    """The fee table changes by date: a market keeps the schedule it was created with; without a date it is today's."""
    assert schedule(category, day(started) if started else None, length) == expected


@pytest.mark.parametrize(
    ("category", "at", "expected"),
    [
        ("Crypto", "2026-08-16", 0),
        ("Politics", "2026-08-16", 0),
        ("Crypto", "2026-08-17", 50),
        ("Sports", "2026-08-17", 50),
        ("Crypto", "2026-09-03", 50),
        ("crypto", "2026-09-04", 150),
        ("Something new", "2026-09-04", 50),
        ("Crypto", None, 150),
        ("Sports", None, 50),
    ],
)
def test_a_taker_waits_as_long_as_the_venue_held_it_then(category, at, expected):
    """Nobody was held before August 2026, all for 50 ms since, on crypto for 150 ms; without a date as today."""
    assert taker_delay_ms(category, day(at) if at else None) == expected

"""What the venue changed on which day, for those who have no listing that says it: the average that series of Chainlink
prices settle on, and how long orders that take are held.

The dates are those of the venue's changelog and of recorded listings.
"""

from datetime import UTC, datetime
from typing import Final


def _day(year: int, month: int, day: int) -> int:
    return int(datetime(year, month, day, tzinfo=UTC).timestamp())


TWAP_SINCE_S: Final = _day(2026, 8, 4)
"""From here on Chainlink series settle on a time-weighted average."""
TWAP_60_SINCE_S: Final = _day(2026, 8, 14)
"""Until here the average of 5-minute series was 30 s."""
AVERAGES_S: Final = (30, 60)
"""The averages that the venue has had."""
HELD_S: Final = _day(2026, 8, 17)
"""Orders that take are held for 50 ms."""
CRYPTO_HELD_S: Final = _day(2026, 9, 4)
"""On crypto for 150 ms."""


def average_s(length_s: int, begin_s: int) -> int:
    """Seconds of the average on which a Chainlink series settles, whose windows are `length_s` long and begin at
    `begin_s`; 0 for the price of a moment."""
    if begin_s < TWAP_SINCE_S:
        return 0
    return 30 if length_s == 300 and begin_s < TWAP_60_SINCE_S else 60


def taker_delay_ms(category: str, at_s: int | None) -> int:
    """Milliseconds for which the venue held orders that take from a market of a category at a time (None: today)."""
    if category.lower() == "crypto" and (at_s is None or at_s >= CRYPTO_HELD_S):
        return 150
    return 50 if at_s is None or at_s >= HELD_S else 0

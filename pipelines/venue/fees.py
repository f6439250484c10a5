"""What the venue asked of takers by date and category: fees, and how long it held their orders.

A market keeps the fees it was created with; the hold counts from its day on, for every market. What a market's own
listing says always wins: these tables are for recordings that carry none. Source: the venue's fee pages and change log
as of 2026-11.
"""

from datetime import UTC, datetime
from typing import Final

from pipelines.core.domain import FeeSchedule

FREE: Final = FeeSchedule(0.0)

CATEGORY_RATES: Final = {
    "crypto": 0.07,
    "sports": 0.05,
    "finance": 0.04,
    "politics": 0.04,
    "mentions": 0.04,
    "tech": 0.04,
    "economics": 0.05,
    "culture": 0.05,
    "weather": 0.05,
    "geopolitics": 0.0,
    "world": 0.0,
}
OTHER_RATE: Final = 0.05
OLD_SPORTS_RATE: Final = 0.03


def _day(year: int, month: int, day: int) -> int:
    return int(datetime(year, month, day, tzinfo=UTC).timestamp())


SHORT_CRYPTO_FEES_S: Final = _day(2026, 1, 5)
"""First fees: 15-minute crypto markets, rate 0.25 with exponent 2."""
CRYPTO_FEES_S: Final = _day(2026, 3, 6)
"""All new crypto markets."""
CATEGORY_FEES_S: Final = _day(2026, 3, 30)
"""Fees by category."""
SPORTS_CHANGE_S: Final = _day(2026, 7, 10)
"""Sports from 0.03 to 0.05."""

SHORT_CRYPTO: Final = FeeSchedule(0.25, 2.0)


def schedule(category: str, started_s: int | None, length_s: int | None = None) -> FeeSchedule:
    """Fees of a market of a category that started at a time (None: today); `length_s` is its scheduled life, None when
    unknown."""
    name = category.lower()
    if started_s is None or started_s >= SPORTS_CHANGE_S:
        return FeeSchedule(CATEGORY_RATES.get(name, OTHER_RATE))
    if started_s >= CATEGORY_FEES_S:
        return FeeSchedule(OLD_SPORTS_RATE if name == "sports" else CATEGORY_RATES.get(name, OTHER_RATE))
    short = length_s is not None and length_s <= 900
    if name == "crypto" and (started_s >= CRYPTO_FEES_S or (short and started_s >= SHORT_CRYPTO_FEES_S)):
        return SHORT_CRYPTO
    return FREE

"""Whether a message's time can be believed: the venue has written microseconds where milliseconds belong.

A stamp far from the market time is refused. When several in a row agree with each other, and not with us, it is our
time that was wrong (or a long silence has passed), and theirs is taken.
"""

from decimal import Decimal
from typing import Any, Final

FAR_MS: Final = 600_000
"""Stamps further than this from the market time are refused until others agree with them (further where the venue's
time goes in longer steps)."""
AGREEING: Final = 3
"""Refused stamps in a row, near to each other, that move the market time."""
_EVER_MS, _NEVER_MS = 100_000_000_000, 100_000_000_000_000
"""Stamps in milliseconds lie between 1973 and 5138. Seconds and microseconds of today lie outside."""


def seconds(stamp: Any) -> int:
    """UTC seconds of a stamp in seconds, milliseconds, microseconds or nanoseconds, as a number or as text.

    >>> seconds("1790000000"), seconds(1790000000123), seconds("1790000000123456")
    (1790000000, 1790000000, 1790000000)

    Raises:
        ValueError: if it is no number, or no time after 1970.
    """
    return milliseconds(stamp) // 1_000


def milliseconds(stamp: Any) -> int:
    """The same in milliseconds.

    >>> milliseconds("1790000000.25"), milliseconds(1790000000123456789)
    (1790000000250, 1790000000123)

    Raises:
        ValueError: as `seconds` does.
    """
    try:
        found = Decimal(str(stamp))
        if not 0 < found < _NEVER_MS * 1_000_000:
            found = Decimal(0)
    except ArithmeticError:
        found = Decimal(0)
    if found < 1:
        raise ValueError(f"a time was {str(stamp)[:40]!r}, seconds since 1970 expected")
    if found < _EVER_MS:
        return int(found * 1_000)
    while found >= _EVER_MS * 1_000:
        found //= 1_000
    return int(found)


class Stamps:
    """Market time as accepted stamps tell it. `newest_ms` is None before the first."""

    def __init__(self, far_ms: int = FAR_MS) -> None:
        self.newest_ms: int | None = None
        self.far_ms = far_ms
        self._refused: list[tuple[int, str]] = []

    def anchor(self, market_ms: int) -> None:
        """Market time as another witness tells it."""
        self.newest_ms = market_ms
        self._refused.clear()

    def advance(self, market_ms: int) -> None:
        """Market time goes on without a message (live: by the wall clock)."""
        if self.newest_ms is not None:
            self.newest_ms = max(self.newest_ms, market_ms)

    def accepts(self, ts_ms: int, source: str, *, sources: int = 1, may_be_old: bool = False) -> bool:
        """Whether a stamp of a source (a market) is believed; an accepted one moves the market time forward.

        Of more than one source, two must agree before the time is moved. A snapshot may be as old as its market is
        quiet (`may_be_old`).
        """
        if not 0 <= ts_ms < _NEVER_MS or (self.newest_ms or 0) >= _EVER_MS > ts_ms:
            return False
        if self.newest_ms is None:
            self.newest_ms = ts_ms
            return True
        if self._near(ts_ms, self.newest_ms) or (may_be_old and ts_ms <= self.newest_ms):
            if self._near(ts_ms, self.newest_ms):
                self._refused.clear()
            self.newest_ms = max(self.newest_ms, ts_ms)
            return True
        return self._agreed(ts_ms, source, sources)

    def _near(self, one_ms: int, other_ms: int) -> bool:
        return abs(one_ms - other_ms) <= self.far_ms

    def _agreed(self, ts_ms: int, source: str, sources: int) -> bool:
        near = [(ms, name) for ms, name in self._refused if self._near(ms, ts_ms)]
        self._refused = [*near[-50:], (ts_ms, source)]
        names = {name for _, name in self._refused}
        if len(self._refused) < AGREEING or len(names) < min(2, sources):
            return False
        self.anchor(max(ms for ms, _ in self._refused))
        return True

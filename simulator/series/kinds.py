"""Kinds of series: the asset, the length of a window, and how it settles."""

from dataclasses import dataclass
from typing import Final

from pipelines.core.venue_dates import average_s

LENGTHS_S: Final = {"5m": 300, "15m": 900, "1h": 3_600, "4h": 14_400}
OPENS_BEFORE_S: Final = {"5m": 300, "15m": 600, "1h": 1_800, "4h": 5_400}
"""A window can be traded this long before it begins: longer than the lookback of its family's forecaster, so that the
next window is warm when it begins. The venue lists windows a day or more ahead."""
NAMES: Final = {"BTC": "Bitcoin", "ETH": "Ethereum", "SOL": "Solana", "XRP": "XRP"}


@dataclass(frozen=True, slots=True)
class Series:
    """A kind of window. `average_s` 0 settles on the price of a moment, else on the mean of so many seconds before it;
    None on what the venue took on the day on which a window begins. A candle is the exchange's. `strikes` (relative to
    the price at the beginning) gives every window a ladder of levels. `misquotes_h` is how often an hour the maker of
    each market errs (`misquotes`)."""

    symbol: str = "BTC"
    length: str = "5m"
    average_s: int | None = None
    lag_s: int = 0
    strikes: tuple[float, ...] = ()
    misquotes_h: float = 0.0

    @property
    def length_s(self) -> int:
        """Seconds of a window."""
        return LENGTHS_S[self.length]

    @property
    def opens_before_s(self) -> int:
        """Seconds from the listing of a window to its beginning."""
        return OPENS_BEFORE_S[self.length]

    @property
    def candle(self) -> bool:
        """Hourly windows and ladders settle on the exchange's candle."""
        return self.length == "1h" or bool(self.strikes)

    def averaged_s(self, begin_s: int) -> int:
        """Seconds of the average on which the window that begins at `begin_s` settles; 0 for none."""
        if self.candle:
            return 0
        return average_s(self.length_s, begin_s) if self.average_s is None else self.average_s

    @property
    def slug(self) -> str:
        """Name of the series at the venue."""
        kind = "multi-strikes-hourly" if self.strikes else f"up-or-down-{self.length}"
        return f"{self.symbol.lower()}-{kind}"

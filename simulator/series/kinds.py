"""Kinds of series: the asset, the length of a window, and how it settles."""

from dataclasses import dataclass
from typing import Final

LENGTHS_S: Final = {"5m": 300, "15m": 900, "1h": 3_600, "4h": 14_400}
NAMES: Final = {"BTC": "Bitcoin", "ETH": "Ethereum", "SOL": "Solana", "XRP": "XRP"}


@dataclass(frozen=True, slots=True)
class Series:
    """A kind of window. `average_s` 0 settles on the price of a moment, else on the mean of so many seconds before it.
    A candle is the exchange's. `strikes` (relative to the price at the beginning) gives every window a ladder of
    levels."""

    symbol: str = "BTC"
    length: str = "5m"
    average_s: int = 60
    lag_s: int = 0
    strikes: tuple[float, ...] = ()

    @property
    def length_s(self) -> int:
        """Seconds of a window."""
        return LENGTHS_S[self.length]

    @property
    def candle(self) -> bool:
        """Hourly windows and ladders settle on the exchange's candle."""
        return self.length == "1h" or bool(self.strikes)

    @property
    def slug(self) -> str:
        """Name of the series at the venue."""
        return f"{self.symbol.lower()}-up-or-down-{self.length}"

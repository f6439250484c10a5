"""The ordered list of features: name, meaning, unit, and the transform before standardisation.

The order is part of every trained model; FEATURE_VERSION changes with any change of order, meaning or arithmetic.
"""

from dataclasses import dataclass
from typing import Final, Literal

FEATURE_VERSION: Final = "2"

Transform = Literal["linear", "signed_log"]


@dataclass(frozen=True, slots=True)
class Feature:
    """One feature of a bar. `transform` is applied before standardisation: signed_log is sign(x) ln(1 + |x|)."""

    name: str
    meaning: str
    unit: str
    transform: Transform = "linear"


FEATURES: Final = (
    Feature("price", "mid of the YES token at the close of the bar", "price in [0, 1]"),
    Feature("price_change", "price minus the price one bar before", "price"),
    Feature("simple_return", "price change over the price one bar before (floored at 0.001)", "ratio", "signed_log"),
    Feature("log_return", "ln of price over the price one bar before (both floored at 0.001)", "log price"),
    Feature("momentum", "price minus the price five bars before", "price"),
    Feature("volume", "shares traded in the bar; 0 when there were none or none are known", "shares", "signed_log"),
    Feature("volume_change", "volume minus the volume of the bar before", "shares", "signed_log"),
    Feature("volume_price_ratio", "volume over price (floored at 0.001)", "shares per pUSD", "signed_log"),
    Feature("ma_7", "mean price of the last 7 bars", "price in [0, 1]"),
    Feature("ma_30", "mean price of the last 30 bars", "price in [0, 1]"),
    Feature("rsi", "gains over gains + losses of the last 14 changes; 1 without losses, 0.5 without moves", "[0, 1]"),
    Feature("volatility", "standard deviation (ddof 1) of the price over the last 7 bars", "price"),
    Feature("hour", "hour of the day, UTC, over 24", "[0, 1)"),
    Feature("day_of_week", "day of the week, UTC, Monday 0, over 7", "[0, 1)"),
    Feature("time_to_resolution", "time to the scheduled end; 0.5 when it is unknown, 0 after it", "years of 365 days"),
)

FEATURE_NAMES: Final = tuple(feature.name for feature in FEATURES)

SENTIMENT: Final = Feature(
    "sentiment", "decayed sum of the headlines known at the close, clipped; 0 neutral", "[-1, 1]"
)

SCALED: Final = (*FEATURES, SENTIMENT)
"""What the scaler of the fit slice has statistics for: the 15 features and the sentiment."""

MARKET_OBS: Final = (
    "price",
    "volume",
    "price_change",
    "ma_7",
    "ma_30",
    "volatility",
    "rsi",
    "simple_return",
    "log_return",
    "momentum",
    "volume_change",
    "hour",
    "day_of_week",
    "time_to_resolution",
    "sentiment",
)
"""The agent's 15 market inputs in the guide's order: the features but volume over price, then the sentiment."""

PORTFOLIO_OBS: Final = ("cash", "position", "entry_price", "return_so_far", "time_left")

FORECAST_BLOCK: Final = ("move_1", "move_5", "move_24", "width_1", "width_5", "width_24", "confidence")
"""Mean move from t+1 over the horizon in round-trip costs, interval width in log-odds, confidence (centred, x 4)."""

PRICE_FLOOR_UNITS: Final = 10
"""Smallest price in a ratio or logarithm, in 1e-4: a market at 0 has finite features."""

UNKNOWN_TIME_YEARS: Final = 0.5
"""Time to resolution of a market without a scheduled end."""

YEAR_S: Final = 365 * 86_400

MOMENTUM_BARS: Final = 5
SHORT_BARS: Final = 7
LONG_BARS: Final = 30
RSI_BARS: Final = 14

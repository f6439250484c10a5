"""The ordered list of features. A feature is declared once, in a module of `families`, with its arithmetic.

The order is part of every trained model; FEATURE_VERSION changes with any change of order, meaning or arithmetic.
To add a feature: append it to a family (or add a family here), and raise FEATURE_VERSION. Everything else reads
FEATURES: the table, the scaler, the live window, the network's inputs.
"""

from dataclasses import dataclass
from typing import Final

from pipelines.features.families import averages, clock, price, volume
from pipelines.features.feature import Feature, Transform

FEATURE_VERSION: Final = "2"

FEATURES: Final[tuple[Feature, ...]] = (*price.FEATURES, *volume.FEATURES, *averages.FEATURES, *clock.FEATURES)

FEATURE_NAMES: Final = tuple(feature.name for feature in FEATURES)


@dataclass(frozen=True, slots=True)
class Sentiment:
    """A column of the feature table that is computed from headlines, described like a feature."""

    name: str
    meaning: str
    unit: str
    transform: Transform = "linear"


SENTIMENT: Final = Sentiment(
    "sentiment", "decayed sum of the headlines known at the close, clipped; 0 neutral", "[-1, 1]"
)

SCALED: Final[tuple[Feature | Sentiment, ...]] = (*FEATURES, SENTIMENT)
"""What the scaler of the fit slice has statistics for: the features and the sentiment."""

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

"""What was traded in the bar."""

from typing import Final

import numpy as np

from pipelines.core.domain import FloatArray
from pipelines.core.money import MICRO, PRICE_SCALE
from pipelines.features.feature import PRICE_FLOOR_UNITS, Feature, Lagged, Rolling, Series, lagged


def _volume(series: Series) -> FloatArray:
    shares: FloatArray = series.volume_micro / MICRO
    return shares


def _rolling_volume() -> Rolling:
    return lambda bar: bar.volume_micro / MICRO


def _change(series: Series) -> FloatArray:
    change: FloatArray = lagged(series.volume_micro, 1) / MICRO
    return change


def _rolling_change() -> Rolling:
    difference = Lagged(1)
    return lambda bar: difference.push(bar.volume_micro) / MICRO


def _price_ratio(series: Series) -> FloatArray:
    floored = np.maximum(series.mid_units, PRICE_FLOOR_UNITS)
    ratio: FloatArray = series.volume_micro / MICRO / (floored / PRICE_SCALE)
    return ratio


def _rolling_price_ratio() -> Rolling:
    return lambda bar: bar.volume_micro / MICRO / (max(bar.mid_units, PRICE_FLOOR_UNITS) / PRICE_SCALE)


FEATURES: Final = (
    Feature(
        "volume",
        "shares traded in the bar; 0 when there were none or none are known",
        "shares",
        _volume,
        _rolling_volume,
        "signed_log",
    ),
    Feature(
        "volume_change",
        "volume minus the volume of the bar before",
        "shares",
        _change,
        _rolling_change,
        "signed_log",
    ),
    Feature(
        "volume_price_ratio",
        "volume over price (floored at 0.001)",
        "shares per pUSD",
        _price_ratio,
        _rolling_price_ratio,
        "signed_log",
    ),
)

"""The price and its last moves."""

from collections.abc import Callable
from typing import Final

import numpy as np

from pipelines.core.domain import FloatArray
from pipelines.core.money import PRICE_SCALE
from pipelines.features.feature import PRICE_FLOOR_UNITS, Feature, Lagged, Point, Rolling, Series, lagged

MOMENTUM_BARS: Final = 5

LOG_UNITS: FloatArray = np.log(np.maximum(np.arange(PRICE_SCALE + 1), PRICE_FLOOR_UNITS) / PRICE_SCALE)
"""ln(price) of every price on the grid: a table, because vector and scalar logarithms may differ in the last bit."""
_LOG_TABLE: Final[list[float]] = LOG_UNITS.tolist()


def _price(series: Series) -> FloatArray:
    price: FloatArray = series.mid_units / PRICE_SCALE
    return price


def _rolling_price() -> Rolling:
    return lambda bar: bar.mid_units / PRICE_SCALE


def _move(lag: int) -> Callable[[Series], FloatArray]:
    def batch(series: Series) -> FloatArray:
        move: FloatArray = lagged(series.mid_units, lag) / PRICE_SCALE
        return move

    return batch


def _rolling_change() -> Rolling:
    return lambda bar: (bar.mid_units - bar.mid_before_units) / PRICE_SCALE


def _rolling_momentum() -> Rolling:
    difference = Lagged(MOMENTUM_BARS)
    return lambda bar: difference.push(bar.mid_units) / PRICE_SCALE


def _simple_return(series: Series) -> FloatArray:
    floored = np.maximum(series.mid_units, PRICE_FLOOR_UNITS)
    ratio: FloatArray = lagged(series.mid_units, 1) / np.concatenate((floored[:1], floored[:-1]))
    return ratio


def _rolling_simple_return() -> Rolling:
    def push(bar: Point) -> float:
        before = bar.mid_before_units
        return (bar.mid_units - before) / (before if before > PRICE_FLOOR_UNITS else PRICE_FLOOR_UNITS)

    return push


def _log_return(series: Series) -> FloatArray:
    log_price = LOG_UNITS[series.mid_units]
    moved: FloatArray = log_price - np.concatenate((log_price[:1], log_price[:-1]))
    return moved


def _rolling_log_return() -> Rolling:
    return lambda bar: _LOG_TABLE[bar.mid_units] - _LOG_TABLE[bar.mid_before_units]


FEATURES: Final = (
    Feature("price", "mid of the YES token at the close of the bar", "price in [0, 1]", _price, _rolling_price),
    Feature("price_change", "price minus the price one bar before", "price", _move(1), _rolling_change),
    Feature(
        "simple_return",
        "price change over the price one bar before (floored at 0.001)",
        "ratio",
        _simple_return,
        _rolling_simple_return,
        "signed_log",
    ),
    Feature(
        "log_return",
        "ln of price over the price one bar before (both floored at 0.001)",
        "log price",
        _log_return,
        _rolling_log_return,
    ),
    Feature(
        "momentum",
        "price minus the price five bars before",
        "price",
        _move(MOMENTUM_BARS),
        _rolling_momentum,
    ),
)

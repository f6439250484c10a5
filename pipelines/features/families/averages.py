"""Averages and spreads of the price over the last bars, all from integer sums."""

import math
from collections.abc import Callable
from typing import Final

import numpy as np

from pipelines.core.domain import FloatArray
from pipelines.core.money import PRICE_SCALE
from pipelines.features.feature import (
    Feature,
    Point,
    Rolling,
    Series,
    WindowSum,
    lagged,
    window_count,
    window_sum,
)

SHORT_BARS: Final = 7
LONG_BARS: Final = 30
RSI_BARS: Final = 14


def _mean(bars: int) -> Callable[[Series], FloatArray]:
    def batch(series: Series) -> FloatArray:
        mid = series.mid_units
        mean: FloatArray = window_sum(mid, bars) / (window_count(len(mid), bars) * PRICE_SCALE)
        return mean

    return batch


def _rolling_mean(bars: int) -> Callable[[], Rolling]:
    def make() -> Rolling:
        window = WindowSum(bars)

        def push(bar: Point) -> float:
            return window.push(bar.mid_units) / (window.count * PRICE_SCALE)

        return push

    return make


def _rsi(series: Series) -> FloatArray:
    change = lagged(series.mid_units, 1)
    gain = window_sum(np.maximum(change, 0), RSI_BARS)
    moved = window_sum(np.abs(change), RSI_BARS)
    return np.where(moved > 0, gain / np.maximum(moved, 1), 0.5)


def _rolling_rsi() -> Rolling:
    gained, lost = WindowSum(RSI_BARS), WindowSum(RSI_BARS)

    def push(bar: Point) -> float:
        change = bar.mid_units - bar.mid_before_units
        gain = gained.push(change if change > 0 else 0)
        moved = gain + lost.push(0 if change > 0 else -change)
        return gain / moved if moved else 0.5

    return push


def _volatility(series: Series) -> FloatArray:
    mid = series.mid_units
    n = window_count(len(mid), SHORT_BARS)
    total, squares = window_sum(mid, SHORT_BARS), window_sum(mid * mid, SHORT_BARS)
    deviation: FloatArray = np.sqrt((n * squares - total * total) / np.maximum(n * (n - 1), 1)) / PRICE_SCALE
    return deviation


def _rolling_volatility() -> Rolling:
    total, squares = WindowSum(SHORT_BARS), WindowSum(SHORT_BARS)

    def push(bar: Point) -> float:
        mid = bar.mid_units
        whole, square = total.push(mid), squares.push(mid * mid)
        n = total.count
        return math.sqrt((n * square - whole * whole) / (n * (n - 1) or 1)) / PRICE_SCALE

    return push


FEATURES: Final = (
    Feature("ma_7", "mean price of the last 7 bars", "price in [0, 1]", _mean(SHORT_BARS), _rolling_mean(SHORT_BARS)),
    Feature("ma_30", "mean price of the last 30 bars", "price in [0, 1]", _mean(LONG_BARS), _rolling_mean(LONG_BARS)),
    Feature(
        "rsi",
        "gains over gains + losses of the last 14 changes; 1 without losses, 0.5 without moves",
        "[0, 1]",
        _rsi,
        _rolling_rsi,
    ),
    Feature(
        "volatility",
        "standard deviation (ddof 1) of the price over the last 7 bars",
        "price",
        _volatility,
        _rolling_volatility,
    ),
)

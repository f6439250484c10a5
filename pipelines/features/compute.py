"""Batch features of one contiguous series of bars. Rolling sums run on integers, so the live form can be bit-equal."""

import numpy as np
from numpy.typing import NDArray

from pipelines.core.domain import FloatArray
from pipelines.core.money import MICRO, PRICE_SCALE
from pipelines.features import spec

IntArray = NDArray[np.int64]

LOG_UNITS: FloatArray = np.log(np.maximum(np.arange(PRICE_SCALE + 1), spec.PRICE_FLOOR_UNITS) / PRICE_SCALE)
"""ln(price) of every price on the grid: a table, because vector and scalar logarithms may differ in the last bit."""


def batch(ts_s: IntArray, mid_units: IntArray, volume_micro: IntArray, end_s: int | None) -> FloatArray:
    """Raw features, shape (n, 15), of n consecutive bars of one market; row k reads bars 0..k only.

    `mid_units` in [0, 10,000]. Windows at the start use what is there. No value is infinite or missing.
    """
    ts, mid, volume = (np.asarray(column, dtype=np.int64) for column in (ts_s, mid_units, volume_micro))
    floored = np.maximum(mid, spec.PRICE_FLOOR_UNITS)
    change = _lagged_difference(mid, 1)
    price_change = change / PRICE_SCALE
    log_price = LOG_UNITS[mid]
    columns = (
        mid / PRICE_SCALE,
        price_change,
        change / np.concatenate((floored[:1], floored[:-1])),
        log_price - np.concatenate((log_price[:1], log_price[:-1])),
        _lagged_difference(mid, spec.MOMENTUM_BARS) / PRICE_SCALE,
        volume / MICRO,
        _lagged_difference(volume, 1) / MICRO,
        volume / MICRO / (floored / PRICE_SCALE),
        _mean_price(mid, spec.SHORT_BARS),
        _mean_price(mid, spec.LONG_BARS),
        _rsi(change),
        _volatility(mid),
        ts % 86_400 // 3_600 / 24,
        (ts // 86_400 + 3) % 7 / 7,
        _years_left(ts, end_s),
    )
    return np.stack(columns, axis=1)


def _lagged_difference(values: IntArray, lag: int) -> IntArray:
    """Difference to the value `lag` bars before, or to the first one where there are fewer."""
    first = np.full(min(lag, len(values)), values[0] if len(values) else 0)
    earlier = np.concatenate((first, values[:-lag]))[: len(values)]
    difference: IntArray = values - earlier
    return difference


def _window_sum(values: IntArray, window: int) -> IntArray:
    total = np.cumsum(values)
    total[window:] -= total[:-window].copy()
    return total


def _count(size: int, window: int) -> IntArray:
    return np.minimum(np.arange(1, size + 1), window)


def _mean_price(mid: IntArray, window: int) -> FloatArray:
    mean: FloatArray = _window_sum(mid, window) / (_count(len(mid), window) * PRICE_SCALE)
    return mean


def _rsi(change: IntArray) -> FloatArray:
    gain = _window_sum(np.maximum(change, 0), spec.RSI_BARS)
    moved = _window_sum(np.abs(change), spec.RSI_BARS)
    return np.where(moved > 0, gain / np.maximum(moved, 1), 0.5)


def _volatility(mid: IntArray) -> FloatArray:
    n = _count(len(mid), spec.SHORT_BARS)
    total, squares = _window_sum(mid, spec.SHORT_BARS), _window_sum(mid * mid, spec.SHORT_BARS)
    deviation: FloatArray = np.sqrt((n * squares - total * total) / np.maximum(n * (n - 1), 1)) / PRICE_SCALE
    return deviation


def _years_left(ts: IntArray, end_s: int | None) -> FloatArray:
    if end_s is None:
        return np.full(len(ts), spec.UNKNOWN_TIME_YEARS)
    years: FloatArray = np.maximum(end_s - ts, 0) / spec.YEAR_S
    return years

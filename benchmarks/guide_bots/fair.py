"""Fair probability of an up/down market from its underlying's path, and the rate it is estimated with."""

import math

import numpy as np

from pipelines.core.domain import FloatArray
from pipelines.replay.market_history import IntArray

HOUR_S = 3_600
TRAILING_MIN = 120
"""Minutes of the underlying from which its volatility is estimated; only minutes before the bar count."""
FEWEST_MOVES = 20
OPEN_GRACE_S = 120
"""The opening price has to be recorded within this time after the hour began."""


def fair_up(ts_s: IntArray, spot: FloatArray, market_ts_s: IntArray) -> FloatArray:
    """Probability that the underlying closes the hour at or above its open, at each bar of one hourly market.

    `ts_s`, `spot`: the underlying's recorded minutes (ascending, all hours); `market_ts_s`: bars of one market. A
    driftless log-normal walk with the volatility of the last two hours; NaN while open or volatility are unknown.
    """
    begin = int(market_ts_s[0]) // HOUR_S * HOUR_S
    opened = _open(ts_s, spot, begin)
    fair = np.full(len(market_ts_s), np.nan)
    if opened is None:
        return fair
    for k, now in enumerate(market_ts_s.tolist()):
        upto = int(np.searchsorted(ts_s, now, side="right"))
        if upto == 0 or now - ts_s[upto - 1] > OPEN_GRACE_S:
            continue
        deviation = per_minute(ts_s[:upto], spot[:upto], now)
        left = (begin + HOUR_S - now) / 60.0
        if deviation is None or left <= 0.0:
            continue
        distance = math.log(spot[upto - 1] / opened) / (deviation * math.sqrt(left))
        fair[k] = 0.5 * math.erfc(-distance / math.sqrt(2.0))
    return fair


def _open(ts_s: IntArray, spot: FloatArray, begin: int) -> float | None:
    """The first price at or after the start of the hour; None where none came within OPEN_GRACE_S."""
    at = int(np.searchsorted(ts_s, begin))
    if at < len(ts_s) and ts_s[at] - begin <= OPEN_GRACE_S:
        return float(spot[at])
    return None


def per_minute(ts_s: IntArray, spot: FloatArray, now: int) -> float | None:
    """Standard deviation of the log return over one minute, from the last two hours; None with too few moves."""
    recent = ts_s > now - TRAILING_MIN * 60
    times, prices = ts_s[recent], spot[recent]
    if len(prices) <= FEWEST_MOVES:
        return None
    minutes = np.diff(times) / 60.0
    moves = np.diff(np.log(prices)) / np.sqrt(np.maximum(minutes, 0.5))
    deviation = float(np.sqrt(np.mean(moves * moves)))
    return deviation if deviation > 0.0 else None

"""The price grid: half ticks, unbiased rounding, and spreads that keep bid and ask on the tick.

Prices here are float64 in units of 1e-4, so that grid points are exact. A mid is a multiple of half a tick. A market
of tick 100 (0.01) uses tick 10 (0.001) below 0.04 and above 0.96, as the venue does.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from pipelines.core.domain import FloatArray
from pipelines.core.money import PRICE_SCALE

BoolArray = NDArray[np.bool_]
IntArray = NDArray[np.int64]

FINE_TICK: Final = 10
EDGE_LOW: Final = 400
EDGE_HIGH: Final = 9_600


def tick_at(tick_units: IntArray, mid_units: IntArray) -> IntArray:
    """Tick that applies at a mid, in price units, elementwise."""
    inside = (mid_units >= EDGE_LOW) & (mid_units <= EDGE_HIGH)
    return np.where(inside, tick_units, np.minimum(tick_units, FINE_TICK))


def round_unbiased(price_units: FloatArray, tick_units: FloatArray, uniform: FloatArray) -> FloatArray:
    """Random rounding R(x) to the neighbouring half ticks with E[R(x)] = x, also at the prices where the tick changes.

    Args:
        price_units: exact prices, (n,), in units of 1e-4.
        tick_units: the market's listed tick, (n,).
        uniform: one draw from [0, 1) for each price.
    """
    inside = (price_units >= EDGE_LOW) & (price_units <= EDGE_HIGH)
    half = np.where(inside, tick_units, np.minimum(tick_units, FINE_TICK)) / 2.0
    steps = price_units / half
    below = np.floor(steps)
    rounded: FloatArray = (below + (uniform < steps - below)) * half
    return rounded


def quotes(mid_units: IntArray, tick_units: IntArray, extra_ticks: IntArray) -> tuple[IntArray, IntArray]:
    """Bid and ask around a mid: 1 tick where the mid is an odd half tick, else 2, plus 2 x extra, within [0, 1].

    Bid and ask are on the tick grid, so the mid decides whether the spread is odd or even. A bid of 0 or an ask of
    10,000 is a missing side.
    """
    tick = tick_at(tick_units, mid_units)
    half_steps = mid_units * 2 // tick
    spread = 2 - half_steps % 2 + 2 * extra_ticks
    room = np.minimum(half_steps, 2 * PRICE_SCALE // tick - half_steps)
    half_spread = np.minimum(spread, room) * tick // 2
    return mid_units - half_spread, mid_units + half_spread

"""The forecast-threshold rule as plain arithmetic: the policy, the compiled screen, the teacher of the warm start, the
sizing table and the sweep call these functions.

Everything is free of objects, so that `compiled` can turn `wanted` into machine code; the others take arrays too.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipelines.core.domain import FloatArray
from pipelines.core.money import PRICE_SCALE, Number

MOVE_STEPS = 23
"""The traded signal is the move from t+1 to t+24: an order decided on t fills at t+1."""


def expected_units(move_log_odds: Number, mid_units: Number) -> Number:
    """A small change of log-odds in price units: times p (1 - p)."""
    return move_log_odds * mid_units * (PRICE_SCALE - mid_units) / PRICE_SCALE


def pays(move_units: float, cost_units: float, multiple: float) -> bool:
    """Whether a move, up or down, exceeds `multiple` round trips."""
    return abs(move_units) > multiple * cost_units


def pays_each(move_units: FloatArray, cost_units: FloatArray, multiple: float) -> NDArray[np.bool_]:
    """`pays` for many bars at once."""
    return pays(move_units, cost_units, multiple)  # type: ignore[arg-type, return-value]


class Rule(NamedTuple):
    """The numbers of the rule."""

    cost_multiple: float
    """Round trips that a move has to exceed before an entry."""
    exit_multiple: float
    """Round trips that the move has to point against a position before it is left."""
    max_hold_s: int


def keeps(move_units: float, cost_units: float, exit_multiple: float, max_hold_s: int, held: int, held_s: int) -> bool:
    """Whether a position is kept: it is young, and the move does not point against it by `exit_multiple` round trips.

    Leaving is paid for: a forecast that only lost its sign for a bar would cost a round trip to come back.
    """
    return move_units * held > -exit_multiple * cost_units and held_s < max_hold_s


def wanted(
    move_units: float,
    cost_units: float,
    cost_multiple: float,
    exit_multiple: float,
    max_hold_s: int,
    held: int,
    held_s: int,
) -> int:
    """Direction that the rule wants, -1, 0 or 1: the held one while it is kept, else flat; without a position the sign
    of a move that pays."""
    if held != 0:
        return held if keeps(move_units, cost_units, exit_multiple, max_hold_s, held, held_s) else 0
    if not pays(move_units, cost_units, cost_multiple):
        return 0
    return 1 if move_units > 0.0 else -1

"""What a reference price says that the market's price does not: the fair value that it implies less the own price.

The fair value is `Board.pair` at the close of the bar: of a market that settles on a reference price which was known
then. Elsewhere every value is 0, which is neutral. Like `market_context.step`, `step` runs live as it is and is
compiled for whole histories, with the same bits.
"""

import math
from typing import Any, Final

from pipelines.core.money import PRICE_SCALE

REFERENCE: Final = ("fair_gap", "fair_move", "fair_gap_5", "fair_gap_15")
"""Fair value less price; its move over what `LOOK_BACK_S` of the board says (at least a bar); the gap less its means of
5 and 15 bars. In price units."""

# Places in the state of a market.
GAP_5, GAP_15, BARS = range(3)
STATE: Final = 3
WEIGHT_5, WEIGHT_15 = 2.0 / 6.0, 2.0 / 16.0
UNKNOWN: Final = (math.nan, math.nan)


def step(state: Any, made: Any, fair: float, before: float, units: int) -> None:
    """Take the fair values of one closed bar (NaN where none is known) into `state` (STATE places), and write its
    `REFERENCE` into `made`, which holds 0."""
    if math.isnan(fair):
        return
    gap = fair - units / PRICE_SCALE
    first = state[BARS] == 0.0
    short, long = (1.0, 1.0) if first else (WEIGHT_5, WEIGHT_15)
    state[GAP_5] = state[GAP_5] + short * (gap - state[GAP_5])
    state[GAP_15] = state[GAP_15] + long * (gap - state[GAP_15])
    state[BARS] = 1.0
    made[0], made[2], made[3] = gap, gap - state[GAP_5], gap - state[GAP_15]
    if not math.isnan(before):
        made[1] = fair - before


def known(fair: float | None, before: float | None) -> tuple[float, float]:
    """A pair of `Board.pair` as `step` reads it.

    >>> known(0.5, None)
    (0.5, nan)
    """
    return math.nan if fair is None else fair, math.nan if before is None else before

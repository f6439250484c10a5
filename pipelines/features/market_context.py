"""What a bar says beyond its own price and volume: the book at its close, and the other markets of its event.

Prices of one event move together: brackets that exclude each other sum to one, a ladder of thresholds follows one
underlying. A move that the others do not share, and that the sum of their prices keeps, tends to come back; a move of
the others that this market has not made yet tends to come. Displayed sizes lean to the side the price goes to.

Every value is known at the close of its bar. Prices are in [0, 1] units, and what is absent is neutral: 0 without
siblings, and where no book was seen in the last five bars. `step` is the whole arithmetic on plain numbers: the live
process runs it as it is, `state_space_batch` compiles this very source for whole histories, so both forms give the same
bits.
"""

import math
from collections.abc import Sequence
from typing import Any, Final

from pipelines.core.money import MICRO, PRICE_SCALE
from pipelines.features import ladder, order_flow, reference_gap
from pipelines.features.ladder import LADDER
from pipelines.features.order_flow import ORDER_FLOW
from pipelines.features.reference_gap import REFERENCE

NEAR: Final = (
    "spread", "lean", "lean_spread", "micro_gap",
    "move", "sum_move", "agreed",
    "own_5", "own_15", "own_60", "agreed_5", "agreed_15", "agreed_60", "sum_5", "sum_15", "sum_60",
    "others", "others_5", "peak", "peak_5",
    "hour_sin", "hour_cos",
)  # fmt: skip
"""Spread; log of bid size over ask size; that times the spread; microprice less mid. Own move; change of the sum of the
event's prices; the part of the own move that the sum confirms. The same as deviations from means of 5, 15 and 60 bars,
those of the sum weighted by the price. Mean move of the siblings, and the largest one, now and decayed over 5 bars.
The hour of the day in UTC. What networks read of the market context."""
CONTEXT: Final = (*NEAR, *LADDER, *REFERENCE, *ORDER_FLOW)
"""The whole market context: `NEAR`, the place among the brackets of the event (`ladder`), the gap to the fair value
that a reference price implies (`reference_gap`), and the order flow (`order_flow`)."""

PRICES: Final = tuple(name for name in NEAR if name not in ("lean", "hour_sin", "hour_cos"))
"""Those that are differences of prices."""
LAGGED: Final = ("move", "sum_move", "agreed", "others", "peak")
"""Those whose last values say more than the newest alone."""

# Places in the state of a market (float64).
MID, BARS, SUM = range(3)
OWN_5, OWN_15, OWN_60, SUM_5, SUM_15, SUM_60 = range(3, 9)
OTHERS_5, PEAK_5 = range(9, 11)
SPREAD, LEAN, GAP, BOOK_AGE = range(11, 15)
SIZE: Final = 15

WEIGHT_5, WEIGHT_15, WEIGHT_60 = 2.0 / 6.0, 2.0 / 16.0, 2.0 / 61.0
KEEP_5 = math.exp(-1.0 / 5.0)
HOURS: Final = 24
HOUR_SIN: Final = tuple(math.sin(2.0 * math.pi * hour / HOURS) for hour in range(HOURS))
HOUR_COS: Final = tuple(math.cos(2.0 * math.pi * hour / HOURS) for hour in range(HOURS))
BOOK_BARS = 5.0
"""Bars for which the last book that was seen still counts where none is."""
LEAN_LIMIT = 8.0
"""Largest absolute log size ratio: a side without size counts as one share."""


def agreed(move: float, whole: float) -> float:
    """The part of a move that has the sign of the whole's, at most as large as either."""
    if move > 0.0 and whole > 0.0:
        return min(move, whole)
    if move < 0.0 and whole < 0.0:
        return max(move, whole)
    return 0.0


def step(
    state: Any, made: Any, hour: int, units: int, spread_units: int, bid_size: int, ask_size: int,
    others_units: int, siblings: int, peak_units: int,
) -> None:  # fmt: skip
    """Take one closed bar into `state` and write its `NEAR` into `made`, both in place.

    `units` and `spread_units` in 1e-4, sizes at the touch in base units (0 where nobody displayed any), `others_units`
    the sum of the siblings' moves since the bar before, `siblings` how many of them moved or could have, `peak_units`
    the largest of those moves.
    """
    price = units / PRICE_SCALE
    first = state[BARS] == 0.0
    move_units = 0.0 if first else units - state[MID]
    move = move_units / PRICE_SCALE
    whole = (move_units + others_units) / PRICE_SCALE if siblings > 0 else 0.0
    state[MID], state[BARS] = units * 1.0, state[BARS] + 1.0
    mean_5, mean_15, mean_60 = (price, price, price) if first else (state[OWN_5], state[OWN_15], state[OWN_60])
    mean_5 = mean_5 + WEIGHT_5 * (price - mean_5)
    mean_15 = mean_15 + WEIGHT_15 * (price - mean_15)
    mean_60 = mean_60 + WEIGHT_60 * (price - mean_60)
    state[OWN_5], state[OWN_15], state[OWN_60] = mean_5, mean_15, mean_60
    own_5, own_15, own_60 = price - mean_5, price - mean_15, price - mean_60
    total, mean_5, mean_15, mean_60 = state[SUM] + whole, state[SUM_5], state[SUM_15], state[SUM_60]
    mean_5 = mean_5 + WEIGHT_5 * (total - mean_5)
    mean_15 = mean_15 + WEIGHT_15 * (total - mean_15)
    mean_60 = mean_60 + WEIGHT_60 * (total - mean_60)
    state[SUM], state[SUM_5], state[SUM_15], state[SUM_60] = total, mean_5, mean_15, mean_60
    sum_5, sum_15, sum_60 = total - mean_5, total - mean_15, total - mean_60
    others = others_units / PRICE_SCALE / siblings if siblings > 0 else 0.0
    peak = peak_units / PRICE_SCALE if siblings > 0 else 0.0
    others_5, peak_5 = KEEP_5 * state[OTHERS_5] + others, KEEP_5 * state[PEAK_5] + peak
    state[OTHERS_5], state[PEAK_5] = others_5, peak_5
    if spread_units > 0:
        state[SPREAD], state[LEAN], state[GAP], state[BOOK_AGE] = spread_units / PRICE_SCALE, 0.0, 0.0, 0.0
        if bid_size + ask_size > 0:
            ratio = math.log((bid_size + MICRO) / (ask_size + MICRO))
            state[LEAN] = min(max(ratio, -LEAN_LIMIT), LEAN_LIMIT)
            state[GAP] = 0.5 * state[SPREAD] * ((bid_size - ask_size) / (bid_size + ask_size))
    else:
        state[BOOK_AGE] = state[BOOK_AGE] + 1.0
        if state[BOOK_AGE] > BOOK_BARS:
            state[SPREAD] = state[LEAN] = state[GAP] = 0.0
    spread, lean, gap = state[SPREAD], state[LEAN], state[GAP]
    made[0], made[1], made[2], made[3] = spread, lean, lean * spread, gap
    made[4], made[5], made[6] = move, whole, agreed(move, whole)
    made[7], made[8], made[9] = own_5, own_15, own_60
    made[10], made[11], made[12] = agreed(own_5, sum_5), agreed(own_15, sum_15), agreed(own_60, sum_60)
    made[13], made[14], made[15] = price * sum_5, price * sum_15, price * sum_60
    made[16], made[17], made[18], made[19] = others, others_5, peak, peak_5
    made[20], made[21] = HOUR_SIN[hour], HOUR_COS[hour]


def hour_of(ts_s: int) -> int:
    """Hour of the day in UTC.

    >>> hour_of(1_767_225_600 + 3_600)
    1
    """
    return ts_s % 86_400 // 3_600


class Moves:
    """The moves of an event's markets in a bar, in 1e-4: of those that had this bar and the one before."""

    def __init__(self, moves: Sequence[int]) -> None:
        self._sum, self._count = sum(moves), len(moves)
        self._largest = _largest(moves)
        rest = list(moves)
        if rest:
            rest.remove(self._largest)
        self._second = _largest(rest)

    def others(self, own: int | None) -> tuple[int, int, int]:
        """What `step` reads of the siblings of a market whose own move is among them: their sum, their number, and the
        largest one. A market without a move of its own compares with none.

        >>> Moves([10, -30, 5, 20]).others(20)
        (-15, 3, -30)
        """
        if own is None:
            return 0, 0, 0
        return self._sum - own, self._count - 1, self._second if own == self._largest else self._largest


def _largest(moves: Sequence[int]) -> int:
    """The largest of moves by size, of equal ones the rise; 0 without any."""
    if not moves:
        return 0
    highest, lowest = max(moves), min(moves)
    return highest if highest >= -lowest else lowest


ALONE: Final = (0, 0, 0)
"""What `Moves.others` says of a market without siblings."""
_NEAR, _LADDER, _REFERENCE = len(NEAR), len(LADDER), len(REFERENCE)


class RollingContext:
    """The context of one market's contiguous bars, in constant time and memory. After a gap, start a new one."""

    def __init__(self) -> None:
        self._state = [0.0] * SIZE
        self._ladder = [0.0] * ladder.STATE
        self._reference = [0.0] * reference_gap.STATE

    def push(
        self,
        ts_s: int,
        mid_units: int,
        spread_units: int,
        sizes_micro: tuple[int, int],
        siblings: tuple[int, int, int] = ALONE,
        place: Sequence[float] = ladder.ABSENT,
        exclusive_units: int = 0,
        fair: tuple[float, float] = reference_gap.UNKNOWN,
        flow: Sequence[float] = order_flow.NOTHING,
    ) -> list[float]:
        """The context of the bar that has just closed, in the order of `CONTEXT`; `siblings` are those of
        `Moves.others`. `place` is one of `ladder.places_of`, and `exclusive_units` as in `ladder.step`; `fair` are the
        fair values that `reference_gap.step` reads, `flow` are those of `ORDER_FLOW`."""
        made, placed, gap = [0.0] * _NEAR, [0.0] * _LADDER, [0.0] * _REFERENCE
        step(self._state, made, hour_of(ts_s), mid_units, spread_units, *sizes_micro, *siblings)
        ladder.step(self._ladder, placed, place, mid_units, exclusive_units)
        reference_gap.step(self._reference, gap, *fair, mid_units)
        return [*made, *placed, *gap, *flow]

"""Where a market lies among the brackets of its event: its neighbours by strike, and the price that a distribution
fitted to all of them gives it.

The markets of a ladder are either ranges that exclude each other, or thresholds of one direction. At every close a
normal distribution is fitted to their prices by mean and variance; what a price has over the distribution's is its
residual, and residuals come back. Exclusive markets cannot be worth more than 1 together: what their prices have over
it is the excess.

Every value is known at the close of its bar, in price units. What is absent is neutral: 0 without levels, without a
neighbour, with fewer than three brackets. Like `market_context.step`, the functions run live as they are and are
compiled for whole histories, with the same bits.
"""

import math
from collections.abc import Sequence
from typing import Any, Final

from pipelines.core.brackets import Bracket
from pipelines.core.money import PRICE_SCALE

LADDER: Final = (
    "below_move", "above_move", "below_gap", "above_gap", "below_gap_15", "above_gap_15",
    "residual", "residual_5", "residual_60", "excess",
)  # fmt: skip
"""Moves of the next lower and the next upper bracket, and their prices less the own; those gaps less their means of 15
bars. Own price less that of the fitted distribution, and that less its means of 5 and 60 bars. What the prices of
exclusive markets have over 1 together, times the own price."""

UNKNOWN, RANGES, ABOVE, BELOW = range(4)
"""Kinds of a ladder: ranges, thresholds that pay above them, thresholds that pay below them."""
# Places in what `fit` finds.
KIND, MEAN, SD, TOTAL, EXCESS = range(5)
LAW: Final = 5
# Places in what `place` finds; NaN is unknown.
BELOW_MOVE, ABOVE_MOVE, BELOW_GAP, ABOVE_GAP, RESIDUAL, OVER = range(6)
PLACE: Final = 6
ABSENT: Final = (math.nan,) * PLACE
# Places in the state of a market: each mean with the bars it has seen.
BELOW_15, BELOW_BARS, ABOVE_15, ABOVE_BARS, RESIDUAL_5, RESIDUAL_60, RESIDUAL_BARS = range(7)
STATE: Final = 7
FEWEST = 3
"""Brackets that a distribution is fitted to."""
WEIGHT_5, WEIGHT_15, WEIGHT_60 = 2.0 / 6.0, 2.0 / 16.0, 2.0 / 61.0
NARROWEST = 1.0 / 6.0
"""Smallest standard deviation in widths of a bracket: the law then lies in one bracket almost whole."""
ROOT_2 = math.sqrt(2.0)


def kind_of(lower: Any, upper: Any, count: int) -> int:
    """Kind of a ladder whose brackets are sorted by (lower, upper); UNKNOWN where they overlap."""
    ranges, above, below = True, True, True
    for k in range(count):
        above = above and math.isinf(upper[k])
        below = below and math.isinf(lower[k])
        if k > 0:
            ranges = ranges and upper[k - 1] <= lower[k]
            above = above and lower[k - 1] < lower[k]
            below = below and upper[k - 1] < upper[k]
    if count < 2:
        return UNKNOWN
    if ranges:
        return RANGES
    if above:
        return ABOVE
    return BELOW if below else UNKNOWN


def normal(value: float) -> float:
    """Distribution function of the standard normal law."""
    return 0.5 * (1.0 + math.erf(value / ROOT_2))


def deviation(grouped: float, width: float) -> float:
    """Standard deviation of a law whose variance is `grouped` in brackets of a width (Sheppard's correction)."""
    return max(math.sqrt(max(grouped - width * width / 12.0, 0.0)), NARROWEST * width)


def fit_ranges(lower: Any, upper: Any, units: Any, count: int, law: Any) -> None:
    """Mean, standard deviation (0 where there is none) and excess of ranges, into `law`."""
    width, widths, total, complete = 0.0, 0, 0, math.isinf(lower[0]) and math.isinf(upper[count - 1])
    for k in range(count):
        total += units[k]
        complete = complete and (k == 0 or upper[k - 1] == lower[k])
        if not math.isinf(lower[k]) and not math.isinf(upper[k]):
            width, widths = width + (upper[k] - lower[k]), widths + 1
    law[TOTAL] = total / PRICE_SCALE
    if total > PRICE_SCALE or complete:
        # Of ranges that leave a part of the line out less than 1 is no error.
        law[EXCESS] = (total - PRICE_SCALE) / PRICE_SCALE
    if count < FEWEST or widths == 0 or total <= 0:
        return
    width = width / widths
    # Counted from the first level, so that squares of large levels cost no digits.
    origin = upper[0] if math.isinf(lower[0]) else lower[0]
    first, second = 0.0, 0.0
    for k in range(count):
        middle = 0.5 * (lower[k] + upper[k])
        if math.isinf(lower[k]):
            middle = upper[k] - 0.5 * width
        elif math.isinf(upper[k]):
            middle = lower[k] + 0.5 * width
        first += units[k] / total * (middle - origin)
        second += units[k] / total * ((middle - origin) * (middle - origin))
    law[MEAN] = origin + first
    law[SD] = deviation(second - first * first, width)


def fit_levels(levels: Any, sign: int, units: Any, count: int, law: Any) -> None:
    """Mean and standard deviation (0 where there is none) of the quantity of thresholds, into `law`; `sign` is 1 where
    they pay above."""
    width = (levels[count - 1] - levels[0]) / (count - 1)
    first, second, before = 0.0, 0.0, 0.0
    for k in range(count + 1):
        under = 1.0
        if k < count:
            under = 1.0 - units[k] / PRICE_SCALE if sign > 0 else units[k] / PRICE_SCALE
        middle = -0.5 * width
        if k == count:
            middle = levels[count - 1] - levels[0] + 0.5 * width
        elif k > 0:
            middle = 0.5 * (levels[k - 1] + levels[k]) - levels[0]
        first += (under - before) * middle
        second += (under - before) * (middle * middle)
        before = under
    variance = second - first * first
    if variance > 0.0:
        law[MEAN], law[SD] = levels[0] + first, deviation(variance, width)


def fit(lower: Any, upper: Any, units: Any, count: int, law: Any) -> None:
    """What the prices of a ladder say together, into `law` (LAW places). Brackets are sorted by (lower, upper)."""
    law[KIND], law[MEAN], law[SD], law[TOTAL], law[EXCESS] = kind_of(lower, upper, count), 0.0, 0.0, 1.0, math.nan
    if law[KIND] == RANGES:
        fit_ranges(lower, upper, units, count, law)
    elif law[KIND] == ABOVE and count >= FEWEST:
        fit_levels(lower, 1, units, count, law)
    elif law[KIND] == BELOW and count >= FEWEST:
        fit_levels(upper, -1, units, count, law)


def place(lower: Any, upper: Any, units: Any, moves: Any, count: int, own: int, law: Any, found: Any) -> None:
    """Where the bracket `own` lies, into `found` (PLACE places), which holds `ABSENT`."""
    if law[KIND] == UNKNOWN:
        return
    if own > 0:
        found[BELOW_MOVE] = moves[own - 1] / PRICE_SCALE
        found[BELOW_GAP] = (units[own - 1] - units[own]) / PRICE_SCALE
    if own + 1 < count:
        found[ABOVE_MOVE] = moves[own + 1] / PRICE_SCALE
        found[ABOVE_GAP] = (units[own + 1] - units[own]) / PRICE_SCALE
    if law[SD] > 0.0:
        mass = normal((upper[own] - law[MEAN]) / law[SD]) - normal((lower[own] - law[MEAN]) / law[SD])
        found[RESIDUAL] = units[own] / PRICE_SCALE - law[TOTAL] * mass
    found[OVER] = law[EXCESS]


def step(state: Any, made: Any, found: Any, units: int, exclusive_units: int) -> None:
    """Take the place of one closed bar into `state` (STATE places), and write its `LADDER` into `made`, which holds 0.

    `exclusive_units` is the sum of the prices of the event's markets where the venue says that one of them at most can
    pay, else 0.
    """
    below, above, residual, over = found[BELOW_GAP], found[ABOVE_GAP], found[RESIDUAL], found[OVER]
    if not math.isnan(below):
        weight = 1.0 if state[BELOW_BARS] == 0.0 else WEIGHT_15
        state[BELOW_15], state[BELOW_BARS] = state[BELOW_15] + weight * (below - state[BELOW_15]), 1.0
        made[0], made[2], made[4] = found[BELOW_MOVE], below, below - state[BELOW_15]
    if not math.isnan(above):
        weight = 1.0 if state[ABOVE_BARS] == 0.0 else WEIGHT_15
        state[ABOVE_15], state[ABOVE_BARS] = state[ABOVE_15] + weight * (above - state[ABOVE_15]), 1.0
        made[1], made[3], made[5] = found[ABOVE_MOVE], above, above - state[ABOVE_15]
    if not math.isnan(residual):
        first = state[RESIDUAL_BARS] == 0.0
        short, long = (1.0, 1.0) if first else (WEIGHT_5, WEIGHT_60)
        state[RESIDUAL_5] = state[RESIDUAL_5] + short * (residual - state[RESIDUAL_5])
        state[RESIDUAL_60] = state[RESIDUAL_60] + long * (residual - state[RESIDUAL_60])
        state[RESIDUAL_BARS] = 1.0
        made[6], made[7], made[8] = residual, residual - state[RESIDUAL_5], residual - state[RESIDUAL_60]
    if exclusive_units > PRICE_SCALE:
        made[9] = units / PRICE_SCALE * ((exclusive_units - PRICE_SCALE) / PRICE_SCALE)
    elif not math.isnan(over):
        made[9] = units / PRICE_SCALE * over


Rung = tuple[Bracket, int, int]
"""A bracket with the price of its market and the move since the bar before, in 1e-4 (0 where that is not known)."""


def places_of(rungs: Sequence[Rung]) -> list[Sequence[float]]:
    """What `step` reads of the places of all markets of an event that closed in a bar, in their order: each among those
    brackets that are of the same quantity."""
    found: list[Sequence[float]] = [ABSENT] * len(rungs)
    ladders: dict[str, list[tuple[float, float, int, int, int]]] = {}
    for number, (bracket, units, moved) in enumerate(rungs):
        ladders.setdefault(bracket.ladder, []).append((bracket.lower, bracket.upper, units, moved, number))
    for rows in ladders.values():
        rows.sort()
        lower, upper, prices, moves, numbers = zip(*rows, strict=True)
        law = [0.0] * LAW
        fit(lower, upper, prices, len(rows), law)
        for own, number in enumerate(numbers):
            placed = list(ABSENT)
            place(lower, upper, prices, moves, len(rows), own, law, placed)
            found[number] = placed
    return found

"""The tuned rule as plain arithmetic: the threshold rule whose bars depend on what else is known when it decides.

The policy `tuned` and the compiled replay of accounts call these functions. The numbers come as one sequence in the
order of `NAMES`, so that a search can move them and `compiled` can turn the functions into machine code. With all but
`cost_multiple`, `exit_multiple` and `max_hold_s` at 0 this is the threshold rule.
"""

from collections.abc import Sequence

import numpy as np

from pipelines.core.money import PRICE_SCALE

NEAR_STEPS = 5
"""The near move is that from t+1 to t+6."""
ENDING_S = 21_600.0
"""Market seconds before a market's end from which on `ending` counts, more and more."""

NAMES = (
    "cost_multiple", "crowded", "spread", "extreme", "ending", "unsure", "early",
    "exit_multiple", "exit_crowded", "exit_aged", "full_at", "max_hold_s",
)  # fmt: skip
"""What each of the numbers is, in their order."""


def used_share(cash_micro: int, equity_micro: int) -> float:
    """Share of the account that is not cash, as an observation tells it (in float32)."""
    return 1.0 - float(np.float32(min(max(cash_micro / max(equity_micro, 1), 0.0), 1.0)))


def entry_multiple(
    numbers: Sequence[float], used: float, spread_units: int, mid_units: int, left_s: float, confidence: float
) -> float:
    """Round trips that a move has to exceed before an entry."""
    extreme = abs(2.0 * mid_units / PRICE_SCALE - 1.0)
    ending = max(1.0 - left_s / ENDING_S, 0.0)
    more = numbers[1] * used + numbers[2] * (spread_units / 100.0) + numbers[3] * extreme
    more += numbers[4] * ending + numbers[5] * (1.0 - confidence)
    return max(numbers[0] + more, 0.0)


def enters(
    numbers: Sequence[float],
    move_units: float,
    near_units: float,
    cost_units: float,
    used: float,
    spread_units: int,
    mid_units: int,
    left_s: float,
    confidence: float,
) -> tuple[int, float]:
    """Direction to enter, -1, 0 or 1, and the share of the cap: all, or half where the move is below `full_at` bars.

    `early` is subtracted from the bar for the part of the move that is expected in its first five bars.
    """
    multiple = entry_multiple(numbers, used, spread_units, mid_units, left_s, confidence)
    direction = 1 if move_units > 0.0 else -1
    size = abs(move_units)
    if numbers[6] != 0.0 and size > 0.0:
        share = min(max(near_units * direction / size, -1.0), 2.0)
        multiple = max(multiple - numbers[6] * share, 0.0)
    if not size > multiple * cost_units:
        return 0, 0.0
    return direction, 1.0 if size > numbers[10] * multiple * cost_units else 0.5


def stays(numbers: Sequence[float], move_units: float, cost_units: float, used: float, held: int, held_s: int) -> bool:
    """Whether a position is kept: it is young, and the move does not point against it by so many round trips."""
    multiple = numbers[7] + numbers[8] * used + numbers[9] * held_s / max(numbers[11], 1.0)
    return move_units * held > -multiple * cost_units and held_s < numbers[11]

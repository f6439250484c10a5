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
LEAST_SHARE = 0.5
"""The bar of an entry is never below this share of `cost_multiple`: most bars are passed over without a second look."""

NAMES = (
    "cost_multiple", "crowded", "spread", "extreme", "ending", "unsure", "early", "dear", "earning", "earning_crowded",
    "exit_multiple", "exit_crowded", "exit_aged", "full_at", "max_hold_s",
)  # fmt: skip
"""What each of the numbers is, in their order."""


def used_share(cash_micro: int, equity_micro: int) -> float:
    """Share of the account that is not cash, as an observation tells it (in float32)."""
    return 1.0 - float(np.float32(min(max(cash_micro / max(equity_micro, 1), 0.0), 1.0)))


def token_share(mid_units: int, direction: int) -> float:
    """Price of the token that a direction holds, 0 to 1."""
    price = mid_units / PRICE_SCALE
    return price if direction > 0 else 1.0 - price


def entry_multiple(
    numbers: Sequence[float],
    near_share: float,
    cost_units: float,
    token: float,
    used: float,
    spread_units: int,
    left_s: float,
    confidence: float,
) -> float:
    """Round trips that a move has to exceed before an entry.

    `early` is subtracted for the part of the move that is expected in its first five bars. A place costs cash by the
    token's price and not by its round trip: `earning` is what each pUSD in it has to earn after costs.
    """
    extreme = abs(2.0 * token - 1.0)
    ending = max(1.0 - left_s / ENDING_S, 0.0)
    each = token * PRICE_SCALE / max(cost_units, 1.0)
    more = numbers[1] * used + numbers[2] * (spread_units / 100.0) + numbers[3] * extreme
    more += numbers[4] * ending + numbers[5] * (1.0 - confidence)
    more += numbers[7] * token + (numbers[8] + numbers[9] * used) * each - numbers[6] * near_share
    return max(numbers[0] + more, LEAST_SHARE * numbers[0])


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
    """Direction to enter, -1, 0 or 1, and the share of the cap: all, or half where the move is below `full_at` bars."""
    direction = 1 if move_units > 0.0 else -1
    size = abs(move_units)
    share = 0.0
    if numbers[6] != 0.0 and size > 0.0:
        share = min(max(near_units * direction / size, -1.0), 2.0)
    token = token_share(mid_units, direction)
    multiple = entry_multiple(numbers, share, cost_units, token, used, spread_units, left_s, confidence)
    if not size > multiple * cost_units:
        return 0, 0.0
    return direction, 1.0 if size > numbers[13] * multiple * cost_units else 0.5


def stays(numbers: Sequence[float], move_units: float, cost_units: float, used: float, held: int, held_s: int) -> bool:
    """Whether a position is kept: it is young, and the move does not point against it by so many round trips."""
    multiple = numbers[10] + numbers[11] * used + numbers[12] * held_s / max(numbers[14], 1.0)
    return move_units * held > -multiple * cost_units and held_s < numbers[14]

"""Who takes cash, room and places where several markets of one bar want them: one rule for all markets of an account.

Each market's own policy makes a claim: an expected move that pays. The allocator scores the claims of a bar, asks them
in the order of their scores, and refuses what scores too little for the room that is left and for what the other
markets claim. Its numbers come as one sequence in the order of `NAMES`; with all of them at 0 it is
`execution.turn: move`, which asks in the order of the moves in round trips and refuses nothing.
"""

from collections.abc import Sequence

from pipelines.core.money import PRICE_SCALE
from pipelines.trading.observation import LEAST_COST
from pipelines.trading.tuned_rule import ENDING_S

NAMES = ("near", "confidence", "spread", "extreme", "ending", "least", "used", "rivals", "behind", "related")
"""Five that change a score, five that change what a claim needs."""
RIVALS = 5
"""Other claims that count as many."""


def score(
    numbers: Sequence[float],
    move_units: float,
    near_units: float,
    cost_units: float,
    spread_units: int,
    mid_units: int,
    left_s: float,
    confidence: float,
) -> float:
    """What a claim is worth, in round trips: its expected move, and what is added for what else is known of it."""
    size = abs(move_units)
    share = 0.0
    if size > 0.0:
        share = min(max(near_units / move_units, -1.0), 2.0)
    extreme = abs(2.0 * mid_units / PRICE_SCALE - 1.0)
    ending = max(1.0 - left_s / ENDING_S, 0.0)
    more = numbers[0] * share + numbers[1] * confidence + numbers[2] * (spread_units / 100.0)
    more += numbers[3] * extreme + numbers[4] * ending
    return size / max(cost_units, LEAST_COST) + more


def needed(numbers: Sequence[float], used: float, rivals: int, behind: float, related: int) -> float:
    """The least score of a claim that gets room.

    `used` is the share of the exposure limit that is taken, `rivals` the number of other claims of the bar, `behind` by
    how much the best of them scores more, `related` how many places the market's event and topic hold.
    """
    least = numbers[5] + numbers[6] * used + numbers[7] * min(rivals, RIVALS) / RIVALS
    return least + numbers[8] * behind + numbers[9] * related

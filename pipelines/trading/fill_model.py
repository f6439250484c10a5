"""How likely an order that rests was filled between two looks at the book, learned from recorded books.

Where the other side's touch has come to the limit at a look, the order is filled: recorded probes were in 95 % of such
cases and in no other. Between two looks nobody saw the touch. The probability that it came to the limit falls with the
product of its distances at both looks over the time between them (a bridge of a walk), and depends on queue, spread,
imbalance, the move towards the order and the time to the end: fills come together with moves against what was bought.
`benchmarks.fills` fits the weights and measures them on markets that the fit did not see.
"""

import math
from dataclasses import dataclass
from typing import Final

from pipelines.core.money import MICRO

QUEUE_SHARES: Final = 100.0
"""Shares that the queue is measured in."""
MOST_TICKS: Final = 10.0
MOST_BRIDGE: Final = 200.0

NAMES: Final = ("intercept", "bridge", "queue", "spread", "imbalance", "move", "left")


@dataclass(frozen=True, slots=True)
class Resting:
    """What is seen of an order that rests at two looks, from its own side. Sizes in base units, prices in 1e-4."""

    before_units: int
    after_units: int
    """Distance of the other side's touch from the limit at both looks, above 0."""
    seconds: float
    """Between the looks."""
    ahead_micro: int
    """Displayed at its level at the first look."""
    spread_units: int
    tick_units: int
    own_micro: int
    other_micro: int
    """Displayed at the touch of its own side and of the other one, at the first look."""
    move_units: int
    """Move of the mid between the looks, positive towards the order."""
    left_s: float
    """Seconds to the market's end at the first look."""

    def features(self) -> tuple[float, ...]:
        """The inputs of the model, in the order of NAMES."""
        shown, tick = self.own_micro + self.other_micro, self.tick_units
        ticks = (self.before_units / tick) * (self.after_units / tick)
        return (
            1.0,
            math.sqrt(min(2.0 * ticks / max(self.seconds, 1e-3), MOST_BRIDGE)),
            math.log1p(self.ahead_micro / MICRO / QUEUE_SHARES),
            min(self.spread_units / tick, MOST_TICKS),
            (self.own_micro - self.other_micro) / shown if shown else 0.0,
            min(max(self.move_units / tick, -MOST_TICKS), MOST_TICKS),
            -math.log1p(min(max(self.left_s, 0.0), 86_400.0)),
        )


def chance(weights: tuple[float, ...], seen: Resting) -> float:
    """Probability that the order was filled between the looks."""
    return chance_of(weights, seen.features())


def chance_of(weights: tuple[float, ...], features: tuple[float, ...]) -> float:
    """The same of features that are there already."""
    score = sum(weight * value for weight, value in zip(weights, features, strict=True))
    return 1.0 / (1.0 + math.exp(min(max(-score, -30.0), 30.0)))


def filled_micro(weights: tuple[float, ...], seen: Resting, left_micro: int, grid_micro: int) -> int:
    """Expected shares of an order that were filled between the looks, on the grid: a replay throws no dice."""
    return int(left_micro * chance(weights, seen)) // grid_micro * grid_micro

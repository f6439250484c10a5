"""How likely an order that rests was filled between two looks at the book, learned from recorded books.

Where the other side's touch has come to the limit at a look, the order is filled: recorded probes were in 95 % of such
cases and in no other. Between two looks nobody saw the touch. The probability that it came to the limit falls with the
product of its distances at both looks over the time between them (a bridge of a walk), and depends on queue, spread,
imbalance, the move towards the order and the time to the end: fills come together with moves against what was bought.
`benchmarks.fills` fits the weights and measures them on markets that the fit did not see.

An order at the touch is also filled where trades take the queue before it and the other side's touch never comes. What
vanished there between two looks went by trade or by cancel, of which a book alone shows the sum: `benchmarks.queues`
learns the part of the trades, and how likely they came through, from recordings that tell both apart.

A fill by trades is worth less after a minute than what the looks let expect, because who takes a whole queue knows
something that the book does not show. No input told such fills apart, so `booked_units` charges each of them what the
recordings say on average (`execution.fill_adverse_units`).
"""

import math
from dataclasses import dataclass
from typing import Final

from pipelines.core.money import MICRO, PRICE_SCALE

QUEUE_SHARES: Final = 100.0
"""Shares that the queue is measured in."""
MOST_TICKS: Final = 10.0
MOST_BRIDGE: Final = 200.0

NAMES: Final = ("intercept", "bridge", "queue", "spread", "imbalance", "move", "left")
QUEUE_NAMES: Final = ("intercept", "ahead", "vanished", "emptied", "alone")


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
    reference_units: int = 0
    """Move of the price that the reference implies between the looks, positive towards the order; 0 where there is
    none."""

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


@dataclass(frozen=True, slots=True)
class Queue:
    """What is seen of the queue before an order that rests, at two looks. Sizes in base units."""

    ahead_micro: int
    """Shares before it at the first look."""
    shown_micro: int
    """Displayed at its level at the first look; 0 where the order is alone before its side's touch."""
    vanished_micro: int
    """How much less its level displays at the second look."""
    emptied: bool
    """Whether its side's touch fell back behind the limit between the looks."""
    seconds: float
    """Between the looks."""

    def features(self) -> tuple[float, ...]:
        """The inputs of the model, in the order of QUEUE_NAMES; the intercept carries the time between the looks."""
        shown = self.shown_micro
        return (
            1.0,
            -math.log1p(self.ahead_micro / MICRO / QUEUE_SHARES),
            self.vanished_micro / shown if shown and not self.emptied else 0.0,
            1.0 if self.emptied else 0.0,
            1.0 if shown == 0 else 0.0,
        )

    def chance(self, weights: tuple[float, ...]) -> float:
        """Probability that trades came through the queue to the order between the looks."""
        time = math.log(max(self.seconds, 1e-3))
        score = time + sum(weight * value for weight, value in zip(weights, self.features(), strict=True))
        return 1.0 - math.exp(-math.exp(min(score, 30.0)))

    def left_micro(self, trade_share: float) -> int:
        """Shares before the order at the second look: trades (`trade_share` of what vanished) take from the front of
        the queue, cancels from everywhere alike."""
        if self.emptied or self.shown_micro == 0:
            return 0
        behind = (1.0 - trade_share) * (1.0 - self.ahead_micro / self.shown_micro)
        return max(int(self.ahead_micro - self.vanished_micro * (1.0 - behind)), 0)


def queue(distances: tuple[int, int], shown_micro: tuple[int, int], ahead_micro: int, seconds: float) -> Queue | None:
    """What two looks show of the queue; None where the order is behind its side's touch, which trades take first.

    Args:
        distances: of its side's touch from the limit at both looks, positive where the touch is better, price units.
        shown_micro: displayed at its side's touch at both looks.
        ahead_micro: shares before the order at the first look.
        seconds: between the looks.
    """
    before, after = distances
    if before > 0:
        return None
    if before < 0:
        return Queue(0, 0, 0, emptied=False, seconds=seconds)
    fell = max(shown_micro[0] - shown_micro[1], 0) if after == 0 else 0
    return Queue(min(ahead_micro, shown_micro[0]), shown_micro[0], fell, emptied=after < 0, seconds=seconds)


@dataclass(frozen=True, slots=True)
class FillChance:
    """How likely an order was filled between two looks: because the other side's touch came to it, or because trades
    took the queue before it."""

    touch: float
    trades: float

    @property
    def filled(self) -> float:
        """Probability of either."""
        return 1.0 - (1.0 - self.touch) * (1.0 - self.trades)

    @property
    def by_trades(self) -> float:
        """Part of what was filled that trades took, also where the touch came too."""
        return self.trades / self.filled if self.filled > 0.0 else 0.0


NEVER: Final = FillChance(0.0, 0.0)


def booked_units(limit_units: int, *, buys: bool, by_trades: float, adverse_units: int) -> int:
    """Price that a fill at a limit is booked at: worse by what fills by trades lose more than the looks let expect.

    >>> booked_units(5_000, buys=True, by_trades=0.5, adverse_units=141)
    5071
    >>> booked_units(50, buys=False, by_trades=1.0, adverse_units=141)
    0
    """
    worse = math.ceil(adverse_units * by_trades)
    return min(limit_units + worse, PRICE_SCALE) if buys else max(limit_units - worse, 0)


def chance(weights: tuple[float, ...], seen: Resting, reference_weight: float = 0.0) -> float:
    """Probability that the other side's touch came to the order between the looks; `reference_weight` is that of a tick
    of the reference's move."""
    moved = min(max(seen.reference_units / seen.tick_units, -MOST_TICKS), MOST_TICKS)
    return chance_of((*weights, reference_weight), (*seen.features(), moved))


def chance_of(weights: tuple[float, ...], features: tuple[float, ...]) -> float:
    """The same of features that are there already."""
    score = sum(weight * value for weight, value in zip(weights, features, strict=True))
    return 1.0 / (1.0 + math.exp(min(max(-score, -30.0), 30.0)))


def filled_micro(chance: float, left_micro: int, grid_micro: int) -> int:
    """Expected shares of an order that were filled between the looks, on the grid: a replay throws no dice."""
    return int(left_micro * chance) // grid_micro * grid_micro

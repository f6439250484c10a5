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

The functions are free of objects, so that `compiled` turns them into machine code: paper, event-driven and compiled
replays fill by the same source.
"""

import math
from collections.abc import Sequence
from typing import Final

from pipelines.core.money import MICRO, PRICE_SCALE

QUEUE_SHARES: Final = 100.0
"""Shares that the queue is measured in."""
MOST_TICKS: Final = 10.0
MOST_BRIDGE: Final = 200.0
MOST_SCORE: Final = 30.0
LEAST_S: Final = 1e-3
DAY_S: Final = 86_400.0
NOT_FIRST: Final = -1
"""Instead of what an order's level displays: another price of its side is better."""

NAMES: Final = ("intercept", "bridge", "queue", "spread", "imbalance", "move", "left")
QUEUE_NAMES: Final = ("intercept", "ahead", "vanished", "emptied", "alone")


def touch_features(
    before_units: int,
    after_units: int,
    seconds: float,
    ahead_micro: int,
    spread_units: int,
    tick_units: int,
    own_micro: int,
    other_micro: int,
    move_units: int,
    left_s: float,
) -> tuple[float, float, float, float, float, float, float]:
    """What the chance depends on that the other side's touch came to an order, in the order of NAMES.

    Args:
        before_units: distance of the other touch from the limit at the first look, above 0.
        after_units: the same at the second look.
        seconds: between the looks.
        ahead_micro: displayed at the order's level at the first look, base units.
        spread_units: at the first look; `tick_units` of the market.
        own_micro: displayed at the touch of its side at the first look; `other_micro` at the other touch.
        move_units: of the mid between the looks, positive towards the order.
        left_s: seconds to the market's end at the first look.
    """
    shown, ticks = own_micro + other_micro, (before_units / tick_units) * (after_units / tick_units)
    return (
        1.0,
        math.sqrt(min(2.0 * ticks / max(seconds, LEAST_S), MOST_BRIDGE)),
        math.log1p(ahead_micro / MICRO / QUEUE_SHARES),
        min(spread_units / tick_units, MOST_TICKS),
        (own_micro - other_micro) / shown if shown > 0 else 0.0,
        min(max(move_units / tick_units, -MOST_TICKS), MOST_TICKS),
        -math.log1p(min(max(left_s, 0.0), DAY_S)),
    )


def queue_seen(
    better_before: int, better_after: int, shown_before: int, shown_after: int, ahead_micro: int
) -> tuple[int, int, int, bool]:
    """Shares before an order, displayed at its level, and vanished there between two looks, and whether the level fell
    back behind the limit; the second is NOT_FIRST where the order is behind its side's touch, which trades take first.

    Args:
        better_before: how much better than the limit its side's touch is at the first look, price units.
        better_after: the same at the second look.
        shown_before: displayed at its side's touch at the first look.
        shown_after: the same at the second look.
        ahead_micro: shares before the order at the first look.
    """
    if better_before > 0:
        return 0, NOT_FIRST, 0, False
    if better_before < 0:
        return 0, 0, 0, False
    vanished = max(shown_before - shown_after, 0) if better_after == 0 else 0
    return min(ahead_micro, shown_before), shown_before, vanished, better_after < 0


def queue_features(
    ahead_micro: int, shown_micro: int, vanished_micro: int, emptied: bool
) -> tuple[float, float, float, float, float]:
    """What the chance depends on that trades took the queue, in the order of QUEUE_NAMES; the arguments are those of
    `queue_seen`. The intercept carries the time between the looks."""
    return (
        1.0,
        -math.log1p(ahead_micro / MICRO / QUEUE_SHARES),
        vanished_micro / shown_micro if shown_micro > 0 and not emptied else 0.0,
        1.0 if emptied else 0.0,
        1.0 if shown_micro == 0 else 0.0,
    )


def weighed(weights: Sequence[float], features: Sequence[float]) -> float:
    """The sum of features, each times its weight."""
    total = 0.0
    for at in range(len(features)):
        total += weights[at] * features[at]
    return total


def logistic(score: float) -> float:
    """Probability of log-odds."""
    return 1.0 / (1.0 + math.exp(min(max(-score, -MOST_SCORE), MOST_SCORE)))


def trades_chance(weights: Sequence[float], features: Sequence[float], seconds: float) -> float:
    """Probability that trades came through the queue to the order between the looks."""
    score = math.log(max(seconds, LEAST_S)) + weighed(weights, features)
    return 1.0 - math.exp(-math.exp(min(score, MOST_SCORE)))


def queue_left(ahead_micro: int, shown_micro: int, vanished_micro: int, emptied: bool, trade_share: float) -> int:
    """Shares before the order at the second look: trades (`trade_share` of what vanished) take from the front of the
    queue, cancels from everywhere alike."""
    if emptied or shown_micro == 0:
        return 0
    behind = (1.0 - trade_share) * (1.0 - ahead_micro / shown_micro)
    return max(int(ahead_micro - vanished_micro * (1.0 - behind)), 0)


def either(touch: float, trades: float) -> float:
    """Probability that the touch or trades filled an order.

    >>> either(touch=0.5, trades=0.5)
    0.75
    """
    return 1.0 - (1.0 - touch) * (1.0 - trades)


def part_of_trades(touch: float, trades: float) -> float:
    """Part of what was filled that trades took, also where the touch came too.

    >>> part_of_trades(touch=0.0, trades=0.25)
    1.0
    """
    filled = either(touch, trades)
    return trades / filled if filled > 0.0 else 0.0


def filled_micro(chance: float, left_micro: int, grid_micro: int) -> int:
    """Expected shares of an order that were filled between the looks, on the grid: a replay throws no dice."""
    return int(left_micro * chance) // grid_micro * grid_micro


def booked_units(limit_units: int, side: int, by_trades: float, adverse_units: int) -> int:
    """Price that a fill at a limit is booked at: worse by what fills by trades lose more than the looks let expect.
    `side` is 1 for a buy and -1 for a sale.

    >>> booked_units(5_000, 1, by_trades=0.5, adverse_units=141)
    5071
    >>> booked_units(50, -1, by_trades=1.0, adverse_units=141)
    0
    """
    worse = math.ceil(adverse_units * by_trades)
    return min(max(limit_units + side * worse, 0), PRICE_SCALE)


def between_looks(
    side: int,
    limit_units: int,
    first_bid: int,
    first_ask: int,
    last_bid: int,
    last_ask: int,
    first_own: int,
    last_own: int,
    first_other: int,
    first_modelled: int,
    last_modelled: int,
    tick_units: int,
    seconds: float,
    left_s: float,
    ahead_micro: int,
    reference_score: float,
    weights: Sequence[float],
    queue_weights: Sequence[float],
    trade_share: float,
) -> tuple[float, float, int]:
    """How likely an order that rests was filled between two looks because the other side's touch came to it, how
    likely because trades took the queue, and the shares before it at the second look.

    Args:
        side: 1 for a buy and -1 for a sale.
        limit_units: its limit.
        first_bid: best bid of its token at the first look; with it `first_ask`, and `last_bid` and `last_ask`.
        first_own: displayed at the touch of its side at the first look, base units; `last_own` at the second.
        first_other: displayed at the other touch at the first look.
        first_modelled: what the model displays at a touch at the first look; `last_modelled` at the second. Modelled
            sizes follow the spread: where both are, nothing vanished.
        tick_units: of the market.
        seconds: between the looks.
        left_s: seconds to the market's end at the first look.
        ahead_micro: shares before it at the first look.
        reference_score: what the move of a reference price adds to the log-odds of the touch.
        weights: in the order of NAMES.
        queue_weights: in the order of QUEUE_NAMES.
        trade_share: part of what vanishes that trades took.
    """
    two_sided = 0 < first_bid < first_ask < PRICE_SCALE and 0 < last_bid < last_ask < PRICE_SCALE
    before = side * ((first_ask if side > 0 else first_bid) - limit_units)
    after = side * ((last_ask if side > 0 else last_bid) - limit_units)
    if not two_sided or before <= 0 or after <= 0:
        return 0.0, 0.0, ahead_micro
    better_before = side * ((first_bid if side > 0 else first_ask) - limit_units)
    better_after = side * ((last_bid if side > 0 else last_ask) - limit_units)
    at_level = first_own if better_before == 0 else 0
    moved = side * ((first_bid + first_ask) // 2 - (last_bid + last_ask) // 2)
    spread = first_ask - first_bid
    features = touch_features(
        before, after, seconds, at_level, spread, tick_units, first_own, first_other, moved, left_s
    )
    touch = logistic(weighed(weights, features) + reference_score)
    if first_own == first_modelled and last_own == last_modelled:
        last_own = first_own
    ahead, shown, vanished, emptied = queue_seen(better_before, better_after, first_own, last_own, ahead_micro)
    if shown == NOT_FIRST:
        return touch, 0.0, ahead_micro
    trades = trades_chance(queue_weights, queue_features(ahead, shown, vanished, emptied), seconds)
    return touch, trades, queue_left(ahead, shown, vanished, emptied, trade_share)


def reference_score(weight: float, moved_units: int, tick_units: int) -> float:
    """What the move of a reference price towards an order adds to the log-odds of the touch; `weight` is a tick's."""
    return weight * min(max(moved_units / tick_units, -MOST_TICKS), MOST_TICKS)

"""Probability of YES under a settlement rule, from the path of the reference price. The one definition that training,
backtest and bot use.

The price is a driftless log-normal walk with the variance that its path shows. Of an average, the part that has passed
is known; the rest has the variance of a partial mean: with a share w of the average still to come over T seconds,
w^2 x T / 3 of a second's variance (the integral of a walk), and before the average begins the time until then and a
third of its length. Tested against simulated paths.
"""

import math
from typing import Final

from pipelines.core.settlement import RuleKind, Settlement
from pipelines.reference.prices import Path

OPEN_GRACE_MS: Final = 2_000
"""Where no earlier price is known at a moment, one that was made up to this long after it is used."""


def fair_value(path: Path, rule: Settlement, now_ms: int, ahead: float | None = None) -> tuple[float | None, str]:
    """Probability of YES at a time from what was known then, or None with the reason. `ahead` is the price that a
    faster source implies for now; without it the newest price of the path holds.

    None before the range begins (where the level is its first price), after its end, while the feed is silent, frozen
    or in doubt, without a level, and while too few moves are known.
    """
    count = path.known(now_ms)
    newest = path.last(count)
    if path.doubtful(now_ms):
        return None, "the reference price jumped and is not confirmed"
    if newest is None or path.silent(now_ms, count):
        return None, "the reference price is silent"
    if path.flat(count):
        return None, "the reference price has stayed unchanged for too long"
    if now_ms >= rule.end_s * 1_000:
        return None, "the range has ended"
    level = rule.strike
    if level is None:
        if now_ms < rule.start_s * 1_000:
            return None, "the range has not begun"
        level = _taken(path, rule, rule.start_s * 1_000, count)
        if level is None:
            return None, "the price at the beginning was not seen"
    rate = path.variance_rate(count)
    if rate is None:
        return None, "too few moves are known"
    found = _moments(path, rule, now_ms, newest[1] if ahead is None else ahead, count)
    if found is None:
        return None, "a part of the average was not seen"
    mean, seconds = found
    chance = _above(mean, level, rate * seconds)
    return (chance if rule.upper is None else chance - _above(mean, rule.upper, rate * seconds)), ""


def _taken(path: Path, rule: Settlement, at_ms: int, count: int) -> float | None:
    """The price at a moment, as the settlement rule defines it."""
    if rule.kind is RuleKind.TWAP:
        return path.mean(at_ms - rule.average_s * 1_000, at_ms, count)
    found = path.at(at_ms, count)
    return path.at(at_ms + OPEN_GRACE_MS, count) if found is None else found


def _moments(path: Path, rule: Settlement, now_ms: int, price: float, count: int) -> tuple[float, float] | None:
    """Expected settlement price, and how many seconds of variance are still to come."""
    left_s = rule.end_s - now_ms / 1_000.0
    average_s = float(rule.average_s)
    if average_s <= 0.0:
        return price, left_s
    if left_s >= average_s:
        return price, left_s - average_s + average_s / 3.0
    known = path.mean(rule.end_s * 1_000 - rule.average_s * 1_000, now_ms, count)
    if known is None:
        return None
    open_share = left_s / average_s
    return known * (1.0 - open_share) + price * open_share, open_share * open_share * left_s / 3.0


def _above(mean: float, level: float, variance: float) -> float:
    """Probability that a price with this mean and this variance of its log ends at or above a level."""
    if variance <= 0.0:
        return 1.0 if mean >= level else 0.0
    return 0.5 * math.erfc(-math.log(mean / level) / math.sqrt(2.0 * variance))

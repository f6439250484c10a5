"""Log-odds that a market pays YES, from what is known at a bar: the one definition that fits, scores and decides.

The price's log-odds are recalibrated (intercept and slope, both with a part of the market's category, the slope with
one that follows the time left) and moved by the sentiment of headlines; the result goes a share of the way to the fair
value of the reference price, and a share of the way to an external probability. What is not known changes nothing.

Everything here is additions and products, so columns of many bars and the numbers of one give equal bits.
"""

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

from pipelines.core.money import PRICE_SCALE

DAY_S = 86_400.0
LEAST_LEFT_S, MOST_LEFT_S = 60.0, 365.0 * DAY_S
SURE = 1e-3
"""Fair values and external probabilities are held this far from 0 and 1."""


class Seen(NamedTuple):
    """What the forecast of an outcome reads: numbers of one bar, or columns of many bars, (n,) each."""

    price: Any
    """Log-odds of the mid."""
    time: Any
    """Log of the days left until the scheduled end; 0 where it is unknown, as with a day left."""
    sentiment: Any
    """Decayed sentiment of headlines, in [-1, 1]."""
    reference: Any
    """Log-odds of the fair value of the reference price."""
    has_reference: Any
    """1 where there is a fair value, else 0."""
    external: Any
    """Log-odds of the external probability."""
    has_external: Any
    """1 where there is one, else 0."""


class Weights(NamedTuple):
    """Parameters of `policy.systematic` that make the forecast; as they are here the price is right."""

    intercept: float = 0.0
    slope: float = 1.0
    slope_time: float = 0.0
    sentiment_weight: float = 0.0
    reference_weight: float = 0.0
    external_weight: float = 0.0
    category_offsets: Mapping[str, float] = {}
    category_slopes: Mapping[str, float] = {}

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> "Weights":
        """The weights among the parameters of the policy."""
        named = {name: values[name] for name in cls._fields}
        by_category = ("category_offsets", "category_slopes")
        return cls(**named | {part: {category(name): one for name, one in named[part].items()} for part in by_category})


def category(topic: str) -> str:
    """The category of a market, by which offsets and slopes are known."""
    return topic.casefold()


def seen(
    mid_units: int, ts_s: int, end_s: int | None, sentiment: float, fair: float | None, external: float | None
) -> Seen | None:
    """What is known at the close of a bar; None without a price inside (0, 1). Times in UTC s."""
    price = mid_units / PRICE_SCALE
    if not 0.0 < price < 1.0:
        return None
    left_s = DAY_S if end_s is None else min(max(float(end_s - ts_s), LEAST_LEFT_S), MOST_LEFT_S)
    others = (part for one in (fair, external) for part in _odds(one))
    return Seen(math.log(price / (1.0 - price)), math.log(left_s / DAY_S), sentiment, *others)


def _odds(chance: float | None) -> tuple[float, float]:
    if chance is None or not math.isfinite(chance):
        return 0.0, 0.0
    held = min(max(chance, SURE), 1.0 - SURE)
    return math.log(held / (1.0 - held)), 1.0


def own(one: Seen, weights: Weights, offset: Any, slope: Any) -> Any:
    """Log-odds before the reference price and the external probability.

    `offset` and `slope` are those of the category, 0 where it is unknown.
    """
    steepness = weights.slope + slope + weights.slope_time * one.time
    return weights.intercept + offset + steepness * one.price + weights.sentiment_weight * one.sentiment


def log_odds(one: Seen, weights: Weights, offset: Any, slope: Any) -> Any:
    """Log-odds of YES at the end; arguments as in `own`."""
    mine = own(one, weights, offset, slope)
    to_reference = weights.reference_weight * one.has_reference * (one.reference - mine)
    return mine + to_reference + weights.external_weight * one.has_external * (one.external - mine)


def probability(one: Seen, weights: Weights, topic: str) -> float:
    """Probability of YES of a market of a topic."""
    name = category(topic)
    offset, slope = weights.category_offsets.get(name, 0.0), weights.category_slopes.get(name, 0.0)
    return chance(log_odds(one, weights, offset, slope))


def chance(odds: float) -> float:
    """Probability of log-odds."""
    return 1.0 / (1.0 + math.exp(-min(max(odds, -700.0), 700.0)))  # beyond 700 exp overflows

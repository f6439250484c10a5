"""Systematic: many small positions where a calibrated probability of the outcome pays its costs, held to resolution."""

from typing import Any

from pipelines.core.domain import Direction, Position
from pipelines.core.money import PRICE_SCALE, fee_curve
from pipelines.core.sections import Fraction, NonNegativeFloat
from pipelines.trading import kernel, outcome_odds
from pipelines.trading.policies.base import (
    CASH,
    DeclaredPolicy,
    Inputs,
    Observation,
    PolicyParameters,
    Target,
    given_by,
    held_direction,
    since,
)

_DAY_S = 86_400.0


class Systematic(DeclaredPolicy):
    """The price, recalibrated in log-odds by category and time left and moved by headlines, the reference price and an
    external probability where they are known (`trading.outcome_odds`), is the probability of the outcome. It buys the
    token that is worth more than its ask, the fee, the cost of waiting and a margin, and holds it until the market
    pays. With the parameters as shipped the price is right and nothing is bought; a backtest learns them on its slice
    (`backtest.outcome_fit`)."""

    kind = "systematic"
    candidate = True
    rank = 80
    uses_forecast = False
    to_resolution = True

    class Parameters(PolicyParameters):
        """Section `policy.systematic`."""

        intercept: float = 0.0
        """Added to the price's log-odds. Unit: log-odds."""
        slope: float = 1.0
        """Factor of the price's log-odds; above 1 favourites win more often than their price. Unit: none."""
        slope_time: float = since(0.0, before=0.0)
        """Added to the slope per log of the days left; below 0 favourites are worth more late. Unit: none."""
        sentiment_weight: float = since(0.0, before=0.0)
        """Log-odds that full sentiment adds. Unit: log-odds."""
        reference_weight: Fraction = 0.0
        """Share of the way from the price to the fair value of the reference price, in log-odds. Unit: share."""
        external_weight: Fraction = since(0.0, before=0.0)
        """Share of the way from the price to an external probability, in log-odds. Unit: share."""
        category_offsets: dict[str, float] = since({}, before={})
        """Added to the intercept in markets of a category (topic); nothing in others. Unit: log-odds."""
        category_slopes: dict[str, float] = since({}, before={})
        """Added to the slope in markets of a category (topic); nothing in others. Unit: none."""
        margin: NonNegativeFloat = 0.01
        """What has to be left after all costs. Unit: pUSD per share."""
        capital_cost: NonNegativeFloat = 0.05
        """Cost of the money that waits for the end. Unit: share per year."""
        size_share: Fraction = 0.2
        """Share of the position cap of an entry. Unit: share."""
        impact_share: NonNegativeFloat = given_by("execution.impact_share")
        """Share of the spread that a fill moves the price."""

    def __init__(self, parameters: Any) -> None:
        super().__init__(parameters)
        self._weights = outcome_odds.Weights.of(parameters.model_dump())

    def target(self, inputs: Inputs, position: Position | None, observation: Observation | None) -> Target:
        """The token that is worth more than it costs; what is held stays."""
        if position is not None:
            return Target(held_direction(position), 1.0)
        chance = self.probability(inputs)
        if chance is None:
            return CASH
        sides = ((Direction.LONG, chance), (Direction.SHORT, 1.0 - chance))
        best, direction = max((worth - self._cost(inputs, one), one) for one, worth in sides)
        return Target(direction, self.parameters.size_share) if best > self.parameters.margin else CASH

    def probability(self, inputs: Inputs) -> float | None:
        """Calibrated probability of YES; None without a price inside (0, 1)."""
        market, bar = inputs.market, inputs.bar
        known = outcome_odds.seen(bar.mid_units, bar.ts_s, market.end_s, inputs.sentiment, inputs.fair, inputs.external)
        return None if known is None else outcome_odds.probability(known, self._weights, market.topic)

    def _cost(self, inputs: Inputs, direction: Direction) -> float:
        """What a share costs until it pays: ask, impact, fee, and the money that waits."""
        quote = inputs.quote
        ask = kernel.token_ask(quote.bid_units, quote.ask_units, direction) / PRICE_SCALE
        fee = inputs.market.fee.rate * fee_curve(round(ask * PRICE_SCALE), inputs.market.fee.exponent)
        impact = self.parameters.impact_share * max(quote.spread_units, 0) / PRICE_SCALE
        end_s = inputs.market.end_s
        days = 30.0 if end_s is None else max(end_s - inputs.bar.ts_s, 0) / _DAY_S
        return float(ask * (1.0 + self.parameters.capital_cost * days / 365.0) + impact + fee)

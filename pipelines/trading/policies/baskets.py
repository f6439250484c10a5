"""Baskets: buys the legs of an event whose prices contradict each other, and holds them to the end. Off by default."""

from pipelines.core.domain import Direction, Outcome, Position
from pipelines.core.sections import Fraction, NonNegativeFloat
from pipelines.trading import legs
from pipelines.trading.constraints import Basket
from pipelines.trading.policies.base import (
    CASH,
    DeclaredPolicy,
    Inputs,
    Observation,
    PolicyParameters,
    Target,
    held_direction,
)


class Baskets(DeclaredPolicy):
    """Wants the leg of its market in the basket that the event offers (`Inputs.siblings`): NO of every market of a
    neg-risk event, or YES of a level and NO of the next higher one. `decide` sends all legs of one size, or none where
    a limit forbids one of them, and sells what no other leg matches. It is no candidate: a person pins it
    (`--policy baskets`)."""

    kind = "baskets"
    compared = False
    rank = 90
    uses_forecast = False
    to_resolution = True
    legs = True

    class Parameters(PolicyParameters):
        """Section `policy.baskets`."""

        least_profit_units: NonNegativeFloat = 50.0
        """What a basket has to leave a share after all fees. Unit: price units of 0.0001."""
        size_share: Fraction = 0.5
        """Share of the position cap of each leg. Unit: share."""

    def target(self, inputs: Inputs, position: Position | None, observation: Observation | None) -> Target:
        """The leg of this market, or what is held."""
        if position is not None:
            return Target(held_direction(position), 1.0)
        basket = self.basket(inputs)
        for leg in basket.legs if basket is not None else ():
            if leg.market.market_id == inputs.market.market_id:
                direction = Direction.LONG if leg.outcome is Outcome.YES else Direction.SHORT
                return Target(direction, self.parameters.size_share)
        return CASH

    def basket(self, inputs: Inputs) -> Basket | None:
        """What the event of a market offers."""
        return legs.offered(inputs.event, self.parameters.least_profit_units)

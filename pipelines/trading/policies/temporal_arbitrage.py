"""Temporal arbitrage: an up/down market that lags its underlying is traded towards the fair probability."""

from pipelines.core.domain import Direction, Position
from pipelines.core.money import PRICE_SCALE
from pipelines.core.sections import NonNegativeFloat
from pipelines.trading import kernel
from pipelines.trading.policies.base import (
    CASH,
    DeclaredPolicy,
    Inputs,
    Observation,
    PolicyParameters,
    Target,
    given_by,
    held_direction,
)


class TemporalArbitrage(DeclaredPolicy):
    """Enters when `Inputs.fair` (the probability that the underlying's path implies) differs from the mid by more
    than `cost_multiple` round trips; leaves when the difference has closed or turned. Without a reference it waits."""

    kind = "temporal_arbitrage"
    compared = False  # histories hold no price of an underlying
    rank = 60
    uses_forecast = False

    class Parameters(PolicyParameters):
        """Section `policy.temporal_arbitrage`."""

        cost_multiple: NonNegativeFloat = 0.85
        """Round-trip costs that the lag has to exceed before an entry. Unit: round-trip costs."""
        impact_share: NonNegativeFloat = given_by("execution.impact_share")
        """Share of the spread that a fill moves the price."""

    def __init__(self, parameters: Parameters) -> None:
        super().__init__(parameters)
        self._multiple = parameters.cost_multiple
        self._impact = parameters.impact_share

    def target(self, inputs: Inputs, position: Position | None, observation: Observation | None) -> Target:
        """Towards the fair probability."""
        held = held_direction(position)
        if inputs.fair is None:
            return Target(held, 1.0)
        bar, fee = inputs.bar, inputs.market.fee
        lag = inputs.fair * PRICE_SCALE - bar.mid_units
        if held is not Direction.FLAT:
            return Target(held, 1.0) if lag * held > 0.0 else CASH
        cost = kernel.round_trip_units(inputs.quote.spread_units, bar.mid_units, self._impact, fee.rate, fee.exponent)
        if abs(lag) <= self._multiple * cost:
            return CASH
        return Target(Direction.LONG if lag > 0.0 else Direction.SHORT, 1.0)

"""Temporal arbitrage: an up/down market that lags its underlying is traded towards the fair probability."""

from pipelines.core.domain import Direction, Position
from pipelines.core.money import PRICE_SCALE
from pipelines.trading import kernel
from pipelines.trading.policies.base import CASH, Inputs, Observation, Target, held_direction


class TemporalArbitrage:
    """Enters when `Inputs.fair` (the probability that the underlying's path implies) differs from the mid by more
    than `cost_multiple` round trips; leaves when the difference has closed or turned. Without a reference it waits."""

    kind = "temporal_arbitrage"
    uses_forecast = False
    reads_observation = False

    def __init__(self, cost_multiple: float, impact_share: float) -> None:
        self._multiple = cost_multiple
        self._impact = impact_share

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

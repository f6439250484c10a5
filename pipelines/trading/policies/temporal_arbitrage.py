"""Temporal arbitrage: an up/down market that lags its underlying is traded towards the fair probability."""

from typing import Final

from pipelines.core.domain import Direction, Position
from pipelines.core.money import PRICE_SCALE
from pipelines.core.sections import Fraction, NonNegativeFloat
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

EVEN_UNITS: Final = PRICE_SCALE // 2
"""Price from which on an entry has its whole size."""


class TemporalArbitrage(DeclaredPolicy):
    """Enters when the underlying has just moved the fair probability (`Inputs.fair` against `Inputs.fair_before`) and
    the market's mid has not followed, by more than `cost_multiple` round trips; leaves when the difference has closed
    or turned, or when the move behind it is over. A difference that is older is the market's opinion (of the
    volatility, say) and no lag. Without a reference it waits."""

    kind = "temporal_arbitrage"
    candidate = True
    rank = 60
    uses_forecast = False
    acts_on_reference = True

    class Parameters(PolicyParameters):
        """Section `policy.temporal_arbitrage`."""

        cost_multiple: NonNegativeFloat = 0.85
        """Round-trip costs that the lag has to exceed before an entry. Unit: round-trip costs."""
        size_share: Fraction = 0.25
        """Share of the position cap of an entry into a token of 50 cents or more, and in proportion to the price below
        it: a lag is worth cents a share, so every entry buys about as many shares and none of a cheap token's outweighs
        the others. Unit: share."""
        impact_share: NonNegativeFloat = given_by("execution.impact_share")
        """Share of the spread that a fill moves the price."""

    def __init__(self, parameters: Parameters) -> None:
        super().__init__(parameters)
        self._multiple = parameters.cost_multiple
        self._impact = parameters.impact_share
        self._share = parameters.size_share

    def target(self, inputs: Inputs, position: Position | None, observation: Observation | None) -> Target:
        """Towards the fair probability."""
        held = held_direction(position)
        if inputs.fair is None:
            return Target(held, 1.0)
        bar, fee = inputs.bar, inputs.market.fee
        lag = inputs.fair * PRICE_SCALE - bar.mid_units
        moved = 0.0 if inputs.fair_before is None else (inputs.fair - inputs.fair_before) * PRICE_SCALE
        if held is not Direction.FLAT:
            return Target(held, 1.0) if lag * held > 0.0 and moved * held > 0.0 else CASH
        cost = kernel.round_trip_units(inputs.quote.spread_units, bar.mid_units, self._impact, fee.rate, fee.exponent)
        if lag * moved <= 0.0 or min(abs(lag), abs(moved)) <= self._multiple * cost:
            return CASH
        price = bar.mid_units if lag > 0.0 else PRICE_SCALE - bar.mid_units
        return Target(Direction.LONG if lag > 0.0 else Direction.SHORT, self._share * min(1.0, price / EVEN_UNITS))

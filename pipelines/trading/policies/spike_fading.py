"""Spike fading: a price that jumped away from its average without news is expected to come back part of the way."""

from pipelines.core.domain import Direction, Position
from pipelines.core.money import PRICE_SCALE
from pipelines.core.sections import Fraction, NonNegativeFloat, PositiveInt
from pipelines.features.spec import FEATURE_NAMES
from pipelines.trading import kernel
from pipelines.trading.policies.base import (
    BAR_LENGTH,
    CASH,
    DeclaredPolicy,
    Inputs,
    Observation,
    PolicyParameters,
    Target,
    given_by,
    held_direction,
)

_AVERAGE = FEATURE_NAMES.index("ma_30")


class SpikeFading(DeclaredPolicy):
    """Enters against the distance to the 30-bar mean when `reversion` of it pays `cost_multiple` round trips and no
    headline explains it; leaves when the price is back at its mean or after `max_hold_bars`."""

    kind = "spike_fading"
    candidate = True
    rank = 50
    uses_forecast = False

    class Parameters(PolicyParameters):
        """Section `policy.spike_fading`."""

        reversion: Fraction = 0.5
        """Share of the distance to the 30-bar mean that is expected to come back. Unit: share."""
        quiet_sentiment: Fraction = 0.1
        """A headline with a larger sentiment explains the jump: nothing is entered. Unit: sentiment, 0 to 1."""
        cost_multiple: NonNegativeFloat = 0.85
        """Round-trip costs that the expected way back has to exceed before an entry. Unit: round-trip costs."""
        max_hold_bars: PositiveInt = 60
        """Bars after which a position is closed. Unit: bars."""
        impact_share: NonNegativeFloat = given_by("execution.impact_share")
        """Share of the spread that a fill moves the price."""
        bar_length_s: PositiveInt = given_by(BAR_LENGTH)
        """Seconds per bar."""

    def __init__(self, parameters: Parameters) -> None:
        super().__init__(parameters)
        self._reversion = parameters.reversion
        self._quiet = parameters.quiet_sentiment
        self._multiple = parameters.cost_multiple
        self._hold_s = parameters.max_hold_bars * parameters.bar_length_s
        self._impact = parameters.impact_share

    def target(self, inputs: Inputs, position: Position | None, observation: Observation | None) -> Target:
        """Against the spike, until it has faded."""
        bar, fee = inputs.bar, inputs.market.fee
        distance = bar.mid_units - float(inputs.features[_AVERAGE]) * PRICE_SCALE
        if position is not None:
            held = held_direction(position)
            keep = distance * held < 0.0 and bar.ts_s - position.opened_s < self._hold_s
            return Target(held, 1.0) if keep else CASH
        cost = kernel.round_trip_units(inputs.quote.spread_units, bar.mid_units, self._impact, fee.rate, fee.exponent)
        pays = self._reversion * abs(distance) > self._multiple * cost
        if not pays or abs(inputs.sentiment) > self._quiet:
            return CASH
        return Target(Direction.SHORT if distance > 0.0 else Direction.LONG, 1.0)

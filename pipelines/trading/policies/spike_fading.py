"""Spike fading: a price that jumped away from its average without news is expected to come back part of the way."""

from pipelines.core.domain import Direction, Position
from pipelines.core.money import PRICE_SCALE
from pipelines.features.spec import FEATURE_NAMES
from pipelines.trading import kernel
from pipelines.trading.policies.base import CASH, Inputs, Observation, Target, held_direction

_AVERAGE = FEATURE_NAMES.index("ma_30")


class SpikeFading:
    """Enters against the distance to the 30-bar mean when `reversion` of it pays `cost_multiple` round trips and no
    headline explains it; leaves when the price is back at its mean or after `max_hold_bars`."""

    kind = "spike_fading"
    uses_forecast = False
    reads_observation = False

    def __init__(
        self,
        reversion: float,
        quiet_sentiment: float,
        cost_multiple: float,
        max_hold_bars: int,
        impact_share: float,
        bar_length_s: int,
    ) -> None:
        self._reversion = reversion
        self._quiet = quiet_sentiment
        self._multiple = cost_multiple
        self._hold_s = max_hold_bars * bar_length_s
        self._impact = impact_share

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

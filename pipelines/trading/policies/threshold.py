"""The forecast-threshold rule: trade when the expected move pays for the round trip."""

from pipelines.core.domain import Direction, Position
from pipelines.core.sections import NonNegativeFloat, PositiveInt
from pipelines.trading import kernel, threshold_rule
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
from pipelines.trading.threshold_rule import MOVE_STEPS, expected_units


class Threshold(DeclaredPolicy):
    """Enters in the direction of the move when it exceeds `cost_multiple` round trips; leaves when the sign turns or
    after `max_hold_bars`."""

    kind = "threshold"
    candidate = True
    rank = 20

    class Parameters(PolicyParameters):
        """Section `policy.threshold`; the sizing table, the warm start and the sweep read it too."""

        cost_multiple: NonNegativeFloat = 0.85
        """Round-trip costs that the expected move has to exceed before an entry."""
        max_hold_bars: PositiveInt = 60
        """Bars after which a position is closed."""
        impact_share: NonNegativeFloat = given_by("execution.impact_share")
        """Share of the spread that a fill moves the price."""
        bar_length_s: PositiveInt = given_by(BAR_LENGTH)
        """Seconds per bar."""

        @property
        def max_hold_s(self) -> int:
            """The longest hold in seconds."""
            return self.max_hold_bars * self.bar_length_s

    def __init__(self, parameters: Parameters) -> None:
        super().__init__(parameters)
        self._multiple = parameters.cost_multiple
        self._hold_s = parameters.max_hold_s
        self._impact = parameters.impact_share

    def target(self, inputs: Inputs, position: Position | None, observation: Observation | None) -> Target:
        """The direction of the move when it pays, else flat; a position is kept while the sign agrees."""
        bar, fee, held = inputs.bar, inputs.market.fee, held_direction(position)
        move = expected_units(inputs.forecast.move_from_next(MOVE_STEPS), bar.mid_units)
        cost = kernel.round_trip_units(inputs.quote.spread_units, bar.mid_units, self._impact, fee.rate, fee.exponent)
        held_s = 0 if position is None else bar.ts_s - position.opened_s
        wanted = threshold_rule.wanted(move, cost, self._multiple, held, held_s, self._hold_s)
        return Target(Direction(wanted), 1.0) if wanted else CASH

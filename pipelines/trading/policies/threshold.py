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
    Weighed,
    given_by,
    held_direction,
    since,
    weighed,
)
from pipelines.trading.threshold_rule import MOVE_STEPS, Rule, expected_units


class Threshold(DeclaredPolicy):
    """Enters in the direction of the move when it exceeds `cost_multiple` round trips; leaves when it points
    against the position by `exit_multiple` round trips, or after `max_hold_bars`."""

    kind = "threshold"
    candidate = True
    rank = 20

    class Parameters(PolicyParameters):
        """Section `policy.threshold`; the sizing table, the warm start and the sweep read it too."""

        cost_multiple: NonNegativeFloat = 1.0
        """Round-trip costs that the expected move has to exceed before an entry. Unit: round-trip costs."""
        exit_multiple: NonNegativeFloat = since(0.2, before=0.0)
        """Round-trip costs that the move has to point against a position before it is left. Unit: round-trip costs."""
        max_hold_bars: PositiveInt = 180
        """Bars after which a position is closed. Unit: bars."""
        impact_share: NonNegativeFloat = given_by("execution.impact_share")
        """Share of the spread that a fill moves the price."""
        bar_length_s: PositiveInt = given_by(BAR_LENGTH)
        """Seconds per bar."""

        @property
        def rule(self) -> Rule:
            """The numbers that `threshold_rule` takes."""
            return Rule(self.cost_multiple, self.exit_multiple, self.max_hold_bars * self.bar_length_s)

    def __init__(self, parameters: Parameters) -> None:
        super().__init__(parameters)
        self._rule = parameters.rule
        self._impact = parameters.impact_share

    def target(self, inputs: Inputs, position: Position | None, observation: Observation | None) -> Target:
        """The direction of the move when it pays, else flat; a position is kept until the move points against it."""
        bar, held = inputs.bar, held_direction(position)
        move, cost = self._move_and_cost(inputs)
        held_s = 0 if position is None else bar.ts_s - position.opened_s
        wanted = threshold_rule.wanted(move, cost, *self._rule, held, held_s)
        return Target(Direction(wanted), 1.0) if wanted else CASH

    def weighs(self, inputs: Inputs, position: Position | None) -> Weighed:
        """The expected move against the round trips that an entry or an exit asks for."""
        move, cost = self._move_and_cost(inputs)
        return weighed(move, cost, self._rule.cost_multiple, self._rule.exit_multiple, held_direction(position))

    def _move_and_cost(self, inputs: Inputs) -> tuple[float, float]:
        bar, fee = inputs.bar, inputs.market.fee
        move = expected_units(inputs.forecast.move_from_next(MOVE_STEPS), bar.mid_units)
        cost = kernel.round_trip_units(inputs.quote.spread_units, bar.mid_units, self._impact, fee.rate, fee.exponent)
        return move, cost

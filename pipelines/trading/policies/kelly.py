"""Fractional Kelly on the conformal interval: the size follows the edge that survives a step towards the bound."""

from pipelines.core.domain import Direction, Position
from pipelines.core.sections import Fraction, NonNegativeFloat, PositiveInt
from pipelines.trading import kernel
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
    weighed,
)
from pipelines.trading.predicted_variance import WIDTH_90
from pipelines.trading.threshold_rule import MOVE_STEPS, expected_units, keeps


class Kelly(DeclaredPolicy):
    """Takes the expected move less `bound_share` of its distance to the near conformal bound, less the round trip;
    the growth-optimal fraction of that edge (edge over variance) as a share of the cap, in steps of a quarter.

    A `bound_share` of 1 asks that the bound itself pays, which minute markets never offer; the default is small.
    """

    kind = "kelly"
    candidate = True
    rank = 30

    class Parameters(PolicyParameters):
        """Section `policy.kelly`."""

        bound_share: Fraction = 0.1
        """Share of the way from the mean to the conformal bound that is given up. Unit: share."""
        exit_multiple: NonNegativeFloat = 0.0
        """Round-trip costs that the move has to point against a position before it is left. Unit: round-trip costs."""
        max_hold_bars: PositiveInt = 60
        """Bars after which a position is closed. Unit: bars."""
        impact_share: NonNegativeFloat = given_by("execution.impact_share")
        """Share of the spread that a fill moves the price."""
        bar_length_s: PositiveInt = given_by(BAR_LENGTH)
        """Seconds per bar."""
        cap_fraction: Fraction = given_by("sizing.max_position_fraction")
        """Cap of a position, as a share of equity."""

    def __init__(self, parameters: Parameters) -> None:
        super().__init__(parameters)
        self._share = parameters.bound_share
        self._exit = parameters.exit_multiple
        self._hold_s = parameters.max_hold_bars * parameters.bar_length_s
        self._impact = parameters.impact_share
        self._cap = parameters.cap_fraction

    def target(self, inputs: Inputs, position: Position | None, observation: Observation | None) -> Target:
        """Direction and Kelly fraction of the edge after costs; a position is kept until the move points against it."""
        bar = inputs.bar
        move, cost = self._move_and_cost(inputs)
        if position is not None:
            held, held_s = held_direction(position), bar.ts_s - position.opened_s
            return Target(held, 1.0) if keeps(move, cost, self._exit, self._hold_s, held, held_s) else CASH
        if abs(move) <= cost:
            return CASH
        direction = Direction.LONG if move > 0.0 else Direction.SHORT
        forecast, mid = inputs.forecast, inputs.bar.mid_units
        mean, lower, upper = (float(side[-1]) for side in (forecast.mean, forecast.lower, forecast.upper))
        fraction = share(abs(move), cost, direction, mean, lower, upper, mid, self._share, self._cap)
        return Target(direction, fraction) if fraction > 0.0 else CASH

    def _move_and_cost(self, inputs: Inputs) -> tuple[float, float]:
        bar, fee = inputs.bar, inputs.market.fee
        move = expected_units(inputs.forecast.move_from_next(MOVE_STEPS), bar.mid_units)
        cost = kernel.round_trip_units(inputs.quote.spread_units, bar.mid_units, self._impact, fee.rate, fee.exponent)
        return move, cost

    def _given_up(self, inputs: Inputs, direction: Direction) -> float:
        """Part of the way to the near bound, in price units."""
        forecast = inputs.forecast
        mean, lower, upper = float(forecast.mean[-1]), float(forecast.lower[-1]), float(forecast.upper[-1])
        return self._share * expected_units(mean - lower if direction > 0 else upper - mean, inputs.bar.mid_units)

    def weighs(self, inputs: Inputs, position: Position | None) -> Weighed:
        """The expected move against a round trip and what is given up towards the near bound."""
        move, cost = self._move_and_cost(inputs)
        held = held_direction(position)
        if held is not Direction.FLAT:
            return weighed(move, cost, 1.0, self._exit, held)
        given_up = self._given_up(inputs, Direction.LONG if move > 0.0 else Direction.SHORT)
        return Weighed(
            float(move), float(cost + given_up), f"a round trip and {self._share:.0%} of the way to the bound"
        )


def share(
    move_units: float,
    cost_units: float,
    direction: int,
    mean: float,
    lower: float,
    upper: float,
    mid_units: int,
    bound_share: float,
    cap_fraction: float,
) -> float:
    """Share of the cap for an entry, in quarters; 0 where the edge after costs is not positive. `mean`, `lower` and
    `upper` are of the last horizon, in log-odds."""
    to_bound = mean - lower if direction > 0 else upper - mean
    edge = move_units - bound_share * expected_units(to_bound, mid_units) - cost_units
    if edge <= 0.0:
        return 0.0
    price = kernel.token_price(mid_units, direction)
    deviation = max(expected_units((upper - lower) / WIDTH_90, mid_units), 1.0)
    growth_optimal = edge * price / (deviation * deviation)
    quarters = round(4.0 * min(growth_optimal / max(cap_fraction, 1e-9), 1.0))
    return max(quarters, 1) / 4.0

"""The forecast-threshold rule: trade when the expected move pays for the round trip."""

from pipelines.core.domain import Direction, Position
from pipelines.core.money import PRICE_SCALE
from pipelines.trading import kernel
from pipelines.trading.policies.base import CASH, Inputs, Observation, Target, held_direction

MOVE_STEPS = 23
"""The traded signal is the move from t+1 to t+24: an order decided on t fills at t+1."""


def expected_units(move_log_odds: float, mid_units: int) -> float:
    """A small change of log-odds in price units: times p (1 - p)."""
    return move_log_odds * mid_units * (PRICE_SCALE - mid_units) / PRICE_SCALE


class Threshold:
    """Enters in the direction of the move when it exceeds `cost_multiple` round trips; leaves when the sign turns or
    after `max_hold_bars`."""

    kind = "threshold"
    uses_forecast = True
    reads_observation = False

    def __init__(self, cost_multiple: float, max_hold_bars: int, impact_share: float, bar_length_s: int) -> None:
        self._multiple = cost_multiple
        self._hold_s = max_hold_bars * bar_length_s
        self._impact = impact_share

    def target(self, inputs: Inputs, position: Position | None, observation: Observation | None) -> Target:
        """The direction of the move when it pays, else flat; a position is kept while the sign agrees."""
        bar, market = inputs.bar, inputs.market
        move = expected_units(inputs.forecast.move_from_next(MOVE_STEPS), bar.mid_units)
        if position is not None:
            held = held_direction(position)
            keep = move * held > 0.0 and bar.ts_s - position.opened_s < self._hold_s
            return Target(held, 1.0) if keep else CASH
        fee = market.fee
        cost = kernel.round_trip_units(inputs.quote.spread_units, bar.mid_units, self._impact, fee.rate, fee.exponent)
        if abs(move) <= self._multiple * cost:
            return CASH
        return Target(Direction.LONG if move > 0.0 else Direction.SHORT, 1.0)

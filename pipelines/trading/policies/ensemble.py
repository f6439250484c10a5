"""Ensemble probability: forecast, sentiment and reversion to the mean, weighted into one expected move."""

from pipelines.core.domain import Direction, Position
from pipelines.core.money import PRICE_SCALE
from pipelines.features.spec import FEATURE_NAMES
from pipelines.trading import kernel
from pipelines.trading.policies.base import CASH, Inputs, Observation, Target, held_direction
from pipelines.trading.policies.threshold import MOVE_STEPS, expected_units

_AVERAGE = FEATURE_NAMES.index("ma_30")


class Ensemble:
    """The threshold rule on a weighted sum of three opinions in price units: the forecast's move, the sentiment's
    (`sentiment_log_odds` at full sentiment), and the way back to the 30-bar mean."""

    kind = "ensemble"
    uses_forecast = True
    reads_observation = False

    def __init__(
        self,
        forecast_weight: float,
        sentiment_weight: float,
        reversion_weight: float,
        sentiment_log_odds: float,
        cost_multiple: float,
        max_hold_bars: int,
        impact_share: float,
        bar_length_s: int,
    ) -> None:
        self._weights = (forecast_weight, sentiment_weight, reversion_weight)
        self._sentiment = sentiment_log_odds
        self._multiple = cost_multiple
        self._hold_s = max_hold_bars * bar_length_s
        self._impact = impact_share

    def target(self, inputs: Inputs, position: Position | None, observation: Observation | None) -> Target:
        """The direction of the weighted move when it pays; a position is kept while the sign agrees."""
        bar, fee = inputs.bar, inputs.market.fee
        move = self._move(inputs)
        if position is not None:
            held = held_direction(position)
            keep = move * held > 0.0 and bar.ts_s - position.opened_s < self._hold_s
            return Target(held, 1.0) if keep else CASH
        cost = kernel.round_trip_units(inputs.quote.spread_units, bar.mid_units, self._impact, fee.rate, fee.exponent)
        if abs(move) <= self._multiple * cost:
            return CASH
        return Target(Direction.LONG if move > 0.0 else Direction.SHORT, 1.0)

    def _move(self, inputs: Inputs) -> float:
        mid = inputs.bar.mid_units
        opinions = (
            expected_units(inputs.forecast.move_from_next(MOVE_STEPS), mid),
            expected_units(self._sentiment * inputs.sentiment, mid),
            float(inputs.features[_AVERAGE]) * PRICE_SCALE - mid,
        )
        return sum(weight * opinion for weight, opinion in zip(self._weights, opinions, strict=True))

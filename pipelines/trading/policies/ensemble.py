"""Ensemble probability: forecast, sentiment, reversion, reference price and imbalance, weighted into one move."""

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
    Weighed,
    given_by,
    held_direction,
    since,
    weighed,
)
from pipelines.trading.threshold_rule import MOVE_STEPS, expected_units, keeps

_AVERAGE = FEATURE_NAMES.index("ma_30")


class Ensemble(DeclaredPolicy):
    """The threshold rule on a weighted sum of five opinions in price units: the forecast's move, the sentiment's
    (`sentiment_log_odds` at full sentiment), the way back to the 30-bar mean, the way to the fair value of the
    reference price where there is one, and the way to the microprice, where the sizes at the touch lean. A backtest
    learns the weights on its slice (`backtest.learned`)."""

    kind = "ensemble"
    candidate = True
    rank = 40

    class Parameters(PolicyParameters):
        """Section `policy.ensemble`."""

        forecast_weight: Fraction = 0.7
        """Weight of the forecast's move. Unit: share."""
        sentiment_weight: Fraction = 0.15
        """Weight of the sentiment's move. Unit: share."""
        reversion_weight: Fraction = 0.15
        """Weight of the way back to the 30-bar mean. Unit: share."""
        reference_weight: Fraction = since(0.0, before=0.0)
        """Weight of the way to the fair value of the reference price. Unit: share."""
        imbalance_weight: Fraction = since(0.0, before=0.0)
        """Weight of the way to the microprice. Unit: share."""
        sentiment_log_odds: NonNegativeFloat = 0.2
        """Move that full sentiment promises. Unit: log-odds."""
        cost_multiple: NonNegativeFloat = 1.0
        """Round-trip costs that the weighted move has to exceed before an entry. Unit: round-trip costs."""
        exit_multiple: NonNegativeFloat = since(0.2, before=0.0)
        """Round-trip costs that the move has to point against a position before it is left. Unit: round-trip costs."""
        max_hold_bars: PositiveInt = 180
        """Bars after which a position is closed. Unit: bars."""
        impact_share: NonNegativeFloat = given_by("execution.impact_share")
        """Share of the spread that a fill moves the price."""
        bar_length_s: PositiveInt = given_by(BAR_LENGTH)
        """Seconds per bar."""

    def __init__(self, parameters: Parameters) -> None:
        super().__init__(parameters)
        self._weights = (
            parameters.forecast_weight,
            parameters.sentiment_weight,
            parameters.reversion_weight,
            parameters.reference_weight,
            parameters.imbalance_weight,
        )
        self._sentiment = parameters.sentiment_log_odds
        self._multiple = parameters.cost_multiple
        self._exit = parameters.exit_multiple
        self._hold_s = parameters.max_hold_bars * parameters.bar_length_s
        self._impact = parameters.impact_share

    def target(self, inputs: Inputs, position: Position | None, observation: Observation | None) -> Target:
        """The direction of the weighted move when it pays; a position is kept until it points against it."""
        bar, move, cost = inputs.bar, self._move(inputs), self._cost(inputs)
        if position is not None:
            held, held_s = held_direction(position), bar.ts_s - position.opened_s
            return Target(held, 1.0) if keeps(move, cost, self._exit, self._hold_s, held, held_s) else CASH
        if abs(move) <= self._multiple * cost:
            return CASH
        return Target(Direction.LONG if move > 0.0 else Direction.SHORT, 1.0)

    def _move(self, inputs: Inputs) -> float:
        mid = inputs.bar.mid_units
        opinions = (
            expected_units(inputs.forecast.move_from_next(MOVE_STEPS), mid),
            expected_units(self._sentiment * inputs.sentiment, mid),
            float(inputs.features[_AVERAGE]) * PRICE_SCALE - mid,
            0.0 if inputs.fair is None else inputs.fair * PRICE_SCALE - mid,
            inputs.micro_gap * PRICE_SCALE,
        )
        return sum(weight * opinion for weight, opinion in zip(self._weights, opinions, strict=True))

    def _cost(self, inputs: Inputs) -> float:
        fee, spread = inputs.market.fee, inputs.quote.spread_units
        return kernel.round_trip_units(spread, inputs.bar.mid_units, self._impact, fee.rate, fee.exponent)

    def weighs(self, inputs: Inputs, position: Position | None) -> Weighed:
        """The weighted move against the round trips that an entry or an exit asks for."""
        held = held_direction(position)
        return weighed(self._move(inputs), self._cost(inputs), self._multiple, self._exit, held)

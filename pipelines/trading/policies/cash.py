"""Holding nothing: the yardstick that costs nothing."""

from pipelines.core.domain import Position
from pipelines.trading.policies.base import CASH, Inputs, Observation, Target


class Cash:
    """Never trades, and leaves what it finds."""

    kind = "cash"
    uses_forecast = False
    reads_observation = False

    def target(self, inputs: Inputs, position: Position | None, observation: Observation | None) -> Target:
        """Always flat."""
        return CASH

"""Holding nothing: the yardstick that costs nothing."""

from pipelines.core.domain import Position
from pipelines.trading.policies.base import CASH, DeclaredPolicy, Inputs, Observation, Target


class Cash(DeclaredPolicy):
    """Never trades, and leaves what it finds."""

    kind = "cash"
    rank = 0
    uses_forecast = False

    def target(self, inputs: Inputs, position: Position | None, observation: Observation | None) -> Target:
        """Always flat."""
        return CASH

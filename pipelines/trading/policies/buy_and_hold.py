"""Buying YES where there is room and keeping it until the market ends."""

from pipelines.core.domain import Direction, Position
from pipelines.trading.policies.base import DeclaredPolicy, Inputs, Observation, Target

_LONG = Target(Direction.LONG, 1.0)


class BuyAndHold(DeclaredPolicy):
    """Always long; as a baseline without stops, only the end of the market closes it."""

    kind = "buy_and_hold"
    baseline = True
    rank = 10
    uses_forecast = False

    def target(self, inputs: Inputs, position: Position | None, observation: Observation | None) -> Target:
        """Always long with the whole cap."""
        return _LONG

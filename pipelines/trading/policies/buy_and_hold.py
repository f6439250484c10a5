"""Buying YES where there is room and keeping it until the market ends."""

from pipelines.core.domain import Direction, Position
from pipelines.trading.policies.base import Inputs, Observation, Target

_LONG = Target(Direction.LONG, 1.0)


class BuyAndHold:
    """Always long; only the end of the market closes it (`engine.rules` gives it no stops)."""

    kind = "buy_and_hold"
    uses_forecast = False
    reads_observation = False

    def target(self, inputs: Inputs, position: Position | None, observation: Observation | None) -> Target:
        """Always long with the whole cap."""
        return _LONG

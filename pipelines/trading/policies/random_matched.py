"""Coin flips with the turnover of a strategy: what trading costs when nothing is known."""

import zlib

from pipelines.core.domain import Direction, Position
from pipelines.core.sections import Fraction, NonNegativeFloat
from pipelines.trading.policies.base import (
    CASH,
    DeclaredPolicy,
    Inputs,
    Observation,
    PolicyParameters,
    Target,
    held_direction,
)

_MASK = (1 << 64) - 1


class RandomMatched(DeclaredPolicy):
    """Enters at random with a given probability per bar, holds for about as long, with a given share of the cap.

    The draw is a hash of seed, market and time, so that a replay draws the same.
    """

    kind = "random_matched"
    baseline = True
    compared = False  # `replay.turnover.matched` finds its parameters
    uses_forecast = False

    class Parameters(PolicyParameters):
        """What `replay.turnover.matched` finds for another strategy."""

        seed: int
        """Of the draws."""
        entry_probability: NonNegativeFloat
        """Chance of an entry on a bar without a position."""
        hold_bars: NonNegativeFloat
        """Mean bars of a position."""
        fraction: Fraction
        """Share of the position cap."""

    def __init__(self, parameters: Parameters) -> None:
        super().__init__(parameters)
        self._seed = parameters.seed
        self._entry = parameters.entry_probability
        self._exit = 1.0 / max(parameters.hold_bars, 1.0)
        self._fraction = parameters.fraction

    def target(self, inputs: Inputs, position: Position | None, observation: Observation | None) -> Target:
        """A random direction, or the one that is held until a random exit."""
        draw = _uniform(self._seed, inputs.market.market_id, inputs.bar.ts_s)
        if position is not None:
            return CASH if draw < self._exit else Target(held_direction(position), self._fraction)
        if draw >= self._entry:
            return CASH
        return Target(Direction.LONG if draw < self._entry / 2 else Direction.SHORT, self._fraction)


def _uniform(seed: int, market_id: str, ts_s: int) -> float:
    """Uniform in [0, 1) from a hash (the finaliser of splitmix64) of what identifies the draw."""
    named = zlib.crc32(market_id.encode()) * 0xBF58476D1CE4E5B9
    word = (named ^ (ts_s * 0x9E3779B97F4A7C15) ^ (seed * 0xD1342543DE82EF95)) & _MASK
    word = ((word ^ (word >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    word = ((word ^ (word >> 27)) * 0x94D049BB133111EB) & _MASK
    return ((word ^ (word >> 31)) >> 11) * 2.0**-53

"""What every policy is: from what is known at a bar to a target."""

from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from pipelines.core.domain import Bar, Direction, FloatArray, Forecast, Market, Position, Quote

Observation = NDArray[np.float32]


class Target(NamedTuple):
    """What a policy wants to hold in a market: a direction and the share of the position cap to enter with."""

    direction: Direction
    fraction: float


CASH = Target(Direction.FLAT, 0.0)

DEAD_ZONE = 1.0 / 3.0
"""A continuous action within this distance of 0 means flat; beyond it the sign is the direction, the size the share."""


@dataclass(frozen=True, slots=True)
class Inputs:
    """Everything that is known about one market when a bar has closed.

    `features` are the 15 raw features of the bar; `standardised` are the 15 market inputs of the observation when a
    caller has them already (a backtest computes them for all bars at once), else `decide` computes them.
    """

    market: Market
    bar: Bar
    quote: Quote
    features: FloatArray
    forecast: Forecast
    sentiment: float
    quote_age_s: int = 0
    standardised: FloatArray | None = None
    fair: float | None = None
    """Probability of YES that an outside reference implies (an underlying's price path); None when there is none."""
    warm: bool = True
    """Whether features and forecast are there; without them a position is only stopped, closed at the end or killed."""
    reference_units: int = 0
    """YES price that positions are marked and stopped at (`kernel.fair_units`); 0: the bar's mid."""
    reference_age_s: int = 0
    """Market seconds since the book last showed a price (`kernel.is_trusted`), or since it was first seen."""


class Policy(Protocol):
    """One way to choose a target. Deterministic: equal inputs give equal targets, live and in a replay."""

    @property
    def kind(self) -> str:
        """The name under which `load` knows it."""
        ...

    @property
    def uses_forecast(self) -> bool:
        """Whether confidence and Kelly apply: benchmarks that ignore the forecast are sized by the position cap."""
        ...

    @property
    def reads_observation(self) -> bool:
        """Whether the observation has to be computed."""
        ...

    def target(self, inputs: Inputs, position: Position | None, observation: Observation | None) -> Target:
        """What to hold from the next possible bar on; the current direction means: keep."""
        ...


def held_direction(position: Position | None) -> Direction:
    """The direction that a position has."""
    if position is None:
        return Direction.FLAT
    return Direction.LONG if position.outcome == "YES" else Direction.SHORT

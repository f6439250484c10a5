"""What every policy is: from what is known at a bar to a target."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, Protocol, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import ConfigDict, Field

from pipelines.core.domain import Bar, Direction, FloatArray, Forecast, Market, Outcome, Position, Quote, Side
from pipelines.core.sections import Section
from pipelines.features.touch import micro_gap

Observation = NDArray[np.float32]


class Quotes(StrEnum):
    """Which orders of a maker rest in a market. They count for a policy that `makes`."""

    ONE = "one"
    """The bid of an entry alone; what is held is kept."""
    OFFER = "offer"
    """What is held is offered at the touch of its own side."""
    BOTH = "both"
    """Flat, a bid for each token: together they are bid and ask of YES. Else the offer of what is held, and a bid for
    as much as is missing to the wished size."""


class Target(NamedTuple):
    """What a policy wants to hold in a market: a direction and the share of the position cap to enter with."""

    direction: Direction
    fraction: float
    quotes: Quotes = Quotes.ONE


class Weighed(NamedTuple):
    """What a policy weighs in a market: the expected move against the one that it has to exceed, in price units.

    With a position `needed_units` is signed: the position is left when the move is that far against it.
    """

    move_units: float
    needed_units: float
    basis: str
    """What `needed_units` is made of, in words."""
    binding: bool = True
    """Whether exceeding it is all that the policy asks for."""


CASH = Target(Direction.FLAT, 0.0)

DEAD_ZONE = 1.0 / 3.0
"""A continuous action within this distance of 0 means flat; beyond it the sign is the direction, the size the share."""


@dataclass(frozen=True, slots=True)
class Inputs:
    """Everything that is known about one market when a bar has closed, or `after_ms` later.

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
    fair_before: float | None = None
    """The same shortly before the close (`reference.board.Board.pair`); None when there was none."""
    warm: bool = True
    """Whether features and forecast are there; without them a position is only stopped, closed at the end or killed."""
    reference_units: int = 0
    """YES price that positions are marked and stopped at (`kernel.fair_units`); 0: the bar's mid."""
    reference_age_s: int = 0
    """Market seconds since the book last showed a price (`kernel.is_trusted`), or since it was first seen."""
    recorded_micro_gap: float | None = None
    """Microprice less mid of the recorded book, where a replay models the sizes of the quote; None: the quote's own."""
    external: float | None = None
    """Probability of YES that somebody outside states (`reference.external`); None when there is none."""
    after_ms: int = 0
    """Market milliseconds from the close of `bar` to a decision between two closes; 0 at a close."""
    siblings: tuple["Inputs", ...] = ()
    """The markets of its event on this bar, itself among them; given to a policy that trades `legs`."""

    @property
    def micro_gap(self) -> float:
        """Microprice less mid at the touch, in [0, 1] prices; 0 where the book shows no sizes."""
        return micro_gap(self.quote) if self.recorded_micro_gap is None else self.recorded_micro_gap

    @property
    def event(self) -> list[tuple[Market, Quote]]:
        """The markets of its event with their books."""
        return [(one.market, one.quote) for one in self.siblings]


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


class PolicyParameters(Section):
    """The numbers of a policy: a type, a default and, as a docstring below it, a meaning each.

    params.yaml sets them below `policy.<kind>`. An unknown or out-of-range one is refused by name, and the values of a
    bundle are sealed in it.
    """

    model_config = ConfigDict(use_attribute_docstrings=True)


BAR_LENGTH = "bar length"
"""Where `given_by` takes the seconds of a bar from: the data's, which params.yaml may not know."""


def given_by(source: str) -> Any:
    """A parameter that another key of params.yaml gives (`execution.impact_share`), or the data (BAR_LENGTH)."""
    return Field(json_schema_extra={"given_by": source})


def since(default: Any, *, before: Any) -> Any:
    """A parameter that a later version added: bundles that were sealed without it go on with the value `before`, which
    decides as they did."""
    return Field(default=default, json_schema_extra={"before": before})


class DeclaredPolicy(ABC):
    """A policy that one file describes: `kind`, `Parameters`, what it may be used for, and `target`.

    A class of this kind in `pipelines/trading/policies/`, in `strategies/*.py` of the working folder, or in a module of
    `policy.strategies` is found by itself.

    >>> class Momentum(DeclaredPolicy):
    ...     kind = "momentum"
    ...     candidate = True
    ...     class Parameters(PolicyParameters):
    ...         least_units: int = 50
    ...     def target(self, inputs, position, observation):
    ...         return CASH
    >>> Momentum.make({"least_units": 80}).parameters.least_units
    80
    """

    kind: ClassVar[str]
    """The name in params.yaml, tables and bundles: lower case letters, digits and underscores."""
    candidate: ClassVar[bool] = False
    """Whether a backtest may choose it and a bundle carry it."""
    baseline: ClassVar[bool] = False
    """Whether others are compared with it: it trades without stops and loss limits, which would change what it is."""
    compared: ClassVar[bool] = True
    """Whether every backtest plays it; the parameters of such a policy all have values without being told."""
    rank: ClassVar[int] = 100
    """Place in tables, the smallest first; equal ones by name."""
    uses_forecast: ClassVar[bool] = True
    """Whether confidence and Kelly apply: what ignores the forecast is sized by the position cap."""
    reads_observation: ClassVar[bool] = False
    """Whether `target` is given the standardised observation."""
    to_resolution: ClassVar[bool] = False
    """Whether a position is held until the market pays: it has no stops and is not sold because the end is near."""
    rests: ClassVar[bool] = False
    """Whether entries rest at the touch of their own side, whatever `execution.entry` says. Such a policy is promoted
    only where the fill model has been shown to hold (`gate`)."""
    makes: ClassVar[bool] = False
    """Whether `Target.quotes` counts: two orders may rest in a market, and pairs of YES and NO are merged. What makes
    rests."""
    legs: ClassVar[bool] = False
    """Whether its entries are legs of a basket of the event: all are sent, in one size, or none, and what no other leg
    matches is sold."""
    acts_on_reference: ClassVar[bool] = False
    """Whether a move of `Inputs.fair` between two closes is a reason to decide at once
    (`execution.between_bars_up_to_s`). `Inputs` then has the features and the forecast of the last close, the newest
    book, mid and fair values, and `after_ms`."""
    files: ClassVar[tuple[str, ...]] = ()
    """Files of models/agent that it needs; a bundle of it holds them too."""

    class Parameters(PolicyParameters):
        """None."""

    def __init__(self, parameters: Any) -> None:
        self.parameters = parameters

    @classmethod
    def make(cls, values: Mapping[str, Any], folder: Path | None = None) -> Self:
        """The policy with these parameters; `folder` holds its `files`.

        Raises:
            pydantic.ValidationError: if a value is unknown, missing or out of range.
        """
        return cls(cls.Parameters.model_validate(values))

    @abstractmethod
    def target(self, inputs: Inputs, position: Position | None, observation: Observation | None) -> Target:
        """What to hold from the next possible bar on; the current direction means: keep."""

    def keeps(self, inputs: Inputs, outcome: Outcome, side: Side) -> bool:
        """Whether an order of its own that rests stays in the book. It is asked at every bar and, live, whenever book
        or reference price have changed since; `inputs` then has the newest quote, mid and fair value."""
        return True

    def weighs(self, inputs: Inputs, position: Position | None) -> Weighed | None:
        """What it weighs, for people who ask why nothing was done; None where it does not decide by one number."""
        return None


def held_direction(position: Position | None) -> Direction:
    """The direction that a position has."""
    if position is None:
        return Direction.FLAT
    return Direction.LONG if position.outcome == "YES" else Direction.SHORT


def weighed(
    move_units: float, cost_units: float, cost_multiple: float, exit_multiple: float, held: Direction
) -> Weighed:
    """What a rule of round trips weighs: `cost_multiple` of them for an entry, `exit_multiple` against a position."""
    if held is Direction.FLAT:
        return Weighed(float(move_units), float(cost_multiple * cost_units), _trips(cost_multiple))
    against = -float(exit_multiple * cost_units) * held
    return Weighed(float(move_units), against, f"{_trips(exit_multiple)} against it")


def _trips(number: float) -> str:
    return "1 round trip" if number == 1.0 else f"{number:g} round trips"

"""Synthetic markets of a world that changes: events that begin while it is changed follow another model."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace

from benchmarks.drift_world import events
from pipelines.core.errors import ParameterError
from simulator.markets.events import Event, Family
from simulator.markets.price_model import Model
from simulator.markets.source import History, Listing
from simulator.markets.synthetic import SyntheticMarkets

FOREVER_S = 2**40
"""Later than any event."""


def model_of(assignments: Sequence[str]) -> Model:
    """The default world with some fields of its model assigned: NAME=VALUE.

    Raises:
        ParameterError: if the model has no such number.
    """
    made = Model()
    for one in assignments:
        name, _, value = one.partition("=")
        if not isinstance(getattr(made, name, None), float):
            raise ParameterError(f"the world has no number {name!r}; give NAME=VALUE, such as revert_min=2")
        try:
            made = Model(**(asdict(made) | {name: float(value)}))
        except ValueError:
            raise ParameterError(f"{name} was {value!r}; give a number") from None
    return made


@dataclass(frozen=True)
class Regime:
    """The other model of a world, and the market times (Unix seconds) between which events that begin follow it."""

    model: Model
    from_s: int
    until_s: int

    def holds(self, start_s: int) -> bool:
        """Whether an event that begins then follows it."""
        return self.from_s <= start_s < self.until_s


class ChangedMarkets:
    """Markets of one family up to `now_s`. Both models read the same draws, so a market is the same market in both."""

    def __init__(self, family: Family, other: Regime, now_s: int) -> None:
        self._other, self._now_s = other, now_s
        self._families = (family, replace(family, model=other.model))
        self._parts = tuple(SyntheticMarkets(one, now_s) for one in self._families)
        self._at = {one.market_id: int(other.holds(one.start_s)) for one in self._parts[0].listings()}

    def listings(self) -> Sequence[Listing]:
        """Every market that was listed up to now."""
        return [one for at, part in enumerate(self._parts) for one in part.listings() if self._at[one.market_id] == at]

    def history(self, market_id: str) -> History:
        """The bars of a market."""
        return self._parts[self._at[market_id]].history(market_id)

    def resolutions(self) -> list[tuple[str, int, int]]:
        """Market, payout in micro-units and end of every market that has ended."""
        return [one for at, part in enumerate(self._parts) for one in part.resolutions() if self._at[one[0]] == at]

    def events(self) -> list[Event]:
        """Every event that has begun, with its headlines and their true tone."""
        return [
            one
            for at, family in enumerate(self._families)
            for one in events(family, self._now_s)
            if self._other.holds(one.start_s) == bool(at)
        ]

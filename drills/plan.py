"""The schedule of a world, and the report of its result."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from simulator.faults.schedule import TimedFault


@dataclass(frozen=True, slots=True)
class Violation:
    """An invariant that did not hold, after so many bars."""

    invariant: str
    bar: int
    detail: str


@dataclass(frozen=True, slots=True)
class Plan:
    """A schedule. `events` are faults in market minutes after the warm-up; `dies_at` is the edge at which
    the bot is killed, or None. At least `bars` bars are played before the bot is told to close."""

    seed: int
    events: tuple[TimedFault, ...] = ()
    bars: int = 8
    dies_at: int | None = None
    policy: str = "clock"
    """The policy of the bot, a key of `drills.model.POLICIES`."""

    def document(self) -> dict[str, Any]:
        """As JSON."""
        events = [{"at_min": at, **event} for at, event in self.events]
        return {
            "seed": self.seed, "bars": self.bars, "dies_at": self.dies_at, "policy": self.policy, "events": events,
        }  # fmt: skip

    @staticmethod
    def of(document: Mapping[str, Any]) -> "Plan":
        """The plan that `document` wrote."""
        events = [
            (float(row["at_min"]), {key: value for key, value in row.items() if key != "at_min"})
            for row in document["events"]
        ]
        policy = document.get("policy", "clock")
        return Plan(document["seed"], tuple(events), document["bars"], document["dies_at"], policy)


@dataclass(slots=True)
class Report:
    """The result of a plan."""

    plan: Plan
    violations: list[Violation] = field(default_factory=list)
    bars: int = 0
    """Bars that were played."""
    recovered_after: int = 0
    """Bars after the last fault until the bot decided bars, was allowed to buy, and had books equal to the venue's."""
    edges: int = 0
    """Edges that the first process of the bot passed before its end."""
    orders: int = 0
    trades: int = 0
    died_at: str = ""
    trace: str = ""
    """Hash of everything that happened, with its time."""
    took_s: float = 0.0
    cpu_s: float = 0.0
    """Wall and processor seconds of this machine."""

"""Candidate against champion on the same events: Diebold-Mariano on their losses, the same test on their P&L.

Diebold and Mariano (1995), Comparing predictive accuracy. The differences of one event are summed before anything is
tested, so events are the independent observations; Student's t replaces the normal quantile (Harvey, Leybourne and
Newbold 1997 for one-step differences).
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from pipelines.core.domain import FloatArray
from pipelines.gate.contender import Contender
from pipelines.gate.evidence import mean_bound


@dataclass(frozen=True)
class Difference:
    """Mean over events of how much the candidate did better than the champion, with both one-sided bounds."""

    mean: float
    lower: float
    upper: float
    statistic: float
    """The mean over its standard error; 0 where nothing differs."""
    champions: float
    """The champion's own mean, never below 0: what a margin is a share of."""

    def better(self) -> bool:
        """Whether the candidate is surely better."""
        return self.lower > 0.0

    def within(self, margin: float, *, surely: bool) -> bool:
        """Whether the candidate is worse by no more than a share of the champion's own; at the bound if `surely`."""
        return (self.lower if surely else self.mean) >= -margin * self.champions


@dataclass(frozen=True)
class Paired:
    """The comparison. Losses are in shares of persistence's mean loss, P&L in pUSD an event."""

    losses: Difference
    pnl: Difference
    risk_pusd: float
    champion_risk_pusd: float
    events: int

    def verdict(self, margin: float) -> tuple[bool, str]:
        """Whether the candidate may follow the champion, and in which words."""
        if self.events < 2:
            return False, "they share fewer than two events"
        for one, other, name in ((self.losses, self.pnl, "forecasts"), (self.pnl, self.losses, "P&L")):
            if one.better() and other.within(margin, surely=False):
                return True, f"it is better ({name})"
        level = self.losses.within(margin, surely=True) and self.pnl.within(margin, surely=True)
        if level and self.risk_pusd < self.champion_risk_pusd:
            return True, "it is not worse, with less risk"
        return False, "it is level, with no less risk" if level else "it is not surely better"

    def document(self) -> dict[str, Any]:
        """For the report."""
        return {
            "events": self.events,
            "loss_difference": _document(self.losses),
            "pnl_difference_pusd": _document(self.pnl),
            "risk_pusd": self.risk_pusd,
            "champion_risk_pusd": self.champion_risk_pusd,
        }


def compare(candidate: Contender, champion: Contender, level: float) -> Paired:
    """Both on the events that both were judged on."""
    mine, theirs = candidate.losses.by_event, champion.losses.by_event
    events = sorted(mine.keys() & theirs.keys())
    table = np.array([(mine[one][0], theirs[one][0], theirs[one][1]) for one in events]).reshape(-1, 3)
    scale = max(float(table[:, 2].mean()), 1e-300) if len(table) else 1.0
    own = float((table[:, 2] - table[:, 1]).mean()) / scale if len(table) else 0.0
    earned = np.array([candidate.traded.by_event.get(one, 0.0) for one in events])
    earned_before = np.array([champion.traded.by_event.get(one, 0.0) for one in events])
    return Paired(
        difference((table[:, 1] - table[:, 0]) / scale, own, level),
        difference(earned - earned_before, float(earned_before.mean()) if events else 0.0, level),
        candidate.traded.risk_pusd,
        champion.traded.risk_pusd,
        len(events),
    )


def difference(values: FloatArray, champions: float, level: float) -> Difference:
    """Mean of differences of independent events, with its bounds at a one-sided level."""
    if len(values) < 2:
        return Difference(0.0, float("-inf"), float("inf"), 0.0, max(champions, 0.0))
    error = float(np.std(values, ddof=1)) / np.sqrt(len(values))
    mean = float(values.mean())
    statistic = mean / error if error > 0.0 else 0.0
    return Difference(mean, mean_bound(values, level), -mean_bound(-values, level), statistic, max(champions, 0.0))


def _document(one: Difference) -> dict[str, float | None]:
    return {name: value if np.isfinite(value) else None for name, value in vars(one).items()}

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
from pipelines.replay.bounds import mean_bound

LOSSES, PNL, RISK = "the losses", "the P&L", "risk"


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

    def least(self, margin: float) -> float:
        """The lowest difference that still counts as not worse: a share of the champion's own mean below 0."""
        return -margin * self.champions


@dataclass(frozen=True)
class Bound:
    """A number of the comparison and its limit: the least that a difference has to reach, and what risk must be below.
    In shares of the market price's loss, or in pUSD."""

    what: str
    value: float
    limit: float
    passed: bool


@dataclass(frozen=True)
class Judgement:
    """Whether the candidate may follow the champion, in which words, and the comparison that decided."""

    passed: bool
    words: str
    by: Bound


@dataclass(frozen=True)
class Paired:
    """The comparison. Losses are in shares of persistence's mean loss, P&L in pUSD an event."""

    losses: Difference
    pnl: Difference
    risk_pusd: float
    champion_risk_pusd: float
    events: int

    def decided(self, margin: float) -> Judgement:
        """Better in one of losses and P&L and within the margin in the other, or within it in both with less risk.

        `by` is the comparison to read first. Of a candidate that passes it is the first one of the rule that it passed
        by; of one that fails, the first failed one of the rule that it failed by the fewest.
        """
        if self.events < 2:
            return Judgement(
                False, "they share fewer than two events", Bound("shared events", self.events, 2, passed=False)
            )
        rules = self._rules(margin)
        for words, comparisons in rules.items():
            if all(one.passed for one in comparisons):
                return Judgement(True, words, comparisons[0])
        failed = [[one for one in comparisons if not one.passed] for comparisons in rules.values()]
        *_, level = failed
        if [one.what for one in level] == [RISK]:
            return Judgement(False, "it is level, with no less risk", level[0])
        return Judgement(False, "it is not surely better", min(failed, key=len)[0])

    def _rules(self, margin: float) -> dict[str, tuple[Bound, ...]]:
        losses, pnl = self.losses, self.pnl

        def better(one: Difference, name: str) -> Bound:
            return Bound(f"lower bound of {name}", one.lower, 0.0, one.lower > 0.0)

        def within(one: Difference, name: str) -> Bound:
            return Bound(f"mean of {name}", one.mean, one.least(margin), one.mean >= one.least(margin))

        def surely(one: Difference, name: str) -> Bound:
            return Bound(f"lower bound of {name}", one.lower, one.least(margin), one.lower >= one.least(margin))

        less = Bound(RISK, self.risk_pusd, self.champion_risk_pusd, self.risk_pusd < self.champion_risk_pusd)
        return {
            "it is better (forecasts)": (better(losses, LOSSES), within(pnl, PNL)),
            "it is better (P&L)": (better(pnl, PNL), within(losses, LOSSES)),
            "it is not worse, with less risk": (surely(losses, LOSSES), surely(pnl, PNL), less),
        }

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
    earned = np.array([candidate.by_event.get(one, 0.0) for one in events])
    earned_before = np.array([champion.by_event.get(one, 0.0) for one in events])
    return Paired(
        difference((table[:, 1] - table[:, 0]) / scale, own, level),
        difference(earned - earned_before, float(earned_before.mean()) if events else 0.0, level),
        candidate.risk_pusd,
        champion.risk_pusd,
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

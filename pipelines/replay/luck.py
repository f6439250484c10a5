"""What luck explains of a P&L when many rules were tried: the deflated Sharpe ratio over independent events.

Bailey, D. and Lopez de Prado, M. (2014), The Deflated Sharpe Ratio. Events are the observations and not bars: bars of
one position move together, so that a Sharpe ratio per bar claims more evidence than there is.
"""

import itertools
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import NormalDist
from typing import Any, Self

import numpy as np

from pipelines.core.domain import FloatArray
from pipelines.replay.trials import TRIALS

EULER = 0.5772156649015329
STATISTIC = "t_events"
"""Field of a trial: mean P&L over events in standard errors."""


@dataclass(frozen=True)
class Trials:
    """What was tried: mean P&L over events in standard errors where it is known, and how many trials there were."""

    statistics: Sequence[float]
    count: int

    @classmethod
    def of_ledger(cls, kinds: Sequence[str], since_s: int, path: Path = TRIALS, *, alone: bool = False) -> Self:
        """Every backtest of some policy kinds (one's own on the same bars too), every combination of a sweep, every
        setting of a study, and every agent that was trained again before a backtest judged it; a repeated one counts
        again.

        A trial whose data ended before `since_s` (market time) cannot have learned from a slice that begins there, and
        is left out. One that does not say where its data ended counts. With `alone` trials of other kinds are left out
        too, also those of a strategy that is gone.
        """
        lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
        rows = [row for row in map(json.loads, lines) if row.get("data_end_s") is None or row["data_end_s"] > since_s]
        if alone:
            rows = [row for row in rows if row["settings"].get("policy") in kinds]
        counted = [row for row in rows if _counts(row, kinds)]
        known = [row["measured"].get(STATISTIC) for row in counted]
        return cls([float(one) for one in known if one is not None], len(counted) + _discarded_agents(rows))

    def luckiest(self) -> float:
        """Statistic that the best of them is expected to have when none has skill, in standard errors.

        The expected maximum of `count` normal variables, times the deviation of the trials' own statistics: rules that
        do nearly the same are nearly one trial. That deviation is 1 for independent rules without skill. More of it is
        no luck, but rules that differ truly (one that pays the spread for nothing, one that earns), so 1 is the most;
        it is also used where fewer than two statistics are known.
        """
        if self.count < 2:
            return 0.0
        quantile = NormalDist().inv_cdf
        largest = (1.0 - EULER) * quantile(1.0 - 1.0 / self.count)
        largest += EULER * quantile(1.0 - 1.0 / (self.count * math.e))
        spread = float(np.std(self.statistics, ddof=1)) if len(self.statistics) > 1 else 1.0
        return max(largest, 0.0) * min(spread, 1.0)


def _counts(row: Mapping[str, Any], kinds: Sequence[str]) -> bool:
    settings = row["settings"]
    chosen_from = settings.get("policy") in kinds or settings.get("candidate", False)  # of a strategy that is gone
    own = row["stage"] == "study" and settings.get("counted", False)  # a backtest of one's own on the same bars
    played = (own or row["stage"] in {"backtest", "sweep"}) and chosen_from
    return played or row["stage"] == "tune"


def _discarded_agents(rows: Sequence[Mapping[str, Any]]) -> int:
    """Trainings that another one follows without a backtest between: their seed or learner was looked at and replaced.
    All others count with their backtest."""
    stages = [row["stage"] for row in rows if row["stage"] in {"agent", "backtest"}]
    return sum(one == then == "agent" for one, then in itertools.pairwise(stages))


@dataclass(frozen=True)
class Deflated:
    """The deflated Sharpe ratio, and what it is made of (Sharpe ratios per event)."""

    probability: float
    sharpe_event: float
    luckiest_event: float
    events: int
    trials: int


def deflated_sharpe(by_event: FloatArray, tried: Trials) -> Deflated | None:
    """Probability that the Sharpe ratio of a P&L by event exceeds what the luckiest trial without skill would show on
    as many events; skewness and kurtosis are charged for. None with fewer than three events or without variation."""
    count = len(by_event)
    deviation = float(np.std(by_event, ddof=1)) if count > 2 else 0.0
    if deviation < 1e-12:
        return None
    sharpe = float(np.mean(by_event)) / deviation
    centred = (by_event - by_event.mean()) / by_event.std()
    skew, kurtosis = float(np.mean(centred**3)), float(np.mean(centred**4))
    lucky = tried.luckiest() / math.sqrt(count - 1)
    error = math.sqrt(max(1.0 - skew * sharpe + (kurtosis - 1.0) / 4.0 * sharpe**2, 1e-12) / (count - 1))
    return Deflated(NormalDist().cdf((sharpe - lucky) / error), sharpe, lucky, count, tried.count)


def statistic(by_event: FloatArray) -> float | None:
    """Mean P&L over events in standard errors, for the ledger of trials; None without variation."""
    deviation = float(np.std(by_event, ddof=1)) if len(by_event) > 2 else 0.0
    return None if deviation < 1e-12 else float(np.mean(by_event)) / deviation * math.sqrt(len(by_event))

"""What picking the best of many costs: the deflated Sharpe ratio and the probability of backtest overfitting."""

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
BLOCKS = 10
"""Blocks of time for the combinatorial test: 252 ways to choose five."""


@dataclass(frozen=True)
class Trials:
    """What was tried: the Sharpe ratios per bar of those trials that have one, and how many trials there were."""

    sharpes: Sequence[float]
    count: int

    @classmethod
    def of_ledger(cls, per_year: float, kinds: Sequence[str], path: Path = TRIALS) -> Self:
        """Every backtest of some policy kinds in the ledger, every combination of a sweep, every setting of a study,
        and every agent that was trained again before a backtest judged it; a repeated one counts again."""
        lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
        rows = [json.loads(line) for line in lines]
        counted = [row for row in rows if _counts(row, kinds)]
        annual = [row["measured"].get("sharpe_bar") for row in counted]
        sharpes = [sharpe / math.sqrt(per_year) for sharpe in annual if sharpe is not None]
        return cls(sharpes, len(counted) + _discarded_agents(rows))


def _counts(row: Mapping[str, Any], kinds: Sequence[str]) -> bool:
    settings = row["settings"]
    chosen_from = settings.get("policy") in kinds or settings.get("candidate", False)  # of a strategy that is gone
    played = row["stage"] in {"backtest", "sweep"} and chosen_from
    return played or row["stage"] == "tune"


def _discarded_agents(rows: Sequence[Mapping[str, Any]]) -> int:
    """Trainings that another one follows without a backtest between: their seed or learner was looked at and replaced.
    All others count with their backtest, and the newest one with the backtest that asks."""
    stages = [row["stage"] for row in rows if row["stage"] in {"agent", "backtest"}]
    return sum(one == then == "agent" for one, then in itertools.pairwise(stages))


def deflated_sharpe(changes: FloatArray, tried: Trials) -> dict[str, float] | None:
    """Probability that the Sharpe ratio of `changes` (per bar) beats the best that luck gives among the trials.

    Bailey and Lopez de Prado (2014): skewness, kurtosis and number of trials are charged for. None without variation.
    """
    deviation = float(np.std(changes, ddof=1)) if len(changes) > 2 else 0.0
    if deviation < 1e-12:
        return None
    sharpe = float(np.mean(changes)) / deviation
    centred = (changes - changes.mean()) / changes.std()
    skew, kurtosis = float(np.mean(centred**3)), float(np.mean(centred**4))
    expected = expected_maximum(tried)
    spread = math.sqrt(max(1.0 - skew * sharpe + (kurtosis - 1.0) / 4.0 * sharpe**2, 1e-12) / (len(changes) - 1))
    return {
        "probability": NormalDist().cdf((sharpe - expected) / spread),
        "sharpe_bar": sharpe,
        "expected_maximum_bar": expected,
        "trials": float(tried.count),
    }


def expected_maximum(tried: Trials) -> float:
    """Sharpe ratio per bar that the luckiest of that many independent trials without skill is expected to show."""
    count = tried.count
    if len(tried.sharpes) < 2:
        return 0.0
    quantile = NormalDist().inv_cdf
    lucky = (1.0 - EULER) * quantile(1.0 - 1.0 / count) + EULER * quantile(1.0 - 1.0 / (count * math.e))
    return float(np.std(tried.sharpes, ddof=1)) * lucky


def overfitting_probability(changes: Mapping[str, FloatArray], blocks: int = BLOCKS) -> float | None:
    """Share of splits of time in which the best strategy of one half is below the median in the other half (CSCV).

    Equal strategies share their ranks, and a rank at the median counts as one half. None where nothing can be chosen:
    a single strategy, too few bars, or no strategy that ever moves.
    """
    matrix = np.column_stack(list(changes.values()))
    if matrix.shape[1] < 2 or len(matrix) < 2 * blocks or not np.ptp(matrix, axis=0).any():
        return None
    parts = np.array([part.sum(axis=0) for part in np.array_split(matrix, blocks)])
    fooled = []
    for chosen in itertools.combinations(range(blocks), blocks // 2):
        inside = parts[list(chosen)].sum(axis=0)
        fooled.append(np.heaviside(0.5 - _rank(parts.sum(axis=0) - inside, int(np.argmax(inside))), 0.5))
    return float(np.mean(fooled))


def _rank(values: FloatArray, one: int) -> float:
    """Share of the others that value `one` exceeds; equal ones count as one half."""
    others = np.delete(values, one)
    return float(np.mean(np.heaviside(values[one] - others, 0.5)))

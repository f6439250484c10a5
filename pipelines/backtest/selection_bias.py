"""What picking the best of many costs: the deflated Sharpe ratio and the probability of backtest overfitting."""

import itertools
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import NormalDist
from typing import Any

import numpy as np

from pipelines.core.domain import FloatArray
from pipelines.engine.trials import TRIALS

EULER = 0.5772156649015329
BLOCKS = 10
"""Blocks of time for the combinatorial test: 252 ways to choose five."""


def deflated_sharpe(changes: FloatArray, trial_sharpes: Sequence[float]) -> dict[str, float] | None:
    """Probability that the Sharpe ratio of `changes` (per bar) beats the best that luck gives among the trials.

    Bailey and Lopez de Prado (2014): skewness, kurtosis and number of trials are charged for. None without variation.
    """
    deviation = float(np.std(changes, ddof=1)) if len(changes) > 2 else 0.0
    if deviation < 1e-12:
        return None
    sharpe = float(np.mean(changes)) / deviation
    centred = (changes - changes.mean()) / changes.std()
    skew, kurtosis = float(np.mean(centred**3)), float(np.mean(centred**4))
    expected = expected_maximum(trial_sharpes)
    spread = math.sqrt(max(1.0 - skew * sharpe + (kurtosis - 1.0) / 4.0 * sharpe**2, 1e-12) / (len(changes) - 1))
    return {
        "probability": NormalDist().cdf((sharpe - expected) / spread),
        "sharpe_bar": sharpe,
        "expected_maximum_bar": expected,
        "trials": float(len(trial_sharpes)),
    }


def expected_maximum(trial_sharpes: Sequence[float]) -> float:
    """Sharpe ratio per bar that the luckiest of that many independent trials without skill is expected to show."""
    count = len(trial_sharpes)
    if count < 2:
        return 0.0
    quantile = NormalDist().inv_cdf
    lucky = (1.0 - EULER) * quantile(1.0 - 1.0 / count) + EULER * quantile(1.0 - 1.0 / (count * math.e))
    return float(np.std(trial_sharpes, ddof=1)) * lucky


def overfitting_probability(changes: Mapping[str, FloatArray], blocks: int = BLOCKS) -> float | None:
    """Share of splits of time in which the best strategy of one half is below the median in the other half (CSCV)."""
    matrix = np.column_stack(list(changes.values()))
    if matrix.shape[1] < 2 or len(matrix) < 2 * blocks:
        return None
    parts = np.array([part.sum(axis=0) for part in np.array_split(matrix, blocks)])
    fooled = []
    for chosen in itertools.combinations(range(blocks), blocks // 2):
        inside = parts[list(chosen)].sum(axis=0)
        outside = parts.sum(axis=0) - inside
        rank = float(np.mean(outside < outside[int(np.argmax(inside))]))
        fooled.append(rank < 0.5)
    return float(np.mean(fooled))


def trial_sharpes(per_year: float, kinds: Sequence[str], path: Path = TRIALS) -> list[float]:
    """Sharpe ratios per bar of the ledger's backtest trials of some policy kinds; a repeated one counts again."""
    if not path.is_file():
        return []
    found = []
    for line in path.read_text(encoding="utf-8").splitlines():
        row: Any = json.loads(line)
        tried = row["stage"] == "backtest" and row["settings"].get("policy") in kinds
        annual = row["measured"].get("sharpe_bar") if tried else None
        if annual is not None:
            found.append(annual / math.sqrt(per_year))
    return found

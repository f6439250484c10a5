"""How often the best of the compared policies on one half of time is a poor one on the other half."""

import itertools
from collections.abc import Mapping

import numpy as np

from pipelines.core.domain import FloatArray

BLOCKS = 10
"""Blocks of time for the combinatorial test: 252 ways to choose five."""


def rivals(candidates: Mapping[str, FloatArray], cash: FloatArray) -> dict[str, FloatArray]:
    """What the choice is made from: the candidates and cash, which is chosen where no candidate earned; each distinct
    course once.

    Baselines that nothing can choose stay out: rules that surely lose would keep the best of any noise above the
    median. A copy, or a rule that never traded (cash under another name), would pad the field in the same way.
    """
    found = {"cash": cash}
    for name, changes in candidates.items():
        if not any(np.array_equal(changes, other) for other in found.values()):
            found[name] = changes
    return found


def overfitting_probability(changes: Mapping[str, FloatArray], blocks: int = BLOCKS) -> float | None:
    """Share of splits of time in which the best strategy of one half is below the median in the other half (CSCV).

    Bailey, Borwein, Lopez de Prado and Zhu (2017), The probability of backtest overfitting. Equal strategies share
    their ranks, and a rank at the median counts as one half. None where nothing can be chosen: a single strategy, too
    few bars, or no strategy that ever moves.
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

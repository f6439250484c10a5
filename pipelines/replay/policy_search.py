"""A search for the numbers of the tuned rule: CMA-ES on the P&L of whole accounts in compiled replays.

The loss limits are lifted while it searches: an account that has met its drawdown limit does nothing more, so that all
bad numbers look alike. The start is the threshold rule of params.yaml. Source of the method: Hansen, N. (2016), The CMA
Evolution Strategy: A Tutorial, in the implementation of the package `cmaes`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from pipelines.core.domain import FloatArray
from pipelines.replay.account import AccountTape, play_rule
from pipelines.trading import compiled
from pipelines.trading.tuned_rule import NAMES

SEARCHED: dict[str, tuple[float, float, float]] = {
    "cost_multiple": (0.4, 0.0, 4.0),
    "crowded": (1.0, -5.0, 5.0),
    "spread": (0.1, -1.0, 1.0),
    "extreme": (0.4, -2.0, 2.0),
    "ending": (0.4, -2.0, 2.0),
    "unsure": (1.0, -5.0, 5.0),
    "early": (0.3, -1.0, 2.0),
    "exit_multiple": (0.2, -1.0, 3.0),
    "exit_crowded": (0.5, -5.0, 5.0),
    "exit_aged": (0.3, -2.0, 2.0),
    "full_at": (0.5, 0.0, 3.0),
    "max_hold_s": (3_600.0, 600.0, 43_200.0),
}
"""Of each number: how far the first generation strays, and its bounds."""

SPREAD = 0.5
"""The first generation strays by this share of the first column above."""
POPULATION, GENERATIONS = 32, 12
SAMPLES = 2_000
"""Of a bootstrap."""

Progress = Callable[[int, float], None]
"""Told the generation and the mean P&L of its best numbers."""


@dataclass(frozen=True)
class Trained:
    """A tape and the limits of its account."""

    tape: AccountTape
    par: FloatArray


@dataclass(frozen=True)
class Found:
    """The numbers of a search, what they earn on average on the tapes it used (loss limits lifted), and its trials."""

    numbers: FloatArray
    mean_pnl_pusd: float
    trials: int


def lifted(par: FloatArray) -> FloatArray:
    """The same limits without those on the loss of a day and from the peak."""
    free = par.copy()
    free[[compiled.DAILY_LOSS, compiled.DRAWDOWN]] = 1.0
    return free


def mean_pnl(data: Sequence[Trained], numbers: FloatArray, cash_micro: int) -> float:
    """Mean P&L in pUSD over tapes."""
    return float(np.mean([play_rule(one.tape, one.par, numbers, cash_micro).pnl_pusd for one in data]))


def search(
    data: Sequence[Trained],
    start: FloatArray,
    cash_micro: int,
    seed: int,
    generations: int = GENERATIONS,
    population: int = POPULATION,
    progress: Progress | None = None,
) -> Found:
    """The numbers with the largest mean P&L over the tapes: the best mean of a generation, or the start itself."""
    from cmaes import CMA  # noqa: PLC0415 - only where numbers are searched for

    free = [Trained(one.tape, lifted(one.par)) for one in data]
    scale = np.array([SEARCHED[name][0] for name in NAMES])
    bounds = np.array([SEARCHED[name][1:] for name in NAMES]) / scale[:, None]
    inside = np.clip(start / scale, bounds[:, 0], bounds[:, 1])
    optimiser = CMA(mean=inside, sigma=SPREAD, bounds=bounds, seed=seed, population_size=population)
    best, best_pnl, trials = start, mean_pnl(free, start, cash_micro), 1
    for generation in range(generations):
        told = []
        for _ in range(population):
            asked = optimiser.ask()
            told.append((asked, -mean_pnl(free, asked * scale, cash_micro)))
        optimiser.tell(told)
        centre = optimiser.mean * scale
        pnl = mean_pnl(free, centre, cash_micro)
        trials += population + 1
        if pnl > best_pnl:
            best, best_pnl = centre, pnl
        if progress is not None:
            progress(generation, best_pnl)
    return Found(best, best_pnl, trials)


def interval(by_event: FloatArray) -> tuple[float, float]:
    """95 % bootstrap interval of a sum over events."""
    rng = np.random.default_rng(0)
    sums = by_event[rng.integers(0, len(by_event), (SAMPLES, len(by_event)))].sum(axis=1)
    low, high = np.quantile(sums, (0.025, 0.975))
    return float(low), float(high)

"""A search for the numbers of the tuned rule: CMA-ES on the P&L of whole accounts in compiled replays.

The loss limits are lifted while it searches: an account that has met its drawdown limit does nothing more, so that all
bad numbers look alike. The start is the threshold rule of params.yaml. Source of the method: Hansen, N. (2016), The CMA
Evolution Strategy: A Tutorial, in the implementation of the package `cmaes`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from pipelines.core.domain import FloatArray
from pipelines.replay.account import AccountTape, play_rule, play_shared
from pipelines.trading import allocator, compiled
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

ALLOCATED: dict[str, tuple[float, float, float]] = {
    "near": (0.3, -3.0, 3.0),
    "confidence": (1.0, -10.0, 10.0),
    "spread": (0.1, -2.0, 2.0),
    "extreme": (0.4, -3.0, 3.0),
    "ending": (0.4, -3.0, 3.0),
    "least": (0.5, -10.0, 10.0),
    "used": (0.7, -5.0, 5.0),
    "rivals": (0.4, -3.0, 3.0),
    "behind": (0.3, -2.0, 2.0),
    "related": (0.4, -3.0, 3.0),
}
"""The same of the allocator."""

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
    """The numbers of the tuned rule with the largest mean P&L over the tapes."""
    free = [Trained(one.tape, lifted(one.par)) for one in data]
    ranges = [SEARCHED[name] for name in NAMES]
    return climb(lambda one: mean_pnl(free, one, cash_micro), start, ranges, seed, generations, population, progress)


def search_allocator(
    data: Sequence[Trained], numbers: FloatArray, cash_micro: int, seed: int, generations: int = GENERATIONS
) -> Found:
    """The numbers of an allocator above markets that play the tuned rule with `numbers`: one account's P&L decides
    (centralised training), each claim is scored by itself (decentralised decisions)."""
    free = [Trained(one.tape, lifted(one.par)) for one in data]

    def pnl(shared: FloatArray) -> float:
        played = (play_shared(one.tape, one.par, numbers, shared, cash_micro) for one in free)
        return float(np.mean([one.pnl_pusd for one in played]))

    ranges = [ALLOCATED[name] for name in allocator.NAMES]
    return climb(pnl, np.zeros(len(ranges)), ranges, seed, generations, POPULATION, None)


def climb(
    pnl_of: Callable[[FloatArray], float],
    start: FloatArray,
    ranges: Sequence[tuple[float, float, float]],
    seed: int,
    generations: int,
    population: int,
    progress: Progress | None,
) -> Found:
    """The numbers with the largest P&L: the best mean of a generation, or the start itself. `ranges` has of each number
    how far the first generation strays, and its bounds."""
    from cmaes import CMA  # noqa: PLC0415 - only where numbers are searched for

    scale = np.array([one[0] for one in ranges])
    bounds = np.array([one[1:] for one in ranges]) / scale[:, None]
    inside = np.clip(start / scale, bounds[:, 0], bounds[:, 1])
    optimiser = CMA(mean=inside, sigma=SPREAD, bounds=bounds, seed=seed, population_size=population)
    best, best_pnl, trials = start, pnl_of(start), 1
    for generation in range(generations):
        told = []
        for _ in range(population):
            asked = optimiser.ask()
            told.append((asked, -pnl_of(asked * scale)))
        optimiser.tell(told)
        centre = optimiser.mean * scale
        pnl = pnl_of(centre)
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

"""A search for the numbers of the tuned rule: CMA-ES on the P&L of whole accounts in compiled replays.

The loss limits are lifted while it searches: an account that has met its drawdown limit does nothing more, so that all
bad numbers look alike. The start is the threshold rule of params.yaml. Source of the method: Hansen, N. (2016), The CMA
Evolution Strategy: A Tutorial, in the implementation of the package `cmaes`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from pipelines.core.domain import FloatArray
from pipelines.replay.account import AccountTape, play_rule, play_shared
from pipelines.trading import allocator, compiled
from pipelines.trading.compiled_account import LAST_ROW
from pipelines.trading.tuned_rule import NAMES

SEARCHED: dict[str, tuple[float, float, float]] = {
    "cost_multiple": (0.4, 0.0, 4.0),
    "crowded": (1.0, -5.0, 5.0),
    "spread": (0.1, -1.0, 1.0),
    "extreme": (0.4, -2.0, 2.0),
    "ending": (0.4, -2.0, 2.0),
    "unsure": (1.0, -5.0, 5.0),
    "early": (0.3, -1.0, 2.0),
    "dear": (0.4, -2.0, 2.0),
    "earning": (0.01, -0.05, 0.1),
    "earning_crowded": (0.05, -0.5, 0.5),
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
POPULATION, GENERATIONS = 24, 18
NEVER = 1e6
"""Round trips that no move is worth."""
BATCH = 16
"""Tapes that a generation is judged on, drawn for each where there are more: what differs between two policies on one
tape is mostly luck, so many tapes seen once teach more than few seen often."""
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


def never(numbers: FloatArray) -> FloatArray:
    """The numbers of cash: the same rule, and no move is worth an entry."""
    cash = numbers.copy()
    cash[NAMES.index("cost_multiple")] = NEVER
    return cash


def lifted(par: FloatArray) -> FloatArray:
    """The same limits without those on the loss of a day and from the peak."""
    free = par.copy()
    free[[compiled.DAILY_LOSS, compiled.DRAWDOWN]] = 1.0
    return free


def in_order(tape: AccountTape) -> AccountTape:
    """The same tape with its rows side by side in the order in which they are played, which is faster where many tapes
    compete for the cache. It has no observations, and a market's rows are not one after the other any more: it is for
    rules alone."""
    place = np.empty(len(tape.rows), dtype=np.int64)
    place[tape.rows] = np.arange(len(tape.rows))
    flat, about = tape.field, tape.about.copy()
    about[:, LAST_ROW] = place[about[:, LAST_ROW]]
    columns = {name: getattr(flat, name)[tape.rows] for name in ("bars", "confidences")}
    moved = replace(flat, first=place[flat.first], last=place[flat.last], inputs=flat.inputs[:0], **columns)
    return replace(tape, field=moved, signals=tape.signals[tape.rows], rows=np.arange(len(place)), about=about)


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
    free = [Trained(in_order(one.tape), lifted(one.par)) for one in data]
    rng = np.random.default_rng(seed)
    drawn = [sorted(rng.permutation(len(free))[:BATCH].tolist()) for _ in range(generations)]

    def pnl(numbers: FloatArray, generation: int | None) -> float:
        used = free if generation is None else [free[at] for at in drawn[generation]]
        return mean_pnl(used, numbers, cash_micro)

    ranges = [SEARCHED[name] for name in NAMES]
    return climb(pnl, start, ranges, seed, generations, population, progress)


def search_allocator(
    data: Sequence[Trained], numbers: FloatArray, cash_micro: int, seed: int, generations: int = GENERATIONS
) -> Found:
    """The numbers of an allocator above markets that play the tuned rule with `numbers`: one account's P&L decides
    (centralised training), each claim is scored by itself (decentralised decisions)."""
    free = [Trained(one.tape, lifted(one.par)) for one in data]

    def pnl(shared: FloatArray, _: int | None) -> float:
        played = (play_shared(one.tape, one.par, numbers, shared, cash_micro) for one in free)
        return float(np.mean([one.pnl_pusd for one in played]))

    ranges = [ALLOCATED[name] for name in allocator.NAMES]
    return climb(pnl, np.zeros(len(ranges)), ranges, seed, generations, POPULATION, None)


def climb(
    pnl_of: Callable[[FloatArray, int | None], float],
    start: FloatArray,
    ranges: Sequence[tuple[float, float, float]],
    seed: int,
    generations: int,
    population: int,
    progress: Progress | None,
) -> Found:
    """The numbers with the largest P&L: the mean of a generation of the later half, the mean of these, or the start
    itself. `ranges` has of each number how far the first generation strays, and its bounds. `pnl_of` is asked for
    numbers and the generation that they are tried in, or None for what decides."""
    from cmaes import CMA  # noqa: PLC0415 - only where numbers are searched for

    scale = np.array([one[0] for one in ranges])
    bounds = np.array([one[1:] for one in ranges]) / scale[:, None]
    inside = np.clip(start / scale, bounds[:, 0], bounds[:, 1])
    optimiser = CMA(mean=inside, sigma=SPREAD, bounds=bounds, seed=seed, population_size=population)
    best, best_pnl, trials = start, pnl_of(start, None), 1
    centres: list[FloatArray] = []
    for generation in range(generations):
        told = []
        for _ in range(population):
            asked = optimiser.ask()
            told.append((asked, -pnl_of(asked * scale, generation)))
        optimiser.tell(told)
        centres.append(optimiser.mean * scale)
        trials += population
        judged = centres[-1:] if generation >= generations // 2 else []
        if generation == generations - 1:
            judged = [*judged, np.mean(centres[generations // 2 :], axis=0)]
        for centre in judged:
            pnl = pnl_of(centre, None)
            trials += 1
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

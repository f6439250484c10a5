"""Makers that err: what lets the markets of one event contradict each other for a few seconds.

Every market has a maker of its own, who misquotes now and then: both quotes are shifted by an error in log-odds and
show few shares, until somebody notices. Life and size are those that a study of the venue measured (median life of an
episode 3.6 s, 77 % of them capped at 15 shares: arXiv 2605.00864); how large an error is no source says. Quotes
outside an episode are those of a market without such makers, to the base unit.
"""

from typing import Final

import numpy as np

from pipelines.core.domain import FloatArray
from simulator.markets.random_streams import generator

MISQUOTES: Final = 1 << 56
"""Added to the number of a window's random stream."""
LIFE_S: Final = 3.6
"""Median life of an episode; lives are exponential."""
SHIFT: Final = 1.0
"""Standard deviation of the error in log-odds: 23 cents in the middle of the range."""
FEW: Final = (5.0, 15.0)
"""Shares of an episode whose size is capped: uniform between these."""
CAPPED_SHARE: Final = 0.77


def drawn(an_hour: float, seconds: int, stream: tuple[int, int]) -> tuple[FloatArray, FloatArray]:
    """Of each second of a market: the shift of its quotes in log-odds (0 outside an episode), and the most shares that
    they show (infinite outside one, and in an episode that is not capped)."""
    shift, most = np.zeros(seconds), np.full(seconds, np.inf)
    if an_hour <= 0.0:
        return shift, most
    source = generator(stream[0], stream[1] | MISQUOTES)
    count = int(source.poisson(an_hour * seconds / 3_600.0))
    begins = np.sort(source.uniform(0.0, seconds, count))
    ends = begins + source.exponential(LIFE_S / np.log(2.0), count)
    shifts, sizes = SHIFT * source.standard_normal(count), source.uniform(*FEW, count)
    capped = source.random(count) < CAPPED_SHARE
    for k in range(count):
        rows = slice(int(np.ceil(begins[k])), int(np.ceil(ends[k])))
        shift[rows], most[rows] = shifts[k], sizes[k] if capped[k] else np.inf
    return shift, most

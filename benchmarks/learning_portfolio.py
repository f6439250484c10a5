"""Above single strategies: which one gets the money.

* `hedge`: a chooser over strategies with slow decisions, online: exponential weights on the P&L of past blocks of six
  hours, against the best of each world in hindsight. Each strategy runs with all of the money in a replay of its own;
  the chooser holds shares of these accounts.
  Source: Freund, Y. and Schapire, R. (1997), A decision-theoretic generalization of on-line learning.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pipelines.core.domain import FloatArray
from pipelines.core.money import MICRO
from pipelines.replay.market_history import IntArray

BLOCK_S = 21_600
RANGE_PUSD = 500.0
"""What a block's P&L of two strategies may differ by: the scale of the weights' exponent."""


@dataclass(frozen=True)
class Chosen:
    """P&L in pUSD of the chooser and of the best strategy in hindsight, and the regret between them."""

    online_pusd: float
    hindsight_pusd: float

    @property
    def regret_pusd(self) -> float:
        """What the best strategy in hindsight earned more."""
        return self.hindsight_pusd - self.online_pusd


def hedge(ts_s: IntArray, equity_micro: Sequence[IntArray], cash_micro: int) -> Chosen:
    """Exponential weights over strategies, moved at the end of each block by what each earned in it.

    The rate is that of Freund and Schapire for the number of blocks: sqrt(8 ln n / blocks) on P&L over RANGE_PUSD.
    """
    ends = np.append(np.flatnonzero(np.diff(ts_s // BLOCK_S)), len(ts_s) - 1)
    levels = np.array(equity_micro, dtype=np.float64)[:, ends] / MICRO
    blocks: FloatArray = np.diff(levels, axis=1, prepend=cash_micro / MICRO)
    rate = np.sqrt(8.0 * np.log(len(levels)) / blocks.shape[1])
    past = np.cumsum(blocks, axis=1) - blocks
    weights = np.exp(rate * (past - past.max(axis=0)) / RANGE_PUSD)
    weights /= weights.sum(axis=0)
    return Chosen(float((weights * blocks).sum()), float(blocks.sum(axis=1).max()))

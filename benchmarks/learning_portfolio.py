"""Above single strategies: which one gets the money.

* `hedge`: a chooser over strategies with slow decisions, online: exponential weights on the P&L of past blocks of six
  hours, against the best of each world in hindsight. Each strategy runs with all of the money in a replay of its own;
  the chooser holds shares of these accounts.
  Source: Freund, Y. and Schapire, R. (1997), A decision-theoretic generalization of on-line learning.
* `RegimeChooser`: all of the money in each block to the strategy, or to cash, whose P&L a ridge regression on what the
  market looked like in the block before expects to be largest.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from pipelines.core.domain import FloatArray
from pipelines.core.money import MICRO
from pipelines.replay.account import AccountTape
from pipelines.replay.market_history import IntArray
from pipelines.trading import compiled
from pipelines.trading.compiled_account import CONFIDENCE, MOVE, ROUND_TRIP

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
    blocks = block_pnl(ts_s, equity_micro, cash_micro)
    rate = np.sqrt(8.0 * np.log(len(blocks)) / blocks.shape[1])
    past = np.cumsum(blocks, axis=1) - blocks
    weights = np.exp(rate * (past - past.max(axis=0)) / RANGE_PUSD)
    weights /= weights.sum(axis=0)
    return Chosen(float((weights * blocks).sum()), float(blocks.sum(axis=1).max()))


def block_pnl(ts_s: IntArray, equity_micro: Sequence[IntArray], cash_micro: int) -> FloatArray:
    """P&L in pUSD of each strategy in each block, (strategies, blocks)."""
    ends = np.append(np.flatnonzero(np.diff(ts_s // BLOCK_S)), len(ts_s) - 1)
    levels = np.array(equity_micro, dtype=np.float64)[:, ends] / MICRO
    made: FloatArray = np.diff(levels, axis=1, prepend=cash_micro / MICRO)
    return made


RIDGE = 30.0
"""Penalty on the slopes, in blocks."""


def regimes(tape: AccountTape) -> FloatArray:
    """Features of each block, (blocks, 6), means over its markets and bars: expected move in round trips, share of bars
    with more than one, round trip and spread in price units, move of a bar, confidence."""
    bars, seen = tape.field.bars[tape.rows], tape.signals[tape.rows]
    flat = tape.field.bars
    moved = np.abs(np.diff(flat[:, compiled.MID], prepend=flat[0, compiled.MID])).astype(np.float64)
    moved[tape.field.first] = 0.0
    ratio = np.abs(seen[:, MOVE]) / np.maximum(seen[:, ROUND_TRIP], 1.0)
    columns = (
        ratio, ratio > 1.0, seen[:, ROUND_TRIP], bars[:, compiled.ASK] - bars[:, compiled.BID], moved[tape.rows],
        seen[:, CONFIDENCE],
    )  # fmt: skip
    _, block = np.unique(bars[:, compiled.TS] // BLOCK_S, return_inverse=True)
    counts = np.bincount(block)
    return np.column_stack([np.bincount(block, weights=column) / counts for column in columns])


class RegimeChooser:
    """Which of some strategies, or cash (the first), gets the money of a block: ridge regression of each one's P&L."""

    def __init__(self, worlds: Sequence[tuple[FloatArray, FloatArray]]) -> None:
        """From `regimes` and `block_pnl` of some worlds; a block is explained by the one before."""
        seen = np.concatenate([one[:-1] for one, _ in worlds])
        pnl = np.concatenate([blocks.T[1:] for _, blocks in worlds])
        self._mean = seen.mean(axis=0)
        self._expected = make_pipeline(StandardScaler(), Ridge(RIDGE)).fit(seen, pnl)

    def chosen(self, seen: FloatArray) -> IntArray:
        """The strategy of each block; the first block knows the means alone."""
        best: IntArray = self._expected.predict(np.vstack([self._mean, seen[:-1]])).argmax(axis=1)
        return best

"""Lanes that are asked at entries alone: what is held is left inside the step by the keep rule of the threshold rule.

When flat, the limits leave a decision on one bar in twelve; a step from one such bar to the next is a whole trade, so
that what an entry was worth is the reward of the action that made it.
"""

import numpy as np
from numpy.typing import NDArray

from pipelines.core.domain import FloatArray
from pipelines.replay.lanes import Field, Lanes
from pipelines.replay.market_history import IntArray
from pipelines.trading import compiled_entries
from pipelines.trading.threshold_rule import Rule


class EntryLanes(Lanes):
    """N accounts, each in one market, that stop where an entry is open.

    `pars` holds sets of limits and costs, one a row; each episode draws one. The share of money that an episode has in
    other markets, at most `most_elsewhere`, is drawn too and shown in the observation's cash, as in an account. A bar
    with a position costs `full_bar_pusd` where all of it is elsewhere, and in proportion less where there is room:
    a position keeps no other one out of an empty account.
    """

    def __init__(
        self,
        field: Field,
        pars: FloatArray,
        count: int,
        cash_micro: int,
        signals: tuple[FloatArray, FloatArray],
        rule: Rule,
        most_elsewhere: float = 0.0,
        full_bar_pusd: float = 0.0,
    ) -> None:
        super().__init__(field, pars[0], count, cash_micro)
        self.pars = pars
        self.kinds = np.zeros(count, dtype=np.int64)
        self.elsewhere = np.zeros(count)
        self._moves, self._costs = signals
        self._keep = (rule.exit_multiple, rule.max_hold_s)
        self._most = most_elsewhere
        self._full_bar_pusd = full_bar_pusd

    def vary(self, which: IntArray, rng: np.random.Generator) -> None:
        """Draw the costs and the money elsewhere of episodes that are about to be placed."""
        self.kinds[which] = rng.integers(0, len(self.pars), len(which))
        self.elsewhere[which] = rng.uniform(0.0, self._most, len(which))

    def drawn(self) -> list[NDArray[np.generic]]:
        """What `vary` drew for the episodes that are being played."""
        return [self.kinds, self.elsewhere]

    def place(self, which: IntArray, first: IntArray, last: IntArray) -> None:
        """Fresh accounts at the rows `first`, played on to their first open entry."""
        super().place(which, first, last)
        field = self.field
        compiled_entries.begin(
            self.state, which, *self._keep, self.kinds, self.elsewhere, field.bars, field.inputs, self._moves,
            self._costs, field.confidences, field.markets, field.fees, self.pars, self.observations,
        )  # fmt: skip

    def step(self, directions: IntArray, fractions: FloatArray) -> None:
        """One decision of every lane, played on to its next open entry."""
        field = self.field
        compiled_entries.step(
            self.state, directions, fractions, *self._keep, self._bar_prices(), self.kinds, self.elsewhere, field.bars,
            field.inputs, self._moves, self._costs, field.confidences, field.markets, field.fees, self.pars,
            self.observations, self.rewards, self.dones,
        )  # fmt: skip

    def _bar_prices(self) -> FloatArray:
        """What a bar with a position costs each lane, in pUSD."""
        return self._full_bar_pusd * self.elsewhere / max(self._most, 1e-9)

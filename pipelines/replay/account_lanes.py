"""Accounts side by side that are offered entries: what an agent that decides entries is trained on.

Each lane is an account with its places, its exposure limit and the limits of events and topics, in all markets of a
tape. An entry takes one of its places until the trade is over, and fewer entries are offered meanwhile.
"""

import numpy as np
from numpy.typing import NDArray

from pipelines.core.domain import FloatArray
from pipelines.replay.account import AccountTape
from pipelines.replay.lanes import Lanes
from pipelines.replay.market_history import IntArray
from pipelines.trading import compiled, compiled_offers
from pipelines.trading.threshold_rule import Rule


class AccountLanes(Lanes):
    """N accounts in the markets of a tape, each at the entry that it is offered.

    `pars` holds sets of limits and costs, one a row; each episode draws one and begins with an empty account. A bar
    of a place has an opportunity cost of `bar_pusd`, about what a place earns in it. It is charged to the entry that
    takes the place, or to the answer that leaves it free, so the reward of an entry is its P&L compared with that of
    others. The limits on losses are left out, and positions are sized by the initial cash.
    """

    def __init__(
        self,
        tape: AccountTape,
        pars: FloatArray,
        count: int,
        cash_micro: int,
        signals: tuple[FloatArray, FloatArray],
        rule: Rule,
        episode_bars: int,
        bar_pusd: float = 0.0,
    ) -> None:
        super().__init__(tape.field, pars[0], count, cash_micro)
        self.tape, self.pars = tape, pars
        self.kinds = np.zeros(count, dtype=np.int64)
        self.cursors = np.zeros((count, 3), dtype=np.int64)
        """Where each account is: columns of `compiled_offers`."""
        self.places = np.zeros((count, int(pars[:, compiled.MAX_MARKETS].max()), 3), dtype=np.int64)
        """What its places hold: columns of `compiled_offers`."""
        self._moves, self._costs = signals
        self._keep = (rule.exit_multiple, rule.max_hold_s)
        self._episode_bars, self._bar_pusd = episode_bars, bar_pusd
        self._time_of = np.empty(len(tape.field.bars), dtype=np.int64)
        self._time_of[tape.rows] = np.repeat(np.arange(len(tape.edges) - 1), np.diff(tape.edges))

    def vary(self, which: IntArray, rng: np.random.Generator) -> None:
        """Draw the costs of episodes that are about to be placed."""
        self.kinds[which] = rng.integers(0, len(self.pars), len(which))

    def drawn(self) -> list[NDArray[np.generic]]:
        """What `vary` drew for the episodes that are being played, and how they stand."""
        return [self.kinds, self.cursors, self.places]

    def place(self, which: IntArray, first: IntArray, last: IntArray) -> None:
        """Empty accounts from the times of the rows `first` on, for as many bars as an episode has."""
        field, cursors, tape = self.field, self.cursors, self.tape
        cursors[which, compiled_offers.NOW] = self._time_of[first]
        cursors[which, compiled_offers.UNTIL] = self._time_of[first] + self._episode_bars
        compiled_offers.begin(
            self.state, cursors, self.places, which, first, self.cash_micro, self.kinds, tape.rows, tape.edges,
            field.bars, field.inputs, field.confidences, field.last, tape.about, self.pars, self.observations,
        )  # fmt: skip

    def resolved(self, lane: int) -> bool:
        """Never: an account goes on with other markets."""
        return False

    def step(self, directions: IntArray, fractions: FloatArray) -> None:
        """One answer of every account, played on to its next offer."""
        field, tape = self.field, self.tape
        compiled_offers.step(
            self.state, self.cursors, self.places, directions, fractions, *self._keep, self._bar_pusd, self.cash_micro,
            self.kinds, tape.rows, tape.edges, self._time_of, field.bars, field.inputs, self._moves,
            self._costs, field.confidences, field.markets, field.fees, field.last, tape.about, self.pars,
            self.observations, self.rewards, self.dones,
        )  # fmt: skip

"""Whole tapes in compiled code: one account in many markets, equal to the event-driven replay to the base unit.

What searches and judges policies thousands of times plays here; what is reported plays through `decide` too.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from pipelines.core.domain import FloatArray
from pipelines.core.money import MICRO
from pipelines.core.params import Params
from pipelines.replay.lanes import Field, field
from pipelines.replay.market_history import History, IntArray
from pipelines.replay.signals import concatenated
from pipelines.trading import compiled, compiled_portfolio
from pipelines.trading import compiled_account as code
from pipelines.trading.observation import LEAST_COST, MarketScaler
from pipelines.trading.threshold_rule import Rule
from pipelines.trading.tuned_rule import NAMES

Choose = Callable[[NDArray[np.float32], IntArray], tuple[IntArray, FloatArray]]
"""Directions (n,) and shares of the cap (n,) for observations (n, 20 or 27) and the rows (n,) that they are of."""


@dataclass(frozen=True)
class AccountTape:
    """The bars of many markets in the order of time, ready for compiled replays."""

    field: Field
    signals: FloatArray
    """(rows, 4): expected move, near move and round trip in price units, and the confidence."""
    rows: IntArray
    edges: IntArray
    """The rows of time k are rows[edges[k] : edges[k + 1]]."""
    about: IntArray
    events: tuple[str, ...]
    """The event of each market."""

    @classmethod
    def of(cls, histories: Sequence[History], flat: Field, impact_share: float, *, turn: str = "id") -> "AccountTape":
        """The tape of histories whose arrays are `flat`; within one time, markets in the order given, or in that of
        `ranked` where `turn` (execution.turn) is `move`."""
        ts_s = flat.bars[:, compiled.TS]
        rows = np.argsort(ts_s, kind="stable")
        steps = np.flatnonzero(np.diff(ts_s[rows])) + 1
        events = [one.market.event_id for one in histories]
        topics = [one.market.topic for one in histories]
        number: dict[str, int] = {name: at for at, name in enumerate(dict.fromkeys([*events, *topics]))}
        about = [
            (number[event], number[topic] if topic else -1, last, -1 if one.payout_micro is None else one.payout_micro)
            for event, topic, last, one in zip(events, topics, flat.last.tolist(), histories, strict=True)
        ]
        seen = concatenated(histories, impact_share)
        columns = (seen.move_units, seen.near_units, seen.cost_units, flat.confidences)
        edges = np.concatenate(([0], steps, [len(rows)])).astype(np.int64)
        made = cls(flat, np.column_stack(columns), rows, edges, np.array(about, dtype=np.int64), tuple(events))
        return made.ranked() if turn == "move" else made

    def ranked(self) -> "AccountTape":
        """The same tape; within one time the markets with the largest expected move in round trips come first."""
        moves, costs = self.signals[:, code.MOVE], self.signals[:, code.ROUND_TRIP]
        ratio = np.abs(moves) / np.maximum(costs, LEAST_COST)
        ts_s = self.field.bars[self.rows, compiled.TS]
        return replace(self, rows=self.rows[np.lexsort((-ratio[self.rows], ts_s))])

    @cached_property
    def event_numbers(self) -> tuple[tuple[str, ...], IntArray]:
        """The events in their order, and each market's place among them."""
        names = tuple(dict.fromkeys(self.events))
        at = {name: number for number, name in enumerate(names)}
        return names, np.array([at[event] for event in self.events])


def tape_of(histories: Sequence[History], scaler: MarketScaler, params: Params, *, forecast_block: bool) -> AccountTape:
    """The tape of histories, with the impact and the order of turns of `params.execution`."""
    impact = params.execution.impact_share
    flat = field(histories, scaler, impact, forecast_block=forecast_block)
    return AccountTape.of(histories, flat, impact, turn=params.execution.turn)


@dataclass(frozen=True)
class Played:
    """What a compiled replay did."""

    equity_micro: IntArray
    """The account after every time."""
    market_pnl_pusd: FloatArray
    """P&L of each market, what is held at the end marked."""
    entries: int
    crowded: int
    """Entries that were not asked for or refused because the places were taken."""
    exits: dict[str, int]
    """Orders to leave, by reason."""

    def event_pnl_pusd(self, tape: AccountTape) -> FloatArray:
        """P&L of each event in the order of `event_numbers`."""
        names, at = tape.event_numbers
        total: FloatArray = np.bincount(at, weights=self.market_pnl_pusd, minlength=len(names)).astype(np.float64)
        return total

    @property
    def pnl_pusd(self) -> float:
        """P&L after costs."""
        return float(self.market_pnl_pusd.sum())


def rule_numbers(rule: Rule) -> FloatArray:
    """The threshold rule as numbers of the tuned one."""
    given = {"cost_multiple": rule.cost_multiple, "exit_multiple": rule.exit_multiple, "max_hold_s": rule.max_hold_s}
    return np.array([float(given.get(name, 0.0)) for name in NAMES])


class _State:
    def __init__(self, tape: AccountTape, cash_micro: int) -> None:
        markets = len(tape.field.first)
        self.lanes = np.zeros((markets, compiled.LANE_COLUMNS), dtype=np.int64)
        self.lanes[:, compiled.ROW] = -1
        self.account = np.zeros(code.ACCOUNT_COLUMNS, dtype=np.int64)
        self.account[[code.FREE, code.WORTH, code.DAY_BEGAN, code.PEAKED]] = cash_micro
        self.account[code.TODAY] = -1
        self.places = np.zeros(markets, dtype=np.int64)
        self.equity = np.zeros(len(tape.edges) - 1, dtype=np.int64)

    def played(self, tape: AccountTape) -> Played:
        lanes, mids = self.lanes, tape.field.bars[np.maximum(self.lanes[:, compiled.ROW], 0), compiled.MID]
        price = np.where(lanes[:, compiled.DIRECTION] >= 0, mids, 10_000 - mids)
        worth = lanes[:, compiled.SHARES] * price // 10_000
        gained = (lanes[:, compiled.CASH] + worth) / MICRO
        entries, crowded = int(self.account[code.ENTRIES]), int(self.account[code.CROWDED])
        sent = self.account[code.EXITS :].tolist()
        exits = {f"exits/{name}": sent[at] for at, name in enumerate(compiled.EXIT_REASONS) if name}
        return Played(self.equity, gained, entries, crowded, exits)


def play_rule(tape: AccountTape, par: FloatArray, numbers: FloatArray, cash_micro: int) -> Played:
    """The tuned rule with its numbers (in the order of NAMES) over a tape, in one compiled call."""
    state, field = _State(tape, cash_micro), tape.field
    code.play_rule(
        numbers, state.lanes, state.account, state.places, tape.rows, tape.edges, field.bars, tape.signals,
        field.markets, field.fees, tape.about, par, state.equity,
    )  # fmt: skip
    return state.played(tape)


def play_shared(tape: AccountTape, par: FloatArray, numbers: FloatArray, shared: FloatArray, cash_micro: int) -> Played:
    """The tuned rule in every market with an allocator above them (`shared`, in the order of allocator.NAMES)."""
    state, field = _State(tape, cash_micro), tape.field
    widest = int(np.diff(tape.edges).max())
    claims, scores = np.zeros((widest, 2), dtype=np.int64), np.zeros(widest)
    compiled_portfolio.play_shared(
        shared, numbers, state.lanes, state.account, state.places, tape.rows, tape.edges, field.bars, tape.signals,
        field.markets, field.fees, tape.about, par, state.equity, claims, scores,
    )  # fmt: skip
    return state.played(tape)


class AccountRun:
    """A replay that stops wherever the policy has something to say: `advance`, then `answer`, until nothing is left.

    With `keep` (numbers of the tuned rule) the policy decides entries alone, and what is held is left as the rule says;
    without it the policy is asked wherever something is held too.
    """

    def __init__(self, tape: AccountTape, par: FloatArray, cash_micro: int, keep: FloatArray | None = None) -> None:
        self._tape, self._par, self._state, self._step = tape, par, _State(tape, cash_micro), -1
        self._asks_held, self._numbers = keep is None, np.zeros(len(NAMES)) if keep is None else keep
        widest = int(np.diff(tape.edges).max())
        self._asked = np.zeros(widest, dtype=np.int64)
        self._out = np.zeros((widest, tape.field.observation_size), dtype=np.float32)
        self._count = 0

    @property
    def asked(self) -> IntArray:
        """The rows that the policy is asked for, in their order."""
        return self._asked[: self._count]

    @property
    def observations(self) -> NDArray[np.float32]:
        """Their observations, (n, 20 or 27)."""
        return self._out[: self._count]

    @property
    def account(self) -> IntArray:
        """The columns of the compiled account."""
        return self._state.account

    @property
    def equity_micro(self) -> int:
        """What the account is worth now."""
        return int(self._state.account[code.WORTH])

    @property
    def now_s(self) -> int:
        """The time that was reached."""
        tape = self._tape
        last = min(self._step, len(tape.edges) - 2)
        return int(tape.field.bars[tape.rows[tape.edges[last]], compiled.TS])

    def advance(self) -> bool:
        """Play on to the next time at which the policy is asked; False where the tape ends before."""
        tape, state, field = self._tape, self._state, self._tape.field
        self._step, self._count = code.advance(
            self._step + 1, self._asks_held, self._numbers, state.lanes, state.account, state.places, tape.rows,
            tape.edges, field.bars, field.inputs, tape.signals, field.markets, field.fees, tape.about, self._par,
            state.equity, self._asked, self._out,
        )  # fmt: skip
        return self._count > 0

    def answer(self, directions: IntArray, fractions: FloatArray) -> None:
        """What the policy wants of the rows that it was asked for."""
        tape, state, field = self._tape, self._state, self._tape.field
        code.answer(
            self.asked, directions, fractions, state.lanes, state.account, state.places, field.bars, tape.signals,
            field.markets, field.fees, tape.about, self._par,
        )  # fmt: skip

    def played(self) -> Played:
        """What the replay did."""
        return self._state.played(self._tape)


def play_policy(
    tape: AccountTape, par: FloatArray, choose: Choose, cash_micro: int, keep: FloatArray | None = None
) -> Played:
    """A policy that reads observations, asked in batches; `keep` as in `AccountRun`."""
    run = AccountRun(tape, par, cash_micro, keep)
    while run.advance():
        run.answer(*choose(run.observations, run.asked))
    return run.played()

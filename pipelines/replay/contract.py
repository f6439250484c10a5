"""The contract of policies, tested on histories: a target depends on what `target` is given, and on nothing else."""

import random
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np

from pipelines.core.domain import Direction, Position
from pipelines.core.errors import StrategyError
from pipelines.core.money import MICRO
from pipelines.core.params import Params
from pipelines.replay import rules
from pipelines.replay.loop import replay, tape
from pipelines.replay.market_history import History
from pipelines.trading import policies
from pipelines.trading.observation import MarketScaler
from pipelines.trading.policies.base import Inputs, Observation, Policy, Target
from pipelines.trading.sizing import SizingTable

EARNED = SizingTable(0.65, 0.03, 0.02, 500, 20)
"""Signals that paid, so that entries are sized and positions are seen."""

OUTSIDE = ("open", "socket.connect", "socket.getaddrinfo", "subprocess.Popen", "os.system", "sqlite3.connect")
"""Audit events of Python that no target may cause."""

_touched: list[str] | None = None
"""What the target that is being asked for has opened or started; None while none is asked for."""


@dataclass(frozen=True)
class Asked:
    """One question to a policy and its answer."""

    inputs: Inputs
    position: Position | None
    observation: Observation | None
    target: Target


class Recorded:
    """A policy whose questions and answers are kept, with what it opened or started meanwhile."""

    def __init__(self, policy: Policy) -> None:
        self.kind, self.uses_forecast = policy.kind, policy.uses_forecast
        self.reads_observation = policy.reads_observation
        self.asked: list[Asked] = []
        self.touched: list[str] = []
        self._policy = policy

    def target(self, inputs: Inputs, position: Position | None, observation: Observation | None) -> Target:
        """The policy's target."""
        try:
            with _watched(self.touched):
                made = self._policy.target(inputs, position, observation)
        except Exception as error:
            where = f"at {inputs.bar.ts_s} in {inputs.market.market_id}"
            raise StrategyError(
                f"{self.kind} raises {type(error).__name__} ({error}) {where};"
                " a target has to come back for every bar, also without a position, a sentiment or a trade"
            ) from error
        self.asked.append(Asked(inputs, position, observation, made))
        return made


def verify(
    kind: type[policies.DeclaredPolicy],
    histories: Sequence[History],
    params: Params,
    scaler: MarketScaler,
    length_s: int,
) -> None:
    """Play a policy several times on histories and compare; a few hundred bars of a few markets are enough.

    Raises:
        StrategyError: naming the policy, the market and bar, and which promise it breaks: its targets are no targets,
            they change from run to run, with the order of questions or with the future, or it reads files or the
            network.
    """
    values = policies.parameters(kind, params, length_s)

    def fresh() -> policies.DeclaredPolicy:
        return policies.made(kind, values, None)

    def played(seen: Sequence[History]) -> Recorded:
        recorded = Recorded(fresh())
        strategy = rules.make("cash", params, EARNED, scaler, length_s)
        made = tape(seen, scaler if recorded.reads_observation else None, params.execution.model_depth_shares)
        replay(made, rules.with_policy(strategy, recorded), params.backtest.cash_pusd * MICRO)
        return recorded

    with _seeded(1):
        recorded = played(histories)
    first = recorded.asked
    if recorded.touched:
        raise StrategyError(
            f"{kind.kind} causes {recorded.touched[0]} while it decides; a target may depend on nothing but Inputs:"
            " bring the numbers as parameters"
        )
    for one in first:
        _refuse_no_target(kind, one)
    with _seeded(2):
        _compare(
            kind,
            first,
            played(histories).asked,
            "when the same bars are played again: it draws at random or keeps time",
        )
        _compare(kind, first, _shuffled(first, fresh), "with the order of questions: it remembers earlier bars")
        for cut_s in _cuts(histories):
            past = [one for one in first if one.inputs.bar.ts_s <= cut_s]
            later = played([another_future(one, cut_s) for one in histories]).asked
            _compare(kind, past, later[: len(past)], "when only what comes later is changed: it looks ahead")


def _refuse_no_target(kind: type[policies.DeclaredPolicy], one: Asked) -> None:
    made: Any = one.target
    if not (isinstance(made, Target) and isinstance(made.direction, Direction) and 0.0 <= made.fraction <= 1.0):
        raise StrategyError(
            f"{kind.kind} answered {made!r} at {one.inputs.bar.ts_s} in {one.inputs.market.market_id}; a target is"
            " Target(Direction, share of the cap from 0 to 1)"
        )


def _compare(kind: type[policies.DeclaredPolicy], first: Sequence[Asked], again: Sequence[Asked], what: str) -> None:
    for one, other in zip(first, again, strict=True):
        if one.target != other.target:
            raise StrategyError(
                f"{kind.kind} wants {one.target} and then {other.target} at {one.inputs.bar.ts_s} in"
                f" {one.inputs.market.market_id}: its target changes {what}"
            )


def _shuffled(asked: Sequence[Asked], fresh: Callable[[], Policy]) -> list[Asked]:
    """The same questions to a fresh policy, the last one first."""
    policy = fresh()
    backwards = [
        replace(one, target=policy.target(one.inputs, one.position, one.observation)) for one in reversed(asked)
    ]
    return backwards[::-1]


def _cuts(histories: Sequence[History]) -> list[int]:
    ts_s = np.unique(np.concatenate([one.ts_s for one in histories]))
    return [int(ts_s[len(ts_s) * part // 4]) for part in (1, 2, 3)]


def another_future(history: History, cut_s: int) -> History:
    """The same market up to a time, and what other markets could have shown from then on."""
    later = history.ts_s > cut_s
    rng = np.random.default_rng(3)
    changed: dict[str, Any] = {}
    for name in ("features", "sentiment", "mean", "lower", "upper"):
        values = getattr(history, name).copy()
        values[later] = rng.permutation(-values[later])
        changed[name] = values
    if history.fair is not None:
        changed["fair"] = np.where(later[:, None], 1.0 - history.fair, history.fair)
    if history.external is not None:
        changed["external"] = np.where(later, 1.0 - history.external, history.external)
    for name in ("mid_units", "volume_micro", "bid_units", "ask_units", "spread_units", "sizes_micro"):
        if getattr(history, name) is None:
            continue
        values = getattr(history, name).copy()
        values[later] = values[later][::-1]
        changed[name] = values
    return replace(history, payout_micro=None, **changed)


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """Python's and numpy's shared random states begin at `seed`, and go on afterwards as if nothing had been drawn."""
    plain, shared = random.getstate(), np.random.get_state()
    random.seed(seed)
    np.random.seed(seed)
    try:
        yield
    finally:
        random.setstate(plain)
        np.random.set_state(shared)


@contextmanager
def _watched(into: list[str]) -> Iterator[None]:
    """Append what is opened or started while the block runs."""
    global _touched  # noqa: PLW0603 - Python keeps an audit hook for ever; this switches ours on and off
    _hooked()
    _touched = into
    try:
        yield
    finally:
        _touched = None


@cache
def _hooked() -> None:
    sys.addaudithook(_hook)


def _hook(event: str, arguments: tuple[Any, ...]) -> None:
    if _touched is not None and event in OUTSIDE:
        _touched.append(f"{event}({', '.join(map(repr, arguments[:1]))})")

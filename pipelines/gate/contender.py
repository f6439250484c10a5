"""One bundle on the gate slice: its losses, its interval's coverage, what its own policy earned and at which risk."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from pipelines.core.domain import FeeSchedule
from pipelines.core.money import MICRO
from pipelines.core.params import Params
from pipelines.decide import Rules
from pipelines.gate import evidence
from pipelines.gate.earned import pnl_by_period
from pipelines.inference.bundle import Bundle
from pipelines.replay.bundle_rules import of_bundle
from pipelines.replay.loop import Result, replay, tape
from pipelines.replay.market_history import History
from pipelines.replay.performance import Figures, figures, pnl_by_event

CASH = "cash"
"""Kind of the policy that trades nothing."""
DEARER = 2.0
"""Fees at which the P&L has to hold too, in multiples of what they are."""


@dataclass(frozen=True)
class Traded:
    """What a policy did on the slice: its row of figures, and its P&L by event in pUSD after costs."""

    figures: Figures
    by_event: Mapping[str, float]
    by_period: Mapping[int, float] = field(default_factory=dict)
    """P&L by day, or by hour where there are few days."""
    by_forecast: bool = True
    """Whether the policy acts on forecasts."""
    rests: bool = False
    """Whether its entries rest in the book."""

    @property
    def risk_pusd(self) -> float:
        """Standard deviation of the P&L over events."""
        values = list(self.by_event.values())
        return float(np.std(values, ddof=1)) if len(values) > 1 else 0.0


@dataclass(frozen=True)
class Contender:
    """A bundle's record on the slice."""

    bundle: Bundle
    losses: evidence.Losses
    coverage: float
    traded: Traded
    in_cash: bool = False
    """Whether it is taken without its policy: it opens nothing."""

    @property
    def policy(self) -> str:
        """Kind of the policy that it is taken with."""
        return CASH if self.in_cash else str(self.bundle.manifest["policy"]["kind"])

    @property
    def by_event(self) -> Mapping[str, float]:
        """P&L in pUSD by event; none in cash."""
        return {} if self.in_cash else self.traded.by_event

    @property
    def risk_pusd(self) -> float:
        """Standard deviation of the P&L over events; 0 in cash."""
        return 0.0 if self.in_cash else self.traded.risk_pusd


def measure(bundle: Bundle, histories: Sequence[History], params: Params, length_s: int) -> Contender:
    """Losses, coverage and trades of a bundle on histories that carry its own forecasts."""
    gate = params.gate
    span = (gate.first_horizon, gate.last_horizon, length_s)
    found = evidence.losses(histories, *span, gate.periods)
    return Contender(bundle, found, evidence.coverage(histories, *span), trade(bundle, histories, params, length_s))


def trade(
    bundle: Bundle, histories: Sequence[History], params: Params, length_s: int, fee_multiple: float = 1.0
) -> Traded:
    """The bundle's own policy on the slice, through `decide`, after costs; every fee times `fee_multiple`."""
    strategy = of_bundle(bundle, params, length_s)
    return played(strategy, histories, params, params.execution.model_depth_shares, fee_multiple)[0]


def played(
    strategy: Rules, histories: Sequence[History], params: Params, depth_shares: int, fee_multiple: float = 1.0
) -> tuple[Traded, Result]:
    """A policy on histories, through `decide`, after costs, and the replay itself; every fee times `fee_multiple`."""
    cash, length_s = params.backtest.cash_pusd * MICRO, strategy.bar_length_s
    scaler = strategy.scaler if strategy.policy.reads_observation else None
    made = tape([_dear(one, fee_multiple) for one in histories], scaler, depth_shares)
    result = replay(made, strategy, cash)
    periods, policy = pnl_by_period(result, made), strategy.policy
    rows = figures(result, cash, length_s)
    return Traded(rows, pnl_by_event(result, made.markets), periods, policy.uses_forecast, strategy.rests), result


def _dear(history: History, multiple: float) -> History:
    fee = FeeSchedule(multiple * history.market.fee.rate, history.market.fee.exponent)
    return replace(history, market=replace(history.market, fee=fee))


def common(one: Sequence[History], other: Sequence[History]) -> tuple[list[History], list[History]]:
    """Both lists with the bars alone that both have: two forecasters are compared on the same bars."""
    theirs = {history.market.market_id: history for history in other}
    pairs = [(history, theirs[history.market.market_id]) for history in one if history.market.market_id in theirs]
    cut = [(mine.where(np.isin(mine.ts_s, its.ts_s)), its.where(np.isin(its.ts_s, mine.ts_s))) for mine, its in pairs]
    kept = [pair for pair in cut if len(pair[0]) > 1]
    return [pair[0] for pair in kept], [pair[1] for pair in kept]

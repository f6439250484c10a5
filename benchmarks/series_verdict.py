"""The gate's own criteria for a policy of a series benchmark, which has no bundle.

Asked, with the gate's functions and limits: `events`, `pnl_by_period`, `pnl`, `pnl_fees_2x`, `deflated_sharpe`, for a
policy that rests `resting_fills` and `pnl_worst_fills`, and `overfitting` where something was chosen. Not asked,
because there is no bundle and no forecast: `skill_by_event`, `skill_by_period`, `coverage`, `champion`, `latency`,
`look_ahead`, `onnx`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from benchmarks.series_world import LENGTH_S
from pipelines.core.money import MICRO
from pipelines.core.params import Params
from pipelines.decide import Rules
from pipelines.gate import contender, criteria, resting
from pipelines.gate.contender import Traded
from pipelines.replay import luck
from pipelines.replay.bounds import total_bound
from pipelines.replay.loop import Result
from pipelines.replay.market_history import History

DEPTH_SHARES = 200
"""Shares at every level, like the recorded books'."""


@dataclass(frozen=True)
class PlayedPolicy:
    """A policy as it was played: what it did, the replay, and what it was played on."""

    strategy: Rules
    histories: Sequence[History]
    params: Params
    traded: Traded
    result: Result

    @classmethod
    def of(cls, strategy: Rules, histories: Sequence[History], params: Params) -> "PlayedPolicy":
        """Play a policy on histories."""
        return cls(strategy, histories, params, *contender.played(strategy, histories, params, DEPTH_SHARES))

    @property
    def statistic(self) -> float | None:
        """Mean P&L over events in standard errors; None without variation."""
        return luck.statistic(np.array(list(self.traded.by_event.values())))

    @property
    def changes(self) -> Any:
        """Change of the account at every bar in micro pUSD."""
        cash = self.params.backtest.cash_pusd * MICRO
        return np.diff(np.asarray(self.result.equity_micro), prepend=cash)


@dataclass(frozen=True)
class Choice:
    """How a policy was chosen: statistics of everything that was tried, and the probability that the choice is
    overfitted. `chosen` False: nothing was chosen, the policy is as it is shipped."""

    statistics: Sequence[float | None]
    fooled: float | None = None
    chosen: bool = True

    @property
    def trials(self) -> luck.Trials:
        """For the deflated Sharpe ratio."""
        return luck.Trials([one for one in self.statistics if one is not None], len(self.statistics))


@dataclass(frozen=True)
class Verdict:
    """P&L in pUSD with the smaller of its lower bounds over events and over periods, and the criteria that failed."""

    pnl_pusd: float
    lower_pusd: float
    failed: tuple[str, ...]

    @property
    def promoted(self) -> bool:
        """Whether every criterion that was asked is met."""
        return not self.failed

    def document(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "verdict": "promote" if self.promoted else "hold",
            "failed": list(self.failed),
            "pnl_pusd": round(self.pnl_pusd, 2),
            "lower_pusd": round(self.lower_pusd, 2),
        }


def judged(trial: PlayedPolicy, choice: Choice, fills: Mapping[str, Any]) -> Verdict:
    """The verdict of the gate's criteria on a trial. `fills` is the report of `benchmarks.fills`, empty without one."""
    params, traded, gate = trial.params, trial.traded, trial.params.gate
    dear, _ = contender.played(trial.strategy, trial.histories, params, DEPTH_SHARES, contender.DEARER)
    kind = trial.strategy.policy.kind
    events, periods, events_dear = (
        total_bound(list(values.values()), level=gate.confidence_level, samples=gate.bootstrap_samples)
        for values in (traded.by_event, traded.by_period, dear.by_event)
    )
    deflated = luck.deflated_sharpe(np.array(list(traded.by_event.values())), choice.trials)
    lucky = criteria.luck(kind, deflated, choice.fooled, gate)
    asked = [
        criteria.enough_events(len(traded.by_event), gate),
        criteria.by_period(kind, traded, periods),
        *resting.criterion(traded, fills, params.execution, LENGTH_S),
        criteria.earnings(kind, traded, events, "pnl", ""),
        criteria.earnings(kind, dear, events_dear, "pnl_fees_2x", ", with every fee doubled"),
        *_worst(trial),
        *(one for one in lucky if choice.chosen or one.name != "overfitting"),
    ]
    failed = tuple(one.name for one in asked if not one.passed)
    return Verdict(sum(traded.by_event.values()), min(events, periods), failed)


def _worst(trial: PlayedPolicy) -> list[criteria.Criterion]:
    """`pnl_worst_fills` of a policy that rests."""
    if not trial.traded.rests:
        return []
    unlucky = replace(trial.strategy, execution=resting.worst(trial.params.execution))
    worse, _ = contender.played(unlucky, trial.histories, trial.params, DEPTH_SHARES)
    gate, values = trial.params.gate, list(worse.by_event.values())
    lower = total_bound(values, level=gate.confidence_level, samples=gate.bootstrap_samples)
    return [criteria.earnings(trial.strategy.policy.kind, worse, lower, *resting.WORST)]

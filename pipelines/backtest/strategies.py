"""Which strategies are compared, and how each is replayed: here or wherever `compute.scheduler` says."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from pipelines.backtest import learned
from pipelines.core.artifacts import read_json
from pipelines.core.domain import FeeSchedule, FloatArray, Market
from pipelines.core.money import MICRO
from pipelines.core.params import Params
from pipelines.core.products import AGENT
from pipelines.core.scheduler import each
from pipelines.decide import Rules
from pipelines.replay import rules
from pipelines.replay.loop import Result, Tape, replay, tape
from pipelines.replay.market_history import History
from pipelines.replay.performance import Figures, figures, pnl_by_event
from pipelines.replay.turnover import matched
from pipelines.trading import policies
from pipelines.trading.observation import MarketScaler
from pipelines.trading.policies.tuned import Tuned
from pipelines.trading.sizing import SizingTable


@dataclass(frozen=True)
class Run:
    """One strategy's replay."""

    name: str
    kind: str
    params: dict[str, Any]
    result: Result
    figures: Figures
    candidate: bool = False
    """Whether a bundle may carry it."""


@dataclass(frozen=True)
class Job:
    """One replay to be done. It carries all its data, so that a worker on another machine needs no file."""

    name: str
    kind: str
    params: dict[str, Any]
    rules: Rules
    fee_multiple: float = 1.0
    candidate: bool = False


@dataclass(frozen=True)
class Comparison:
    """What all strategies share. The tape is made where it is replayed: it is larger than what it is made of."""

    histories: Sequence[History]
    params: Params
    table: SizingTable
    scaler: MarketScaler
    length_s: int

    @property
    def cash_micro(self) -> int:
        """Initial cash."""
        return self.params.backtest.cash_pusd * MICRO

    @cached_property
    def tape(self) -> Tape:
        """The inputs of every bar."""
        return tape(self.histories, self.scaler, self.params.execution.model_depth_shares)

    def __getstate__(self) -> dict[str, Any]:
        """Everything but the tape."""
        return {name: value for name, value in self.__dict__.items() if name != "tape"}

    def dearer(self, multiple: float) -> "Comparison":
        """The same comparison where every fee is a multiple of what it is."""

        def dear(one: History) -> History:
            fee = FeeSchedule(multiple * one.market.fee.rate, one.market.fee.exponent)
            return replace(one, market=replace(one.market, fee=fee))

        return replace(self, histories=[dear(one) for one in self.histories])


def job(
    comparison: Comparison,
    kind: str,
    given: dict[str, Any] | None = None,
    name: str | None = None,
    folder: Path = AGENT,
) -> Job:
    """The replay of one policy, loaded with its parameters from params.yaml or the given ones; `folder` holds the files
    of a trained one."""
    chosen = rules.policy_params(kind, comparison.params, comparison.length_s) if given is None else given
    strategy = rules.make(
        kind, comparison.params, comparison.table, comparison.scaler, comparison.length_s, folder, chosen
    )
    return Job(name or kind, kind, chosen, strategy, candidate=policies.find(kind, comparison.params).candidate)


def done(comparison: Comparison, job: Job) -> Run:
    """Replay a job."""
    course = comparison if job.fee_multiple == 1.0 else comparison.dearer(job.fee_multiple)
    result = replay(course.tape, job.rules, comparison.cash_micro)
    measured = figures(result, comparison.cash_micro, comparison.length_s)
    return Run(job.name, job.kind, job.params, result, measured, job.candidate)


def run_all(comparison: Comparison, jobs: Sequence[Job]) -> Iterator[Run]:
    """Replay all jobs, in their order."""
    return each(done, comparison, jobs, comparison.params.compute)


def by_event(run: Run, markets: Mapping[str, Market]) -> FloatArray:
    """P&L of each event in pUSD, 0 without a trade, shape (events,)."""
    return np.array(list(pnl_by_event(run.result, markets).values()))


def contenders(comparison: Comparison) -> list[Job]:
    """Every policy that is compared, yours too, and the trained agent."""
    kinds = (*policies.compared(comparison.params), *trained())
    return [job(comparison, kind, _learned(comparison, kind)) for kind in kinds]


def _learned(comparison: Comparison, kind: str) -> dict[str, Any] | None:
    return learned.given(kind, comparison.histories, comparison.params, comparison.length_s)


def randoms(comparison: Comparison, reference: Run) -> list[Job]:
    """Random entries with the turnover of a strategy, one job per seed."""

    def play(given: dict[str, Any]) -> Result:
        return done(comparison, job(comparison, "random_matched", given)).result

    cap = int(comparison.params.sizing.max_position_fraction * comparison.cash_micro)
    given = matched(reference.result, comparison.tape, cap, comparison.length_s, 0, play)
    seeds = range(comparison.params.backtest.random_seeds)
    return [job(comparison, "random_matched", given | {"seed": seed}, f"random_{seed}") for seed in seeds]


def trained() -> tuple[str, ...]:
    """What the agent stage has made: the tuned rule, and the algorithm of the agent; empty where it did not run."""
    meta, searched = AGENT / "meta.json", AGENT / Tuned.files[0]
    agents = (str(read_json(meta)["algorithm"]),) if meta.is_file() else ()
    return (Tuned.kind,) * searched.is_file() + agents

"""One synthetic world as a contest: every strategy on the same later tape, one account, all limits, after costs."""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks.worlds import World
from pipelines.core.domain import FeeSchedule, Market
from pipelines.core.money import MICRO
from pipelines.core.params import Params
from pipelines.replay import rules
from pipelines.replay.loop import Result, Tape, replay, tape
from pipelines.replay.market_history import History
from pipelines.replay.signals import sizing_table
from pipelines.replay.turnover import matched
from pipelines.trading.observation import FULL_SIZE, PLAIN_SIZE
from pipelines.trading.sizing import SizingTable

LENGTH_S = 60
BOTTOMLESS = 10**9
"""Shares per level in a book that no order walks."""
AGENTS = ("ppo_entries", "ppo", "ppo_tuned", "ppo_without_forecasts", "ppo_from_rewards_alone", "dqn", "qrdqn", "sac")


def with_agent(params: Params, name: str, **update: Any) -> Params:
    """params.yaml with an agent of AGENTS; `update` changes its section `agent` further."""
    known: dict[str, dict[str, Any]] = {
        # Nothing is imitated without forecasts: the rule that would be imitated reads them.
        "ppo_without_forecasts": {"learner": "ppo", "forecast_block": False, "imitation_epochs": 0},
        "ppo_from_rewards_alone": {"learner": "ppo", "imitation_epochs": 0},
    }
    decisions = {"decisions": "entries" if name == "ppo_entries" else "bars"}
    agent = params.agent.model_copy(update=decisions | known.get(name, {"learner": name}) | update)
    return params.model_copy(update={"agent": agent})


@dataclass(frozen=True)
class Contest:
    """A world, the sizing table that its earlier part earned, and the tape of its later part."""

    earlier: Sequence[History]
    world: World
    params: Params
    table: SizingTable
    tape: Tape

    @classmethod
    def of(cls, made: World, params: Params, table: SizingTable | None = None, *, free: bool = False) -> "Contest":
        """The contest of a world; `table` replaces the measured one, `free` trades any size at the mid without fees."""
        earlier, later = made.earlier, made.later
        if free:
            earlier, later = ([without_costs(one) for one in part] for part in (earlier, later))
            execution = params.execution.model_copy(update={"model_depth_shares": BOTTOMLESS})
            params = params.model_copy(update={"execution": execution})
        shared = tape(later, made.scaler, params.execution.model_depth_shares)
        return cls(earlier, made, params, table or sizing_table(earlier, params), shared)

    @property
    def cash_micro(self) -> int:
        """Initial cash in base units."""
        return self.params.backtest.cash_pusd * MICRO

    @property
    def markets(self) -> dict[str, Market]:
        """Markets that are judged."""
        return self.tape.markets

    def rule(self, kind: str, given: dict[str, Any] | None = None) -> Result:
        """A policy without learning."""
        strategy = rules.make(kind, self.params, self.table, self.world.scaler, LENGTH_S, given=given)
        return replay(self.tape, strategy, self.cash_micro)

    def random(self, like: Result, seed: int) -> Result:
        """Random entries with about the turnover of another strategy."""
        cap = int(self.params.sizing.max_position_fraction * self.cash_micro)
        given = matched(like, self.tape, cap, LENGTH_S, seed, lambda one: self.rule("random_matched", one))
        return self.rule("random_matched", given)

    def agent(self, name: str, seed: int) -> Result:
        """An agent of AGENTS, trained on the earlier part."""
        from pipelines.agent.algorithms import actor  # noqa: PLC0415 - torch only where agents are trained
        from pipelines.agent.export import export  # noqa: PLC0415
        from pipelines.agent.stage import keep_of  # noqa: PLC0415
        from pipelines.agent.training import train  # noqa: PLC0415

        chosen = with_agent(self.params, name, seed=seed)
        learner, _ = train(self.earlier, chosen, self.table, self.world.scaler, LENGTH_S)
        with tempfile.TemporaryDirectory() as folder:
            size = FULL_SIZE if chosen.agent.forecast_block else PLAIN_SIZE
            export(actor(learner), size, Path(folder) / "policy.onnx", keep_of(chosen, LENGTH_S))
            strategy = rules.make(
                chosen.agent.algorithm, chosen, self.table, self.world.scaler, LENGTH_S, folder=Path(folder)
            )
        return replay(self.tape, strategy, self.cash_micro)

    def pnl(self, result: Result) -> float:
        """P&L in pUSD, what is held at the end marked to mid."""
        return round((result.equity_micro[-1] - self.cash_micro) / MICRO, 2)


def without_costs(past: History) -> History:
    """The same market traded at its mid, without a fee."""
    market = replace(past.market, fee=FeeSchedule(0.0))
    return replace(past, market=market, bid_units=past.mid_units, ask_units=past.mid_units)

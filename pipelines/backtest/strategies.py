"""Which strategies are compared, and how each is replayed."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pipelines.core.artifacts import read_json
from pipelines.core.money import MICRO
from pipelines.core.params import Params
from pipelines.engine import rules
from pipelines.engine.metrics import Figures, figures
from pipelines.engine.replay import Result, Tape, replay
from pipelines.trading.observation import MarketScaler
from pipelines.trading.sizing import SizingTable

AGENT = Path("models/agent")
RULES = ("cash", "buy_and_hold", "threshold", "kelly", "ensemble", "spike_fading")
CANDIDATES = ("threshold", "kelly", "ensemble", "ppo", "dqn", "sac")
"""Policies that a bundle may carry."""


@dataclass(frozen=True)
class Run:
    """One strategy's replay."""

    name: str
    kind: str
    params: dict[str, Any]
    result: Result
    figures: Figures


@dataclass(frozen=True)
class Field:
    """What all strategies share."""

    tape: Tape
    params: Params
    table: SizingTable
    scaler: MarketScaler
    length_s: int

    @property
    def cash_micro(self) -> int:
        """Initial cash."""
        return self.params.backtest.cash_pusd * MICRO


def run_one(field: Field, kind: str, given: dict[str, Any] | None = None, name: str | None = None) -> Run:
    """Replay one policy."""
    chosen = rules.policy_params(kind, field.params, field.length_s) if given is None else given
    strategy = rules.make(kind, field.params, field.table, field.scaler, field.length_s, AGENT, chosen)
    result = replay(field.tape, strategy, field.cash_micro)
    return Run(name or kind, kind, chosen, result, figures(result, field.cash_micro, field.length_s))


def run_all(field: Field) -> Iterator[Run]:
    """Cash, buy and hold, threshold, Kelly, the trained agent, then random entries with the threshold's turnover."""
    runs: dict[str, Run] = {}
    for kind in (*RULES, *trained()):
        runs[kind] = run_one(field, kind)
        yield runs[kind]
    for seed in range(field.params.backtest.random_seeds):
        yield run_one(field, "random_matched", matched(runs["threshold"], field, seed), f"random_{seed}")


def trained() -> tuple[str, ...]:
    """The algorithm in models/agent; empty when no agent was trained."""
    meta = AGENT / "meta.json"
    return (str(read_json(meta)["algorithm"]),) if meta.is_file() else ()


def matched(run: Run, field: Field, seed: int) -> dict[str, Any]:
    """Parameters of random entries with about the number, length and size of a strategy's trades."""
    entries = {(fill.market_id, fill.ts_s) for fill in run.result.fills if fill.side == "BUY"}
    bought = sum(fill.shares_micro * fill.price_units / 1e10 for fill in run.result.fills if fill.side == "BUY")
    cap = field.params.sizing.max_position_fraction * field.params.backtest.cash_pusd
    mean_cost = bought / len(entries) if entries else 0.0
    return {
        "seed": seed,
        "entry_probability": len(entries) / max(field.tape.bars, 1),
        "hold_bars": run.figures.mean_hold_bars or 1.0,
        "fraction": float(np.clip(mean_cost / cap, 0.01, 1.0)),
    }

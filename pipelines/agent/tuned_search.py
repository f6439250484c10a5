"""The numbers of the tuned rule from the agent slice: searched on the earlier events, accepted on the last ones."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from pipelines.core import log
from pipelines.core.domain import FloatArray
from pipelines.core.money import MICRO
from pipelines.core.params import Params
from pipelines.replay.account import play_rule, rule_numbers, tape_of
from pipelines.replay.event_split import split
from pipelines.replay.lanes import parameters
from pipelines.replay.market_history import History
from pipelines.replay.policy_search import GENERATIONS, Trained, interval, never, search
from pipelines.replay.signals import threshold_params
from pipelines.trading.observation import MarketScaler
from pipelines.trading.sizing import SizingTable
from pipelines.trading.tuned_rule import NAMES


def tuned(
    histories: Sequence[History],
    params: Params,
    table: SizingTable,
    scaler: MarketScaler,
    length_s: int,
    generations: int = GENERATIONS,
) -> dict[str, Any]:
    """`tuned.json`: the numbers, where they come from, and what they earn on events that the search did not see.

    Of what was found, the threshold rule of params.yaml and cash the one with the largest P&L on the last events is
    kept; what was found has to beat the rule by more than one standard error over events, or the rule stays.
    """
    early, late = split(histories)
    past, held_out = (_trained(part, params, table, scaler, length_s) for part in (early, late))
    cash = params.backtest.cash_pusd * MICRO
    rule = rule_numbers(threshold_params(params, length_s).rule)
    found = search([past], rule, cash, params.agent.seed, generations)
    by_event = {
        name: play_rule(held_out.tape, held_out.par, numbers, cash).event_pnl_pusd(held_out.tape)
        for name, numbers in (("found", found.numbers), ("threshold", rule))
    }
    chosen = kept(by_event["found"], by_event["threshold"])
    numbers = {"found": found.numbers, "threshold": rule, "cash": never(rule)}[chosen]
    low, high = interval(by_event["found"] - by_event["threshold"])
    log.get("agent").info("tuned rule", kept=chosen, trials=found.trials)
    return {
        "numbers": dict(zip(NAMES, map(float, numbers), strict=True)),
        "kept": chosen,
        "found": dict(zip(NAMES, map(float, found.numbers), strict=True)),
        "searched_on": {"slice": "agent", "markets": len(early), "pnl_pusd": round(found.mean_pnl_pusd, 2)},
        "trials": found.trials,
        "held_out": {
            "markets": len(late),
            "found_pusd": round(float(by_event["found"].sum()), 2),
            "threshold_pusd": round(float(by_event["threshold"].sum()), 2),
            "difference_interval_pusd": [round(low, 2), round(high, 2)],
        },
    }


def kept(found: FloatArray, rule: FloatArray) -> str:
    """Which of `found`, `threshold` and `cash` is kept, from P&L by event on events that no search saw."""
    more = found - rule
    error = float(np.std(more, ddof=1) * np.sqrt(len(more))) if len(more) > 1 else float("inf")
    best, pnl = ("found", found.sum()) if more.sum() > error else ("threshold", rule.sum())
    return best if pnl > 0.0 else "cash"


def _trained(
    histories: Sequence[History], params: Params, table: SizingTable, scaler: MarketScaler, length_s: int
) -> Trained:
    return Trained(tape_of(histories, scaler, params, forecast_block=False), parameters(params, table, length_s))

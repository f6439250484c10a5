"""What is left when trading gets harder: doubled fees, slower fills, the guide's literal stops."""

from dataclasses import replace

from pipelines.backtest.strategies import Field, run_one
from pipelines.core.domain import FeeSchedule
from pipelines.engine.replay import Tape

LATENCIES = (2, 4)
"""Multiples of execution.latency_bars."""


def doubled_fees(field: Field, kind: str) -> float:
    """P&L in pUSD when every fee is twice as high; the policy knows the higher fee."""
    dear = {
        name: replace(market, fee=FeeSchedule(2.0 * market.fee.rate, market.fee.exponent))
        for name, market in field.tape.markets.items()
    }
    steps = tuple(
        (ts_s, tuple(replace(one, market=dear[one.market.market_id]) for one in inputs))
        for ts_s, inputs in field.tape.steps
    )
    return run_one(replace(field, tape=Tape(steps, dear)), kind).figures.pnl_pusd


def slower(field: Field, kind: str) -> dict[str, float]:
    """P&L in pUSD when fills come 2 and 4 times as many bars later; the policy does not know."""
    return {f"{multiple}x": _slowed(field, kind, multiple) for multiple in LATENCIES}


def _slowed(field: Field, kind: str, multiple: int) -> float:
    execution = field.params.execution
    late = execution.model_copy(update={"latency_bars": multiple * execution.latency_bars})
    params = field.params.model_copy(update={"execution": late})
    return run_one(replace(field, params=params), kind).figures.pnl_pusd


def literal_stops(field: Field) -> float:
    """P&L in pUSD of the threshold rule with the guide's stops, floored at spread + 2 ticks alone."""
    limits = field.params.risk.model_copy(update={"stop_cost_multiple": 0.0})
    params = field.params.model_copy(update={"risk": limits})
    return run_one(replace(field, params=params), "threshold").figures.pnl_pusd

"""What is left when trading gets harder: doubled fees, slower fills, the guide's literal stops."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from pipelines.backtest.strategies import Field, Job, Run, job

LATENCIES = (2, 4)
"""Multiples of execution.latency_bars."""

FEES, LATENCY, STOPS = "fee_2x", "latency", "literal_stops"


def jobs(field: Field, kinds: Iterable[str]) -> list[Job]:
    """Each kind with fees that are twice as high (the policy knows), and with fills that come 2 and 4 times as many
    bars later (it does not); the threshold rule with the guide's stops, floored at spread + 2 ticks alone."""
    made = []
    for kind in kinds:
        made.append(replace(job(field, kind, name=f"{FEES}/{kind}"), fee_multiple=2.0))
        made += [job(_slower(field, multiple), kind, name=f"{LATENCY}/{kind}/{multiple}x") for multiple in LATENCIES]
    limits = field.params.risk.model_copy(update={"stop_cost_multiple": 0.0})
    literal = replace(field, params=field.params.model_copy(update={"risk": limits}))
    return [*made, job(literal, "threshold", name=STOPS)]


def _slower(field: Field, multiple: int) -> Field:
    execution = field.params.execution
    late = execution.model_copy(update={"latency_bars": multiple * execution.latency_bars})
    return replace(field, params=field.params.model_copy(update={"execution": late}))


def document(runs: Sequence[Run]) -> dict[str, Any]:
    """P&L in pUSD of each circumstance, as the report has it."""
    fees: dict[str, float] = {}
    latency: dict[str, dict[str, float]] = {}
    stops = 0.0
    for run in runs:
        pnl, (what, *rest) = run.figures.pnl_pusd, run.name.split("/")
        if what == FEES:
            fees[run.kind] = pnl
        elif what == LATENCY:
            latency.setdefault(run.kind, {})[rest[-1]] = pnl
        else:
            stops = pnl
    return {"fee_2x_pnl_pusd": fees, "latency_pnl_pusd": latency, "literal_stops_pnl_pusd": stops}

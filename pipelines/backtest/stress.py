"""What is left when trading gets harder: doubled fees, slower fills, orders that wait, the guide's literal stops."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from pipelines.backtest.strategies import Comparison, Job, Run, job
from pipelines.trading.kernel import QUEUE_AHEAD

LATENCIES = (2, 4)
"""Multiples of execution.latency_bars."""

RESTING_BARS = 5
"""Bars that an order waits in the book where buys rest instead of taking."""

FEES, LATENCY, STOPS, QUEUE = "fee_2x", "latency", "literal_stops", "queue"


def jobs(comparison: Comparison, policies: Mapping[str, tuple[dict[str, Any] | None, Path]]) -> list[Job]:
    """Each kind with fees that are twice as high (the policy knows), and with fills that come 2 and 4 times as many
    bars later (it does not); with buys that rest at their own side's touch, under each guess about the queue; the
    threshold rule with the guide's stops, floored at spread + 2 ticks alone.

    `policies` has the parameters of each kind (None: those of params.yaml) and the folder of its files.
    """
    made = []
    for kind, (given, folder) in policies.items():
        changed = {f"{LATENCY}/{kind}/{multiple}x": _slower(comparison, multiple) for multiple in LATENCIES}
        changed |= {f"{QUEUE}/{kind}/{queue}": _waiting(comparison, queue) for queue in QUEUE_AHEAD}
        made.append(replace(job(comparison, kind, given, f"{FEES}/{kind}", folder), fee_multiple=2.0))
        made += [job(one, kind, given, name, folder) for name, one in changed.items()]
    limits = comparison.params.risk.model_copy(update={"stop_cost_multiple": 0.0})
    literal = replace(comparison, params=comparison.params.model_copy(update={"risk": limits}))
    return [*made, job(literal, "threshold", name=STOPS)]


def _slower(comparison: Comparison, multiple: int) -> Comparison:
    execution = comparison.params.execution
    late = execution.model_copy(update={"latency_bars": multiple * execution.latency_bars})
    return replace(comparison, params=comparison.params.model_copy(update={"execution": late}))


def _waiting(comparison: Comparison, queue: str) -> Comparison:
    execution = comparison.params.execution
    resting = {"entry": "rest", "queue": queue, "order_ttl_bars": 1 + RESTING_BARS}
    return replace(
        comparison, params=comparison.params.model_copy(update={"execution": execution.model_copy(update=resting)})
    )


def document(runs: Sequence[Run]) -> dict[str, Any]:
    """P&L in pUSD of each circumstance, as the report has it."""
    fees: dict[str, float] = {}
    latency: dict[str, dict[str, float]] = {}
    queue: dict[str, dict[str, float]] = {}
    stops = 0.0
    for run in runs:
        pnl, (what, *rest) = run.figures.pnl_pusd, run.name.split("/")
        if what == FEES:
            fees[run.kind] = pnl
        elif what == LATENCY:
            latency.setdefault(run.kind, {})[rest[-1]] = pnl
        elif what == QUEUE:
            queue.setdefault(run.kind, {})[rest[-1]] = pnl
        else:
            stops = pnl
    return {
        "fee_2x_pnl_pusd": fees,
        "latency_pnl_pusd": latency,
        "resting_pnl_pusd": queue,
        "literal_stops_pnl_pusd": stops,
    }

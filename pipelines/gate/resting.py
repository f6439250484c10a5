"""The gate's criterion for a policy whose orders rest: recorded books confirm the fills that it was judged with.

`benchmarks.fills` writes the report. Its share holds for its own weights and for looks as far apart as its own: fitted
and measured at looks of 5 s the model puts 71 % of one-sided fills on the loser instead of 97 %. Fills by trades are
booked worse than their limit by `execution.fill_adverse_units`. The recordings know that only within an interval, so
the policy has to earn with the upper end of it too (`worst`).
"""

from collections.abc import Mapping
from typing import Any

from pipelines.core.sections import ExecutionParams
from pipelines.gate.contender import Traded
from pipelines.gate.criteria import Criterion
from pipelines.trading.fill_model import NAMES, QUEUE_NAMES

LEAST_ON_LOSER = 0.95
"""Share of one-sided fills on the loser that the fill model has to give: recorded probes had 99 of 100."""
FEWEST_ONE_SIDED = 20
"""With fewer of them the share says nothing."""
FEWEST_WINDOWS = 10
"""Windows with at least one of them. The probes of one window share their outcome, so windows are what is independent:
where all of 10 agree, a share of less than 3 of 4 windows is ruled out at 94 % (0.75 to the power of 10)."""
WORST = ("pnl_worst_fills", ", with fills by trades as adverse as the recordings allow")
"""Name and words of the criterion for the P&L with `worst`."""
MEASURE = "run `python -m benchmarks.fills BOOKS`"
AGAIN = "Then run `python -m pipelines gate` again."


def criterion(traded: Traded, report: Mapping[str, Any], execution: ExecutionParams, length_s: int) -> list[Criterion]:
    """`resting_fills`: the fill model puts one-sided fills on the loser, as they are, on markets that it was not fitted
    on, and the candidate was judged with this model, with its weights, on bars no longer than its looks.

    Args:
        traded: what the candidate did; one whose orders do not rest is asked for nothing.
        report: reports/fills.json; empty where there is none.
        execution: the parameters that its fills were judged with.
        length_s: the bars that they were judged on.
    """
    if not traded.rests:
        return []
    share = report.get("one_sided_on_loser_share")
    failed = _share(report) or [
        *_queue(execution),
        *_weights(execution, report),
        *_looks(float(report["look_s"]), length_s),
    ]
    text = " ".join(["Its orders rest.", *failed, AGAIN]) if failed else _held(report, length_s)
    return [Criterion("resting_fills", not failed, share, LEAST_ON_LOSER, text)]


def worst(execution: ExecutionParams) -> ExecutionParams:
    """The parameters with fills by trades booked as badly as the recordings allow."""
    return execution.model_copy(update={"fill_adverse_units": execution.fill_adverse_most_units})


def _held(report: Mapping[str, Any], length_s: int) -> str:
    return (
        f"Its orders rest, and of {report['one_sided']:.0f} one-sided fills in {report['one_sided_windows']}"
        f" recorded windows the fill model puts {report['one_sided_on_loser_share']:.0%} on the loser;"
        f" {LEAST_ON_LOSER:.0%} are needed. It was judged with the same weights, on bars of {length_s} s, and the"
        f" report looked every {report['look_s']:g} s."
    )


def _share(report: Mapping[str, Any]) -> list[str]:
    """Why the report itself is not enough."""
    if not report:
        return [f"No fill model was measured: reports/fills.json is missing; {MEASURE}."]
    share, fills = report.get("one_sided_on_loser_share"), report.get("one_sided", 0.0)
    windows = report.get("one_sided_windows")
    if report.get("look_s") is None or windows is None or _measured(report) is None:
        return [
            "reports/fills.json does not say with which weights and looks it was measured, or in how many windows;"
            f" {MEASURE}."
        ]
    if not fills >= FEWEST_ONE_SIDED:
        return [
            f"The fill model was measured on {fills:.0f} one-sided fills, {FEWEST_ONE_SIDED} are needed; {MEASURE} with"
            " more recordings."
        ]
    if not windows >= FEWEST_WINDOWS:
        return [
            f"The one-sided fills of the fill model come from {windows:g} windows, {FEWEST_WINDOWS} are needed, because"
            f" the fills of one window share its outcome; {MEASURE} with more recordings."
        ]
    if share is None or not share >= LEAST_ON_LOSER:
        return [
            f"Of {fills:.0f} one-sided fills on recorded books the fill model puts {share or 0.0:.0%} on the loser,"
            f" {LEAST_ON_LOSER:.0%} are needed: its fills flatter; {MEASURE} with shorter looks or other recordings."
        ]
    return []


def _queue(execution: ExecutionParams) -> list[str]:
    if execution.queue == "evidence":
        return []
    return [
        f"Its fills were judged with execution.queue: {execution.queue}, not with the fill model of the report; set"
        " execution.queue: evidence in params.yaml."
    ]


def _measured(report: Mapping[str, Any]) -> dict[str, Any] | None:
    """The parameters that the report's fills were made with, by their names in `execution`; None where it lacks one."""
    lists = {"fill_weights": ("weights", NAMES), "fill_queue_weights": ("queue_weights", QUEUE_NAMES)}
    found: dict[str, Any] = {name: report.get(key) for name, key in _SINGLE.items()}
    for name, (key, names) in lists.items():
        weights = report.get(key)
        if not isinstance(weights, Mapping) or set(weights) != set(names):
            return None
        found[name] = [weights[one] for one in names]
    return None if None in found.values() else found


def _weights(execution: ExecutionParams, report: Mapping[str, Any]) -> list[str]:
    used = {name: (getattr(execution, name), value) for name, value in (_measured(report) or {}).items()}
    return [
        f"Its fills were judged with execution.{name}: {judged}, and the report was measured with {measured};"
        f" {_AGREE[name]}."
        for name, (judged, measured) in used.items()
        if judged != measured
    ]


_AGREE = {
    "fill_weights": "write these to params.yaml",
    "fill_queue_weights": MEASURE,
    "fill_trade_share": MEASURE,
    "fill_reference_weight": MEASURE,
    "fill_adverse_units": MEASURE,
    "fill_adverse_most_units": MEASURE,
}
"""What makes both agree: `fill_weights` come from the report, the others are read by it."""
_SINGLE = {
    "fill_trade_share": "trade_share",
    "fill_reference_weight": "reference_weight",
    "fill_adverse_units": "adverse_charged_units",
    "fill_adverse_most_units": "adverse_most_units",
}
"""Numbers of `execution` by their names in the report."""


def _looks(look_s: float, length_s: int) -> list[str]:
    if length_s <= look_s:
        return []
    return [
        f"Its bars are {length_s} s long, and the report looked every {look_s:g} s; judge on bars of at most"
        f" {look_s:g} s (bars.length_s), or run `python -m benchmarks.fills --look-s {length_s} BOOKS`."
    ]

"""One backtest of one's own: a policy over a course through `decide`, beside cash, holding and entries at random."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from pipelines.backtest import attribution, report
from pipelines.backtest.strategies import Comparison, Run, done, job, randoms, trained
from pipelines.core.domain import FloatArray
from pipelines.core.errors import ParameterError
from pipelines.core.params import Params
from pipelines.replay import contract, luck, trials
from pipelines.replay.bounds import mean_bound
from pipelines.replay.performance import pnl_by_event
from pipelines.study.course import NEUTRAL, Course
from pipelines.trading import policies

BASELINES = ("cash", "buy_and_hold")
LEVEL = 0.975
"""Of each side: intervals hold the value in 95 of 100 cases."""
VERIFIED = 2
"""Markets on which a policy of one's own is tested for looking ahead before it is played."""


@dataclass(frozen=True)
class Played:
    """A backtest that was played: the policy's run first, then what it is compared with."""

    runs: list[Run]
    comparison: Comparison
    document: dict[str, Any]


def play(kind: str, params: Params, course: Course, *, given: dict[str, Any] | None = None) -> Played:
    """Play a policy, and count it as a trial.

    Args:
        given: all parameters of the policy instead of those of `params`.

    Raises:
        ParameterError: if the policy acts on a forecast and the course has none.
        StrategyError: if a policy of one's own looks ahead, or breaks another promise of a policy.
    """
    refuse_without_forecast(kind, params, course)
    look_ahead(kind, params, course)
    comparison = Comparison(course.histories, params, course.table, course.scaler, course.length_s)
    run = done(comparison, job(comparison, kind, given))
    held = [done(comparison, job(comparison, name)) for name in BASELINES if name != kind]
    drawn = [done(comparison, one) for one in randoms(comparison, run)] if run.result.closed else []
    count(run, params, course, event_pnl(run, comparison))
    document = _document([run, *held, *drawn], comparison, course)
    return Played([run, *held, *drawn], comparison, document)


def refuse_without_forecast(kind: str, params: Params, course: Course) -> None:
    """Raise where a policy would decide on flat forecasts."""
    if course.forecasts == NEUTRAL and policies.find(kind, params).uses_forecast:
        raise ParameterError(
            f"{kind} acts on forecasts and {course.about} has none; name a bundle with --bundle models/bundle, or play"
            " a slice of the last pull (leave --data out)"
        )


def look_ahead(kind: str, params: Params, course: Course) -> None:
    """Test a policy that is not one of ours on a few markets (`contract.verify`)."""
    found = policies.find(kind, params)
    if kind in policies.own(params):
        contract.verify(found, course.histories[:VERIFIED], params, course.scaler, course.length_s)


def verified(kind: str, params: Params, course: Course, markets: int) -> dict[str, Any]:
    """Test any policy on the first so many markets; what was tested.

    Raises:
        StrategyError: naming market and bar, and the promise that is broken.
    """
    refuse_without_forecast(kind, params, course)
    seen = course.histories[:markets]
    contract.verify(policies.find(kind, params), seen, params, course.scaler, course.length_s)
    return {"policy": kind, "markets": len(seen), "bars": sum(map(len, seen)), "data": course.about}


def count(run: Run, params: Params, course: Course, by_event: FloatArray, **more: Any) -> None:
    """Write a trial to the ledger: what is tried on the bars of the nightly choice is charged for there."""
    kept = policies.find(run.kind, params).candidate
    settings = {"policy": run.kind, "name": run.name, "candidate": kept, "counted": course.counted}
    settings |= {"data": course.sha256[:16], "params": run.params}
    trials.append("study", settings | more, run.figures.document() | {luck.STATISTIC: luck.statistic(by_event)})


def event_pnl(run: Run, comparison: Comparison) -> FloatArray:
    """P&L of each event in pUSD, in the order of the markets."""
    return np.array(list(pnl_by_event(run.result, comparison.tape.markets).values()))


def total(by_event: FloatArray) -> dict[str, float | int | None]:
    """Sum over independent events with a 95 % interval (Student's t), None where there are fewer than two."""
    bounds: list[float | None] = [None, None]
    if len(by_event) > 1:
        bounds = [len(by_event) * mean_bound(by_event, LEVEL), -len(by_event) * mean_bound(-by_event, LEVEL)]
    return {"pusd": float(by_event.sum()), "lower": bounds[0], "upper": bounds[1], "events": len(by_event)}


def deflated(by_event: FloatArray, kind: str, course: Course) -> dict[str, Any] | None:
    """Deflated Sharpe ratio of a P&L by event, after everything that the ledger has of this policy on this data; None
    with fewer than three events."""
    lines = trials.TRIALS.read_text(encoding="utf-8").splitlines() if trials.TRIALS.is_file() else []
    rows = [row for row in map(json.loads, lines) if _same(row, kind, course)]
    known = [row["measured"].get(luck.STATISTIC) for row in rows]
    tried = luck.Trials([float(one) for one in known if one is not None], len(rows))
    found = luck.deflated_sharpe(by_event, tried)
    return None if found is None else asdict(found)


def _same(row: Mapping[str, Any], kind: str, course: Course) -> bool:
    """Whether a row is a trial of a policy on the data of a course; nightly ones are on the selection slice."""
    settings = row["settings"]
    here = settings.get("data") == course.sha256[:16] if row["stage"] == "study" else course.counted
    return row["stage"] in {"study", "backtest", "sweep"} and settings.get("policy") == kind and here


def _document(runs: list[Run], comparison: Comparison, course: Course) -> dict[str, Any]:
    run, tape = runs[0], comparison.tape
    by_event = pnl_by_event(run.result, tape.markets)
    drawn = [one.figures.pnl_pusd for one in runs if one.kind == "random_matched"]
    delay_s = comparison.params.execution.latency_bars * comparison.length_s
    notes = list(course.notes)
    if run.kind in trained() and course.counted:
        notes.append(f"{run.kind} was chosen on this slice")
    return {
        "policy": run.kind,
        "params": run.params,
        "data": course.about,
        "data_sha256": course.sha256,
        "forecasts": course.forecasts,
        "notes": notes,
        "markets": len(tape.markets),
        "market_bars": tape.bars,
        "bar_length_s": comparison.length_s,
        "from_s": run.result.ts_s[0],
        "to_s": run.result.ts_s[-1],
        "days": report.slice_days(run, comparison.length_s),
        "cash_pusd": comparison.params.backtest.cash_pusd,
        "pnl": total(event_pnl(run, comparison)),
        "figures": run.figures.document(),
        "compared": {one.name: one.figures.document() for one in runs[1:] if one.kind != "random_matched"},
        "random_mean_pnl_pusd": float(np.mean(drawn)) if drawn else None,
        "deflated_sharpe": deflated(event_pnl(run, comparison), run.kind, course),
        "pnl_by_event_pusd": {name: round(value, 6) for name, value in by_event.items()},
        **attribution.document(run.result, comparison.histories, delay_s),
    }

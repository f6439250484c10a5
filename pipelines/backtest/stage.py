"""Stage backtest: the selection slice through `decide` for every strategy -> reports and the policy's choice."""

import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from pipelines.backtest import attribution, incumbent, outcomes, report, selection_bias, stress
from pipelines.backtest.strategies import Comparison, Job, Run, by_event, contenders, randoms, run_all
from pipelines.core import log
from pipelines.core.artifacts import read_json, replaced_folder, sha256_path, write_bytes, write_json
from pipelines.core.domain import Market
from pipelines.core.money import MICRO
from pipelines.core.params import Params, load
from pipelines.core.products import AGENT, CHOICE, FEATURES, RAW, REPORTS
from pipelines.replay import contract, luck, market_history, trials
from pipelines.replay.signals import sizing_table
from pipelines.trading import policies
from pipelines.trading.observation import MarketScaler
from pipelines.trading.sizing import SizingTable

STACKS = REPORTS / "stacks.json"
VERIFIED = 2
"""Markets on which a policy of one's own is first tested for looking ahead."""
LOG = log.get("backtest")


def run() -> None:
    """Replay every strategy on the selection slice, write the report, choose the bundle's policy."""
    params = load()
    policies.check(params)
    started = time.perf_counter()
    histories = market_history.read("selection", params.execution)
    comparison = prepared(histories, params)
    for kind in policies.own(params).values():
        contract.verify(kind, histories[:VERIFIED], params, comparison.scaler, comparison.length_s)
    present = incumbent.find(params, comparison.length_s)
    jobs, name = present.among(contenders(comparison), comparison) if present else (contenders(comparison), "")
    runs = _replayed(comparison, jobs)
    fewest, level = params.backtest.min_round_trips, params.gate.confidence_level
    chosen = choose(runs, comparison.tape.markets, fewest, name, level)
    kept = present if chosen.name == name else None
    drawn = randoms(comparison, next(run for run in runs if run.kind == "threshold"))
    seen = detailed(runs, chosen, comparison)
    files = present.folder if present is not None and seen.name == name else AGENT
    harder = stress.jobs(comparison, {"threshold": (None, AGENT), seen.kind: (seen.params, files)})
    rest = _replayed(comparison, [*drawn, *harder])
    runs, stressed = [*runs, *rest[: len(drawn)]], rest[len(drawn) :]
    for done in runs:
        settings = {"policy": done.kind, "name": done.name, "candidate": done.candidate, **done.params}
        known = {luck.STATISTIC: luck.statistic(by_event(done, comparison.tape.markets))}
        trials.append("backtest", settings, done.figures.document() | known)
    document = _document(runs, chosen, comparison) | stress.document(stressed) | _bias(runs, chosen, comparison)
    delay_s = params.execution.latency_bars * comparison.length_s
    document |= {"detailed": seen.name} | attribution.document(seen.result, comparison.histories, delay_s)
    document |= {"outcome_forecast": outcomes.document(comparison.histories, params, comparison.length_s)}
    document |= {"stacks": stacks()} | _speed([*runs, *stressed], time.perf_counter() - started)
    write_json(REPORTS / "backtest.json", document)
    write_bytes(REPORTS / "equity.csv", report.equity_csv(runs).encode())
    write_bytes(REPORTS / "trades.csv", report.trades_csv(seen, comparison.tape.markets).encode())
    write_bytes(REPORTS / "backtest.html", report.page(runs, document, comparison.tape.markets).encode())
    with replaced_folder(CHOICE) as folder:
        kind = policies.find(chosen.kind, params)
        policy = policies.seal(kind, chosen.params, folder)
        for part in kind.files:
            shutil.copyfile(files / part, folder / part)
        write_json(folder / "choice.json", choice(policy, chosen, comparison.table, kept.bundle if kept else None))


def _replayed(comparison: Comparison, jobs: Sequence[Job]) -> list[Run]:
    runs = []
    for done in run_all(comparison, jobs):
        runs.append(done)
        pnl, trades = done.figures.pnl_pusd, done.figures.round_trips
        LOG.info("strategy", name=done.name, pnl_pusd=round(pnl, 2), round_trips=trades)
    return runs


def prepared(histories: Sequence[market_history.History], params: Params) -> Comparison:
    """Some histories with sizing table and scaler; the agent's table where there is one."""
    scaler = MarketScaler.read(FEATURES / "scaler.json")
    path = AGENT / "sizing.json"
    table = SizingTable.read(path) if path.is_file() else sizing_table(histories, params)
    return Comparison(histories, params, table, scaler, market_history.bar_length_s())


def stacks(path: Path = STACKS, raw: Path = RAW) -> dict[str, Any]:
    """The guide's stacks as `make league STACKS=1` measured them last, with `same_data`: whether on the pull of now.

    Empty where they were never measured, or where the file does not say when and on what.
    """
    measured = dict(read_json(path)) if path.is_file() else {}
    if not {"stacks", "data", "measured_at"} <= measured.keys():
        return {}
    return measured | {"same_data": measured["data"]["sha256"] == sha256_path(raw)}


def choose(runs: Sequence[Run], markets: Mapping[str, Market], fewest: int, kept: str = "", level: float = 0.95) -> Run:
    """The champion's policy (the run named `kept`) where it stays; else, of the candidates that earned, the best one;
    else cash. `level` is how surely another one has to be better than the champion's."""
    present = next((run for run in runs if run.name == kept), None)
    if present is not None and incumbent.stays(present, runs, markets, level):
        return present
    earned = [run for run in runs if run.candidate and run.figures.pnl_pusd > 0.0]
    return best(earned, markets, fewest) if earned else next(run for run in runs if run.kind == "cash")


def detailed(runs: Sequence[Run], chosen: Run, comparison: Comparison) -> Run:
    """The policy whose trades the report shows: the chosen one, or the best candidate that traded where cash is."""
    traded = [run for run in runs if run.candidate and run.result.closed]
    if chosen.candidate or not traded:
        return chosen
    return best(traded, comparison.tape.markets, comparison.params.backtest.min_round_trips)


def best(candidates: Sequence[Run], markets: Mapping[str, Market], fewest: int) -> Run:
    """The candidate with the largest P&L less one standard error over events.

    A policy with fewer than `fewest` round trips counts only when none has more: a handful of trades says nothing.
    The standard error is the charge for a P&L that hangs on a few events: luck here does not last on the gate slice.
    """
    proven = [run for run in candidates if run.figures.round_trips >= fewest] or candidates
    return max(proven, key=lambda run: cautious_pnl(run, markets))


def cautious_pnl(run: Run, markets: Mapping[str, Market]) -> float:
    """P&L in pUSD less its standard error when events are independent; events without a trade count as 0."""
    each = by_event(run, markets)
    error = float(np.std(each, ddof=1) * np.sqrt(len(each))) if len(each) > 1 else float("inf")
    return run.figures.pnl_pusd - error


def choice(policy: dict[str, Any], run: Run, table: SizingTable, kept: str | None) -> dict[str, Any]:
    """What `package` seals into the bundle: the policy as it was sealed here, the sizes, what it earned, and the
    champion that it was `kept` from."""
    sizing = _sizing(table)
    measured = {"pnl_pusd": run.figures.pnl_pusd, "slice": "selection"}
    return {"policy": policy, "sizing": sizing, "selected_on": measured, "kept": kept}


def _sizing(table: SizingTable) -> dict[str, Any]:
    return {name: getattr(table, name) for name in table.__slots__}


def _bias(runs: Sequence[Run], chosen: Run, comparison: Comparison) -> dict[str, Any]:
    """Deflated Sharpe of the chosen policy and the overfitting probability of the choice, both on this slice."""
    changes = {
        run.name: np.diff(np.asarray(run.result.equity_micro), prepend=comparison.cash_micro) / MICRO for run in runs
    }
    begin_s = min(int(one.ts_s[0]) for one in comparison.histories)
    tried = luck.Trials.of_ledger(policies.candidates(comparison.params), begin_s)
    deflated = luck.deflated_sharpe(by_event(chosen, comparison.tape.markets), tried)
    field = selection_bias.rivals({run.name: changes[run.name] for run in runs if run.candidate}, changes["cash"])
    return {
        "deflated_sharpe": None if deflated is None else asdict(deflated),
        "overfitting_probability": selection_bias.overfitting_probability(field),
    }


def _speed(runs: Sequence[Run], seconds: float) -> dict[str, Any]:
    decisions = sum(run.result.decisions for run in runs)
    return {"seconds": round(seconds, 2), "decisions_per_s": round(decisions / max(seconds, 1e-9))}


def _document(runs: Sequence[Run], chosen: Run, comparison: Comparison) -> dict[str, Any]:
    by_luck = [run.figures.pnl_pusd for run in runs if run.kind == "random_matched"]
    return {
        "slice": "selection",
        "markets": len(comparison.tape.markets),
        "market_bars": comparison.tape.bars,
        "bar_length_s": comparison.length_s,
        "slice_days": report.slice_days(runs[0], comparison.length_s),
        "cash_pusd": comparison.params.backtest.cash_pusd,
        "strategies": {run.name: run.figures.document() | {"kind": run.kind} for run in runs},
        "pnl_less_one_error_pusd": {
            run.name: round(cautious_pnl(run, comparison.tape.markets), 2) for run in runs if run.candidate
        },
        "trailing_returns": {
            run.name: report.trailing_returns(run, comparison.length_s, comparison.cash_micro) for run in runs
        },
        "random_mean_pnl_pusd": float(np.mean(by_luck)) if by_luck else None,
        "chosen": chosen.name,
        "sizing": _sizing(comparison.table) | {"kelly": comparison.table.kelly},
        "annualised": "365 days, open around the clock; by UTC day of market time and by bar",
        "equity_end_pusd": {run.name: run.result.equity_micro[-1] / MICRO for run in runs},
    }

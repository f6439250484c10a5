"""Stage gate: the sealed bundle on the gate slice, read once, against the market price and the champion ->
reports/gate.json with a verdict and every criterion; models/verdict.json, the record that travels with the bundle."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from pipelines.core import log
from pipelines.core.artifacts import read_json, write_json
from pipelines.core.errors import ArtifactError, DataError
from pipelines.core.params import Params, load
from pipelines.core.products import BUNDLE, VERDICT, report_json
from pipelines.gate import contender, criteria, evidence, latency, look_ahead, losing, paired, resting
from pipelines.gate.criteria import Criterion
from pipelines.gate.forecasts import gate_histories, gate_series
from pipelines.gate.losing import Losing
from pipelines.gate.past import RawData
from pipelines.inference import rival
from pipelines.inference import verdict as verdicts
from pipelines.inference.bundle import Bundle
from pipelines.replay import luck, market_history, trials
from pipelines.replay.bounds import total_bound
from pipelines.trading import policies

HOLD = "hold"
REPORT = report_json("gate")
PACKAGE = report_json("package")
BACKTEST = report_json("backtest")
FILLS = report_json("fills")


def run() -> None:
    """Judge models/bundle and write the verdict; a hold is a result, not an error."""
    params = load()
    started = time.perf_counter()
    document = judge(params)
    document["seconds"] = round(time.perf_counter() - started, 2)
    write_json(REPORT, document)
    trials.append("gate", {"bundle": document["bundle"]}, document)
    # Last, so that a stage that could not write all leaves no new verdict.
    write_record(document, params.gate.valid_days)
    logger = log.get("gate")
    logger.info(
        "verdict", verdict=document["verdict"], **{k: v for k, v in document["evidence"].items() if k != "table"}
    )
    for reason in document["reasons"]:
        logger.info("reason", text=reason)


def write_record(document: dict[str, Any], valid_days: float) -> None:
    """Write models/verdict.json for the bundle that was judged; one that was not intact gets none."""
    VERDICT.unlink(missing_ok=True)
    if document["bundle"] is None:
        write_json(VERDICT, {"verdict": document["verdict"], "reasons": document["reasons"]})
        return
    manifest = Bundle.open(BUNDLE).manifest
    verdicts.write(
        VERDICT,
        verdict=document["verdict"],
        bundle=document["bundle"],
        source=str(manifest["source"]),
        evidence={
            name: document[name]
            for name in ("reasons", "evidence", "criteria", "criteria_in_cash", "champion")
            if name in document
        },
        as_of_s=int(manifest["created_s"]),
        valid_days=valid_days,
    )


def judge(params: Params) -> dict[str, Any]:
    """Verdict, reasons for people, every criterion, and the evidence."""
    try:
        bundle = Bundle.open(BUNDLE)
    except ArtifactError as error:
        return _held(f"The bundle is not intact: {error}", None)
    try:
        series = gate_series()
        histories = gate_histories(bundle, params.execution, series)
    except DataError as error:
        return _held(str(error), bundle.hash)
    found = measure(bundle, series, histories, params)
    failed = [one.text for one in found.criteria if not one.passed]
    passed = [one.text for one in found.criteria if one.passed]
    lost = [found.losing.text] if found.losing and found.losing.surely else []
    return {
        "verdict": found.verdict,
        "reasons": [*(failed or passed), *lost],
        "passed": passed,
        "criteria": [one.document() for one in found.criteria],
        "criteria_in_cash": [one.document() for one in found.in_cash],
        "evidence": found.evidence,
        "bundle": bundle.hash,
        "champion": found.champion,
        "champion_pnl": found.losing.document() if found.losing else None,
    }


def _held(reason: str, bundle: str | None) -> dict[str, Any]:
    return {"verdict": HOLD, "reasons": [reason], "criteria": [], "evidence": {}, "bundle": bundle}


@dataclass(frozen=True)
class Findings:
    """What the gate found: its criteria, the numbers behind them, and the hash of the champion it compared with."""

    criteria: list[Criterion]
    in_cash: list[Criterion]
    """The same bundle without its policy; empty where it has none, or there is no champion to follow."""
    evidence: dict[str, Any]
    champion: str | None
    losing: Losing | None = None
    """The champion's own P&L; None without one, or where it opens nothing already."""

    @property
    def verdict(self) -> str:
        """Promote where every criterion holds. Where the policy's do not, the forecasts may still follow a champion
        that they beat without it: a world that changed takes the champion's forecasts first, and the slice in which a
        policy can prove itself comes later."""
        if all(one.passed for one in self.criteria):
            return verdicts.PROMOTE
        return verdicts.IN_CASH if self.in_cash and all(one.passed for one in self.in_cash) else HOLD


def measure(
    bundle: Bundle,
    series: Sequence[market_history.Series],
    histories: Sequence[market_history.History],
    params: Params,
) -> Findings:
    """Everything that the verdict is made of, measured on the gate slice."""
    gate, length_s = params.gate, market_history.bar_length_s()
    level, samples = gate.confidence_level, gate.bootstrap_samples
    started = time.perf_counter()
    mine = contender.measure(bundle, histories, params, length_s)
    decision_ms = (time.perf_counter() - started) * 1e3 / max(sum(map(len, histories)), 1)
    dear = contender.trade(bundle, histories, params, length_s, contender.DEARER)
    by_event = evidence.skill_of_events(mine.losses, level=level, samples=samples)
    by_period = evidence.skill_of_periods(mine.losses, level=level)
    earned = total_bound(list(mine.traded.by_event.values()), level=level, samples=samples)
    acts = mine.traded.by_forecast or mine.policy == contender.CASH
    steady = total_bound(list(mine.traded.by_period.values()), level=level, samples=samples)
    earned_dear = total_bound(list(dear.by_event.values()), level=level, samples=samples)
    unlucky = params.model_copy(update={"execution": resting.worst(params.execution)})
    worse = contender.trade(bundle, histories, unlucky, length_s) if mine.traded.rests else None
    earned_worse = 0.0 if worse is None else total_bound(list(worse.by_event.values()), level=level, samples=samples)
    opponent = rival.find(bundle.hash)
    pair = without = loses = None
    if opponent.bundle is not None:
        both = on_common_bars(mine, histories, opponent.bundle, series, params, length_s)
        both = both[0], replace(both[1], in_cash=opponent.in_cash)
        loses = losing.judge(both[1], params)
        pair, without = (paired.compare(one, both[1], level) for one in (both[0], replace(both[0], in_cash=True)))
    markets = params.serving.max_markets
    bar_ms = latency.forecast_ms(bundle, series, markets) + decision_ms * markets
    parity = onnx_difference(bundle.hash)
    backtest = read_json(BACKTEST) if BACKTEST.is_file() else {}
    kept = kept_policy(bundle, opponent)
    tried = trials_of(backtest, histories, params, mine.policy if kept else None)
    deflated = luck.deflated_sharpe(np.array(list(mine.traded.by_event.values())), tried)
    skilled, covers = criteria.skill(by_event, by_period, gate), criteria.covered(mine, params)
    sound = [
        criteria.fast_enough(bar_ms, markets, gate),
        criteria.no_look_ahead(look_ahead.prove(bundle, series, histories, params, length_s, RawData.read(params))),
        criteria.same_as_source(parity),
    ]
    many = criteria.enough_events(by_event.clusters, gate)
    made = [
        many,
        *(skilled if acts else [criteria.by_period(mine.policy, mine.traded, steady)]),
        *resting.criterion(mine.traded, read_json(FILLS) if FILLS.is_file() else {}, params.execution, length_s),
        criteria.earnings(mine.policy, mine.traded, earned, "pnl", ""),
        criteria.earnings(mine.policy, dear, earned_dear, "pnl_fees_2x", ", with every fee doubled"),
        *([] if worse is None else [criteria.earnings(mine.policy, worse, earned_worse, *resting.WORST)]),
        criteria.against_champion(pair, opponent.why, gate),
        *criteria.luck(mine.policy, deflated, backtest.get("overfitting_probability"), gate, kept=kept),
        *([covers] if acts else []),
        *sound,
    ]
    follows = criteria.against_champion(without, opponent.why, gate)
    in_cash = [many, *skilled, follows, covers, *sound] if without is not None and mine.policy != contender.CASH else []
    numbers = {
        "skill": by_event.value,
        "lower_bound": _finite(by_event.lower),
        "skill_period_mean": by_period.value,
        "skill_period_lower_bound": _finite(by_period.lower),
        "events": by_event.clusters,
        "forecasts": mine.losses.forecasts,
        "markets": len(histories),
        "pnl_pusd": mine.traded.figures.pnl_pusd,
        "pnl_lower_bound_pusd": _finite(earned),
        "pnl_period_lower_bound_pusd": _finite(steady),
        "pnl_fees_2x_pusd": dear.figures.pnl_pusd,
        "pnl_fees_2x_lower_bound_pusd": _finite(earned_dear),
        "cash_pnl_pusd": 0.0,
        "deflated_sharpe": None if deflated is None else asdict(deflated),
        "policy_kept": kept,
        "coverage": mine.coverage,
        "latency_ms": round(bar_ms, 1),
        "onnx_difference": parity,
        "paired": None if pair is None else pair.document(),
        "table": asdict(mine.traded.figures),
    }
    return Findings(made, in_cash, numbers, None if opponent.bundle is None else opponent.bundle.hash, loses)


def kept_policy(bundle: Bundle, opponent: rival.Rival) -> bool:
    """Whether the candidate's policy is the champion's, file for file, and passed the gate in that bundle."""
    if opponent.bundle is None or not opponent.proven:
        return False
    mine, its = bundle.manifest, opponent.bundle.manifest
    kind = policies.class_of(mine["policy"], bundle.folder)
    same = all(mine["files"].get(name) == its["files"].get(name) for name in kind.files)
    return kind.kind != contender.CASH and mine["policy"] == its["policy"] and same


def trials_of(
    backtest: Mapping[str, Any], histories: Sequence[market_history.History], params: Params, kept: str | None
) -> luck.Trials:
    """Every trial of var/trials.jsonl whose data reaches into the gate slice; of a kept policy those of its kind alone.
    At least those that the report of the backtest shows, also where the ledger was lost."""
    kinds = policies.candidates(params) if kept is None else (kept,)
    since_s = min(int(one.ts_s[0]) for one in histories)
    found = luck.Trials.of_ledger(kinds, since_s, alone=kept is not None)
    shown = sum(row["kind"] in kinds for row in backtest.get("strategies", {}).values())
    return replace(found, count=max(found.count, shown))


def on_common_bars(
    mine: contender.Contender,
    histories: Sequence[market_history.History],
    champion: Bundle,
    series: Sequence[market_history.Series],
    params: Params,
    length_s: int,
) -> tuple[contender.Contender, contender.Contender]:
    """Candidate and champion on the bars that both can forecast; the champion's own files forecast them here."""
    theirs = gate_histories(champion, params.execution, series)
    ours, its = contender.common(histories, theirs)
    again = mine
    if [len(one) for one in ours] != [len(one) for one in histories]:
        again = contender.measure(mine.bundle, ours, params, length_s)
    return again, contender.measure(champion, its, params, length_s)


def _finite(value: float) -> float | None:
    return None if value in (float("inf"), float("-inf")) else value


def onnx_difference(bundle_hash: str) -> float | None:
    """Largest difference between the trained networks and their ONNX forms, as `package` measured it for this bundle.

    None when the report is missing or is about another bundle; 0 where the bundle has no network at all.
    """
    if not PACKAGE.is_file():
        return None
    report = read_json(PACKAGE)
    if report.get("hash") != bundle_hash:
        return None
    return max(_numbers(report.get("parity", {})), default=0.0)


def _numbers(value: Any) -> list[float]:
    if isinstance(value, dict):
        return [number for item in value.values() for number in _numbers(item)]
    return [float(value)] if isinstance(value, int | float) and not isinstance(value, bool) else []

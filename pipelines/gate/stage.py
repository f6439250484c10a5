"""Stage gate: the sealed bundle on the gate slice, read once -> reports/gate.json with a verdict and its reasons, and
models/verdict.json, the record that travels with the bundle."""

import time
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from pipelines.core import log
from pipelines.core.artifacts import read_json, write_json
from pipelines.core.errors import ArtifactError, DataError
from pipelines.core.money import MICRO
from pipelines.core.params import Params, load
from pipelines.core.products import BUNDLE, VERDICT, report_json
from pipelines.gate.evidence import Skill, skill
from pipelines.gate.forecasts import gate_histories
from pipelines.inference import verdict as record
from pipelines.inference.bundle import Bundle
from pipelines.replay import market_history, trials
from pipelines.replay.bundle_rules import of_bundle
from pipelines.replay.loop import replay, tape
from pipelines.replay.performance import Figures, figures

REPORT = report_json("gate")
PACKAGE = report_json("package")
PARITY_TOLERANCE = 1e-3


def run() -> None:
    """Judge models/bundle and write the verdict; a hold is a result, not an error."""
    params = load()
    started = time.perf_counter()
    document = judge(params)
    write_record(document, params.gate.valid_days)
    document["seconds"] = round(time.perf_counter() - started, 2)
    write_json(REPORT, document)
    trials.append("gate", {"bundle": document["bundle"]}, document)
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
    record.write(
        VERDICT,
        verdict=document["verdict"],
        bundle=document["bundle"],
        source=str(manifest["source"]),
        evidence={name: document[name] for name in ("reasons", "evidence")},
        as_of_s=int(manifest["created_s"]),
        valid_days=valid_days,
    )


def judge(params: Params) -> dict[str, Any]:
    """Verdict, reasons for people, and the evidence."""
    try:
        bundle = Bundle.open(BUNDLE)
    except ArtifactError as error:
        return {"verdict": "hold", "reasons": [f"The bundle is not intact: {error}"], "evidence": {}, "bundle": None}
    try:
        histories = gate_histories(bundle, params.execution)
    except DataError as error:
        return {"verdict": "hold", "reasons": [str(error)], "evidence": {}, "bundle": bundle.hash}
    length_s = market_history.bar_length_s()
    gate = params.gate
    measured = skill(
        histories,
        gate.first_horizon,
        gate.last_horizon,
        length_s,
        level=gate.confidence_level,
        samples=gate.bootstrap_samples,
    )
    table = trade(bundle, histories, params, length_s)
    parity = onnx_difference(bundle.hash)
    failed, passed = verdict(measured, table, parity, params, str(bundle.manifest["policy"]["kind"]))
    return {
        "verdict": "hold" if failed else "promote",
        "reasons": failed or passed,
        "passed": passed,
        "evidence": _evidence(measured, table, parity, histories),
        "bundle": bundle.hash,
    }


def trade(bundle: Bundle, histories: Sequence[market_history.History], params: Params, length_s: int) -> Figures:
    """The bundle's own policy on the gate slice, through `decide`, after costs."""
    strategy = of_bundle(bundle, params, length_s)
    cash = params.backtest.cash_pusd * MICRO
    scaler = strategy.scaler if strategy.policy.reads_observation else None
    made = tape(histories, scaler, params.execution.model_depth_shares)
    return figures(replay(made, strategy, cash), cash, length_s)


def onnx_difference(bundle_hash: str) -> float | None:
    """Largest difference between the trained networks and their ONNX forms, as `package` measured it for this bundle.

    None when the report is missing or is about another bundle.
    """
    if not PACKAGE.is_file():
        return None
    report = read_json(PACKAGE)
    if report.get("hash") != bundle_hash:
        return None
    values = _numbers(report.get("parity", {}))
    return max(values) if values else None


def _numbers(value: Any) -> list[float]:
    if isinstance(value, dict):
        return [number for item in value.values() for number in _numbers(item)]
    return [float(value)] if isinstance(value, int | float) and not isinstance(value, bool) else []


def verdict(
    measured: Skill, table: Figures, parity: float | None, params: Params, kind: str
) -> tuple[list[str], list[str]]:
    """What failed and what passed, each a sentence for people."""
    gate = params.gate
    level = f"{gate.confidence_level:.0%}"
    span = f"horizons {gate.first_horizon} to {gate.last_horizon}"
    checks = [
        (
            measured.events >= gate.min_events,
            f"The gate slice holds {measured.events} events; at least {gate.min_events} are needed for a judgement.",
        ),
        (
            measured.lower > 0.0,
            f"Forecast skill against the market price over {span} is {measured.value:.2%}; its {level} lower bound"
            f" over {measured.events} events is {measured.lower:.2%} and has to be above 0.",
        ),
        (
            table.pnl_pusd > 0.0,
            f"Policy {kind} made {table.pnl_pusd:+.2f} pUSD after costs in {table.round_trips} round trips on the gate"
            " slice; cash makes 0.00 and has to be beaten.",
        ),
        (
            parity is not None and parity < PARITY_TOLERANCE,
            "The package stage did not report ONNX parity for this bundle; run `python -m pipelines package`."
            if parity is None
            else f"ONNX differs from its source by at most {parity:.1e}; {PARITY_TOLERANCE:g} is allowed.",
        ),
    ]
    return [text for passed, text in checks if not passed], [text for passed, text in checks if passed]


def _evidence(
    measured: Skill, table: Figures, parity: float | None, histories: Sequence[market_history.History]
) -> dict[str, Any]:
    lower = measured.lower if np.isfinite(measured.lower) else None
    return {
        "skill": measured.value,
        "lower_bound": lower,
        "events": measured.events,
        "forecasts": measured.forecasts,
        "markets": len(histories),
        "pnl_pusd": table.pnl_pusd,
        "cash_pnl_pusd": 0.0,
        "onnx_difference": parity,
        "table": asdict(table),
    }

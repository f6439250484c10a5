"""The only file that knows MLflow: what was measured, and which version of the bundle is champion."""

import json
import math
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import mlflow
import yaml
from mlflow import MlflowClient
from mlflow.entities import Metric

from pipelines.core.products import REPORTS, WINDOW, report_json

REGISTERED_MODEL = "oddsmith"
EXPERIMENT = "nightly"
MOST_POINTS = 1_000
"""Of one request to MLflow."""
CHAMPION = "champion"
FIRST = "0 headline"
"""Group of metrics that MLflow's lists and charts begin with: they are in the order of names."""
HEADLINES = {
    "skill": ("gate", "evidence", "skill"),
    "skill lower bound": ("gate", "evidence", "lower_bound"),
    "gate P_L pUSD": ("gate", "evidence", "pnl_pusd"),
    "gate P_L lower bound pUSD": ("gate", "evidence", "pnl_lower_bound_pusd"),
    "interval coverage": ("gate", "evidence", "coverage"),
}
"""Name -> where the number is in the reports."""
TRACKED = ("pull", "validation", "forecast", "agent", "backtest", "package", "gate")


def log_candidate(bundle: Path, bundle_hash: str) -> str:
    """Log the run that made a bundle and register it; the version, the same one for the same bundle hash."""
    client = MlflowClient()
    known = _versions(client, bundle_hash)
    if known:
        return str(known[0].version)
    mlflow.set_experiment(EXPERIMENT)
    reports, about = _reports(), _about()
    with mlflow.start_run(run_name=_run_name(bundle_hash, about), tags={"bundle_hash": bundle_hash, **about}) as run:
        mlflow.log_params(dict(_flat(yaml.safe_load(Path("params.yaml").read_text(encoding="utf-8")))))
        mlflow.log_metrics(headline(reports) | dict(_numbers(reports)))
        _log_curves(client, run.info.run_id, reports.get("agent", {}).get("curves", []))
        for file in ("dvc.lock", "data/window.json", "params.yaml", "reports/backtest.html", "var/trials.jsonl"):
            if Path(file).exists():
                mlflow.log_artifact(file)
        mlflow.log_artifacts(str(bundle), artifact_path="bundle")
        source = f"{run.info.artifact_uri}/bundle"
    _ensure_registered(client)
    version = client.create_model_version(
        REGISTERED_MODEL, source, run_id=run.info.run_id, tags={"bundle_hash": bundle_hash, **about}
    )
    return str(version.version)


def page(version: str) -> str:
    """Where MLflow shows a version to people; empty where no server is asked."""
    server = mlflow.get_tracking_uri().rstrip("/")
    return f"{server}/#/models/{REGISTERED_MODEL}/versions/{version}" if server.startswith("http") else ""


def headline(reports: Mapping[str, Any]) -> dict[str, float]:
    """The handful of numbers that a person looks for, named so that MLflow lists them first."""
    found: dict[str, float] = {}
    for name, path in HEADLINES.items():
        value: Any = reports
        for key in path:
            value = value.get(key) if isinstance(value, dict) else None
        if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
            found[f"{FIRST}/{name}"] = float(value)
    backtest = reports.get("backtest", {})
    chosen = [one for one in backtest.get("strategies", {}).values() if one["kind"] == backtest.get("chosen")]
    if chosen:
        found[f"{FIRST}/backtest P_L pUSD"] = float(chosen[0]["pnl_pusd"])
        found[f"{FIRST}/backtest drawdown"] = float(chosen[0]["max_drawdown"])
    return found


def _about() -> dict[str, str]:
    """Tags of a candidate: where its data come from, and which policy it carries."""
    window, backtest = _document(WINDOW), _document(report_json("backtest"))
    found = {"source": window.get("source"), "policy": backtest.get("chosen")}
    return {name: str(value) for name, value in found.items() if value}


def _run_name(bundle_hash: str, about: Mapping[str, str]) -> str:
    """Day of the newest data, source, policy and hash, such as `2026-03-01 polymarket threshold 4ab70282`."""
    as_of_s = _document(WINDOW).get("as_of_s")
    day = datetime.fromtimestamp(as_of_s, UTC).strftime("%Y-%m-%d") if as_of_s else ""
    return " ".join(word for word in (day, about.get("source"), about.get("policy"), bundle_hash[:8]) if word)


def _document(path: Path) -> dict[str, Any]:
    return dict(json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else {}


def _log_curves(client: MlflowClient, run_id: str, rows: list[dict[str, float]]) -> None:
    """What the agent's training saw, one point per update."""
    now_ms = int(time.time() * 1_000)
    points = [
        Metric(_metric_name(f"agent.curve.{name}"), float(value), now_ms, int(row["step"]))
        for row in rows
        for name, value in row.items()
        if name != "step" and math.isfinite(value)
    ]
    for first in range(0, len(points), MOST_POINTS):
        client.log_batch(run_id, metrics=points[first : first + MOST_POINTS])


def log_verdict(version: str, verdict: dict[str, Any]) -> None:
    """Attach the gate's verdict to a registered version and its numbers to the run that made it."""
    client = MlflowClient()
    evidence = verdict.get("evidence", {})
    tags = {"verdict": str(verdict["verdict"])}
    if isinstance(evidence.get("pnl_pusd"), int | float):
        tags["pnl_pusd"] = f"{evidence['pnl_pusd']:+,.2f}"
    for tag, text in tags.items():
        client.set_model_version_tag(REGISTERED_MODEL, version, tag, text)
    client.update_model_version(REGISTERED_MODEL, version, description="; ".join(verdict["reasons"]))
    run_id = client.get_model_version(REGISTERED_MODEL, version).run_id
    if run_id:
        for tag, text in tags.items():
            client.set_tag(run_id, tag, text)
        for name, value in (headline({"gate": verdict}) | dict(_numbers({"gate": evidence}))).items():
            client.log_metric(run_id, name, value)


def log_parity(bundle_hash: str, document: dict[str, Any]) -> bool:
    """Add a day's replay of the live journal to the run that made a bundle, one point a night; False where MLflow does
    not know the bundle."""
    client, now_s = MlflowClient(), int(time.time())
    known = _versions(client, bundle_hash)
    for name, value in _numbers({"parity": document}) if known else ():
        client.log_metric(str(known[0].run_id), name, value, step=now_s)
    return bool(known)


def move_champion(version: str) -> None:
    """Point the alias `champion` at a version."""
    MlflowClient().set_registered_model_alias(REGISTERED_MODEL, CHAMPION, version)


def retire_champion() -> None:
    """No version is champion any more."""
    MlflowClient().delete_registered_model_alias(REGISTERED_MODEL, CHAMPION)


def _versions(client: MlflowClient, bundle_hash: str) -> list[Any]:
    """Registered versions of a bundle: one, or none."""
    return list(client.search_model_versions(f"name='{REGISTERED_MODEL}' and tags.bundle_hash='{bundle_hash}'"))


def _ensure_registered(client: MlflowClient) -> None:
    if not client.search_registered_models(filter_string=f"name='{REGISTERED_MODEL}'"):
        client.create_registered_model(
            REGISTERED_MODEL, description="Sealed bundles: forecaster, policy, sizing, card."
        )


def _reports() -> dict[str, Any]:
    paths = {name: REPORTS / f"{name}.json" for name in TRACKED}
    return {name: json.loads(path.read_text(encoding="utf-8")) for name, path in paths.items() if path.exists()}


def _flat(document: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in document.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _numbers(document: dict[str, Any]) -> Iterator[tuple[str, float]]:
    for name, value in _flat(document):
        if isinstance(value, int | float) and not isinstance(value, bool):
            yield _metric_name(name), float(value)


def _metric_name(name: str) -> str:
    return "".join(c if c.isalnum() or c in "_-. /" else "_" for c in name)

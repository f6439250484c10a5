"""The only file that knows MLflow: what was measured, and which version of the bundle is champion."""

import importlib.metadata
import json
import math
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import mlflow
import yaml
from mlflow import MlflowClient
from mlflow.data.code_dataset_source import CodeDatasetSource
from mlflow.data.meta_dataset import MetaDataset
from mlflow.entities import Metric
from mlflow.models.model import ModelInfo

import pipelines
from pipelines.core import log
from pipelines.core.products import REPORTS, WINDOW, report_json
from pipelines.inference.loadable import LIBRARIES

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
KEPT: Final = ("dvc.lock", "data/window.json", "params.yaml")
"""What a run keeps of the folder that it worked in."""
LEARNED_FROM: Final = ("pull", "featurize")
DIGEST_LETTERS: Final = 36
MOST_LETTERS: Final = 500
"""MLflow takes no more of a digest, and shows no more of a tag."""
IMPATIENT: Final = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1", "MLFLOW_HTTP_REQUEST_TIMEOUT": "10"}
TRACKED = ("pull", "validation", "forecast", "agent", "backtest", "package", "gate")


@dataclass(frozen=True)
class Registered:
    """A bundle as MLflow knows it."""

    version: str
    run_id: str | None

    @property
    def uri(self) -> str:
        """What `mlflow.pyfunc.load_model` takes."""
        return f"models:/{REGISTERED_MODEL}/{self.version}"


def log_candidate(bundle: Path, bundle_hash: str) -> Registered:
    """Log the run that made a bundle, with its data, and register the bundle as a model that MLflow can load; the same
    version for the same bundle hash."""
    client = MlflowClient()
    known = _versions(client, bundle_hash)
    if known:
        return Registered(str(known[0].version), known[0].run_id)
    mlflow.set_experiment(_experiment())
    reports = _reports()
    about = _about() | _device(reports)
    with mlflow.start_run(run_name=_run_name(bundle_hash, about), tags={"bundle_hash": bundle_hash, **about}) as run:
        _log_parameters()
        mlflow.log_metrics(headline(reports) | dict(_numbers(reports)))
        _log_curves(client, run.info.run_id, "agent", reports.get("agent", {}).get("curves", []))
        _log_curves(client, run.info.run_id, "forecast", reports.get("forecast", {}).get("curves", []))
        _log_inputs()
        _log_files(*KEPT, "reports/backtest.html", "reports/agent.html", "var/trials.jsonl")
        model = _log_model(bundle)
    _ensure_registered(client)
    version = client.create_model_version(
        REGISTERED_MODEL,
        model.model_uri,
        run_id=run.info.run_id,
        tags={"bundle_hash": bundle_hash, **about},
        # A server takes the model's URI as a source only with its id.
        model_id=model.model_id,
    )
    return Registered(str(version.version), run.info.run_id)


def _device(reports: Mapping[str, Any]) -> dict[str, str]:
    """Tags with the device that trained the network and the champion that the training began from, where there are."""
    forecast, agent = (reports.get(name, {}) for name in ("forecast", "agent"))
    found = {
        "device": forecast.get("device"),
        "forecast_begins_from": forecast.get("warm_start"),
        "agent_begins_from": agent.get("warm_start"),
    }
    return {name: str(value) for name, value in found.items() if value}


def _experiment() -> str:
    """The experiment of the candidates' runs.

    One that a server made keeps its files behind that server (`mlflow-artifacts:`). A night without a server writes to
    an experiment of its own, whose files lie in the same folder.
    """
    found = mlflow.get_experiment_by_name(EXPERIMENT)
    behind_a_server = found is not None and found.artifact_location.startswith("mlflow-artifacts:")
    if mlflow.get_tracking_uri().startswith("http") or not behind_a_server:
        return EXPERIMENT
    name = f"{EXPERIMENT} without server"
    if mlflow.get_experiment_by_name(name) is None:
        mlflow.create_experiment(name, artifact_location=Path("var/mlartifacts/without-server").resolve().as_uri())
    return name


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
    chosen = backtest.get("strategies", {}).get(backtest.get("chosen"))
    if chosen:
        found[f"{FIRST}/backtest P_L pUSD"] = float(chosen["pnl_pusd"])
        found[f"{FIRST}/backtest drawdown"] = float(chosen["max_drawdown"])
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


def _log_parameters() -> None:
    path = Path("params.yaml")
    mlflow.log_params(dict(_flat(yaml.safe_load(path.read_text(encoding="utf-8")))) if path.is_file() else {})


def _log_files(*names: str) -> None:
    for name in names:
        if Path(name).exists():
            mlflow.log_artifact(name)


def _log_inputs() -> None:
    """What the run learned from: the tables of pull and featurize, by the hash that DVC's cache names them with."""
    lock = Path("dvc.lock")
    stages = (yaml.safe_load(lock.read_bytes()) or {}).get("stages", {}) if lock.is_file() else {}
    for stage in LEARNED_FROM:
        for out in stages.get(stage, {}).get("outs", ()):
            if not out["path"].startswith("data/"):
                continue
            source = CodeDatasetSource({"stage": stage, "dvc_md5": out["md5"]})
            table = MetaDataset(source, name=out["path"], digest=out["md5"][:DIGEST_LETTERS])  # type: ignore[abstract] # MLflow's own class lacks it too
            mlflow.log_input(table, context="training")


def _log_model(bundle: Path) -> ModelInfo:
    """The bundle as a pyfunc with the code that reads it."""
    here = Path(pipelines.__file__).parent
    logged: ModelInfo = mlflow.pyfunc.log_model(
        name="bundle",
        loader_module="pipelines.inference.loadable",
        data_path=str(bundle),
        code_paths=[str(here)],
        pip_requirements=[f"{name}=={importlib.metadata.version(name)}" for name in LIBRARIES],
    )
    return logged


def log_failed_night(stage: str, reason: str) -> None:
    """A run that says where and why a night ended without a bundle, with what it worked on. MLflow is asked once and
    not waited for: a night that failed because MLflow is away must still end."""
    with _impatient():
        mlflow.set_experiment(_experiment())
        tags = {"night": "failed", "failed_at": stage, "reason": reason[:MOST_LETTERS]}
        run = mlflow.start_run(run_name=f"failed at {stage}", tags=tags)
        try:
            _log_parameters()
            _log_files(*KEPT)
        finally:
            mlflow.end_run("FAILED")
        log.get("track").info("failed night", run_id=run.info.run_id, failed_at=stage)


@contextmanager
def _impatient() -> Iterator[None]:
    before = {name: os.environ.get(name) for name in IMPATIENT}
    os.environ.update(IMPATIENT)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})


def log_study(name: str, settings: Mapping[str, Any], rows: Mapping[str, Mapping[str, Any]]) -> None:
    """A measurement of many members (league, stacks, tune): one run, and a nested run per member with its numbers."""
    mlflow.set_experiment(name)
    with mlflow.start_run(run_name=name):
        mlflow.log_params(dict(_flat(dict(settings))))
        for member, measured in rows.items():
            with mlflow.start_run(run_name=member, nested=True):
                texts = {key: value for key, value in _flat(dict(measured)) if isinstance(value, str | bool)}
                mlflow.log_params({_metric_name(key): str(value)[:MOST_LETTERS] for key, value in texts.items()})
                mlflow.log_metrics(dict(_numbers(dict(measured))))


def _log_curves(client: MlflowClient, run_id: str, stage: str, rows: list[dict[str, float]]) -> None:
    """What a training saw: a point per update of the agent, per epoch of the forecaster."""
    now_ms = int(time.time() * 1_000)
    points = [
        Metric(_metric_name(f"{stage}.curve.{name}"), float(value), now_ms, int(row["step"]))
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

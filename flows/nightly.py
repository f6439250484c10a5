"""The nightly flow: new data, new models, a verdict, and a champion only when it has earned it."""

import sys
import time
from pathlib import Path
from typing import Any

from prefect import flow, task
from prefect.artifacts import create_markdown_artifact
from prefect.cache_policies import NO_CACHE

from flows import progress, tracking
from flows.promote import champion, promote, retire_foreign_champion
from flows.stages import run_command, run_stage, stage_names
from pipelines.core.artifacts import read_json, write_json
from pipelines.core.settings import Settings, Source

BUNDLE = Path("models/bundle")


@task(task_run_name="window", cache_policy=NO_CACHE, persist_result=False)
def open_window(source: Source, recording: str | None, fresh: bool) -> dict[str, Any]:
    """Write data/window.json, or keep the one that is there; its content."""
    command = [sys.executable, "-m", "pipelines", "window", "--source", source.value]
    command += ["--recording", recording] if recording else []
    command += ["--fresh"] if fresh else []
    progress.begin("window")
    run_command(*command, name="window")
    return dict(read_json(Path("data/window.json")))


@task(task_run_name="track", cache_policy=NO_CACHE, persist_result=False)
def track(bundle_hash: str) -> str:
    """Log the run to MLflow and register the bundle; its version."""
    progress.begin("track")
    return tracking.log_candidate(BUNDLE, bundle_hash)


@task(task_run_name="verdict", cache_policy=NO_CACHE, persist_result=False)
def record_verdict(version: str) -> dict[str, Any]:
    """The gate's verdict, attached to the registered version and shown as an artifact."""
    gate = dict(read_json(Path("reports/gate.json")))
    tracking.log_verdict(version, gate)
    reasons = "\n".join(f"* {reason}" for reason in gate["reasons"])
    create_markdown_artifact(
        key="gate", markdown=f"# {gate['verdict'].upper()}\n\nbundle `{gate['bundle'][:12]}`\n\n{reasons}"
    )
    return gate


@flow(name="nightly", persist_result=False)
def nightly(source: Source = Source.SIMULATED, recording: str | None = None, fresh: bool = True) -> dict[str, Any]:
    """Pull, validate, train, backtest, package, judge; promote and install what passed. Seconds per step, verdict."""
    started = time.perf_counter()
    window = open_window(source, recording, fresh)
    if retire_foreign_champion(window["source"]):
        progress.detail("window", "the champion was trained on another source and is retired")
    seconds = {"window": time.perf_counter() - started}
    for name in stage_names():
        if name == "gate":
            begun = time.perf_counter()
            bundle_hash = str(read_json(BUNDLE / "manifest.json")["hash"])
            version = track(bundle_hash)
            seconds["track"] = time.perf_counter() - begun
        seconds[name] = run_stage(name)
    gate = record_verdict(version)
    begun = time.perf_counter()
    if gate["verdict"] == "promote" and (champion() or {}).get("hash") != bundle_hash:
        promote(BUNDLE, bundle_hash, version)
    seconds["promote"] = time.perf_counter() - begun
    outcome = {
        "steps": {name: round(value, 1) for name, value in seconds.items()},
        "gate": {"verdict": gate["verdict"], "reasons": gate["reasons"]},
        "champion": champion(),
    }
    write_json(Settings().var / "nightly.json", outcome)
    return outcome

"""The nightly flow: the last day replayed, new data and models, a verdict, and a champion only when it is earned."""

import sys
import time
from typing import Any

from prefect import get_run_logger, task
from prefect.cache_policies import NO_CACHE
from prefect.runtime import flow_run

from flows import (
    billed,
    champions,
    changed_world,
    dvc_remote,
    lineage,
    nights,
    notices,
    prefect_pages,
    progress,
    remote_training,
    shadow,
    tracking,
)
from flows.champions import CANDIDATE as BUNDLE
from flows.champions import champion
from flows.exclusive import LANDING, NIGHT, alone
from flows.promote import promote, retire_foreign_champion, retire_losing_champion
from flows.stage_tasks import RETRY_DELAYS_S, run_command, run_optional, run_stage, stage_names, try_again
from flows.watched_flow import watched_flow
from pipelines.core import params as parameters
from pipelines.core.artifacts import read_json, write_json
from pipelines.core.errors import AlreadyRunning, OddsmithError
from pipelines.core.products import WINDOW, report_json
from pipelines.core.settings import Mode, Settings, Source
from pipelines.inference import shadow_record
from pipelines.inference import verdict as verdicts

LANDING_WAIT_S = 300.0
"""How long a night waits for another process that appends to the landing zone."""


@task(
    task_run_name="window",
    tags=["venue"],
    retries=len(RETRY_DELAYS_S),
    retry_delay_seconds=RETRY_DELAYS_S,
    retry_condition_fn=try_again,
    cache_policy=NO_CACHE,
    persist_result=False,
)
def open_window(source: Source, recording: str | None, fresh: bool) -> dict[str, Any]:
    """Write data/window.json, or keep the one that is there; its content."""
    command = [sys.executable, "-m", "pipelines", "window", "--source", source.value]
    command += ["--recording", recording] if recording else []
    command += ["--fresh"] if fresh else []
    changed_s = None if source is Source.RECORDED else changed_world.since_s()
    command += ["--since", str(changed_s)] if changed_s is not None else []
    command += ["--scratch"] if fresh and nights.from_scratch(parameters.load().flows.scratch_every_nights) else []
    progress.begin("window")
    run_command(*command, name="window")
    return dict(read_json(WINDOW))


def same_as_last(source: Source | None, recording: str | None) -> tuple[Source, str | None]:
    """The source that was asked for, else that of the last window: a scheduled night goes on with what runs here."""
    if source is not None:
        return source, recording
    if not WINDOW.is_file():
        return Source.SIMULATED, None
    last = read_json(WINDOW)
    return Source(last["source"]), last.get("recording")


@task(task_run_name="ingest", tags=["venue"], cache_policy=NO_CACHE, persist_result=False)
def bring_history(source: Source) -> bool:
    """Bring the days of a window into the landing zone, where the pull reads them: what one night has downloaded the
    next one does not ask for. Whether that was done; where it was not, the pull asks the venue itself."""
    if (source is Source.SIMULATED) != (Settings().mode is Mode.SIMULATED) or source is Source.RECORDED:
        return False
    command = (sys.executable, "-m", "pipelines", "ingest", "--days", f"{parameters.load().pull.history_days:g}")
    try:
        with alone(LANDING, "the ingest of a night", wait_s=LANDING_WAIT_S):
            return run_optional(*command, name="ingest", note="the pull asks the venue")
    except AlreadyRunning as error:
        progress.detail("ingest", f"{error}; the pull asks the venue for what is missing")
        return False


@task(task_run_name="parity", cache_policy=NO_CACHE, persist_result=False)
def replay_last_day() -> dict[str, Any] | None:
    """The journal of the bot that runs here, decided again: reports/parity.json. None where that cannot be done; the
    night goes on, and the log says why."""
    settings = Settings()
    if not settings.journal_url and not (settings.var / "journal.sqlite").is_file():
        get_run_logger().info("no bot has traded here yet: there is no journal to replay")
        return None
    if not run_optional(sys.executable, "-m", "pipelines", "parity", name="parity", note="the night goes on"):
        return None
    prefect_pages.show("parity")
    found = dict(read_json(report_json("parity")))
    tracking.log_parity((champion() or {}).get("hash", ""), found)
    return found


@task(task_run_name="training machine", cache_policy=NO_CACHE, persist_result=False)
def train_on_spot() -> None:
    """Train on the machine of ODDSMITH_SPOT_GROUP. When that fails people are told, and the stages train here."""
    progress.begin("training machine")
    try:
        for name, seconds in remote_training.tonight().items():
            progress.detail("training machine", f"{name} took {seconds:.1f} s there")
    except OddsmithError as error:
        progress.detail("training machine", f"{error}; training here instead")
        notices.trains_here(str(error))


@task(task_run_name="track", cache_policy=NO_CACHE, persist_result=False)
def track(bundle_hash: str) -> tracking.Registered:
    """Log the run to MLflow, register the bundle and archive where it came from; what MLflow calls it."""
    progress.begin("track")
    with progress.alive("track"):
        registered = tracking.log_candidate(BUNDLE, bundle_hash)
        lineage.keep(bundle_hash, registered)
        return registered


@task(task_run_name="verdict", cache_policy=NO_CACHE, persist_result=False)
def record_verdict(bundle_hash: str, registered: tracking.Registered) -> dict[str, Any]:
    """The gate's verdict, attached to the registered version. The dvc.lock is archived again: it names the verdict."""
    gate = dict(read_json(report_json("gate")))
    tracking.log_verdict(registered.version, gate)
    lineage.keep(bundle_hash, registered)
    return gate


@task(task_run_name="bill", cache_policy=NO_CACHE, persist_result=False)
def read_bill() -> None:
    """Ask AWS what it billed, where `costs.bill_days` says so; a bill that cannot be read is said, and no more."""
    try:
        found = billed.remember()
    except billed.BillUnknown as error:
        progress.detail("bill", str(error))
        return
    if found:
        progress.detail(
            "bill",
            f"{found['billed_monthly_usd']:,.2f} USD a month, {found['planned_monthly_usd']:,.2f} are planned and "
            f"{found['limit_monthly_usd']:,.2f} are the limit",
        )


def may_be_promoted(gate: dict[str, Any], bundle_hash: str) -> bool:
    """Whether a verdict changes the champion: it promotes, if only in cash, the bundle does not trade yet (or by a
    verdict that no longer counts), nobody took it off."""
    if gate["verdict"] not in verdicts.PROMOTING or _trades(bundle_hash):
        return False
    if bundle_hash in champions.withdrawn():
        progress.detail("gate", f"bundle {bundle_hash[:12]} was rolled back and stays off")
        return False
    return True


def _trades(bundle_hash: str) -> bool:
    present = champion()
    if present is None or present["hash"] != bundle_hash:
        return False
    folder = champions.bundle_folder(present)
    return folder is not None and champions.approved(folder, bundle_hash)


@watched_flow
def nightly(source: Source | None = None, recording: str | None = None, fresh: bool = True) -> dict[str, Any]:
    """Replay the last day; ingest, pull, validate, train, backtest, package, judge; promote and install what passed.

    What comes back is in var/nightly.json too: seconds per step, the replay, the verdict, the champion, and whether
    DVC's remote has all of it.
    """
    with alone(NIGHT, "a night"):
        killed = nights.present()
        if killed:
            notices.killed(killed["step"], killed["since"])
            _note_failure(killed["step"], f"it was killed; it had been at {killed['step']} since {killed['since']}")
        nights.at("parity")
        try:
            outcome = _night(source, recording, fresh)
        except BaseException as error:
            step = nights.present() or {"step": "unknown"}
            _note_failure(step["step"], f"{type(error).__name__}: {error}")
            raise
        finally:
            nights.over()
    nights.remember("completed", outcome["gate"]["verdict"])
    return outcome


def _note_failure(step: str, reason: str) -> None:
    """Leave an MLflow run that says where a night ended. Where MLflow does not answer, that is said, and no more."""
    try:
        tracking.log_failed_night(step, reason)
    except Exception as error:  # whatever a broken store raises must not hide why the night failed
        progress.detail(step, f"MLflow was not told that the night failed: {type(error).__name__}: {error}")


def _night(source: Source | None, recording: str | None, fresh: bool) -> dict[str, Any]:
    started = time.perf_counter()
    replayed = replay_last_day()
    seconds = {"parity": time.perf_counter() - started} if replayed else {}
    source, recording = same_as_last(source, recording)
    started = time.perf_counter()
    nights.at("ingest")
    if bring_history(source):
        seconds["ingest"] = time.perf_counter() - started
    started = time.perf_counter()
    nights.at("window")
    window = open_window(source, recording, fresh)
    if retire_foreign_champion(window["source"]):
        progress.detail("window", "the champion was trained on another source and is retired")
    seconds["window"] = time.perf_counter() - started
    for name in stage_names():
        if name == "gate":
            begun = time.perf_counter()
            nights.at("track")
            bundle_hash = str(read_json(BUNDLE / "manifest.json")["hash"])
            registered = track(bundle_hash)
            seconds["track"] = time.perf_counter() - begun
        if name == remote_training.TRAINED[0] and Settings().spot_group:
            train_on_spot()
        nights.at(name)
        seconds[name] = run_stage(name)
        if name in prefect_pages.OF_STAGE:
            prefect_pages.show(prefect_pages.OF_STAGE[name])
    nights.at("promote")
    gate = record_verdict(bundle_hash, registered)
    notices.verdict(gate)
    begun = time.perf_counter()
    promotes = may_be_promoted(gate, bundle_hash)
    if retire_losing_champion(gate):
        progress.detail("gate", "the champion surely loses money and is retired")
    if promotes:
        if shadow.watches():
            shadow.begin(BUNDLE, bundle_hash, registered.version)
        else:
            promote(BUNDLE, bundle_hash, registered.version)
    seconds["promote"] = time.perf_counter() - begun
    read_bill()
    nights.at("push")
    pushed = dvc_remote.push()
    outcome = {
        "steps": {name: round(value, 1) for name, value in seconds.items()},
        "parity": _gap(replayed) if replayed else None,
        "gate": {"verdict": gate["verdict"], "reasons": gate["reasons"]},
        "champion": champion(),
        "pushed": pushed,
        "shadow": shadow_record.challenger(Settings().var),
        "ended_s": round(time.time(), 1),
        "source": window["source"],
        "links": _links(registered.version),
    }
    write_json(Settings().var / "nightly.json", outcome)
    prefect_pages.show_night(outcome)
    return outcome


def _links(version: str) -> dict[str, str]:
    """Where a person sees the run and the version, as far as there are pages."""
    pages = {"prefect": flow_run.ui_url, "mlflow": tracking.page(version)}
    return {name: url for name, url in pages.items() if url}


def _gap(replayed: dict[str, Any]) -> dict[str, float]:
    """The numbers of a replay that a person looks for first."""
    counts = {name: replayed[name] for name in ("decisions", "not_replayed", "different")}
    return counts | {"cost_gap_pusd": replayed["fills"]["cost_gap_pusd"]}

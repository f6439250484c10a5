"""Stages that run on the training machine: a job in the shared bucket, taken up, interrupted, resumed and answered.

Data and models travel as DVC's own remote; the job carries what DVC does not: window, parameters, lock file, metrics.
"""

import json
import shutil
import subprocess
import sys
import time
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from flows import dvc_locks
from flows.bucket import Store
from flows.child_environment import command_environment
from flows.spot import INTERRUPTED_STATUS, Group, Notices, SpotFailed, supervise
from pipelines.core import log
from pipelines.core import params as parameters
from pipelines.core.artifacts import append_lines
from pipelines.core.products import START
from pipelines.core.sections import SpotParams
from pipelines.core.settings import Settings

TRAINED = ("forecast", "agent")
"""The stages that are worth a machine of their own, in their order."""
CHECKPOINTS = Path("var/checkpoints")
TRIALS = Path("var/trials.jsonl")
CARRIED = ("dvc.lock", "params.yaml", "data/window.json", "models/start/*", "reports/*.json")
"""What a stage needs or makes and DVC's remote does not hold, from the repository's root."""
KEPT = (f"{CHECKPOINTS.as_posix()}/*/*.npz", "dvc.lock", "reports/*.json", TRIALS.as_posix())
"""What the next training machine goes on with. Checkpoints are arrays and JSON, never pickles: reading them runs no
code."""
JOB, RESULT = "spot/job.json", "spot/result.json"


def train_elsewhere(
    store: Store, group: Group, params: SpotParams, stages: Sequence[str] = TRAINED
) -> dict[str, float]:
    """Have stages run on the training machine and fetch what they made; the seconds per stage.

    The group is lowered whatever happens. The caller may run the same stages here when this fails.

    Raises:
        SpotFailed: if the machine's run fails, or nothing came back within `wait_h`.
    """
    job = {"id": uuid.uuid4().hex, "stages": list(stages)}
    below = f"spot/{job['id']}"
    _dvc("push")
    store.put_files(f"{below}/given", CARRIED)
    store.put(JOB, json.dumps(job).encode())
    try:
        group.want(1)
        result = _await(store, str(job["id"]), params)
    finally:
        store.delete(JOB)
        group.want(0)
    if result["error"]:
        raise SpotFailed(f"the training machine says: {result['error']}")
    store.get_files(f"{below}/made", CARRIED)
    _append_trials(store.get(f"{below}/trials.jsonl") or b"")
    _dvc("pull", *stages)
    return dict(result["seconds"])


def _await(store: Store, job_id: str, params: SpotParams) -> dict[str, Any]:
    deadline = time.monotonic() + 3600.0 * params.wait_h
    while time.monotonic() < deadline:
        result = _result(store)
        if result.get("id") == job_id:
            return result
        time.sleep(params.poll_s)
    raise SpotFailed(f"nothing came back from the training machine within {params.wait_h:g} hours (spot.wait_h)")


def _result(store: Store) -> dict[str, Any]:
    content = store.get(RESULT)
    return dict(json.loads(content)) if content else {}


def _append_trials(lines: bytes) -> None:
    if lines:
        append_lines(TRIALS, lines.decode())


def work(store: Store, notices: Notices, params: SpotParams) -> int:
    """The life of the training machine: do jobs as they come until the machine is to go; then 75."""
    while True:
        if work_once(store, notices, params) == INTERRUPTED_STATUS or notices.seen():
            return INTERRUPTED_STATUS
        time.sleep(params.poll_s)


def work_once(store: Store, notices: Notices, params: SpotParams) -> int | None:
    """Do the job that waits in the store: 0 answered, 75 interrupted and kept, None when there is none."""
    content = store.get(JOB)
    if content is None:
        return None
    job = json.loads(content)
    if _result(store).get("id") == job["id"]:
        return None
    log.get("spot").info("job", id=job["id"], stages=job["stages"])
    below = f"spot/{job['id']}"
    if trouble := _without_gpu(params):
        log.get("spot").error("refused", reason=trouble)
        store.put(RESULT, json.dumps({"id": job["id"], "seconds": {}, "error": trouble}).encode())
        return 0
    seconds, error = _prepare(store, below, job["stages"]), ""
    for stage in [name for name in job["stages"] if name not in seconds]:
        started = time.monotonic()
        status = supervise([sys.executable, "-m", "dvc", "repro", "--single-item", stage], notices, params)
        if status == INTERRUPTED_STATUS:
            _keep(store, below, seconds)
            return INTERRUPTED_STATUS
        if status:
            error = f"{stage} ended with status {status}"
            break
        _dvc("push", stage)
        seconds[stage] = round(time.monotonic() - started, 1)
        _keep(store, below, seconds)
    _answer(store, below, {"id": job["id"], "seconds": seconds, "error": error})
    return 0


def _without_gpu(params: SpotParams) -> str:
    """Why this machine takes no job: it should have a GPU, and TensorFlow sees none; empty where it may work."""
    if not params.gpu or gpus():
        return ""
    return (
        "the training machine has no GPU that TensorFlow sees: look at `nvidia-smi` there, run `GPU=1 make install`, or"
        " set spot.gpu to false for a machine that is to train on its CPU"
    )


def gpus() -> int:
    """Number of GPUs that TensorFlow sees here, asked in a process of its own: it keeps what it has once taken."""
    ask = "import tensorflow as tf; print(len(tf.config.list_physical_devices('GPU')))"
    done = subprocess.run(
        [sys.executable, "-c", ask], check=False, capture_output=True, text=True, env=command_environment()
    )
    lines = done.stdout.split()
    return int(lines[-1]) if done.returncode == 0 and lines and lines[-1].isdigit() else 0


def _prepare(store: Store, below: str, stages: Sequence[str]) -> dict[str, float]:
    """Bring the machine to where the job is; the seconds of stages that an earlier machine finished."""
    TRIALS.unlink(missing_ok=True)
    shutil.rmtree(START, ignore_errors=True)  # weights of an earlier job are no part of this one
    store.get_files(f"{below}/given", CARRIED)
    store.get_files(f"{below}/kept", KEPT)
    finished = dict(json.loads(store.get(f"{below}/finished.json") or b"{}"))
    _dvc("pull", *_inputs(stages), *finished)
    return finished


def _inputs(stages: Sequence[str]) -> list[str]:
    """What stages read that DVC's remote holds: outputs, or parts of outputs, of stages outside the job."""
    document = yaml.safe_load(Path("dvc.yaml").read_text(encoding="utf-8"))["stages"]
    outputs = {out for name, stage in document.items() if name not in stages for out in stage.get("outs", [])}
    wanted = {dep for name in stages for dep in document[name]["deps"]}
    return sorted(dep for dep in wanted if any(dep == out or dep.startswith(f"{out}/") for out in outputs))


def _keep(store: Store, below: str, seconds: dict[str, float]) -> None:
    """What the next machine needs to go on: checkpoints, and the record of the stages that are finished."""
    present = {path.as_posix() for path in CHECKPOINTS.rglob("*") if path.is_file()}
    for name in store.names(f"{below}/kept/{CHECKPOINTS.as_posix()}/"):
        if name.removeprefix(f"{below}/kept/") not in present:
            store.delete(name)
    store.put_files(f"{below}/kept", KEPT)
    store.put(f"{below}/finished.json", json.dumps(seconds).encode())


def _answer(store: Store, below: str, result: dict[str, Any]) -> None:
    store.put_files(f"{below}/made", ("dvc.lock", "reports/*.json"))
    if TRIALS.exists():
        store.put(f"{below}/trials.jsonl", TRIALS.read_bytes())
    store.put(RESULT, json.dumps(result).encode())


def _dvc(*words: str) -> None:
    for found in dvc_locks.heal():
        log.get("spot").warning("dvc", found=found)
    done = subprocess.run(
        [sys.executable, "-m", "dvc", *words], check=False, capture_output=True, text=True, env=command_environment()
    )
    if done.returncode:
        said = [line for line in (done.stdout + done.stderr).splitlines() if line.startswith("ERROR")]
        raise SpotFailed(f"dvc {' '.join(words)} ended with status {done.returncode}: {' '.join(said) or done.stderr}")


def tonight() -> dict[str, float]:
    """Train on the machine that the settings name; the seconds per stage.

    Raises:
        OddsmithError: if the settings name none, or it did not come back with a result.
    """
    settings = Settings()
    return train_elsewhere(Store.of(settings), Group.of(settings), parameters.load().spot)


def act(action: str) -> int:
    """`oddsmith spot <action>`; the exit status, 75 when the machine that works here is to go."""
    settings, params = Settings(), parameters.load().spot
    if action == "work":
        return work(Store.of(settings), Notices(settings.spot_metadata_url), params)
    if action == "train":
        tonight()
    else:
        group = Group.of(settings)
        if action in {"raise", "lower"}:
            group.want(1 if action == "raise" else 0)
        wanted, serving = group.machines()
        sys.stdout.write(f"{group.name}: {wanted} wanted, {serving} in service\n")
    return 0

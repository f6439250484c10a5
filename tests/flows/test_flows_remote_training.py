"""A stage on another machine: given, interrupted, resumed by a third machine, and fetched."""

import json
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

import boto3
import pytest

from flows import remote_training
from flows.bucket import Store, StoreFailed
from flows.remote_training import KEPT, train_elsewhere, work_once
from flows.spot import INTERRUPTED_STATUS, Group, Notices, SpotFailed
from pipelines.core.errors import SettingError
from pipelines.core.sections import SpotParams
from pipelines.core.settings import Settings

PARAMS = SpotParams(poll_s=0.2, grace_s=20.0, wait_h=0.05, gpu=False)

# Counts to six, an epoch a quarter second; keeps its count like the forecast stage keeps its epochs.
STAGE = """
import json, pathlib, signal, sys, time
kept = pathlib.Path('var/checkpoints/forecast/key.npz')
asked = []
signal.signal(signal.SIGTERM, lambda *_: asked.append(1))
first = epoch = int(kept.read_text()) if kept.exists() else 0
while epoch < 6:
    time.sleep(0.25)
    epoch += 1
    kept.parent.mkdir(parents=True, exist_ok=True)
    kept.write_text(str(epoch))
    if asked:
        sys.exit(75)
kept.unlink()
out = pathlib.Path('models/forecaster')
out.mkdir(parents=True)
(out / 'weights').write_text(pathlib.Path('data/features/rows').read_text() + ' learned')
pathlib.Path('reports/forecast.json').write_text(json.dumps({'started_at_epoch': first}))
pathlib.Path('var/trials.jsonl').write_text('one trial\\n')
"""
DVC_YAML = """
stages:
  featurize:
    cmd: python -c "import pathlib; p = pathlib.Path('data/features'); p.mkdir(); (p / 'rows').write_text('rows')"
    outs: [data/features]
  forecast:
    cmd: python -m pipelines forecast
    deps: [data/features, pipelines]
    outs: [models/forecaster]
    metrics: [{reports/forecast.json: {cache: false}}]
"""


def run(*words: str, cwd: Path) -> None:
    """Run a command of the test's preparation."""
    subprocess.run(words, cwd=cwd, check=True, capture_output=True, env=remote_training.command_environment())


def dvc(*words: str, cwd: Path) -> None:
    """Run DVC in a folder."""
    run(sys.executable, "-m", "dvc", *words, cwd=cwd)


@pytest.fixture
def home(tmp_path: Path, bucket: str, aws: str) -> Path:
    """The trading machine's repository: features are made, the forecast is not."""
    root = tmp_path / "home"
    for folder in ("pipelines", "data", "models", "reports", "var"):
        (root / folder).mkdir(parents=True)
    (root / "pipelines" / "__init__.py").touch()  # a package of its own, also where PYTHONPATH names another one
    (root / "pipelines" / "__main__.py").write_text(STAGE)
    (root / "dvc.yaml").write_text(DVC_YAML)
    (root / ".dvcignore").write_text("__pycache__\n")
    (root / "params.yaml").write_text("forecast: {}\n")
    (root / "data" / "window.json").write_text("{}\n")
    dvc("init", "--no-scm", "-q", cwd=root)
    dvc("config", "core.analytics", "false", cwd=root)
    dvc("remote", "add", "-d", "store", f"s3://{bucket}/dvc", cwd=root)
    dvc("remote", "modify", "store", "endpointurl", aws, cwd=root)
    dvc("repro", "featurize", "-q", cwd=root)
    return root


def machine(home: Path, name: str) -> Path:
    """A fresh training machine: the code, and nothing that was computed."""
    root = home.parent / name
    computed = shutil.ignore_patterns("cache", "tmp", "dvc.lock", "features", "window.json")
    shutil.copytree(home, root, ignore=computed)
    return root


@pytest.fixture
def group(aws: str) -> Group:
    """A group that the emulator keeps; the machines are this test's own folders."""
    scaling = boto3.client("autoscaling")
    scaling.create_launch_configuration(
        LaunchConfigurationName="elsewhere", ImageId="ami-12c6146b", InstanceType="g4dn.xlarge"
    )
    scaling.create_auto_scaling_group(
        AutoScalingGroupName="elsewhere",
        LaunchConfigurationName="elsewhere",
        MinSize=0,
        MaxSize=1,
        AvailabilityZones=["us-east-1a"],
    )
    return Group("elsewhere")


@pytest.mark.nightly
@pytest.mark.slow
@pytest.mark.timeout(240)
def test_a_stage_survives_the_loss_of_its_machine(home, bucket, group, metadata, monkeypatch) -> None:
    """The first machine is taken away in mid-training; the second goes on from its epoch; the result comes home."""
    store = Store(bucket, "")
    outcome: dict[str, object] = {}
    monkeypatch.chdir(home)
    asking = threading.Thread(
        target=lambda: outcome.update(train_elsewhere(store, group, PARAMS, stages=["forecast"])), daemon=True
    )
    asking.start()
    while store.get(remote_training.JOB) is None or group.machines()[0] == 0:
        time.sleep(0.1)

    script = (
        "import sys; from flows.remote_training import work_once; from flows.spot import Notices;"
        "from flows.bucket import Store;"
        "from pipelines.core.sections import SpotParams;"
        f"sys.exit(work_once(Store({bucket!r}, ''), Notices({metadata.url!r}), SpotParams(**{PARAMS.model_dump()!r})))"
    )
    first = machine(home, "first")
    threading.Thread(target=notify_in_training, args=(first, metadata), daemon=True).start()
    taken = work_in(first, script)
    metadata.notice = None
    second = machine(home, "second")
    done = work_in(second, script)
    asking.join(60)

    assert (taken, done) == (INTERRUPTED_STATUS, 0)
    assert json.loads((home / "reports/forecast.json").read_text())["started_at_epoch"] >= 2
    assert (home / "models/forecaster/weights").read_text() == "rows learned"
    assert "forecast" in outcome
    assert (home / "var/trials.jsonl").read_text() == "one trial\n"
    assert group.machines()[0] == 0
    assert store.get(remote_training.JOB) is None
    status = subprocess.run(
        [sys.executable, "-m", "dvc", "repro", "forecast"],
        cwd=home,
        capture_output=True,
        text=True,
        check=True,
        env=remote_training.command_environment(),
    )
    assert "Running stage" not in status.stdout


def notify_in_training(root: Path, metadata) -> None:
    """Give the two-minute notice when the machine has finished its second epoch."""
    kept = root / "var/checkpoints/forecast/key.npz"
    while not kept.exists() or kept.read_text() in {"", "1"}:
        time.sleep(0.02)
    metadata.notice = {"action": "terminate", "time": "2026-11-22T02:10:00Z"}


def work_in(root: Path, script: str) -> int:
    """The training machine's work in a process of its own; its status."""
    repository = Path(remote_training.__file__).parents[1]
    launcher = f"import sys; sys.path.append({str(repository)!r}); " + script
    return subprocess.run([sys.executable, "-P", "-c", launcher], cwd=root, check=False).returncode


@pytest.mark.slow
def test_the_group_is_lowered_when_nothing_comes_back(home, bucket, group, monkeypatch) -> None:
    """A machine that never answers costs `wait_h` and no more: the group is lowered and the job withdrawn."""
    store = Store(bucket, "")
    monkeypatch.chdir(home)

    with pytest.raises(SpotFailed, match=r"within 0\.0001 hours"):
        train_elsewhere(store, group, PARAMS.model_copy(update={"wait_h": 1e-4}), stages=["forecast"])

    assert group.machines()[0] == 0
    assert store.get(remote_training.JOB) is None


def test_without_a_job_there_is_nothing_to_do(bucket, metadata) -> None:
    """A training machine that finds no job waits."""
    assert work_once(Store(bucket, ""), Notices(metadata.url), PARAMS) is None


def test_a_machine_without_its_gpu_refuses_the_job(bucket, metadata, monkeypatch, tmp_path) -> None:
    """Where TensorFlow sees no GPU the job is answered at once with what to do; no stage begins."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(remote_training, "gpus", lambda: 0)
    store = Store(bucket, "")
    store.put(remote_training.JOB, b'{"id": "one", "stages": ["forecast"]}')

    assert work_once(store, Notices(metadata.url), PARAMS.model_copy(update={"gpu": True})) == 0

    answer = json.loads(store.get(remote_training.RESULT) or b"")
    assert "GPU=1 make install" in answer["error"]
    assert answer["seconds"] == {}


@pytest.mark.slow
def test_gpus_are_counted_by_tensorflow() -> None:
    """The count is the one of this machine's TensorFlow, asked in another process."""
    import tensorflow as tf

    assert remote_training.gpus() == len(tf.config.list_physical_devices("GPU"))


def test_a_job_that_was_answered_is_not_done_again(bucket, metadata) -> None:
    """After an answer the same job is left alone, also by a machine that starts later."""
    store = Store(bucket, "")
    store.put(remote_training.JOB, b'{"id": "one", "stages": ["forecast"]}')
    store.put(remote_training.RESULT, b'{"id": "one", "seconds": {}, "error": ""}')

    assert work_once(store, Notices(metadata.url), PARAMS) is None


def test_files_are_kept_below_a_prefix(bucket, tmp_path, monkeypatch) -> None:
    """What is put below a prefix comes back from it, and other files of the bucket are not seen."""
    boto3.client("s3").put_object(Bucket=bucket, Key="elsewhere/x", Body=b"1")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a").mkdir()
    (tmp_path / "a/b.txt").write_text("text")
    store = Store.of(Settings(_env_file=None, store_url=f"s3://{bucket}/some/prefix"))
    store.put_files("kept", ["a/*"])
    shutil.rmtree(tmp_path / "a")
    store.get_files("kept", ["a/*"])

    assert store.names("") == ["kept/a/b.txt"]
    assert (tmp_path / "a/b.txt").read_text() == "text"


def test_a_carried_name_cannot_leave_the_repository(bucket, tmp_path, monkeypatch) -> None:
    """A name with .. in the bucket is refused, and nothing is written outside."""
    monkeypatch.chdir(tmp_path)
    boto3.client("s3").put_object(Bucket=bucket, Key="kept/../../escaped", Body=b"1")

    with pytest.raises(StoreFailed, match="leads out of the repository"):
        Store(bucket, "").get_files("kept", ["*"])


@pytest.mark.parametrize("url", ["", "bucket", "file:///tmp/store"])
def test_a_store_that_is_no_bucket_is_refused(url: str) -> None:
    """The setting is named with the value received and the form that is wanted."""
    with pytest.raises(SettingError, match=r"ODDSMITH_STORE_URL.*s3://bucket"):
        Store.of(Settings(_env_file=None, store_url=url))


def test_a_bucket_that_is_not_there_is_named(aws: str) -> None:
    """A mistyped bucket is an error with its name, not an empty store."""
    with pytest.raises(StoreFailed, match="s3://no-such-bucket"):
        Store("no-such-bucket", "").get("spot/job.json")


@pytest.mark.slow
def test_a_night_goes_on_without_its_training_machine(monkeypatch, capsys) -> None:
    """When the machine fails, the nightly flow says why and trains where it is."""
    from flows import nightly

    def lost() -> dict[str, float]:
        raise SpotFailed("nothing came back")

    monkeypatch.setattr(remote_training, "tonight", lost)
    nightly.train_on_spot.fn()

    assert "nothing came back; training here instead" in capsys.readouterr().out


def test_a_bucket_places_neither_code_nor_pickles_here(bucket, tmp_path, monkeypatch) -> None:
    """Who can write into the bucket cannot run anything here: what machines do not share is left there."""
    monkeypatch.chdir(tmp_path)
    store = Store(bucket, "")
    for name in ("pipelines/decide.py", "var/checkpoints/agent/k/around.pkl", "conftest.py", "dvc.yaml"):
        store.put(f"kept/{name}", b"import os")
    carried = ["var/checkpoints/agent/k.npz", "var/checkpoints/forecast/k.npz"]
    for name in carried:
        store.put(f"kept/{name}", b"arrays")

    store.get_files("kept", KEPT)

    assert sorted(path.as_posix() for path in Path().rglob("*") if path.is_file()) == carried


def test_a_file_that_is_too_large_is_not_read(bucket) -> None:
    """The size is asked before the content is read."""
    store = Store(bucket, "")
    store.put("big", b"x" * 100)

    with pytest.raises(StoreFailed, match="has 100 bytes, more than the 99"):
        store.get("big", limit=99)

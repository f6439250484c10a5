"""What MLflow is told of a bundle: its run, its data, its verdict, and what its days in the market were like."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import httpx2
import mlflow
import numpy as np
import pytest

from benchmarks import tiny_bundle
from flows import tracking
from pipelines.core.artifacts import write_json
from pipelines.features.spec import FEATURE_NAMES
from pipelines.inference.bundle import Bundle

pytestmark = pytest.mark.slow


LOADS = """
import sys, mlflow, numpy as np
mlflow.set_tracking_uri(sys.argv[1])
given = dict(np.load("given.npz"))
answer = mlflow.pyfunc.load_model("models:/oddsmith@champion").predict(given)
np.savez("answer.npz", **{name: np.asarray(answer[name]) for name in ("confidence", "mean", "lower")})
"""


def loaded_elsewhere(features: np.ndarray, mid_units: np.ndarray) -> dict[str, np.ndarray]:
    """What the champion answers in a process of its own: loading it puts its copy of our packages before ours."""
    np.savez("given.npz", features=features, mid_units=mid_units)
    command = [sys.executable, "-c", LOADS, mlflow.get_tracking_uri()]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr[-2000:]
    return dict(np.load("answer.npz"))


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> str:
    """One MLflow database for all tests of this file: making one takes seconds."""
    return f"sqlite:///{tmp_path_factory.mktemp('mlflow')}/mlflow.db"


@pytest.fixture
def night(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, database: str) -> Path:
    """A folder in which a night has worked."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", database)
    mlflow.set_tracking_uri(database)
    Path("params.yaml").write_text("forecast: {epochs: 2}\n")
    return tmp_path


def test_mlflow_loads_the_champion_and_knows_its_data(night: Path):
    """`models:/oddsmith@champion` forecasts as the bundle does, to the bit; its run names data by DVC's hash, and has a
    point per epoch and per update."""
    bundle_hash = tiny_bundle.make(Path("bundle"))
    Path("dvc.lock").write_text(
        "stages: {pull: {outs: [{path: data/raw, md5: 33.dir}, {path: reports/pull.json, md5: '4'}]}}"
    )
    write_json(Path("reports/forecast.json"), {"curves": [{"step": 1, "loss": 0.5}, {"step": 2, "loss": 0.4}]})
    write_json(Path("reports/agent.json"), {"curves": [{"step": 64, "reward": 1.5}]})

    made = tracking.log_candidate(Path("bundle"), bundle_hash)
    assert tracking.log_candidate(Path("bundle"), bundle_hash) == made
    tracking.move_champion(made.version)

    rng = np.random.default_rng(0)
    features, mid = rng.normal(0, 0.01, (3, 60, len(FEATURE_NAMES))), rng.integers(3_000, 7_000, (3, 60))
    answer = loaded_elsewhere(features, mid)
    own = Bundle.open(Path("bundle")).predictor().forecast_batch(features, mid)
    assert np.array_equal(answer["confidence"], own.confidence)
    assert answer["mean"].shape == answer["lower"].shape == (3, 24)
    assert (answer["lower"] <= answer["mean"]).all()

    run = mlflow.get_run(made.run_id)
    assert [(one.dataset.name, one.dataset.digest) for one in run.inputs.dataset_inputs] == [("data/raw", "33.dir")]
    history = mlflow.MlflowClient().get_metric_history
    assert [(m.step, m.value) for m in history(made.run_id, "forecast.curve.loss")] == [(1, 0.5), (2, 0.4)]
    assert [m.step for m in history(made.run_id, "agent.curve.reward")] == [64]


def test_a_failed_night_leaves_a_run_that_says_where(night: Path):
    """The run has failed, names step and reason, and keeps what the night worked on."""
    write_json(Path("data/window.json"), {"source": "simulated"})
    tracking.log_failed_night("featurize", "StageFailed: a bar is missing")
    (run,) = mlflow.search_runs(
        experiment_names=["nightly"], filter_string="tags.night = 'failed'", output_format="list"
    )
    assert run.info.status == "FAILED"
    assert run.data.tags["failed_at"] == "featurize"
    assert run.data.tags["reason"] == "StageFailed: a bar is missing"
    assert run.data.params == {"forecast.epochs": "2"}
    kept = mlflow.MlflowClient().list_artifacts(run.info.run_id)
    assert {one.path for one in kept} == {"params.yaml", "window.json"}


def test_a_failed_night_does_not_wait_for_a_server_that_is_away(night: Path, monkeypatch: pytest.MonkeyPatch):
    """With nothing at the server's address the answer is an error within seconds, not after minutes of retries."""
    mlflow.set_tracking_uri("http://127.0.0.1:9")
    started = time.monotonic()
    with pytest.raises(Exception, match=r"127\.0\.0\.1"):
        tracking.log_failed_night("featurize", "why")
    assert time.monotonic() - started < 30.0


def test_members_of_a_study_are_nested_runs(night: Path):
    """A league is one run with a run per member below it, each with its numbers."""
    tracking.log_study("league", {"seed": 1}, {"gru": {"skill": 0.05, "kind": "gru"}, "ridge": {"skill": 0.04}})
    runs = mlflow.search_runs(experiment_names=["league"], output_format="list")
    parent = next(run for run in runs if "mlflow.parentRunId" not in run.data.tags)
    below = {run.info.run_name: run for run in runs if run is not parent}
    assert {run.data.tags["mlflow.parentRunId"] for run in below.values()} == {parent.info.run_id}
    assert (below["gru"].data.metrics["skill"], below["gru"].data.params["kind"]) == (0.05, "gru")


def test_a_study_is_told_where_there_is_an_mlflow_and_never_lost_for_it(night: Path, monkeypatch: pytest.MonkeyPatch):
    """A machine without MLflow makes none; with one the study is there; one that is away is no error."""
    from flows import studies

    before = dict(os.environ)
    assert studies.remember("tune", {}, {"trial 0": {"held_out_pnl_pusd": 2.0}})
    assert dict(os.environ) == before
    assert len(mlflow.search_runs(experiment_names=["tune"], output_format="list")) == 2
    monkeypatch.setattr(tracking, "log_study", None)
    assert not studies.remember("tune", {}, {"trial 0": {}})
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    monkeypatch.setenv("ODDSMITH_VAR", str(night / "none"))
    assert not studies.remember("tune", {}, {"trial 0": {}})


def test_the_replay_of_a_day_is_at_the_run_that_made_the_bundle(night: Path):
    """A registered bundle gets a point a night under `parity.`; a bundle that MLflow does not know gets none."""
    write_json(Path("bundle/manifest.json"), {"hash": "ab" * 32})
    version = tracking.log_candidate(Path("bundle"), "ab" * 32).version
    found = {
        "different": 0,
        "decisions": 7,
        "not_replayed": 2,
        "fills": {"cost_gap_pusd": -1.5},
        "differences": [],
        "account": "0x1",
    }

    assert tracking.log_parity("ab" * 32, found)
    assert tracking.log_parity("ab" * 32, found | {"fills": {"cost_gap_pusd": 2.5}})
    assert not tracking.log_parity("cd" * 32, found)

    client = mlflow.MlflowClient()
    run_id = client.get_model_version(tracking.REGISTERED_MODEL, version).run_id
    assert [m.value for m in client.get_metric_history(run_id, "parity.fills.cost_gap_pusd")] == [-1.5, 2.5]
    shown = client.get_run(run_id).data.metrics
    assert (shown["parity.different"], shown["parity.decisions"], shown["parity.not_replayed"]) == (0.0, 7.0, 2.0)


def test_a_version_says_at_a_glance_what_it_is(night: Path):
    """Run and version carry source, policy, verdict and P&L as tags; the numbers a person looks for come first."""
    write_json(Path("bundle/manifest.json"), {"hash": "ef" * 32})
    write_json(Path("data/window.json"), {"source": "recorded", "as_of_s": 1_772_323_200})
    write_json(Path("reports/forecast.json"), {"device": "GPU: Tesla T4"})
    strategy = {"kind": "kelly", "pnl_pusd": 120.5, "max_drawdown": 0.03}
    write_json(Path("reports/backtest.json"), {"chosen": "kelly", "strategies": {"kelly": strategy}, "a": 1.0})
    version = tracking.log_candidate(Path("bundle"), "ef" * 32).version
    evidence = {"pnl_pusd": -3.25, "skill": 0.02, "coverage": None}
    tracking.log_verdict(version, {"verdict": "hold", "reasons": ["too few events"], "evidence": evidence})

    client = mlflow.MlflowClient()
    registered = client.get_model_version(tracking.REGISTERED_MODEL, version)
    run = client.get_run(registered.run_id)
    wanted = {
        "source": "recorded",
        "policy": "kelly",
        "verdict": "hold",
        "pnl_pusd": "-3.25",
        "device": "GPU: Tesla T4",
    }
    assert wanted.items() <= registered.tags.items()
    assert wanted.items() <= run.data.tags.items()
    assert run.info.run_name == "2026-03-01 recorded kelly efefefef"
    assert all(name.startswith(tracking.FIRST) for name in sorted(run.data.metrics)[:4])
    assert run.data.metrics[f"{tracking.FIRST}/gate P_L pUSD"] == -3.25
    assert run.data.metrics[f"{tracking.FIRST}/backtest P_L pUSD"] == 120.5
    assert tracking.page(version) == ""
    mlflow.set_tracking_uri("http://127.0.0.1:5000")
    assert tracking.page("7") == "http://127.0.0.1:5000/#/models/oddsmith/versions/7"
    mlflow.set_tracking_uri("")


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A real MLflow server, as `make run` starts one."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    kept = [
        "--backend-store-uri",
        f"sqlite:///{tmp_path}/server.db",
        "--artifacts-destination",
        str(tmp_path / "files"),
    ]
    command = [sys.executable, "-m", "mlflow", "server", "--port", str(port), "--workers", "1", *kept]
    with (tmp_path / "server.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True, cwd=tmp_path)
    url, deadline = f"http://127.0.0.1:{port}", time.monotonic() + 120
    while True:
        with suppress(httpx2.HTTPError):
            if httpx2.get(f"{url}/health").status_code == httpx2.codes.OK:
                break
        assert time.monotonic() < deadline, (tmp_path / "server.log").read_text()[-2000:]
        time.sleep(0.2)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", url)
    mlflow.set_tracking_uri(url)
    yield url
    mlflow.set_tracking_uri("")
    os.killpg(process.pid, signal.SIGTERM)
    process.wait(30)


@pytest.mark.nightly
def test_a_server_registers_the_bundle_and_gives_it_back(night: Path, server: str):
    """Over HTTP, where a model's URI is a source only with its id, the version loads as without a server."""
    bundle_hash = tiny_bundle.make(Path("bundle"))

    made = tracking.log_candidate(Path("bundle"), bundle_hash)
    tracking.move_champion(made.version)

    assert tracking.log_candidate(Path("bundle"), bundle_hash) == made
    mid = np.full((1, 60), 5_000)
    assert loaded_elsewhere(np.zeros((1, 60, len(FEATURE_NAMES))), mid)["confidence"].shape[0] == 1


def test_a_night_without_a_server_keeps_its_files_where_a_server_began(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, night: Path
):
    """Where `make run` made the experiment behind its MLflow server, a later night alone registers its bundle all the
    same, and the files can be read without the server."""
    mlflow.set_tracking_uri(f"sqlite:///{tmp_path}/served.db")
    mlflow.create_experiment(tracking.EXPERIMENT, artifact_location="mlflow-artifacts:/1")
    bundle_hash = tiny_bundle.make(Path("bundle"))

    made = tracking.log_candidate(Path("bundle"), bundle_hash)

    assert tracking.log_candidate(Path("bundle"), bundle_hash) == made
    kept = mlflow.MlflowClient().list_artifacts(made.run_id)
    assert "params.yaml" in {Path(one.path).name for one in kept}

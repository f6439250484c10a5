"""What MLflow is told of a bundle: its run, its verdict, and what its days in the market were like."""

from pathlib import Path

import pytest

from pipelines.core.artifacts import write_json

pytestmark = pytest.mark.slow


def test_the_replay_of_a_day_stands_at_the_run_that_made_the_bundle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A registered bundle gets a point a night under `parity.`; a bundle that MLflow does not know gets none."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    import mlflow

    from flows import tracking

    write_json(Path("bundle/manifest.json"), {"hash": "ab" * 32})
    Path("params.yaml").write_text("forecast: {epochs: 2}\n")
    version = tracking.log_candidate(Path("bundle"), "ab" * 32)
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


def test_a_version_says_at_a_glance_what_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Run and version carry source, policy, verdict and P&L as tags; the numbers a person looks for come first."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    import mlflow

    from flows import tracking

    write_json(Path("bundle/manifest.json"), {"hash": "ef" * 32})
    Path("params.yaml").write_text("forecast: {epochs: 2}\n")
    write_json(Path("data/window.json"), {"source": "recorded", "as_of_s": 1_772_323_200})
    strategy = {"kind": "kelly", "pnl_pusd": 120.5, "max_drawdown": 0.03}
    write_json(Path("reports/backtest.json"), {"chosen": "kelly", "strategies": {"kelly": strategy}, "a": 1.0})
    version = tracking.log_candidate(Path("bundle"), "ef" * 32)
    evidence = {"pnl_pusd": -3.25, "skill": 0.02, "coverage": None}
    tracking.log_verdict(version, {"verdict": "hold", "reasons": ["too few events"], "evidence": evidence})

    client = mlflow.MlflowClient()
    registered = client.get_model_version(tracking.REGISTERED_MODEL, version)
    run = client.get_run(registered.run_id)
    wanted = {"source": "recorded", "policy": "kelly", "verdict": "hold", "pnl_pusd": "-3.25"}
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

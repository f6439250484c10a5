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

"""The backtest comes out the same wherever its replays run."""

import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from pipelines.backtest import stage
from pipelines.core.artifacts import read_json, write_json
from pipelines.core.errors import SettingError
from pipelines.core.scheduler import each
from pipelines.trading.observation import MarketScaler

sys.path.insert(0, str(Path(__file__).parents[1] / "replay"))
from test_replay_identity import PARAMS, TABLE, history, scaler

FILES = ("reports/equity.csv", "reports/trades.csv", "reports/backtest.html", "models/choice/choice.json")
CLOCKS = {"seconds", "decisions_per_s"}


def agent(folder):
    """An agent that reads its observation: the action is the sign of its first value."""
    nodes = [
        helper.make_node("Slice", ["x", "zero", "one", "axis"], ["y"]),
        helper.make_node("Reshape", ["y", "flat"], ["a"]),
    ]
    graph = helper.make_graph(
        nodes,
        "agent",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 20])],
        [helper.make_tensor_value_info("a", TensorProto.FLOAT, ["n"])],
        [
            helper.make_tensor("zero", TensorProto.INT64, [1], [0]),
            helper.make_tensor("one", TensorProto.INT64, [1], [1]),
            helper.make_tensor("axis", TensorProto.INT64, [1], [1]),
            helper.make_tensor("flat", TensorProto.INT64, [1], [-1]),
        ],
    )
    folder.mkdir(parents=True)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, folder / "policy.onnx")
    write_json(folder / "meta.json", {"algorithm": "ppo"})
    TABLE.write(folder / "sizing.json")


@pytest.fixture
def backtest(tmp_path, monkeypatch):
    """Runs the stage on four random markets in a folder of its own; its files, and its report without the clocks."""

    def run(name, scheduler):
        folder = tmp_path / name
        agent(folder / "models/agent")
        monkeypatch.chdir(folder)
        compute = PARAMS.compute.model_copy(update={"scheduler": scheduler, "workers": 3})
        few = PARAMS.backtest.model_copy(update={"random_seeds": 2})
        monkeypatch.setattr(stage, "load", lambda: PARAMS.model_copy(update={"compute": compute, "backtest": few}))
        monkeypatch.setattr(stage.market_history, "read", lambda *_: [history(seed) for seed in range(1, 5)])
        monkeypatch.setattr(stage.market_history, "bar_length_s", lambda: 60)
        monkeypatch.setattr(MarketScaler, "read", lambda *_: scaler())
        stage.run()
        report = {key: value for key, value in read_json(Path("reports/backtest.json")).items() if key not in CLOCKS}
        return [Path(file).read_bytes() for file in FILES], report

    return run


@pytest.mark.slow
def test_a_dask_scheduler_gives_the_same_bytes(backtest):
    """Replays on three workers of a Dask scheduler, which have none of the files, write what one process writes."""
    from dask.distributed import LocalCluster

    files, report = backtest("single", "single")
    assert report["strategies"]["ppo"]["round_trips"] > 0
    with LocalCluster(n_workers=3, threads_per_worker=1, processes=True, dashboard_address=None) as cluster:
        assert backtest("dask", cluster.scheduler_address) == (files, report)


@pytest.mark.slow
def test_processes_give_the_same_bytes(backtest):
    """Three worker processes write the same report, curves and choice as one process."""
    assert backtest("three", "processes") == backtest("single", "single")


def test_a_scheduler_that_is_away_is_a_clear_error(monkeypatch):
    """The error names the setting, the address, and the commands that start a scheduler."""
    monkeypatch.setattr("pipelines.core.scheduler.WORKER_WAIT_S", 1)
    compute = PARAMS.compute.model_copy(update={"scheduler": "tcp://127.0.0.1:9"})

    with pytest.raises(SettingError, match=r"compute.scheduler was tcp://127\.0\.0\.1:9.*dask worker"):
        list(each(np.add, 1, [1], compute))

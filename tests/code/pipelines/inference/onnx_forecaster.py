"""A forecaster folder with a network of one matrix, for tests that need no training."""

import numpy as np
import onnx
from onnx import TensorProto, helper

from pipelines.core.artifacts import write_json
from pipelines.features.scale import Scaler
from pipelines.features.spec import FEATURE_VERSION, SCALED
from pipelines.inference.calibration import Confidence, Conformal
from pipelines.inference.inputs import InputScaler, inputs_of

LOOKBACK, HORIZON = 40, 6


def write_forecaster(folder, *, extras=(), weight=0.1, kind="hybrid", garch=None, fitted=None):
    """Write a folder whose network is `weight` x the last bar's price change, for the mean and every quantile."""
    folder.mkdir(parents=True, exist_ok=True)
    names = inputs_of(fitted)
    width = len(names) + len(extras)
    matrix = np.zeros((width, HORIZON * 4), dtype=np.float32)
    matrix[1] = weight
    nodes = [
        helper.make_node("Gather", ["x", "last"], ["row"], axis=1),
        helper.make_node("MatMul", ["row", "w"], ["flat"]),
        helper.make_node("Reshape", ["flat", "shape"], ["y"]),
    ]
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", LOOKBACK, width])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", HORIZON, 4])],
        [
            helper.make_tensor("last", TensorProto.INT64, [], [LOOKBACK - 1]),
            onnx.numpy_helper.from_array(matrix, "w"),
            helper.make_tensor("shape", TensorProto.INT64, [3], [-1, HORIZON, 4]),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, folder / "forecaster.onnx")
    meta = {
        "kind": kind,
        "lookback": LOOKBACK,
        "horizon": HORIZON,
        "feature_version": FEATURE_VERSION,
        "bar_length_s": 60,
        "sentiment": "sentiment" in extras,
        "garch": garch,
        "filter": fitted.document() if fitted else None,
    }
    write_json(folder / "meta.json", meta)
    scaler = InputScaler(np.zeros(len(names)), np.ones(len(names)), 8.0, names)
    write_json(folder / "scaler.json", scaler.document())
    write_json(folder / "observation.json", Scaler.fit(np.zeros((2, len(SCALED))), SCALED, 8.0).document())
    write_json(
        folder / "conformal.json",
        Conformal(
            0.9, np.full(HORIZON, 0.2), np.full(HORIZON, 0.5), np.full(HORIZON, 0.8), np.zeros(HORIZON)
        ).document(),
    )
    confidence = Confidence(np.linspace(1.0, 2.0, HORIZON - 1), np.full(HORIZON - 1, 3.0))
    write_json(folder / "confidence.json", confidence.document())
    return folder


def windows(count, seed=0):
    """Raw features, mids and sentiment of random windows."""
    from pipelines.features.compute import batch

    rng = np.random.default_rng(seed)
    mids = np.clip(5000 + np.cumsum(rng.integers(-2, 3, (count, LOOKBACK)) * 50, axis=1), 0, 10_000)
    volume = rng.integers(0, 10**9, (count, LOOKBACK))
    ts = 1_767_225_600 + 60 * np.arange(LOOKBACK)
    features = np.stack([batch(ts, m, v, None) for m, v in zip(mids, volume, strict=True)])
    return features, mids, rng.uniform(-1, 1, mids.shape)

"""Gradient-boosted trees as a forecaster: fitted by scikit-learn at some horizons, written as ONNX for all of them."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from sklearn.ensemble import HistGradientBoostingRegressor

from pipelines.core.domain import FloatArray
from pipelines.core.sections import ForecastParams
from pipelines.forecast.forecaster import TrainingData
from pipelines.forecast.linear import IR_VERSION, OPSET, OUTPUTS
from pipelines.forecast.training_windows import at_most, known_quantile
from pipelines.inference.predictor import batches

FITTED_HORIZONS = (1, 2, 5, 12, 24)
"""Horizons with trees of their own; the scaled change at the others is interpolated."""
SAMPLE = 60_000
ROUNDS = 80
ML_OPSET = 3


@dataclass(frozen=True)
class Boosted:
    """The trees of one horizon: scikit-learn's node tables, summed over `base`."""

    horizon: int
    base: float
    trees: tuple[NDArray[np.void], ...]


def fit(data: TrainingData, params: ForecastParams) -> list[Boosted]:
    """Trees of the fitted horizons on the last bar of the windows; targets clipped at their 99.8 % quantile."""
    chosen = at_most(data.positions, SAMPLE, (params.seed, 8))
    parts = [data.batch(chosen[part]) for part in batches(len(chosen), 4_000)]
    inputs = np.concatenate([windows[:, -1] for windows, _ in parts])
    target = np.concatenate([moves for _, moves in parts])
    clip = np.maximum(known_quantile(np.abs(target), 0.998), 1e-3)
    bounded = np.clip(target, -clip, clip)
    # A horizon that no market has is not fitted: the forecast stays that of the last one that some have.
    longest = int(np.isfinite(bounded).any(axis=0).sum())
    steps = sorted({min(step, longest) for step in FITTED_HORIZONS})
    return [_boosted(step, inputs, bounded[:, step - 1], params.seed) for step in steps]


def _boosted(step: int, inputs: NDArray[np.float32], target: NDArray[Any], seed: int) -> Boosted:
    # Small trees and few rounds: what is to be found explains a per cent of the variance.
    model = HistGradientBoostingRegressor(
        max_iter=ROUNDS, learning_rate=0.05, max_leaf_nodes=15, min_samples_leaf=400, l2_regularization=50.0,
        early_stopping=False, random_state=seed,
    ).fit(inputs[np.isfinite(target)], target[np.isfinite(target)])  # fmt: skip
    found = tuple(one.nodes for (one,) in model._predictors)
    return Boosted(step, float(np.ravel(model._baseline_prediction)[0]), found)


def interpolation(steps: list[int], horizon: int) -> FloatArray:
    """Matrix (len(steps), horizon) that spreads values at some horizons over all, linearly, flat at the ends."""
    every = np.arange(1, horizon + 1)
    return np.stack([np.interp(every, steps, row) for row in np.eye(len(steps))])


def write(made: list[Boosted], shape: tuple[int, int, int], path: Path) -> None:
    """Write the network (n, lookback, inputs) -> (n, horizon, 4): the mean; the quantiles are the mean too."""
    lookback, inputs, horizon = shape
    spread = np.repeat(interpolation([one.horizon for one in made], horizon)[..., None], OUTPUTS, axis=2)
    constants = {
        "first": np.array([lookback - 1]),
        "end": np.array([lookback]),
        "axis": np.array([1]),
        "spread": spread.reshape(len(made), -1).astype(np.float32),
        "shape": np.array([-1, horizon, OUTPUTS]),
    }
    nodes = [
        helper.make_node("Slice", ["windows", "first", "end", "axis"], ["last"]),
        helper.make_node("Flatten", ["last"], ["flat"], axis=1),
        helper.make_node("TreeEnsembleRegressor", ["flat"], ["fitted"], domain="ai.onnx.ml", **_attributes(made)),
        helper.make_node("MatMul", ["fitted", "spread"], ["outputs"]),
        helper.make_node("Reshape", ["outputs", "shape"], ["forecast"]),
    ]
    graph = helper.make_graph(
        nodes,
        "trees",
        [helper.make_tensor_value_info("windows", TensorProto.FLOAT, ["n", lookback, inputs])],
        [helper.make_tensor_value_info("forecast", TensorProto.FLOAT, ["n", horizon, OUTPUTS])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid("ai.onnx.ml", ML_OPSET)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION), path)


def _attributes(made: list[Boosted]) -> dict[str, Any]:
    """The node tables as the operator's flat lists: one target per fitted horizon."""
    nodes: dict[str, list[Any]] = {name: [] for name in _NODE_FIELDS}
    leaves: dict[str, list[Any]] = {name: [] for name in _LEAF_FIELDS}
    number = 0
    for target, one in enumerate(made):
        for tree in one.trees:
            for place, node in enumerate(tree):
                leaf = bool(node["is_leaf"])
                values = (
                    number, place, 0 if leaf else int(node["feature_idx"]),
                    "LEAF" if leaf else "BRANCH_LEQ", 0.0 if leaf else _below(float(node["num_threshold"])),
                    0 if leaf else int(node["left"]), 0 if leaf else int(node["right"]),
                )  # fmt: skip
                for name, value in zip(_NODE_FIELDS, values, strict=True):
                    nodes[name].append(value)
                if leaf:
                    for name, value in zip(_LEAF_FIELDS, (number, place, target, float(node["value"])), strict=True):
                        leaves[name].append(value)
            number += 1
    return nodes | leaves | {"n_targets": len(made), "base_values": [one.base for one in made]}


def _below(threshold: float) -> float:
    """The largest float32 that is not above a threshold: a float32 input takes the same branch on both sides."""
    near = np.float32(threshold)
    return float(near if near <= threshold else np.nextafter(near, np.float32(-np.inf)))


_NODE_FIELDS = (
    "nodes_treeids", "nodes_nodeids", "nodes_featureids", "nodes_modes", "nodes_values", "nodes_truenodeids",
    "nodes_falsenodeids",
)  # fmt: skip
_LEAF_FIELDS = ("target_treeids", "target_nodeids", "target_ids", "target_weights")

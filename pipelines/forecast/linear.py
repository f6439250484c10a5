"""A linear forecaster as an ONNX file, for forecasters that need no training library to be exported."""

from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

OUTPUTS = 4
OPSET, IR_VERSION = 17, 8


def write(weights: NDArray[np.float64], bias: NDArray[np.float64], lookback: int, path: Path) -> None:
    """Write the network that weighs the last bars of a window: the mean; the quantiles are the mean too.

    `weights` (bars, inputs, horizon) belong to the last `bars` of `lookback` bars, `bias` is (horizon,). Conformal
    calibration widens the quantiles afterwards.
    """
    bars, inputs, horizon = weights.shape
    matrix = np.repeat(weights.reshape(bars * inputs, horizon, 1), OUTPUTS, axis=2).reshape(bars * inputs, -1)
    constants = {
        "weights": matrix.astype(np.float32),
        "bias": np.repeat(bias, OUTPUTS).astype(np.float32),
        "first": np.array([lookback - bars]),
        "end": np.array([lookback]),
        "axis": np.array([1]),
        "shape": np.array([-1, horizon, OUTPUTS]),
    }
    nodes = [
        helper.make_node("Slice", ["windows", "first", "end", "axis"], ["last"]),
        helper.make_node("Flatten", ["last"], ["flat"], axis=1),
        helper.make_node("Gemm", ["flat", "weights", "bias"], ["outputs"]),
        helper.make_node("Reshape", ["outputs", "shape"], ["forecast"]),
    ]
    graph = helper.make_graph(
        nodes,
        "linear",
        [helper.make_tensor_value_info("windows", TensorProto.FLOAT, ["n", lookback, inputs])],
        [helper.make_tensor_value_info("forecast", TensorProto.FLOAT, ["n", horizon, OUTPUTS])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION), path)

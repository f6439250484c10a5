"""From the trained network to ONNX, and the proof that both say the same."""

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from pipelines.core import same_bytes
from pipelines.core.errors import ArtifactError
from pipelines.core.sections import ForecastParams
from pipelines.forecast.networks import Build
from pipelines.inference.start_point import WEIGHTS, save_weights

TOLERANCE = 1e-5


def export(network: Build, trained: Any, params: ForecastParams, folder: Path) -> Any:
    """Write forecaster.keras and forecaster.onnx (batch size free); the network that was written, on one device."""
    _, bars, inputs = trained.input_shape
    model = network(bars, inputs, params.horizon_bars, params.dropout, portable=True)
    model.set_weights(trained.get_weights())
    model.save(folder / "forecaster.keras")
    save_weights(folder / WEIGHTS, trained.get_weights())
    model(np.zeros((1, bars, inputs), dtype=np.float32))
    model.export(folder / "forecaster.onnx", format="onnx", verbose=False)
    same_bytes.of_keras(folder / "forecaster.keras")
    same_bytes.of_onnx(folder / "forecaster.onnx")
    return model


def parity(model: Any, folder: Path, windows: NDArray[np.float32]) -> float:
    """Largest absolute difference between the Keras network and its ONNX file on some inputs.

    Raises:
        ArtifactError: if it is 1e-5 or more.
    """
    session = onnxruntime.InferenceSession(str(folder / "forecaster.onnx"), providers=["CPUExecutionProvider"])
    ours = session.run(None, {session.get_inputs()[0].name: windows})[0]
    difference = float(np.max(np.abs(ours - np.asarray(model(windows)))))
    if not difference < TOLERANCE:
        raise ArtifactError(
            f"the ONNX file differs from its Keras source by {difference:.2e}; {TOLERANCE:g} is allowed."
            " Update tf2onnx and run the stage again"
        )
    return difference

"""Proof that what is packed says what was trained: ONNX against its Keras and policy sources."""

import subprocess
import sys
from pathlib import Path

import numpy as np

from pipelines.core.errors import ArtifactError
from pipelines.inference.predictor import Predictor

TOLERANCE = 1e-5
SAMPLES = 128

_KERAS = """
import sys
import keras, numpy as np
model = keras.models.load_model(sys.argv[1], compile=False)
inputs = np.load(sys.argv[2])
np.save(sys.argv[3], np.asarray(model(inputs)))
"""


def forecaster(trained: Path, packed: Path, work: Path) -> float:
    """Largest difference between forecaster.keras and forecaster.onnx on fixed random windows.

    Keras runs in a process of its own: TensorFlow never shares one with torch, and this stage stays light.

    Raises:
        ArtifactError: if they differ by 1e-5 or more, or the Keras file cannot be read.
    """
    predictor = Predictor(packed)
    shape = (SAMPLES, predictor.network_bars, predictor.seen.width)
    windows = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    np.save(work / "inputs.npy", windows)
    done = subprocess.run(
        [sys.executable, "-c", _KERAS, trained / "forecaster.keras", work / "inputs.npy", work / "outputs.npy"],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        reason = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise ArtifactError(f"{trained / 'forecaster.keras'} cannot be read ({reason}); run the forecast stage again")
    difference = float(np.max(np.abs(np.load(work / "outputs.npy") - predictor.network(windows))))
    if not difference < TOLERANCE:
        raise ArtifactError(
            f"forecaster.onnx differs from forecaster.keras by {difference:.2e}, {TOLERANCE:g} is allowed;"
            " run the forecast stage again"
        )
    return difference

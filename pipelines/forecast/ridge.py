"""Ridge regression of the scaled change of log-odds on standardised inputs."""

import numpy as np
from numpy.typing import NDArray

from pipelines.core.domain import FloatArray

PENALTY = 200.0
"""In windows: a coefficient counts as if this many windows said it is zero. Inputs have unit variance."""

Floats = NDArray[np.floating]


def fit(inputs: Floats, target: Floats, clip: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Weights (k, H) and bias (H,): inputs (n, k) standardised, target (n, H), clipped at +-clip (H,)."""
    bounded = np.clip(target.astype(np.float64), -clip, clip)
    level, centre = bounded.mean(axis=0), inputs.mean(axis=0, dtype=np.float64)
    centred = inputs.astype(np.float64) - centre
    gram = centred.T @ centred + PENALTY * np.eye(centred.shape[1])
    weights: FloatArray = np.linalg.solve(gram, centred.T @ (bounded - level))
    return weights, level - centre @ weights

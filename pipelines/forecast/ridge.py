"""The linear start of every network: a ridge regression of the scaled change on the last bars of the window."""

import numpy as np
from numpy.typing import NDArray

from pipelines.core.domain import FloatArray
from pipelines.forecast.forecaster import TrainingData
from pipelines.forecast.training_windows import drawn
from pipelines.inference.predictor import batches

BARS = 6
"""Bars at the end of the window that the linear path reads."""
SAMPLE = 80_000
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


def of_training_data(data: TrainingData, seed: int) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Weights (BARS x inputs, H) and bias (H,) of the linear path, and the 99.8 % quantile of |target| (H,)."""
    chosen = drawn(data.positions, min(len(data.positions), SAMPLE), (seed, 1))
    parts = [data.batch(chosen[part]) for part in batches(len(chosen), 4_000)]
    inputs = np.concatenate([windows[:, -BARS:].reshape(len(windows), -1) for windows, _ in parts])
    target = np.concatenate([moves for _, moves in parts])
    clip = np.maximum(np.quantile(np.abs(target), 0.998, axis=0), 1e-3)
    return (*fit(inputs, target, clip), clip)

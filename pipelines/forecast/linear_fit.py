"""Fit of the linear path: a ridge regression per horizon in price units, its shrink from forecasts of unseen events."""

from dataclasses import dataclass

import numpy as np

from pipelines.core.domain import FloatArray
from pipelines.forecast.conformal import safe_shrink
from pipelines.forecast.training_windows import IntArray
from pipelines.inference.linear_path import LIMIT, LinearPath

SAMPLE = 80_000
"""Bars of the fit slice, and at most so many of the calibration slice, that the path is fitted and shrunk on."""
PENALTY = 1_000.0
"""In bars: a coefficient counts as if so many bars said it is zero. Inputs have unit mean square."""
FOLDS = 5
"""Parts of the events; the shrink judges each with the weights of the others."""
CLIP_QUANTILE = 0.999


@dataclass(frozen=True)
class Sample:
    """Inputs (n, k) and what the filter leaves of the moves in price (n, H), of bars with their event (n,)."""

    inputs: FloatArray
    left: FloatArray
    event: IntArray


def fit(learned: Sample, judged: Sample) -> tuple[LinearPath, FloatArray]:
    """The path of the fit slice's bars, and its safe shrink (H,).

    The shrink is measured on forecasts of events that their weights did not see: those of the fit slice crosswise, and
    those of the slice after it, `judged`.
    """
    scale = np.sqrt(np.mean(learned.inputs**2, axis=0))
    scale = np.where(scale > 1e-9, scale, 1.0)
    clip = np.maximum(np.quantile(np.abs(learned.left), CLIP_QUANTILE, axis=0), 1e-6)
    inputs, target = np.clip(learned.inputs / scale, -LIMIT, LIMIT), np.clip(learned.left, -clip, clip)
    fold = np.unique(learned.event, return_inverse=True)[1] % FOLDS
    parts = [(inputs[fold == k], target[fold == k]) for k in range(FOLDS)]
    grams = [x.T @ x for x, _ in parts]
    crosses = [x.T @ y for x, y in parts]
    gram, cross = sum(grams[1:], grams[0]), sum(crosses[1:], crosses[0])
    path = LinearPath(scale, _solve(gram, cross))
    forecasts, left, event = [path.forecast(judged.inputs)], [judged.left], [judged.event]
    for k, (x, _) in enumerate(parts):
        if 0 < len(x) < len(inputs):
            forecasts.append(x @ _solve(gram - grams[k], cross - crosses[k]))
            left.append(learned.left[fold == k])
            event.append(learned.event[fold == k])
    return path, safe_shrink(np.concatenate(forecasts), np.concatenate(left), np.concatenate(event))


def _solve(gram: FloatArray, cross: FloatArray) -> FloatArray:
    weights = np.linalg.solve(gram + PENALTY * np.eye(len(gram)), cross)
    return np.asarray(weights, dtype=np.float64)

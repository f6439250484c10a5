"""Fit of the linear path: a ridge regression per horizon in price units, its shrink from forecasts of unseen events."""

from dataclasses import dataclass, replace

import numpy as np

from pipelines.core.domain import FloatArray
from pipelines.forecast.safe_shrink import Unseen, safe_shrink
from pipelines.forecast.training_windows import IntArray
from pipelines.inference.linear_path import BEFORE_ORDER_FLOW, BOOK, LIMIT, LinearPath

SAMPLE = 80_000
"""Bars of the fit slice, and at most so many of the calibration slice, that the path is fitted and shrunk on."""
Choice = tuple[float, tuple[int, ...] | None]
CHOICES: tuple[Choice, ...] = ((1_000.0, None), (3_000.0, None), (10_000.0, None), (300.0, BOOK))
"""Penalties in bars (a coefficient counts as if so many bars said it is zero; inputs have unit mean square) and the
columns that are weighed, None for all. Each horizon takes the choice that unseen events of the fit slice confirm."""
FOLDS = 5
"""Parts of the events; the shrink judges each with the weights of the others."""
CLIP_QUANTILE = 0.999


@dataclass(frozen=True)
class Sample:
    """Inputs (n, k), moves in price and what the filter forecasts of them (n, H), of bars with event and time (n,). A
    move that is missing (NaN: the market has ended by then) says nothing."""

    inputs: FloatArray
    moved: FloatArray
    filtered: FloatArray
    event: IntArray
    ts_s: IntArray

    @property
    def left(self) -> FloatArray:
        """What the filter leaves of the moves, (n, H)."""
        return self.moved - self.filtered

    def horizons(self, chosen: slice) -> "Sample":
        """The bars that have the moves of some horizons, and these moves."""
        known = np.isfinite(self.left[:, chosen]).all(axis=1)
        moves = self.moved[known, chosen], self.filtered[known, chosen]
        return Sample(self.inputs[known], *moves, self.event[known], self.ts_s[known])


def fit(learned: Sample, judged: Sample, later: float) -> tuple[LinearPath, FloatArray]:
    """The path of the fit slice's bars, each horizon with the best of CHOICES, and its safe shrink (H,). Where no order
    flow was recorded the path does not weigh it.

    The shrink is measured on forecasts of events that their weights did not see: those of the fit slice crosswise, and
    those of the slice after it, `judged`; `later` is that of `Unseen`.
    """
    if not learned.inputs[:, BEFORE_ORDER_FLOW:].any():
        learned, judged = (replace(one, inputs=one.inputs[:, :BEFORE_ORDER_FLOW]) for one in (learned, judged))
    scale = np.sqrt(np.mean(learned.inputs**2, axis=0))
    scale = np.where(scale > 1e-9, scale, 1.0)
    horizons = learned.left.shape[1]
    # Where moves are missing each horizon has bars of its own; else one sum of products serves all.
    each = np.isnan(learned.left).any() or np.isnan(judged.left).any()
    parts = [slice(h, h + 1) for h in range(horizons)] if each else [slice(None)]
    made = [_fit(learned.horizons(part), judged.horizons(part), scale, later) for part in parts]
    weights = np.concatenate([path.weights for path, _ in made], axis=1)
    return LinearPath(scale, weights), np.concatenate([shrink for _, shrink in made])


def _fit(learned: Sample, judged: Sample, scale: FloatArray, later: float) -> tuple[LinearPath, FloatArray]:
    """The path and its shrink of samples without missing moves; nothing where no market has a horizon."""
    if len(learned.inputs) == 0 or len(judged.inputs) == 0:
        return LinearPath(scale, np.zeros((len(scale), learned.left.shape[1]))), np.zeros(learned.left.shape[1])
    clip = np.maximum(np.quantile(np.abs(learned.left), CLIP_QUANTILE, axis=0), 1e-6)
    inputs, target = np.clip(learned.inputs / scale, -LIMIT, LIMIT), np.clip(learned.left, -clip, clip)
    fold = np.unique(learned.event, return_inverse=True)[1] % FOLDS
    parts = [(inputs[fold == k], target[fold == k]) for k in range(FOLDS)]
    sums = np.array([np.hstack((x.T @ x, x.T @ y)) for x, y in parts])
    apart = [k for k, (x, _) in enumerate(parts) if 0 < len(x) < len(inputs)]
    order = np.concatenate([np.flatnonzero(fold == k) for k in apart] or [np.zeros(0, dtype=np.int64)])
    left = learned.left[order]
    best: list[tuple[FloatArray, FloatArray, FloatArray]] = []
    for choice in CHOICES:
        crossed = [parts[k][0] @ _solve(sums.sum(axis=0) - sums[k], choice) for k in apart]
        forecast = np.concatenate(crossed) if crossed else np.zeros((0, target.shape[1]))
        best.append((np.sum((left - forecast) ** 2, axis=0), _solve(sums.sum(axis=0), choice), forecast))
    chosen, horizons = np.argmin([error for error, _, _ in best], axis=0), np.arange(target.shape[1])
    path = LinearPath(scale, np.stack([best[k][1][:, h] for k, h in zip(chosen, horizons, strict=True)], axis=1))
    forecast = np.stack([best[k][2][:, h] for k, h in zip(chosen, horizons, strict=True)], axis=1)
    unseen = Unseen(
        added=np.concatenate((path.forecast(judged.inputs), forecast)),
        before=np.concatenate((judged.filtered, learned.filtered[order])),
        moved=np.concatenate((judged.moved, learned.moved[order])),
        event=np.concatenate((judged.event, learned.event[order])),
        ts_s=np.concatenate((judged.ts_s, learned.ts_s[order])),
        later=later,
    )
    return path, safe_shrink(unseen)


def _solve(sums: FloatArray, choice: Choice) -> FloatArray:
    """Weights (k, H) of summed products of inputs with inputs and targets, 0 outside of the choice's columns."""
    penalty, columns = choice
    count = len(sums)
    kept = np.arange(count) if columns is None else np.array(columns)
    weights = np.zeros((count, sums.shape[1] - count))
    weights[kept] = np.linalg.solve(sums[np.ix_(kept, kept)] + penalty * np.eye(len(kept)), sums[kept, count:])
    return weights

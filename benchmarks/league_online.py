"""The online ensemble: forecasts of other rows, weighted bar by bar by what they were worth until then.

A round is a bar time with all its markets. What a forecast of H bars was worth is known H bars later, so the weights of
a bar are those of rounds that lie H bars or more back. The rounds are in the order of time and the weights follow from
them alone: a process that starts anew replays them. The regret bound is that of `pipelines.forecast.hedge` over the
rounds as they become known.
"""

from collections import deque
from dataclasses import dataclass

import numpy as np

from pipelines.core.domain import FloatArray
from pipelines.features.scale import local_volatility
from pipelines.forecast.hedge import Hedge
from pipelines.forecast.training_windows import IntArray, Rows

CLIP = 4.0
"""Scaled moves and forecasts beyond so many standard deviations count as so many: one jump is no performance."""


@dataclass(frozen=True)
class Online:
    """The means (n, H) in log-odds, the last weights by name, the regret and its bound, both per round."""

    mean: FloatArray
    weights: dict[str, float]
    regret: float
    bound: float


def combined(rows: Rows, positions: IntArray, means: dict[str, FloatArray], lookback: int) -> Online:
    """Weighted means of several forecasters at the same bars, each (n, H) in log-odds."""
    names, horizon = list(means), next(iter(means.values())).shape[1]
    stacked = np.stack([means[name] for name in names], axis=-1)
    volatility = local_volatility(rows.mid_units[positions[:, None] + np.arange(1 - lookback, 1)])
    unit = volatility[:, None] * np.sqrt(np.arange(1, horizon + 1))
    scaled = np.clip(stacked / unit[..., None], -CLIP, CLIP)
    outcome = np.clip(rows.moves(positions, horizon) / unit, -CLIP, CLIP)
    ts_s = rows.ts_s[positions]
    mean, state, waiting, total, errors = np.empty(unit.shape), Hedge(len(names)), deque[IntArray](), 0.0, []
    order = np.argsort(ts_s, kind="stable")
    for part in np.split(order, np.flatnonzero(np.diff(ts_s[order])) + 1):
        while waiting and ts_s[waiting[0][0]] + horizon * rows.length_s <= ts_s[part[0]]:
            known = waiting.popleft()
            total += state.learn(scaled[known].reshape(-1, len(names)), outcome[known].ravel())
            errors.append([np.mean((scaled[known][..., k] - outcome[known]) ** 2) for k in range(len(names))])
        mean[part] = stacked[part] @ state.weights
        waiting.append(part)
    rounds = max(state.rounds, 1)
    best = float(np.min(np.sum(errors, axis=0))) if errors else 0.0
    weights = {name: round(float(w), 3) for name, w in zip(names, state.weights, strict=True)}
    return Online(mean, weights, (total - best) / rounds, state.bound / rounds)

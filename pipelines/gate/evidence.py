"""What the gate measures: forecast skill against the market price with an event-clustered bound, P&L after costs."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pipelines.core.domain import FloatArray
from pipelines.core.money import PRICE_SCALE
from pipelines.features.scale import price_after
from pipelines.replay.market_history import History


@dataclass(frozen=True)
class Skill:
    """1 - RMSE / RMSE of persistence, pooled; `lower` is its one-sided bound over whole events."""

    value: float
    lower: float
    events: int
    forecasts: int
    """Bars that were judged, each at every horizon."""


def squared_errors(history: History, first: int, last: int, length_s: int) -> tuple[float, float, int]:
    """Sums over bars and horizons of squared price errors of the forecast and of persistence, and bars judged.

    A horizon counts where the bar `h` bars later is there (a gap is no price).
    """
    model = null = 0.0
    judged = 0
    price = history.mid_units / PRICE_SCALE
    for horizon in range(first, min(last, history.mean.shape[1]) + 1):
        now = slice(0, max(len(history) - horizon, 0))
        whole = history.ts_s[horizon:] - history.ts_s[now] == horizon * length_s
        later = price[horizon:]
        expected = price_after(history.mid_units[now], history.mean[now, horizon - 1])
        model += float((((later - expected) ** 2)[whole]).sum())
        null += float((((later - price[now]) ** 2)[whole]).sum())
        judged = max(judged, int(whole.sum()))
    return model, null, judged


def skill(
    histories: Sequence[History], first: int, last: int, length_s: int, *, level: float, samples: int, seed: int = 0
) -> Skill:
    """Skill pooled over bars and horizons `first`..`last` in price units, with a bootstrap over whole events.

    The bootstrap's lower quantile is widened to Student's t with one degree of freedom less than there are events:
    with a dozen clusters the plain quantile is too bold.
    """
    sums: dict[str, FloatArray] = {}
    judged = 0
    for history in histories:
        model, null, bars = squared_errors(history, first, last, length_s)
        event = history.market.event_id
        sums[event] = np.add(sums.get(event, np.zeros(2)), (model, null))
        judged += bars
    table = np.array([row for _, row in sorted(sums.items())]).reshape(-1, 2)
    value = float(_skill_of(table.sum(axis=0)[None])[0])
    if len(table) < 2:
        return Skill(value, float("-inf"), len(table), judged)
    rng = np.random.default_rng(seed)
    drawn = table[rng.integers(0, len(table), (samples, len(table)))].sum(axis=1)
    bound = float(np.quantile(_skill_of(drawn), 1.0 - level))
    return Skill(value, value - (value - bound) * _widening(len(table), level), len(table), judged)


def _skill_of(sums: FloatArray) -> FloatArray:
    result: FloatArray = 1.0 - np.sqrt(sums[:, 0] / np.maximum(sums[:, 1], 1e-12))
    return result


def _widening(events: int, level: float) -> float:
    """Student's t over the normal quantile, and the bootstrap's missing (n - 1) / n."""
    from scipy import stats  # noqa: PLC0415 - slow to import

    return float(stats.t.ppf(level, events - 1) / stats.norm.ppf(level) * np.sqrt(events / (events - 1)))

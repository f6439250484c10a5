"""What the gate measures: forecast skill against the market price under two kinds of clustering, coverage, P&L."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipelines.core.domain import FloatArray
from pipelines.core.money import PRICE_SCALE
from pipelines.features.scale import log_odds, price_after
from pipelines.replay.bounds import draws, mean_bound, widening
from pipelines.replay.market_history import History


@dataclass(frozen=True)
class Skill:
    """1 - RMSE / RMSE of persistence; `lower` is its one-sided bound over whole clusters.

    Pooled over all bars where the clusters are events, the mean over periods where they are periods.
    """

    value: float
    lower: float
    clusters: int


@dataclass(frozen=True)
class Losses:
    """Squared price errors of a forecast and of persistence, summed over bars and horizons, cluster by cluster."""

    by_event: Mapping[str, tuple[float, float]]
    """Event id -> sums of the forecast and of persistence."""
    by_period: FloatArray
    """Sums of the forecast and of persistence in consecutive parts of the slice of equal length, shape (periods, 2)."""
    forecasts: int
    """Bars that were judged, each at every horizon."""


def squared_errors(history: History, first: int, last: int, length_s: int) -> FloatArray:
    """Squared price errors of the forecast and of persistence at every bar, summed over horizons `first` to `last`;
    and how many horizons counted there. Shape (n, 3).

    A horizon counts where the bar `h` bars later is there (a gap is no price).
    """
    made = np.zeros((len(history), 3))
    price = history.mid_units / PRICE_SCALE
    for horizon in range(first, min(last, history.mean.shape[1]) + 1):
        now, whole = _judged(history, horizon, length_s)
        later = price[horizon:]
        expected = price_after(history.mid_units[now], history.mean[now, horizon - 1])
        made[now, 0] += np.where(whole, (later - expected) ** 2, 0.0)
        made[now, 1] += np.where(whole, (later - price[now]) ** 2, 0.0)
        made[now, 2] += whole
    return made


def _judged(history: History, horizon: int, length_s: int) -> tuple[slice, NDArray[np.bool_]]:
    """Bars that have one `horizon` bars later in their rows, and which of those follow without a gap."""
    now = slice(0, max(len(history) - horizon, 0))
    return now, history.ts_s[horizon:] - history.ts_s[now] == horizon * length_s


def losses(histories: Sequence[History], first: int, last: int, length_s: int, periods: int) -> Losses:
    """The sums of all markets, by event and by period."""
    begin = min(int(one.ts_s[0]) for one in histories)
    span = max(int(one.ts_s[-1]) for one in histories) - begin + length_s
    events: dict[str, FloatArray] = {}
    parts, judged = np.zeros((periods, 2)), 0
    for history in histories:
        errors = squared_errors(history, first, last, length_s)
        event = history.market.event_id
        events[event] = np.add(events.get(event, np.zeros(2)), errors[:, :2].sum(axis=0))
        np.add.at(parts, (history.ts_s - begin) * periods // span, errors[:, :2])
        judged += int((errors[:, 2] > 0).sum())
    return Losses({name: (float(a), float(b)) for name, (a, b) in sorted(events.items())}, parts, judged)


def skill_of_events(found: Losses, *, level: float, samples: int, seed: int = 0) -> Skill:
    """Skill pooled over bars and horizons in price units, with a bootstrap over whole events.

    The bootstrap's lower quantile is widened to Student's t with one degree of freedom less than there are events:
    with a dozen clusters the plain quantile is too bold.
    """
    table = np.array(list(found.by_event.values())).reshape(-1, 2)
    value = float(_skill_of(table.sum(axis=0)[None])[0])
    if len(table) < 2:
        return Skill(value, float("-inf"), len(table))
    drawn = table[draws(len(table), samples, seed)].sum(axis=1)
    bound = float(np.quantile(_skill_of(drawn), 1.0 - level))
    return Skill(value, value - (value - bound) * widening(len(table), level), len(table))


def skill_of_periods(found: Losses, *, level: float) -> Skill:
    """Mean skill over periods that weigh the same, with Student's t over the periods.

    Ibragimov and Mueller (2010), t-statistic based correlation and heterogeneity robust inference: estimates of a few
    long groups are treated as independent, so what moves all events of one day together counts once. Periods in which
    the price never moved are left out.
    """
    moved = found.by_period[found.by_period[:, 1] > 0.0]
    if len(moved) == 0:
        return Skill(0.0, float("-inf"), 0)
    each = _skill_of(moved)
    return Skill(float(each.mean()), mean_bound(each, level), len(each))


def coverage(histories: Sequence[History], first: int, last: int, length_s: int) -> float:
    """Share of moves of log-odds, over bars and horizons `first` to `last`, that lay inside the forecast's interval."""
    inside = moves = 0
    for history in histories:
        odds = log_odds(history.mid_units)
        for horizon in range(first, min(last, history.mean.shape[1]) + 1):
            now, whole = _judged(history, horizon, length_s)
            moved = odds[horizon:] - odds[now]
            held = (moved >= history.lower[now, horizon - 1]) & (moved <= history.upper[now, horizon - 1])
            inside, moves = inside + int((held & whole).sum()), moves + int(whole.sum())
    return inside / moves if moves else 0.0


def _skill_of(sums: FloatArray) -> FloatArray:
    result: FloatArray = 1.0 - np.sqrt(sums[:, 0] / np.maximum(sums[:, 1], 1e-12))
    return result

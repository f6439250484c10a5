"""Worlds whose quote errs in another way than the default world's: nothing in them has the form of its filter.

In each of them one shock e moves the fair value F, and the quote's log-odds are those of F less an error D:

    log-odds of the quote = L(F) - D        D' = keep D + g        keep = exp(-1 / minutes of the world)

* `regimes`: g = share x e, the share is positive (the quote under-reacts) in calm regimes and negative (it overshoots)
  in busy ones. A hidden chain switches between them; a busy regime trades more. Shocks have heavy tails.
* `threshold`: the quote overshoots on a small surprise, of which a part comes back, and under-reacts to what of it
  lies beyond a threshold.
* `lead_lag`: the markets of an event follow one underlying. The first quotes it at once, the others late.
* `seasonal`: g = share x e, the share is a sine of the hour of the day in UTC.

F is a martingale in every world, because e is symmetric given the past; at edge 0 there is no error.
docs/synthetic-markets.md has the equations and the moments.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from pipelines.core.domain import FloatArray
from simulator.markets.price_grid import BoolArray
from simulator.markets.price_model import ERROR_MIN, RAMP_LIFE_MIN, Draws, Model

SHOCK_SD: Final = 0.03
"""Log-odds per square root of a minute, at the liveliness 1 and the mean volume."""
TAIL: Final = 0.6
"""Standard deviation of the log scale of a shock in `regimes`: kurtosis 3 exp(4 TAIL^2) = 12.7."""
SWITCH_SD: Final = 2.54
"""A normal draw beyond it switches the regime: once in 90 minutes."""
BUSY_ACTIVITY: Final = 0.6
"""Log activity that a busy regime adds and a calm one lacks."""
LATE_SHARE, BACK_SHARE = 0.60, 1.20
"""Of a shock at edge 1: what comes late where the quote under-reacts, what comes back where it overshoots."""
THRESHOLD_SD: Final = 1.0
"""The threshold of `threshold`, in standard deviations of a usual minute."""
SMALL_BACK, LARGE_LATE = 0.6, 2.0
"""Of a surprise at edge 1: what comes back of it below the threshold, what comes late over what lies beyond."""
COMMON_SHARE: Final = 0.75
"""Share of a shock's variance that all markets of an event have in common in `lead_lag`."""
FOLLOW_LATE: Final = 0.9
SEASON_SHARE: Final = 0.75
SEASON_ACTIVITY: Final = 0.5
DAY_MIN: Final = 1_440.0


@dataclass(slots=True)
class Errors:
    """What `dynamics` makes a quote of: moves of fair value and error of the quote in log-odds, (N, T) each, and the
    share of each shock that the quote misses (in `threshold` the threshold in log-odds)."""

    total: FloatArray
    error: FloatArray
    share: FloatArray


def activity(model: Model, draws: Draws) -> FloatArray | float:
    """What a world adds to the log activity, (N, T) or 0."""
    if model.world == "regimes":
        return np.where(_busy(draws), BUSY_ACTIVITY, -BUSY_ACTIVITY)
    if model.world == "seasonal":
        return SEASON_ACTIVITY * np.cos(2.0 * np.pi * draws.minute / DAY_MIN)
    return 0.0


def errors(model: Model, draws: Draws, live: FloatArray, root: FloatArray, changed: BoolArray) -> Errors:
    """Moves and errors of a block of markets; `root` is exp(activity / 2), 0 in idle minutes."""
    scale = shock_scale(model, root, live)
    effect = np.clip(model.headline_effect * draws.sentiment + model.headline_sd * draws.headline, -0.85, 0.85)
    news = np.where(draws.news, effect, 0.0)
    news[:, 0] = 0.0
    if model.world == "lead_lag":
        return _lead_lag(model, draws, live, scale, news, changed)
    tail = np.array([np.exp(TAIL * row - TAIL**2) for row in draws.permanent]) if model.world == "regimes" else 1.0
    shock = np.clip(np.clip(scale * tail * draws.noise, -0.8, 0.8) + news, -0.98, 0.98)
    if model.world == "threshold":
        share = np.broadcast_to((THRESHOLD_SD * SHOCK_SD * live)[:, None], shock.shape).copy()
        fresh = np.where(changed, 1.0 - 2.0 * model.drift_rel, 1.0) * (shock - surprise(model, shock, share))
    else:
        share = _share(model, draws) * np.where(changed, 1.0 - 2.0 * model.drift_rel, 1.0)
        fresh = share * shock
    return Errors(shock, decayed(fresh, keep(model)), share)


def shock_scale(model: Model, root: FloatArray, live: FloatArray) -> FloatArray:
    """Standard deviation of a minute's shock from its trading, (N, T); the opening minute has none."""
    minutes = root.shape[1]
    rise = model.ramp * min(1.0, float(np.sqrt(minutes / RAMP_LIFE_MIN)))
    ramp = np.sqrt(1.0 + rise**2 / (SHOCK_SD**2 * (minutes - np.arange(minutes, dtype=np.float64) + 300.0)))
    scale: FloatArray = SHOCK_SD * live[:, None] * ramp * np.sqrt(root / model.permanent_norm)
    scale[:, 0] = 0.0
    return scale


def surprise(model: Model, shock: FloatArray, threshold: FloatArray) -> FloatArray:
    """What the quote shows at once of a shock in `threshold`."""
    back, late = SMALL_BACK * model.edge, LARGE_LATE * model.edge
    size, edge = np.abs(shock), (1.0 - back) * threshold
    shown = np.where(size > edge, threshold + (size - edge) / (1.0 + late), size / (1.0 - back))
    return np.sign(shock) * shown


def missed(model: Model, shown: FloatArray, threshold: FloatArray) -> FloatArray:
    """What the quote misses of a shock of which it shows `shown` at once: the inverse of `surprise`."""
    back, late = SMALL_BACK * model.edge, LARGE_LATE * model.edge
    size = np.abs(shown)
    return np.sign(shown) * (late * np.maximum(size - threshold, 0.0) - back * np.minimum(size, threshold))


def lateness(model: Model, place: FloatArray) -> FloatArray:
    """Share of the common shock that each market of an event quotes late; the first market leads."""
    return np.where(place == 0, 0.0, FOLLOW_LATE * model.edge)


def keep(model: Model) -> float:
    """What is left of an error after a minute."""
    return float(np.exp(-1.0 / ERROR_MIN[model.world]))


def decayed(fresh: FloatArray, kept: float) -> FloatArray:
    """Sum over the past of each row, older minutes weighted by kept^age."""
    state = fresh.T.copy()
    for minute in range(1, len(state)):
        state[minute] += kept * state[minute - 1]
    return state.T.copy()


def _lead_lag(
    model: Model, draws: Draws, live: FloatArray, scale: FloatArray, news: FloatArray, changed: BoolArray
) -> Errors:
    common = np.sqrt(COMMON_SHARE) * SHOCK_SD * live[:, None] * draws.common
    common[:, 0] = 0.0
    own = np.sqrt(1.0 - COMMON_SHARE) * scale * draws.noise
    late = lateness(model, draws.place)[:, None] * np.where(changed, 1.0 - 2.0 * model.drift_rel, 1.0)
    total = np.clip(np.clip(common + own, -0.8, 0.8) + news, -0.98, 0.98)
    return Errors(total, decayed(late * common, keep(model)), late)


def _share(model: Model, draws: Draws) -> FloatArray:
    if model.world == "seasonal":
        season: FloatArray = SEASON_SHARE * model.edge * np.sin(2.0 * np.pi * draws.minute / DAY_MIN)
        return season
    return np.where(_busy(draws), -BACK_SHARE, LATE_SHARE) * model.edge


def _busy(draws: Draws) -> BoolArray:
    switches = np.abs(draws.bounce) > SWITCH_SD
    switches[:, 0] = draws.bounce[:, 0] > 0.0
    busy: BoolArray = np.cumsum(switches, axis=1) % 2 == 1
    return busy

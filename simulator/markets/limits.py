"""The best forecast from public data in every world, or a bound of it. Only benchmarks and tests may use this.

* `reversion`: the Kalman filter of `truth`, the limit itself.
* `lead_lag`: a Kalman filter over all markets of an event at once, which knows every parameter: the limit within the
  linear approximation.
* `seasonal`: a Kalman filter that knows every parameter and the hour: the limit within the linear approximation.
* `regimes`: the same filter, which is told the hidden regime too: an upper bound.
* `threshold`: the reaction is a known function of the quote's surprise, so what is missed is computed back from each
  quote, in the mean over what rounding hides: a lower bound, because doubt about the past is not carried along.

The oracle (`truth.oracle`) bounds every world from above.
"""

from collections.abc import Callable

import numpy as np

from pipelines.core.domain import FloatArray
from simulator.markets import foreign
from simulator.markets.price_model import World, internal_log_odds
from simulator.markets.truth import Mispricing, Truth, grid_steps, intensity, kalman, rounding_variance


def limit(known: Truth) -> Mispricing:
    """What the best observer of the public data (or the bound) thinks the quote's error is after each bar, (N, T)."""
    if known.model.world == "reversion":
        return kalman(known)
    error = np.zeros(known.paths.mid_units.shape) if known.model.edge == 0.0 else _FILTERS[known.model.world](known)
    return Mispricing(error, np.zeros_like(error), np.zeros_like(error))


def _moves(known: Truth) -> FloatArray:
    """Changes of the quote's log-odds, (N, T); 0 at the first bar and where a quote lies at a bound."""
    odds = internal_log_odds(known.mid)
    moves = np.zeros_like(odds)
    moves[:, 1:] = np.diff(np.where(np.isfinite(odds), odds, 0.0), axis=1)
    usable = np.isfinite(odds)
    moves[:, 1:] *= usable[:, 1:] & usable[:, :-1]
    return moves


def _scale(known: Truth) -> FloatArray:
    """Standard deviation of each bar's shock given its volume, headlines included, (N, T)."""
    model = known.model
    scale = foreign.shock_scale(model, np.sqrt(intensity(known)), known.paths.liveliness)
    return np.sqrt(scale**2 + np.where(known.news, model.headline_sd**2, 0.0))


def _tone(known: Truth) -> FloatArray:
    """Expected part of a headline's shock, (N, T)."""
    return np.where(known.news, known.model.headline_effect * known.sentiment, 0.0)


def _shared(known: Truth) -> FloatArray:
    """Kalman filter of one error whose share of each shock is known: state and observation noise are correlated."""
    keep, share, tone = foreign.keep(known.model), known.paths.share, _tone(known)
    moves, variance = _moves(known), _scale(known) ** 2
    grid = grid_steps(known.paths.mid_units, known.paths.tick_units)
    error, doubt = np.zeros(len(moves)), np.zeros(len(moves))
    made = np.zeros_like(moves)
    for t in range(1, moves.shape[1]):
        shown = 1.0 - share[:, t]
        spread = (1.0 - keep) ** 2 * doubt + shown**2 * variance[:, t]
        total = spread + rounding_variance(spread, grid[:, t - 1])
        surprise = moves[:, t] - (1.0 - keep) * error - shown * tone[:, t]
        gain = (keep * (1.0 - keep) * doubt + share[:, t] * shown * variance[:, t]) / np.where(total > 0.0, total, 1.0)
        error = keep * error + share[:, t] * tone[:, t] + gain * surprise
        doubt = keep**2 * doubt + share[:, t] ** 2 * variance[:, t] - gain**2 * total
        made[:, t] = error
    return made


def _threshold(known: Truth) -> FloatArray:
    """The mean of what the quote misses over the surprises that may have been rounded to this move."""
    keep, moves, threshold = foreign.keep(known.model), _moves(known), known.paths.share
    variance, grid = _scale(known) ** 2, grid_steps(known.paths.mid_units, known.paths.tick_units)
    nodes, weights = np.polynomial.hermite_e.hermegauss(7)
    weights = weights / weights.sum()
    error, made = np.zeros(len(moves)), np.zeros_like(moves)
    for t in range(1, moves.shape[1]):
        rounding = rounding_variance(variance[:, t], grid[:, t - 1])
        told = variance[:, t] / np.maximum(variance[:, t] + rounding, 1e-300)
        shown = told * (moves[:, t] - (1.0 - keep) * error)
        may = shown[:, None] + np.sqrt(told * rounding)[:, None] * nodes
        error = keep * error + foreign.missed(known.model, may, threshold[:, t, None]) @ weights
        made[:, t] = error
    return made


def _lead_lag(known: Truth) -> FloatArray:
    """Kalman filter over the markets of each event together: (E, n) errors, (E, n, n) covariances."""
    sides = int(np.bincount(known.event).max())
    minutes = known.paths.mid_units.shape[1]

    def by_event(values: FloatArray) -> FloatArray:
        return values.reshape(-1, sides, minutes)

    keep, model = foreign.keep(known.model), known.model
    late = foreign.lateness(model, np.arange(sides, dtype=np.float64))
    live = by_event(np.repeat(known.paths.liveliness[:, None], minutes, axis=1))[:, :, 0]
    loading = np.sqrt(foreign.COMMON_SHARE) * foreign.SHOCK_SD * live
    own = (1.0 - foreign.COMMON_SHARE) * by_event(
        foreign.shock_scale(model, np.sqrt(intensity(known)), known.paths.liveliness)
    ) ** 2
    own += by_event(np.where(known.news, model.headline_sd**2, 0.0))
    moves, tone = by_event(_moves(known)), by_event(_tone(known))
    grid = by_event(grid_steps(known.paths.mid_units, known.paths.tick_units))
    missed, shown = loading * late, loading * (1.0 - late)
    hidden, seen, cross = _outer(missed, missed), _outer(shown, shown), _outer(missed, shown)
    error, doubt = np.zeros(live.shape), np.zeros((*live.shape, sides))
    made = np.zeros(moves.shape)
    unit = np.eye(sides)
    for t in range(1, minutes):
        spread = (1.0 - keep) ** 2 * doubt + seen + own[:, :, t, None] * unit
        alone = np.diagonal(spread, axis1=1, axis2=2)
        total = spread + (rounding_variance(alone, grid[:, :, t - 1]) + 1e-12)[:, :, None] * unit
        surprise = moves[:, :, t] - (1.0 - keep) * error - tone[:, :, t]
        gain = np.linalg.solve(total, (keep * (1.0 - keep) * doubt + cross).transpose(0, 2, 1)).transpose(0, 2, 1)
        error = keep * error + (gain @ surprise[:, :, None])[:, :, 0]
        doubt = keep**2 * doubt + hidden - gain @ total @ gain.transpose(0, 2, 1)
        made[:, :, t] = error
    return made.reshape(-1, minutes)


def _outer(one: FloatArray, other: FloatArray) -> FloatArray:
    product: FloatArray = one[:, :, None] * other[:, None, :]
    return product


_FILTERS: dict[World, Callable[[Truth], FloatArray]] = {
    "regimes": _shared,
    "seasonal": _shared,
    "threshold": _threshold,
    "lead_lag": _lead_lag,
}

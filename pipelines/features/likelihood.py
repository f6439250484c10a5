"""Maximum likelihood for the state-space filter: L-BFGS from generic starts, with a weak prior.

No parameter of a generator is read: the starts and the prior say only that decays take minutes, not hours or days, and
that variances are those of log-odds moves of a minute.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize

from pipelines.core.domain import FloatArray
from pipelines.features import state_space as ss
from pipelines.features.feature import IntArray
from pipelines.features.state_space import StateSpace
from pipelines.features.state_space_batch import Columns, negative_log_likelihood

BARS = 75_000
"""Bars of whole runs, drawn from all that are given, that the likelihood is summed over."""
MOST_STEPS = 60
DIFFERENCE = 1e-4
"""Step of the numeric gradient."""


@dataclass(frozen=True)
class _Scale:
    """How a parameter is searched: its start and the standard deviation of the prior, both after the transform."""

    start: float
    sd: float


_SCALES = {
    "keep_u": _Scale(np.log(12.0), 1.0),
    "keep_o": _Scale(np.log(12.0), 1.0),
    "share_u": _Scale(-1.0, 2.0),
    "share_o": _Scale(-1.0, 2.0),
    "share_b": _Scale(-1.0, 2.0),
    "effect": _Scale(0.0, 0.5),
    "news_log_variance": _Scale(-4.0, 2.0),
    "lift_weight": _Scale(0.3, 1.0),
    "lift_keep": _Scale(np.log(8.0), 1.0),
    "ramp": _Scale(np.log(30.0), 3.0),
    "level_e": _Scale(-9.0, 3.0),
    "slope_e": _Scale(0.5, 1.0),
    "level_g": _Scale(-9.0, 3.0),
    "slope_g": _Scale(0.5, 1.0),
    "level_c": _Scale(-9.0, 3.0),
    "slope_c": _Scale(0.5, 1.0),
}
_START = np.array([_SCALES[name].start for name in ss.PARAMETER_NAMES])
_SD = np.array([_SCALES[name].sd for name in ss.PARAMETER_NAMES])
_LOG_TIMES = [ss.KEEP_U, ss.KEEP_O, ss.LIFT_KEEP]
_LOGITS = [ss.SHARE_U, ss.SHARE_O, ss.SHARE_B]
_BOUND = 20.0


def fit(columns: Columns, begin: StateSpace | None = None) -> StateSpace:
    """The filter whose one-bar forecasts make the moves of these bars most likely.

    The search begins from the generic starts, or from another filter; the prior is the same.
    """
    count = len(columns.odds)

    def cost(searched: FloatArray) -> float:
        prior = 0.5 * float(np.sum(((searched - _START) / _SD) ** 2))
        return (negative_log_likelihood(_natural(searched), columns) + prior) / count

    with ThreadPoolExecutor(max_workers=2) as pool:
        found = minimize(
            _with_gradient(cost, pool),
            _START if begin is None else _searched(begin),
            jac=True,
            method="L-BFGS-B",
            bounds=[(-_BOUND, _BOUND)] * len(_START),
            options={"maxiter": MOST_STEPS, "ftol": 1e-7, "gtol": 1e-6},
        )
    return StateSpace(tuple(_natural(found.x).tolist()))


def _with_gradient(
    cost: Callable[[FloatArray], float], pool: ThreadPoolExecutor
) -> Callable[[FloatArray], tuple[float, FloatArray]]:
    def both(at: FloatArray) -> tuple[float, FloatArray]:
        points = [at, *(at + DIFFERENCE * np.eye(len(at)))]
        values = np.array(list(pool.map(cost, points)))
        return float(values[0]), (values[1:] - values[0]) / DIFFERENCE

    return both


def _natural(searched: FloatArray) -> FloatArray:
    """From the searched scale to the filter's parameters: decay times to decays, logits to shares."""
    natural = searched.copy()
    natural[_LOG_TIMES] = np.exp(-np.exp(-searched[_LOG_TIMES]))
    natural[_LOGITS] = 1.0 / (1.0 + np.exp(-searched[_LOGITS]))
    natural[ss.RAMP] = np.exp(searched[ss.RAMP])
    return natural


def _searched(begin: StateSpace) -> FloatArray:
    """The inverse of `_natural`, inside the bounds of the search."""
    natural = np.array(begin.parameters)
    tiny = 1e-12
    searched = natural.copy()
    searched[_LOG_TIMES] = -np.log(-np.log(np.clip(natural[_LOG_TIMES], tiny, 1.0 - tiny)))
    shares = np.clip(natural[_LOGITS], tiny, 1.0 - tiny)
    searched[_LOGITS] = np.log(shares / (1.0 - shares))
    searched[ss.RAMP] = np.log(max(float(natural[ss.RAMP]), tiny))
    bounded: FloatArray = np.clip(searched, -_BOUND, _BOUND)
    return bounded


def drawn(starts: IntArray, bars: IntArray, seed: int) -> IntArray:
    """Some of the runs that begin at `starts` and have so many bars each, in random order, up to about BARS bars."""
    order = np.random.default_rng((seed, 7)).permutation(len(starts))
    before = np.cumsum(bars[order]) - bars[order]
    return starts[order[before < BARS]]

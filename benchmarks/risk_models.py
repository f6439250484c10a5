"""Predictive distributions whose lower quantiles are values at risk: a mean and a scale per bar and horizon.

Each model gives the mean and the scale of the change of log-odds; the quantile of the standardised changes on the
calibration slice makes a value at risk of them (filtered historical simulation, Barone-Adesi, Giannopoulos and Vosper,
1999). So every model gets its tails from the same data, and what differs is the mean and the scale.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.signal import lfilter

from benchmarks.league_data import Course
from pipelines.core.domain import FloatArray
from pipelines.features.garch import Garch
from pipelines.features.scale import local_volatility, log_odds
from pipelines.features.state_space import STATES
from pipelines.forecast.garch_fit import fit_garch
from pipelines.forecast.training_windows import IntArray, training_positions
from pipelines.inference.predictor import Predictor

HORIZONS = (1, 5, 24)
FLOOR = 1e-5
"""Least variance of a bar in log-odds: a market that stood still."""

Distribution = Callable[[IntArray], tuple[FloatArray, FloatArray]]
"""From positions to the mean and the scale of the change of log-odds at HORIZONS, (n, 3) each."""


@dataclass(frozen=True)
class Volatilities:
    """Variance of the next bar at every row: of a GARCH(1, 1) of returns, and of one of the filter's surprises."""

    garch: Garch
    returns: FloatArray
    surprises: FloatArray

    @classmethod
    def of(cls, course: Course) -> "Volatilities":
        """Filtered over whole runs, each starting at its own long-run variance."""
        rows, settings = course.rows, course.params.forecast
        fitted = fit_garch(rows, training_positions(rows, "fit", settings.lookback_bars, max(HORIZONS)), settings.seed)
        odds = log_odds(rows.mid_units)
        move = np.diff(odds, prepend=odds[:1])
        move[rows.run_start == np.arange(len(move))] = 0.0
        states = rows.states(course.fitted)
        surprise = move if course.fitted is None else states.left[:, STATES.index("innovation")]
        return cls(fitted, *(_filtered(fitted, one**2, rows.run_start) for one in (move, surprise)))

    def ahead(self, variance: FloatArray, horizon: int) -> FloatArray:
        """Variance of the sum of the next bars: every bar goes back towards the long-run variance."""
        keep = min(self.garch.alpha + self.garch.beta, 0.9999)
        level = self.garch.omega / (1.0 - keep)
        share = (1.0 - keep**horizon) / (1.0 - keep)
        summed: FloatArray = level * (horizon - share) + variance * share
        least: FloatArray = np.maximum(summed, FLOOR * horizon)
        return least


def _filtered(garch: Garch, squares: FloatArray, run_start: IntArray) -> FloatArray:
    edges = np.flatnonzero(run_start == np.arange(len(squares)))
    variance = np.empty(len(squares))
    for first, last in zip(edges, [*edges[1:], len(squares)], strict=True):
        begin = np.array([garch.beta * np.mean(squares[first : first + 30])])
        part = garch.omega + garch.alpha * squares[first:last]
        variance[first:last] = lfilter([1.0], [1.0, -garch.beta], part, zi=begin)[0]
    return np.maximum(variance, FLOOR)


def models(course: Course, forecasters: Mapping[str, Path]) -> dict[str, Distribution]:
    """Every model by name; `forecasters` are folders of trained ones, whose intervals are those that ship."""
    rows, lookback = course.rows, course.params.forecast.lookback_bars
    steps = np.array(HORIZONS)
    known, states = Volatilities.of(course), rows.states(course.fitted)

    def nothing(positions: IntArray) -> FloatArray:
        return np.zeros((len(positions), len(steps)))

    def filtered(positions: IntArray) -> FloatArray:
        if course.fitted is None:
            return nothing(positions)
        expected: FloatArray = course.fitted.forecast(states.left[positions], int(steps.max()))
        return np.asarray(expected[:, steps - 1], dtype=np.float64)

    def local(positions: IntArray) -> FloatArray:
        volatility: FloatArray = local_volatility(rows.mid_units[positions[:, None] + np.arange(1 - lookback, 1)])
        return np.asarray(volatility[:, None] * np.sqrt(steps), dtype=np.float64)

    def garch(variance: FloatArray) -> Callable[[IntArray], FloatArray]:
        return lambda positions: np.sqrt(np.stack([known.ahead(variance[positions], h) for h in HORIZONS], axis=1))

    return {
        "historical": lambda at: (nothing(at), np.ones((len(at), len(steps)))),
        "persistence": lambda at: (nothing(at), local(at)),
        "garch": lambda at: (nothing(at), garch(known.returns)(at)),
        "filter_local": lambda at: (filtered(at), local(at)),
        "filter_garch": lambda at: (filtered(at), garch(known.surprises)(at)),
        **{name: _shipped(course, folder) for name, folder in forecasters.items()},
    }


def _shipped(course: Course, folder: Path) -> Distribution:
    """A forecaster's own mean, and the distance from it to its lower bound as the scale."""
    predictor = Predictor(folder)
    windows = course.rows.windows(predictor.lookback, course.rows.states(predictor.filter))
    columns = np.array(HORIZONS) - 1

    def distribution(positions: IntArray) -> tuple[FloatArray, FloatArray]:
        made = predictor.forecast_many(windows, positions)
        mean = made.mean[:, columns]
        return mean, np.maximum(mean - made.lower[:, columns], np.sqrt(FLOOR))

    return distribution

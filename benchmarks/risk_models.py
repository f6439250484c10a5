"""Predictive distributions whose lower quantiles are values at risk: a mean and a scale per bar and horizon.

Each model gives the mean and the scale of the change of log-odds; the quantile of the standardised changes on the
calibration slice makes a value at risk of them (filtered historical simulation, Barone-Adesi, Giannopoulos and Vosper,
1999). So every model gets its tails from the same data, and what differs is the mean and the scale.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.signal import lfilter
from sklearn.linear_model import PoissonRegressor

from benchmarks.league_data import Course
from pipelines.core.domain import FloatArray
from pipelines.core.money import PRICE_SCALE
from pipelines.features.garch import Garch
from pipelines.features.scale import local_volatility, log_odds
from pipelines.features.state_space import STATES
from pipelines.forecast.garch_fit import fit_garch
from pipelines.forecast.training_windows import IntArray, drawn, training_positions
from pipelines.inference.predictor import Predictor

HORIZONS = (1, 5, 24)
SAMPLE = 40_000
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


def models(course: Course, network: Path | None) -> dict[str, Distribution]:
    """Every model by name; `network` is the folder of a trained `garch_lstm`, None to leave it out."""
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

    regression = _regression(course, filtered, known)
    made: dict[str, Distribution] = {
        "historical": lambda at: (nothing(at), np.ones((len(at), len(steps)))),
        "persistence": lambda at: (nothing(at), local(at)),
        "garch": lambda at: (nothing(at), garch(known.returns)(at)),
        "filter_local": lambda at: (filtered(at), local(at)),
        "filter_garch": lambda at: (filtered(at), garch(known.surprises)(at)),
        "filter_variance": lambda at: (filtered(at), regression(at)),
    }
    if network is not None:
        made["garch_lstm"] = _network(course, network)
    return made


def _regression(
    course: Course, mean: Callable[[IntArray], FloatArray], known: Volatilities
) -> Callable[..., FloatArray]:
    """Scales of a log-linear model of the squared error of the filter's forecast, fitted on the fit slice: on both
    GARCH variances, the local volatility, volume, closeness to 0 or 1 and the time to the end (a HAR-type model)."""
    rows, settings = course.rows, course.params.forecast
    inputs = _inputs(course, known)
    chosen = drawn(training_positions(rows, "fit", settings.lookback_bars, max(HORIZONS)), SAMPLE, (settings.seed, 12))
    read = inputs(chosen)
    centre, spread = read.mean(axis=0), read.std(axis=0) + 1e-9
    moves = rows.moves(chosen, max(HORIZONS))[:, np.array(HORIZONS) - 1]
    squares = (moves - mean(chosen)) ** 2
    squares = np.minimum(squares, np.quantile(squares, 0.999, axis=0))
    # The quasi-likelihood of a Poisson model with a log link is consistent for the conditional mean of any y >= 0.
    fitted = [
        PoissonRegressor(alpha=1e-4, max_iter=300).fit(
            (read - centre) / spread, squares[:, column] / squares[:, column].mean()
        )
        for column in range(len(HORIZONS))
    ]
    level = squares.mean(axis=0)

    def scale(positions: IntArray) -> FloatArray:
        read = np.clip((inputs(positions) - centre) / spread, -5.0, 5.0)
        variance = np.stack([one.predict(read) for one in fitted], axis=1) * level
        root: FloatArray = np.sqrt(np.maximum(variance, FLOOR))
        return root

    return scale


def _inputs(course: Course, known: Volatilities) -> Callable[[IntArray], FloatArray]:
    rows, lookback = course.rows, course.params.forecast.lookback_bars
    volume = np.log1p(np.maximum(rows.volume_micro, 0) / 1e6)
    left = np.where(rows.end_s < 0, 1e5, np.maximum(rows.end_s - rows.ts_s, 0) / rows.length_s)

    def of(positions: IntArray) -> FloatArray:
        index = positions[:, None] + np.arange(1 - lookback, 1)
        mids = rows.mid_units[index]
        price = np.clip(mids[:, -1] / PRICE_SCALE, 0.001, 0.999)
        moved = np.abs(np.diff(log_odds(mids), axis=1))
        columns = (
            np.log(known.returns[positions]),
            np.log(known.surprises[positions]),
            np.log(local_volatility(mids)),
            np.log(np.sqrt(np.mean(moved[:, -5:] ** 2, axis=1)) + 0.003),
            np.log(np.sqrt(np.mean(moved**2, axis=1)) + 0.003),
            np.mean(moved[:, -30:] > 0.0, axis=1),
            volume[index][:, -5:].mean(axis=1),
            volume[index].mean(axis=1),
            np.log(price * (1.0 - price)),
            np.log(left[positions] + 30.0),
            (rows.headlines[index[:, -10:]] > 0).any(axis=1).astype(np.float64),
        )
        return np.stack(columns, axis=1)

    return of


def _network(course: Course, folder: Path) -> Distribution:
    """A network's own mean, and the distance from it to its lower bound as the scale."""
    predictor = Predictor(folder)
    windows = course.rows.windows(predictor.lookback, course.rows.states(predictor.filter))
    columns = np.array(HORIZONS) - 1

    def distribution(positions: IntArray) -> tuple[FloatArray, FloatArray]:
        made = predictor.forecast_many(windows, positions)
        mean = made.mean[:, columns]
        return mean, np.maximum(mean - made.lower[:, columns], np.sqrt(FLOOR))

    return distribution

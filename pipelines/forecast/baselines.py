"""Forecasts without a network: the market price itself, an autoregression on log-odds, and the calibration that any
other forecast of means gets."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from pipelines.core.domain import FloatArray
from pipelines.core.money import PRICE_SCALE
from pipelines.core.params import Params
from pipelines.features.scale import local_volatility, price_after
from pipelines.forecast import ridge
from pipelines.forecast.conformal import fit_confidence, fit_offset
from pipelines.forecast.safe_shrink import Unseen, later_events, safe_shrink
from pipelines.forecast.training_windows import IntArray, Rows, drawn, scaled_target, training_positions
from pipelines.inference.calibration import Confidence
from pipelines.inference.predictor import Forecasts

ORDER = 6
"""Lags of the autoregression, in bars."""
SAMPLE = 40_000

Means = Callable[[Rows, IntArray], FloatArray]
"""Expected change of log-odds 1..H bars after each of some bars, (n, H), from nothing later than the bar."""


@dataclass(frozen=True)
class Baseline:
    """Means, calibrated like a network: the safe shrink per horizon, and an interval in units of local volatility."""

    name: str
    means: Means
    shrink: FloatArray
    offset: FloatArray
    confidence: Confidence
    lookback: int

    def forecast(self, rows: Rows, positions: IntArray) -> Forecasts:
        """Forecasts at the given bars, in log-odds."""
        volatility = _volatility(rows, positions, self.lookback)
        mean = self.shrink * self.means(rows, positions)
        half = self.offset * volatility[:, None] * np.sqrt(np.arange(1, mean.shape[1] + 1))
        return Forecasts(mean, mean - half, mean + half, self.confidence.of(mean, volatility))


def fit(name: str, rows: Rows, params: Params) -> Baseline:
    """The baseline `persistence` or `ar`, fitted on the fit slice and calibrated like a network."""
    means = autoregression(rows, params) if name == "ar" else persistence(params)
    return calibrated(name, means, rows, params)


def persistence(params: Params) -> Means:
    """The price stays."""
    return lambda rows, positions: np.zeros((len(positions), params.forecast.horizon_bars))


def autoregression(rows: Rows, params: Params) -> Means:
    """Direct linear forecasts per horizon from the last log-odds returns: a ridge regression on the fit slice."""
    settings = params.forecast
    lookback, horizon = settings.lookback_bars, settings.horizon_bars
    chosen = drawn(training_positions(rows, "fit", lookback, horizon), SAMPLE, (settings.seed, 6))
    lags, volatility = _lags(rows, chosen, lookback)
    target = scaled_target(rows.moves(chosen, horizon), volatility)
    clip = np.maximum(np.quantile(np.abs(target), 0.998, axis=0), 1e-3)
    weights, _ = ridge.fit(lags, target, clip)
    steps = np.sqrt(np.arange(1, horizon + 1))

    def means(rows: Rows, positions: IntArray) -> FloatArray:
        lags, volatility = _lags(rows, positions, lookback)
        expected: FloatArray = (lags @ weights) * volatility[:, None] * steps
        return expected

    return means


def calibrated(name: str, means: Means, rows: Rows, params: Params, windows: int | None = None) -> Baseline:
    """Means with what the calibration slice says of them; `windows` where a forecast is too slow for the usual number.

    The safe shrink is in price units and per horizon, the interval is split conformal, the confidence that of
    `conformal.fit_confidence`: the calibration that networks get.
    """
    settings = params.forecast
    lookback, horizon = settings.lookback_bars, settings.horizon_bars
    slice_bars = training_positions(rows, "calibration", lookback, horizon)
    found = drawn(slice_bars, windows or params.conformal.windows, (settings.seed, 4))
    raw, now, event = means(rows, found), rows.mid_units[found][:, None], rows.event[found]
    added, moved = price_after(now, raw) - now / PRICE_SCALE, rows.price_moves(found, horizon)
    shrink = safe_shrink(
        Unseen(added, np.zeros_like(added), moved, event, rows.ts_s[found], later_events(rows, params))
    )
    mean, moves, volatility = shrink * raw, rows.moves(found, horizon), _volatility(rows, found, lookback)
    scaled = mean / (volatility[:, None] * np.sqrt(np.arange(1, horizon + 1)))
    offset = fit_offset(
        np.repeat(scaled[..., None], 3, axis=2), scaled_target(moves, volatility), params.conformal.coverage
    )
    return Baseline(name, means, shrink, offset, fit_confidence(mean, volatility, moves, event), lookback)


def _volatility(rows: Rows, positions: IntArray, lookback: int) -> FloatArray:
    return local_volatility(rows.mid_units[positions[:, None] + np.arange(1 - lookback, 1)])


def _lags(rows: Rows, positions: IntArray, lookback: int) -> tuple[FloatArray, FloatArray]:
    volatility = _volatility(rows, positions, lookback)
    steps = rows.moves(positions - ORDER, ORDER)
    returns = np.diff(steps, axis=1, prepend=0.0)
    return np.clip(returns / volatility[:, None], -8.0, 8.0), volatility

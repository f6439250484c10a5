"""Forecasts without a network: the market price itself, and an autoregression on log-odds."""

from dataclasses import dataclass

import numpy as np

from pipelines.core.domain import FloatArray
from pipelines.core.params import Params
from pipelines.features.scale import local_volatility
from pipelines.forecast import ridge
from pipelines.forecast.conformal import fit_confidence, fit_offset
from pipelines.forecast.training_windows import IntArray, Rows, drawn, scaled_target, training_positions
from pipelines.inference.calibration import Confidence
from pipelines.inference.predictor import Forecasts

ORDER = 6
"""Lags of the autoregression, in bars."""
SAMPLE = 40_000


@dataclass(frozen=True)
class Baseline:
    """Direct linear forecasts per horizon from the last log-odds returns: weights (6, H), all zero for persistence."""

    name: str
    weights: FloatArray
    offset: FloatArray
    confidence: Confidence
    lookback: int

    def forecast(self, rows: Rows, positions: IntArray) -> Forecasts:
        """Forecasts at the given bars, in log-odds."""
        output, volatility = _output(rows, positions, self.weights, self.lookback)
        unit = volatility[:, None] * np.sqrt(np.arange(1, self.weights.shape[1] + 1))
        mean = output * unit
        half = self.offset * unit
        return Forecasts(mean, mean - half, mean + half, self.confidence.of(mean, volatility))


def fit(name: str, rows: Rows, params: Params) -> Baseline:
    """The baseline `persistence` or `ar`, fitted on the fit slice and calibrated like a network."""
    settings = params.forecast
    lookback, horizon, seed = settings.lookback_bars, settings.horizon_bars, settings.seed
    weights = np.zeros((ORDER, horizon))
    if name == "ar":
        chosen = drawn(training_positions(rows, "fit", lookback, horizon), SAMPLE, (seed, 6))
        lags, volatility = _lags(rows, chosen, lookback)
        target = scaled_target(rows.moves(chosen, horizon), volatility)
        clip = np.maximum(np.quantile(np.abs(target), 0.998, axis=0), 1e-3)
        weights, _ = ridge.fit(lags, target, clip)
    found = drawn(training_positions(rows, "calibration", lookback, horizon), params.conformal.windows, (seed, 4))
    output, volatility = _output(rows, found, weights, lookback)
    moves = rows.moves(found, horizon)
    stacked = np.repeat(output[..., None], 4, axis=2).astype(np.float32)
    offset = fit_offset(stacked, scaled_target(moves, volatility), params.conformal.coverage)
    mean = output * volatility[:, None] * np.sqrt(np.arange(1, horizon + 1))
    return Baseline(name, weights, offset, fit_confidence(mean, volatility, moves, rows.event[found]), lookback)


def _lags(rows: Rows, positions: IntArray, lookback: int) -> tuple[FloatArray, FloatArray]:
    index = positions[:, None] + np.arange(1 - lookback, 1)
    volatility = local_volatility(rows.mid_units[index])
    steps = rows.moves(positions - ORDER, ORDER)
    returns = np.diff(steps, axis=1, prepend=0.0)
    return np.clip(returns / volatility[:, None], -8.0, 8.0), volatility


def _output(rows: Rows, positions: IntArray, weights: FloatArray, lookback: int) -> tuple[FloatArray, FloatArray]:
    lags, volatility = _lags(rows, positions, lookback)
    return lags @ weights, volatility

"""The guide's other forecasters as rows of the league: ARIMA, Prophet, and a foundation model that ships its weights.

ARIMA is fitted by statsmodels (order by AIC) on runs of the fit slice; Prophet is fitted anew at every bar that it
forecasts; fracast (85,000 parameters) is used as it comes. All three read prices alone. Prophet and fracast are the
extra `league`.
"""

import logging
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice, product
from typing import Any

import numpy as np

from pipelines.core.domain import FloatArray
from pipelines.core.errors import SettingError
from pipelines.core.params import Params
from pipelines.features.scale import log_odds
from pipelines.forecast.baselines import Means
from pipelines.forecast.training_windows import IntArray, Rows, training_positions

RUNS, RUN_BARS = 8, 500
TRIED = 400
"""Bars whose runs are looked at, to find RUNS that moved."""
LEAST_MOVES = 30
MOST_LAGS = 2
CONTEXT_BARS = 240
BATCH = 64


@dataclass(frozen=True)
class Arima:
    """ARIMA(p, 1, q) on log-odds: coefficients of returns and of innovations, padded to MOST_LAGS."""

    ar: FloatArray
    ma: FloatArray

    def forecast(self, odds: FloatArray, horizon: int) -> FloatArray:
        """Expected change after windows of log-odds (n, L), 1..H bars ahead: (n, H)."""
        returns = np.diff(odds, axis=1)
        past, shocks = (np.zeros((len(odds), MOST_LAGS)) for _ in range(2))
        for bar in range(returns.shape[1]):
            shock = returns[:, bar] - past @ self.ar - shocks @ self.ma
            past, shocks = _pushed(past, returns[:, bar]), _pushed(shocks, shock)
        ahead = []
        for _ in range(horizon):
            expected = past @ self.ar + shocks @ self.ma
            past, shocks = _pushed(past, expected), _pushed(shocks, np.zeros(len(odds)))
            ahead.append(expected)
        changes: FloatArray = np.cumsum(np.stack(ahead, axis=1), axis=1)
        return changes


def _pushed(lags: FloatArray, newest: FloatArray) -> FloatArray:
    return np.concatenate((newest[:, None], lags[:, :-1]), axis=1)


def fit_arima(rows: Rows, params: Params) -> Arima:
    """Median coefficients over runs of the fit slice, of the order with the least summed AIC.

    All are 0, which is persistence, where no run moved LEAST_MOVES times: nothing can be fitted to it.
    """
    settings = params.forecast
    bars = training_positions(rows, "fit", settings.lookback_bars, settings.horizon_bars)
    series = list(islice(_moving(rows, np.random.default_rng((settings.seed, 10)).permutation(bars)), RUNS))
    best, least = Arima(np.zeros(MOST_LAGS), np.zeros(MOST_LAGS)), np.inf
    for p, q in product(range(MOST_LAGS + 1), repeat=2):
        fitted = _fitted(series, (p, 0, q)) if series else []
        aic = sum(one.aic for one in fitted)
        if fitted and aic < least:
            coefficients = [_padded(np.median([part(one) for one in fitted], axis=0)) for part in (_ar, _ma)]
            best, least = Arima(*coefficients), aic
    return best


def _moving(rows: Rows, ends: IntArray) -> Iterator[FloatArray]:
    """Changes of log-odds of the runs up to these bars, of those that moved often enough."""
    for end in ends[:TRIED]:
        changes = np.diff(log_odds(rows.mid_units[max(int(rows.run_start[end]), end - RUN_BARS) : end + 1]))
        if np.count_nonzero(changes) >= LEAST_MOVES:
            yield changes


def _fitted(series: list[FloatArray], order: tuple[int, int, int]) -> list[Any]:
    """A model of this order for every run; none at all where one of them has none, since orders are compared."""
    from statsmodels.tsa.arima.model import ARIMA  # noqa: PLC0415 - slow to import

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return [ARIMA(one, order=order, trend="n").fit(method="innovations_mle") for one in series]
        except (ValueError, ZeroDivisionError, np.linalg.LinAlgError):
            return []


def _ar(fitted: Any) -> FloatArray:
    return np.asarray(fitted.arparams if fitted.model.k_ar else [])


def _ma(fitted: Any) -> FloatArray:
    return np.asarray(fitted.maparams if fitted.model.k_ma else [])


def _padded(values: FloatArray) -> FloatArray:
    return np.concatenate((values, np.zeros(MOST_LAGS - len(values))))


def arima(rows: Rows, params: Params) -> Means:
    """ARIMA fitted on the fit slice, over windows of the usual lookback."""
    fitted, settings = fit_arima(rows, params), params.forecast

    def means(rows: Rows, positions: IntArray) -> FloatArray:
        index = positions[:, None] + np.arange(1 - settings.lookback_bars, 1)
        return fitted.forecast(log_odds(rows.mid_units[index]), settings.horizon_bars)

    return means


def prophet(rows: Rows, params: Params) -> Means:
    """Prophet's trend, fitted anew on the last 240 bars at every forecast: its seasons are days, weeks and years.

    Raises:
        SettingError: if the extra is not installed.
    """
    try:
        import pandas as pd  # noqa: PLC0415 - heavy, and for this row alone
        from prophet import Prophet  # noqa: PLC0415 - an extra
    except ImportError:
        raise SettingError("the row prophet needs the extra league; run `make install LEAGUE=1`") from None
    logging.getLogger("cmdstanpy").disabled = True  # it resets its level whenever a model is made

    def one(odds: FloatArray) -> FloatArray:
        times = pd.to_datetime(rows.length_s * np.arange(len(odds) + params.forecast.horizon_bars), unit="s")
        model = Prophet(
            daily_seasonality=False, weekly_seasonality=False, yearly_seasonality=False, uncertainty_samples=0
        ).fit(pd.DataFrame({"ds": times[: len(odds)], "y": odds}))
        trend = model.predict(pd.DataFrame({"ds": times[len(odds) - 1 :]}))["yhat"].to_numpy()
        change: FloatArray = trend[1:] - trend[0]
        return change

    return lambda rows, positions: np.stack([one(past) for past in _pasts(rows, positions)])


def fracast(rows: Rows, params: Params) -> Means:
    """The median forecast of the foundation model, from the last 240 bars, without any training here.

    Raises:
        SettingError: if the extra is not installed.
    """
    try:
        from fracast import FracastModel  # noqa: PLC0415 - an extra
    except ImportError:
        raise SettingError("the row fracast needs the extra league; run `make install LEAGUE=1`") from None
    model = FracastModel.from_pretrained()
    median, horizon = model.quantiles.index(0.5), params.forecast.horizon_bars

    def means(rows: Rows, positions: IntArray) -> FloatArray:
        made = []
        for first in range(0, len(positions), BATCH):
            pasts = _pasts(rows, positions[first : first + BATCH])
            context = np.full((len(pasts), CONTEXT_BARS), np.nan, dtype=np.float32)
            for row, past in enumerate(pasts):
                context[row, -len(past) :] = past
            ahead = model.forecast(context, horizon=horizon)[..., median]
            made.append(ahead.astype(np.float64) - context[:, -1:])
        return np.concatenate(made)

    return means


def _pasts(rows: Rows, positions: IntArray) -> list[FloatArray]:
    """Log-odds of the last bars of each position's run, its own included."""
    starts = np.maximum(rows.run_start[positions], positions - CONTEXT_BARS + 1)
    return [
        log_odds(rows.mid_units[first : last + 1])
        for first, last in zip(starts.tolist(), positions.tolist(), strict=True)
    ]

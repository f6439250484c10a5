"""Bars of many markets as flat arrays, and what a forecast of each was worth when its horizon had passed."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipelines.core.domain import FloatArray
from pipelines.core.money import PRICE_SCALE
from pipelines.features.scale import MOVE_LIMIT, VOLATILITY_BARS, VOLATILITY_FLOOR, log_odds

IntArray = NDArray[np.int64]

LIVELY_UNITS = (200, PRICE_SCALE - 200)
"""Residuals are judged at prices inside; outside, one tick is a jump of log-odds and no forecast is traded."""

FORECASTS = ("forecast", "interval_width", "confidence")
RESIDUALS = ("residual",)
BRIER = ("expected_brier", "realised_brier")
JUDGED = (*FORECASTS, *RESIDUALS, "move", "covered", *BRIER)
"""Columns that need a forecast: in units of local volatility x sqrt(h), confidence and covered as shares, Brier scores
of the forecast probability of YES."""


@dataclass(frozen=True)
class Series:
    """Rows sorted by market and time; `place` is a row's position in its gap-free run."""

    market_id: NDArray[Any]
    ts_s: IntArray
    mid_units: IntArray
    length_s: int
    place: IntArray

    @classmethod
    def of(cls, market_id: NDArray[Any], ts_s: IntArray, mid_units: IntArray, length_s: int) -> "Series":
        """Rows with their runs found."""
        breaks = np.flatnonzero((market_id[1:] != market_id[:-1]) | (np.diff(ts_s) != length_s)) + 1
        starts = np.concatenate(([0], breaks)).astype(np.int64)
        sizes = np.diff(np.append(starts, len(ts_s)))
        return cls(market_id, ts_s, mid_units, length_s, np.arange(len(ts_s)) - np.repeat(starts, sizes))

    def runs(self) -> list[slice]:
        """The gap-free runs, in order."""
        starts = np.flatnonzero(self.place == 0).tolist()
        return [slice(a, b) for a, b in zip(starts, [*starts[1:], len(self.place)], strict=True)]

    def volatility(self) -> FloatArray:
        """Local volatility of every row, log-odds per sqrt(bar); missing where a run has too few bars before it."""
        odds = log_odds(self.mid_units)
        squares = np.concatenate(([0.0], np.clip(np.diff(odds), -MOVE_LIMIT, MOVE_LIMIT) ** 2))
        squares[self.place == 0] = 0.0
        total = np.cumsum(squares)
        mean = (total - np.concatenate((np.zeros(VOLATILITY_BARS), total[:-VOLATILITY_BARS]))[: len(total)]) / (
            VOLATILITY_BARS
        )
        scale = np.sqrt(np.maximum(mean, 0.0) + VOLATILITY_FLOOR**2)
        return np.where(self.place >= VOLATILITY_BARS, scale, np.nan)

    def later(self, bars: int) -> IntArray:
        """Row that lies `bars` further in the same run, -1 where there is none."""
        index = np.arange(len(self.place)) + bars
        inside = index < len(self.place)
        target = np.minimum(index, len(self.place) - 1)
        same = inside & (self.place[target] == self.place + bars)
        return np.where(same, target, -1)


@dataclass(frozen=True)
class Made:
    """Forecasts of every row at one horizon, each (n,) in log-odds, missing where there is none."""

    mean: FloatArray
    lower: FloatArray
    upper: FloatArray
    confidence: FloatArray


def judged(series: Series, made: Made, horizon: int) -> pd.DataFrame:
    """The columns `JUDGED` of every row, for forecasts of `horizon` bars."""
    unit = series.volatility() * np.sqrt(horizon)
    later = series.later(horizon)
    odds = log_odds(series.mid_units)
    low, high = LIVELY_UNITS
    known = (later >= 0) & (series.mid_units >= low) & (series.mid_units <= high) & np.isfinite(made.mean)
    move = np.where(known, odds[later] - odds, np.nan)
    covered = np.where(known, (move >= made.lower) & (move <= made.upper), np.nan)
    width = (made.upper - made.lower) / unit
    brier = _brier(series, np.where(known, made.mean, np.nan))
    columns = (made.mean / unit, width, made.confidence, (move - made.mean) / unit, move / unit, covered, *brier)
    return pd.DataFrame(dict(zip(JUDGED, columns, strict=True)))


def _brier(series: Series, mean: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Expected and realised Brier score of the forecast probability of YES at every row, missing where `mean` is.

    A probability p that is calibrated has p (1 - p) on average. Outcomes come late: until then the newest price q of
    the market is in the place of the outcome, and (p - q)^2 + q (1 - q) is the score that is to be expected. Where
    prices are calibrated both are equal on average, however late the outcome (the numerator of Spiegelhalter's test,
    Statistics in Medicine 5, 1986).
    """
    last = np.append(np.flatnonzero(series.market_id[1:] != series.market_id[:-1]), len(series.market_id) - 1)
    sizes = np.diff(np.append(-1, last))
    newest = np.repeat(series.mid_units[last], sizes) / PRICE_SCALE
    forecast = 1.0 / (1.0 + np.exp(-(log_odds(series.mid_units) + mean)))
    return forecast * (1.0 - forecast), (forecast - newest) ** 2 + newest * (1.0 - newest)

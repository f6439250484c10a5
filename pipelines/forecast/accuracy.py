"""How good forecasts are, always compared with persistence, with event-clustered bootstrap intervals.

A move that is missing (NaN: its market has ended by then) counts nowhere.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from pipelines.core.domain import FloatArray
from pipelines.core.money import PRICE_SCALE
from pipelines.features.scale import price_after
from pipelines.forecast.training_windows import IntArray, Rows
from pipelines.inference.ending import TIME_LEFT
from pipelines.inference.predictor import Forecasts

SHOWN = (1, 5, 12, 24)
POOLED_FROM = 5
SAMPLES = 1000


def skill(error: FloatArray, null: FloatArray) -> float:
    """1 - RMSE / RMSE of persistence; 0 where nothing moved."""
    base = float(np.nansum(null**2))
    return 1.0 - float(np.sqrt(np.nansum(error**2) / base)) if base > 0.0 else 0.0


def clustered_interval(error: FloatArray, null: FloatArray, event: IntArray, seed: int = 1) -> tuple[float, float]:
    """95 % interval of the skill, events drawn with repetition; error and null are (n, h) or (n,)."""
    flat = event
    squares = np.stack(
        [np.bincount(flat, weights=np.nansum(part.reshape(len(part), -1) ** 2, axis=1)) for part in (error, null)]
    )
    squares = squares[:, np.bincount(flat) > 0]
    picks = np.random.default_rng(seed).integers(0, squares.shape[1], size=(SAMPLES, squares.shape[1]))
    drawn = squares[:, picks].sum(axis=2)
    low, high = np.quantile(_skills(drawn[0], drawn[1]), (0.025, 0.975))
    return float(low), float(high)


def _skills(error: FloatArray, null: FloatArray) -> FloatArray:
    """1 - RMSE / RMSE of persistence of drawn sums of squares, (n,) each; 0 where nothing moved, as in `skill`."""
    moved = null > 0.0
    skills: FloatArray = np.where(moved, 1.0 - np.sqrt(error / np.where(moved, null, 1.0)), 0.0)
    return skills


@dataclass(frozen=True)
class Errors:
    """Squared errors in price, summed over horizons and bars of each event: of forecasts and of persistence, (E,)."""

    forecast: FloatArray
    null: FloatArray

    @classmethod
    def of(cls, rows: Rows, positions: IntArray, mean: FloatArray, horizons: slice) -> "Errors":
        """Of means (n, H) in log-odds at some bars; `horizons` picks columns, 0 is one bar ahead."""
        now = rows.mid_units[positions]
        moved = rows.price_moves(positions, mean.shape[1])[:, horizons]
        expected = price_after(now[:, None], mean[:, horizons]) - (now / PRICE_SCALE)[:, None]
        event = np.unique(rows.event[positions], return_inverse=True)[1]
        sums = (np.nansum((moved - expected) ** 2, axis=1), np.nansum(moved**2, axis=1))
        return cls(*(np.bincount(event, weights=part).astype(np.float64) for part in sums))

    @property
    def skill(self) -> float:
        """1 - RMSE / RMSE of persistence, all events together."""
        return skill(np.sqrt(self.forecast), np.sqrt(self.null))

    def interval(self, other: "Errors | None" = None, seed: int = 1) -> tuple[float, float]:
        """95 % interval of the skill, or of the skill less another's on the same bars; events with repetition."""
        picks = np.random.default_rng(seed).integers(0, len(self.null), size=(SAMPLES, len(self.null)))
        null = self.null[picks].sum(axis=1)
        values = _skills(self.forecast[picks].sum(axis=1), null)
        if other is not None:
            values -= _skills(other.forecast[picks].sum(axis=1), null)
        low, high = np.quantile(values, (0.025, 0.975))
        return float(low), float(high)


def added(
    rows: Rows, positions: IntArray, whole: FloatArray, part: FloatArray, first: int = POOLED_FROM
) -> list[float]:
    """Skill in price of whole forecasts less that of a part of them, horizons `first` to the last pooled, with its
    95 % interval: [value, low, high]. Means are (n, H) in log-odds."""
    horizons = slice(min(first, whole.shape[1]) - 1, None)
    one, other = (Errors.of(rows, positions, mean, horizons) for mean in (whole, part))
    return [one.skill - other.skill, *one.interval(other)]


def measure(rows: Rows, positions: IntArray, made: Forecasts) -> dict[str, Any]:
    """Metrics of forecasts at the given bars: the table of reports/forecast.json for one slice."""
    horizon = made.mean.shape[1]
    now = rows.mid_units[positions]
    moves = rows.moves(positions, horizon)
    longest = max(int(np.isfinite(moves).any(axis=0).sum()), 1)
    price_moves = rows.price_moves(positions, horizon)
    start = (now / PRICE_SCALE)[:, None]
    predicted = price_after(now[:, None], made.mean) - start
    error, odds_error = price_moves - predicted, moves - made.mean
    event, inside = rows.event[positions], _inside(made, moves)
    first = min(POOLED_FROM, longest) - 1
    low, high = clustered_interval(error[:, first:], price_moves[:, first:], event)
    return {
        "windows": len(positions),
        "events": len(np.unique(event)),
        "skill_price": {str(h): skill(error[:, h - 1], price_moves[:, h - 1]) for h in _shown(longest)},
        "skill_log_odds": {str(h): skill(odds_error[:, h - 1], moves[:, h - 1]) for h in _shown(longest)},
        "skill_price_pooled": skill(error[:, first:], price_moves[:, first:]),
        "skill_price_pooled_interval": [low, high],
        "pooled_horizons": [first + 1, longest],
        "rmse": {str(h): _rms(error[:, h - 1]) for h in _shown(longest)},
        "rmse_persistence": {str(h): _rms(price_moves[:, h - 1]) for h in _shown(longest)},
        "mae": {str(h): float(np.nanmean(np.abs(error[:, h - 1]))) for h in _shown(longest)},
        "mape": {str(h): _mape(start[:, 0], predicted[:, h - 1], price_moves[:, h - 1]) for h in _shown(longest)},
        "mape_persistence": {
            str(h): _mape(start[:, 0], np.zeros(len(start)), price_moves[:, h - 1]) for h in _shown(longest)
        },
        "coverage": {str(h): float(np.nanmean(inside[:, h - 1])) for h in _shown(longest)},
        "coverage_by_time_left": _coverage_by_time_left(rows, positions, inside),
        "hit_rate_last_horizon": _hit_rate(made, moves),
        "confidence": _confidence(made, moves),
    }


def _inside(made: Forecasts, moves: FloatArray) -> FloatArray:
    """1 where a move lies in its interval, 0 where not, NaN where it is missing, (n, H)."""
    return np.where(np.isnan(moves), np.nan, (moves >= made.lower) & (moves <= made.upper))


def _coverage_by_time_left(rows: Rows, positions: IntArray, inside: FloatArray) -> list[float]:
    """Coverage over all horizons of the quarters of the bars, those nearest to the end of their market first."""
    order = np.argsort(rows.features[positions, TIME_LEFT], kind="stable")
    return [float(np.nanmean(inside[part])) if len(part) else float("nan") for part in np.array_split(order, 4)]


def _shown(horizon: int) -> list[int]:
    return sorted({h for h in (*SHOWN, horizon) if h <= horizon})


def _rms(values: FloatArray) -> float:
    return float(np.sqrt(np.nanmean(values**2)))


def _mape(start: FloatArray, predicted: FloatArray, actual: FloatArray) -> float:
    """Mean absolute error as a share of the later price, a fraction; prices below 0.001 count as 0.001."""
    return float(np.nanmean(np.abs(predicted - actual) / np.maximum(start + actual, 0.001)))


def _hit_rate(made: Forecasts, moves: FloatArray) -> float | None:
    """Share of right directions of the tradable move t+1 -> t+H, among bars where it moved."""
    forecast, actual = made.mean[:, -1] - made.mean[:, 0], moves[:, -1] - moves[:, 0]
    moved = np.isfinite(actual) & (actual != 0.0) & (forecast != 0.0)
    return float(np.mean(np.sign(forecast[moved]) == np.sign(actual[moved]))) if moved.any() else None


def _confidence(made: Forecasts, moves: FloatArray) -> list[dict[str, float]]:
    """Reliability of the confidence: stated against observed hit rate at the last horizon, per band."""
    forecast, actual = made.mean[:, -1] - made.mean[:, 0], moves[:, -1] - moves[:, 0]
    table = []
    for low, high in ((0.5, 0.55), (0.55, 0.6), (0.6, 0.65), (0.65, 0.7), (0.7, 0.75), (0.75, 0.8), (0.8, 1.0)):
        band = (made.confidence >= low) & (made.confidence < high)
        moved = band & np.isfinite(actual) & (actual != 0.0) & (forecast != 0.0)
        table.append(
            {
                "from": low,
                "to": high,
                "share": float(band.mean()),
                "stated": float(made.confidence[band].mean()) if band.any() else 0.0,
                "hit_rate": float(np.mean(np.sign(forecast[moved]) == np.sign(actual[moved]))) if moved.any() else 0.0,
            }
        )
    return table

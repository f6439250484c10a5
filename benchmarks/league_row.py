"""One row of the league: what a forecaster's forecasts were worth on a course, with two kinds of intervals."""

from typing import Any

import numpy as np

from benchmarks.league_data import Course
from benchmarks.league_members import Made
from pipelines.core.domain import FloatArray
from pipelines.core.money import PRICE_SCALE
from pipelines.features.scale import price_after
from pipelines.forecast.accuracy import POOLED_FROM, Errors, measure
from pipelines.forecast.training_windows import IntArray, Rows
from pipelines.inference.predictor import Forecasts

PERIODS = 10
"""Equal parts of the judged time; each weighs the same, whatever moved in it."""
SAMPLES = 1_000
VAR_LEVEL = 0.05
WITHIN = 0.03
"""How far the coverage of an interval may be from the stated one at any horizon."""

Row = dict[str, Any]


def judge(course: Course, made: Made) -> Row:
    """The figures of one forecaster; `events` has its errors by event, for comparisons of two rows."""
    rows, params = course.rows, course.params
    horizon = params.forecast.horizon_bars
    chosen = np.isin(made.positions, course.judged())
    positions, part = made.positions[chosen], made.forecasts
    kept = Forecasts(part.mean[chosen], part.lower[chosen], part.upper[chosen], part.confidence[chosen])
    pooled = slice(min(POOLED_FROM, horizon) - 1, None)
    errors = Errors.of(rows, positions, kept.mean, pooled)
    return {
        "metrics": measure(rows, positions, kept),
        "period_skill": by_period(rows, positions, kept.mean, pooled),
        "price_slope": price_slope(rows, positions, kept.mean),
        "coverage": coverage(rows, positions, kept, params.conformal.coverage),
        "value_at_risk": value_at_risk(rows.moves(positions, horizon)[:, -1], kept.lower[:, -1]),
        "events": {"forecast": errors.forecast.tolist(), "null": errors.null.tolist()},
        "training_s": made.training_s,
        "inference_ms": made.inference_ms,
    }


def adds(whole: Row, part: Row) -> list[float] | None:
    """Pooled skill of one row less another's on the same bars, with its 95 % interval over events; None where they
    were judged on different bars."""
    one, other = (Errors(*(np.array(row["events"][name]) for name in ("forecast", "null"))) for row in (whole, part))
    if len(one.null) != len(other.null) or not np.allclose(one.null, other.null):
        return None
    return [one.skill - other.skill, *one.interval(other)]


def by_period(rows: Rows, positions: IntArray, mean: FloatArray, horizons: slice) -> list[float]:
    """Skill in price with every period weighing the same, and its 95 % interval over periods."""
    ts_s = rows.ts_s[positions]
    span = max(int(ts_s.max() - ts_s.min()), 1)
    period = np.minimum((ts_s - ts_s.min()) * PERIODS // span, PERIODS - 1)
    now = rows.mid_units[positions]
    moved = rows.price_moves(positions, mean.shape[1])[:, horizons]
    error = moved - (price_after(now[:, None], mean[:, horizons]) - (now / PRICE_SCALE)[:, None])
    sums = [np.bincount(period, weights=(one**2).sum(axis=1), minlength=PERIODS) for one in (error, moved)]
    used = sums[1] > 0.0
    ratios = sums[0][used] / sums[1][used]
    picks = np.random.default_rng(1).integers(0, len(ratios), size=(SAMPLES, len(ratios)))
    low, high = np.quantile(1.0 - np.sqrt(ratios[picks].mean(axis=1)), (0.025, 0.975))
    return [float(1.0 - np.sqrt(ratios.mean())), float(low), float(high)]


def price_slope(rows: Rows, positions: IntArray, mean: FloatArray) -> dict[str, float | None]:
    """Slope of the actual on the forecast change of price per horizon: 1 is calibrated, less is too sure. None where
    nothing was forecast."""
    now = rows.mid_units[positions]
    forecast = price_after(now[:, None], mean) - (now / PRICE_SCALE)[:, None]
    moved = rows.price_moves(positions, mean.shape[1])
    power, common = (forecast**2).sum(axis=0), (forecast * moved).sum(axis=0)
    known = np.any(mean != 0.0, axis=0).tolist()
    return {str(h + 1): float(common[h] / power[h]) if known[h] else None for h in range(mean.shape[1])}


def coverage(rows: Rows, positions: IntArray, made: Forecasts, stated: float) -> Row:
    """Share of changes inside the interval per horizon, the largest distance to the stated share, and whether that is
    within three points at every horizon. Price and log-odds give the same shares."""
    moves = rows.moves(positions, made.mean.shape[1])
    shares = np.mean((moves >= made.lower) & (moves <= made.upper), axis=0)
    gap = float(np.max(np.abs(shares - stated)))
    return {"by_horizon": np.round(shares, 4).tolist(), "largest_gap": gap, "within_3_points": gap <= WITHIN}


def value_at_risk(moves: FloatArray, lower: FloatArray) -> dict[str, float]:
    """The 5 % lower bound as value at risk: share of moves below it, and its pinball loss."""
    error = moves - lower
    loss = float(np.mean(np.maximum(VAR_LEVEL * error, (VAR_LEVEL - 1.0) * error)))
    return {"exceeded": float(np.mean(error < 0.0)), "loss": loss}

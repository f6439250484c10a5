"""Impact and depth of the modelled book, fitted to what buys pay on whole recorded books.

What a buy pays is counted in ticks beyond the touch, up to its limit (`execution.band_ticks`), and what the book leaves
unfilled within it counts at the limit: beyond the limit no order of ours pays anything, and two abandoned books would
decide the fit. Mids within `policy.min_price` of 0 or 1 and spreads above WIDEST are left out, as in the spread's fit.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.calibrate_spread import SAMPLES
from benchmarks.recordings import RecordedBook, books
from pipelines.core.domain import FloatArray
from pipelines.core.errors import DataError
from pipelines.core.money import MICRO, PRICE_SCALE
from pipelines.core.sections import ExecutionParams
from pipelines.pull.spreads import EXTREME, usual
from pipelines.trading import compiled, kernel

SIZES_PUSD = (30, 100, 300, 1_000)
IMPACTS = np.arange(0.0, 0.51, 0.025)
DEPTHS = np.unique(np.round(np.geomspace(100.0, 20_000.0, 47), -1)).astype(np.int64)
BOOKS_PER_MARKET = 60
"""Spread evenly over a market's recording; all of its books together have one vote."""


@dataclass(frozen=True)
class Errors:
    """Per market: mean squared error of every impact and depth, shape (markets, impacts, depths), and with the
    parameters that are in force the mean squared error and the mean error (model less book), shape (markets,)."""

    squared: FloatArray
    squared_now: FloatArray
    mean_now: FloatArray


def errors(path: Path, execution: ExecutionParams) -> Errors:
    """Errors of every market of a recording.

    Raises:
        DataError: if a line is no book, or no market of the recording is within the bounds.
    """
    markets: dict[str, list[RecordedBook]] = defaultdict(list)
    for book in books(path):
        middle = (book.bid + book.asks[0, 0]) / 2.0 / PRICE_SCALE
        if usual(middle, book.spread / PRICE_SCALE):
            markets[book.market].append(book)
    if not markets:
        raise DataError(f"{path} holds no two-sided book with a mid of {EXTREME} to {1 - EXTREME} and a usual spread")
    return joined([_of_market(_spread_out(found), execution) for found in markets.values()])


def joined(parts: Sequence[Errors]) -> Errors:
    """The markets of several recordings."""
    names = ("squared", "squared_now", "mean_now")
    return Errors(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))


def fit(found: Errors) -> dict[str, Any]:
    """Impact and depth with the least squared error, their intervals over markets, and the error in ticks: with the
    parameters in force, with the fitted ones, and with those fitted without the market that is judged."""
    count = len(found.squared)
    impact, depth = _best(found.squared.mean(axis=0))
    drawn = np.random.default_rng(0).integers(0, count, (SAMPLES, count))
    best = [_best(found.squared[rows].mean(axis=0)) for rows in drawn]
    low, high = np.quantile(best, (0.025, 0.975), axis=0).tolist()
    return {
        "markets": count,
        "impact_share": round(impact, 3), "impact_low": round(low[0], 3), "impact_high": round(high[0], 3),
        "depth_shares": round(depth), "depth_low": round(low[1]), "depth_high": round(high[1]),
        "rmse_ticks": round(float(np.sqrt(found.squared.mean(axis=0).min())), 3),
        "rmse_ticks_left_out": round(_left_out(found.squared), 3) if count > 1 else None,
        "rmse_ticks_params": round(float(np.sqrt(found.squared_now.mean())), 3),
        "mean_error_ticks_params": round(float(found.mean_now.mean()), 3),
    }  # fmt: skip


def recorded(book: RecordedBook, shares: float, limit: int) -> float:
    """Ticks beyond the touch that a buy pays on a book, its unfilled rest at the limit."""
    prices, sizes = book.asks[:, 0], book.asks[:, 1]
    there = np.where(prices <= limit, sizes, 0.0)
    taken = np.clip(shares - (np.cumsum(there) - there), 0.0, there)
    cost = taken @ prices + (shares - taken.sum()) * limit
    return float(cost / shares - prices[0]) / book.tick


def modelled(ask: int, spread: int, tick: int, shares: float, limit: int, impact_share: float, depth: int) -> float:
    """The same on the modelled book of this touch and spread."""
    wanted = int(shares * MICRO)
    impact, shown = compiled.impact_units(spread, impact_share), compiled.shown_micro(depth * MICRO, spread, tick)
    bought, notional, _ = compiled.walk(1, wanted, limit, ask, tick, impact, shown, shown, 0.0, 1.0)
    cost: int = notional * PRICE_SCALE + (wanted - bought) * limit
    return (cost / wanted - ask) / tick


def _of_market(kept: Sequence[RecordedBook], execution: ExecutionParams) -> Errors:
    orders = [_order(book, size, execution.band_ticks) for book in kept for size in SIZES_PUSD]
    touches, same = np.unique([order[:-1] for order in orders], axis=0, return_inverse=True)
    paid = np.array([order[-1] for order in orders])

    def off(impact_share: float, depth: int) -> FloatArray:
        made = [
            modelled(int(ask), int(spread), int(tick), shares, int(limit), impact_share, depth)
            for ask, spread, tick, shares, limit in touches
        ]
        misses: FloatArray = np.array(made)[same.ravel()] - paid
        return misses

    squared = [[np.mean(off(impact, depth) ** 2) for depth in DEPTHS.tolist()] for impact in IMPACTS.tolist()]
    now = off(execution.impact_share, execution.model_depth_shares)
    return Errors(np.array([squared]), np.array([np.mean(now**2)]), np.array([now.mean()]))


def _order(book: RecordedBook, size_pusd: int, band_ticks: int) -> tuple[float, float, float, float, float, float]:
    ask, spread, tick = round(float(book.asks[0, 0])), round(book.spread), round(book.tick)
    shares, limit = size_pusd * PRICE_SCALE / ask, kernel.buy_limit(ask, tick, band_ticks)
    return ask, spread, tick, shares, limit, recorded(book, shares, limit)


def _spread_out(found: Sequence[RecordedBook]) -> list[RecordedBook]:
    rows = np.unique(np.linspace(0, len(found) - 1, BOOKS_PER_MARKET).round().astype(int))
    return [found[row] for row in rows.tolist()]


def _best(squared: FloatArray) -> tuple[float, float]:
    row, column = np.unravel_index(np.argmin(squared), squared.shape)
    return float(IMPACTS[row]), float(DEPTHS[column])


def _left_out(squared: FloatArray) -> float:
    """Root mean squared error of every market with the numbers that the other markets decide."""
    others = (squared.sum(axis=0) - squared).reshape(len(squared), -1).argmin(axis=1)
    judged = squared.reshape(len(squared), -1)[np.arange(len(squared)), others]
    return float(np.sqrt(judged.mean()))

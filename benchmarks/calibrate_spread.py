"""The spread to assume where only a mid is known: its mean over traded markets, and laws that it could follow."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
from numpy.typing import NDArray

from benchmarks import recordings
from pipelines.core.domain import FloatArray
from pipelines.core.errors import DataError
from pipelines.core.money import PRICE_SCALE
from pipelines.core.sections import ExecutionParams
from pipelines.pull.spreads import usual
from pipelines.replay.market_history import touches

COLUMNS = ("event_slug", "bestBid", "bestAsk", "orderPriceMinTickSize", "volume24hr")
NAMES = ("market_id", "slug")
"""Columns that name the market of a series; the first that is there."""
TRADED_PUSD = 1_000.0
"""A market counts when this much was traded in it on the day; where the volume is recorded."""
FEWEST = 30
SAMPLES = 1_000
FOLDS = 10


@dataclass(frozen=True)
class ListedQuotes:
    """One row per market: its event, and mid, spread and tick as prices."""

    event: NDArray[np.str_]
    mid: FloatArray
    spread: FloatArray
    tick: FloatArray


def listing(path: Path) -> ListedQuotes:
    """The traded markets of a listing.

    Raises:
        DataError: if the file cannot be read, lacks a column, or holds fewer than FEWEST such markets.
    """
    rows = _rows(path, COLUMNS)
    rows = _kept(rows, rows["bestBid"], rows["bestAsk"], rows["volume24hr"], path)
    tick = rows["orderPriceMinTickSize"].to_numpy(dtype=np.float64)
    return ListedQuotes(rows["event_slug"].to_numpy(str), rows["mid"].to_numpy(), rows["spread"].to_numpy(), tick)


def fit(quotes: ListedQuotes, execution: ExecutionParams) -> dict[str, Any]:
    """Mean, interval and median of the spread, as a price and by tick in ticks, and the mean of the touch that the
    parameters in force put around the same mids (`mean_params`); and what each law misses on events that it was not
    fitted to: the root mean square as a price, and by tick the mean in ticks."""
    made = modelled(quotes, execution)
    result = _summary(quotes.spread, quotes.event) | {"mean_params": _rounded(made.mean())}
    left = {name: _left(quotes, basis) for name, basis in laws(quotes).items()}
    result["rmse_out_of_sample"] = {name: _rounded(np.sqrt(np.mean(one**2))) for name, one in left.items()}
    for tick in np.unique(quotes.tick).tolist():
        rows = quotes.tick == tick
        result[f"ticks_of_{tick:g}"] = _summary(quotes.spread[rows] / tick, quotes.event[rows]) | {
            "mean_params": _rounded(made[rows].mean() / tick),
            "law_less_recorded": {name: _rounded(-one[rows].mean() / tick) for name, one in left.items()},
        }
    return result


def modelled(quotes: ListedQuotes, execution: ExecutionParams) -> FloatArray:
    """Mean spread over a day of minutes, as a price, of the touches on the grid that the engine puts around a mid."""
    ts_s = 60 * np.arange(1_440)
    nothing, spread, modelled = np.zeros_like(ts_s), [], execution.model_spread * PRICE_SCALE
    for mid, tick in zip(quotes.mid, quotes.tick, strict=True):
        bid, ask = touches(ts_s, nothing + round(mid * PRICE_SCALE), nothing, round(tick * PRICE_SCALE), modelled)
        spread.append(float(np.mean(ask - bid)))
    return np.array(spread) / PRICE_SCALE


def laws(quotes: ListedQuotes) -> dict[str, FloatArray]:
    """Spread = a x the column, or columns, of a law."""
    one, tick = np.ones(len(quotes.tick)), quotes.tick
    each = np.column_stack([tick == value for value in np.unique(tick)]).astype(np.float64)
    shape = np.sqrt(quotes.mid * (1.0 - quotes.mid))
    bases = {"constant": one, "ticks": tick, "root_of_tick": np.sqrt(tick), "by_tick": each, "root_of_p_q": shape}
    return {name: basis.reshape(len(tick), -1) for name, basis in bases.items()}


def of_series(path: Path) -> dict[str, Any]:
    """The same mean over the markets of a series, each its mean over time.

    Raises:
        DataError: if the file cannot be read, lacks a column, or holds no market within the bounds.
    """
    names = pq.read_schema(path).names if path.is_file() else []
    volume = ["volume_24h"] if "volume_24h" in names else []
    name = next((name for name in NAMES if name in names), NAMES[0])
    rows = _rows(path, (name, "best_bid", "best_ask", *volume))
    traded = rows[volume[0]] if volume else pd.Series(TRADED_PUSD, index=rows.index)
    kept = _kept(rows, rows["best_bid"], rows["best_ask"], traded, path)
    each = kept.groupby(name, observed=True)["spread"].mean()
    return _summary(each.to_numpy(), each.index.to_numpy(str))


def _rows(path: Path, columns: tuple[str, ...]) -> pd.DataFrame:
    rows: pd.DataFrame = recordings.table(path, columns).to_pandas()
    return rows


def _kept(rows: pd.DataFrame, bid: pd.Series, ask: pd.Series, traded: pd.Series, path: Path) -> pd.DataFrame:
    rows = rows.assign(mid=(bid + ask) / 2.0, spread=(ask - bid).round(6))
    rows = rows[usual(rows["mid"], rows["spread"]) & (traded >= TRADED_PUSD)]
    if len(rows) < FEWEST:
        raise DataError(f"{path} holds {len(rows)} rows of traded markets with two sides; {FEWEST} are needed")
    return rows


def _summary(values: FloatArray, clusters: NDArray[np.str_]) -> dict[str, Any]:
    _, cluster = np.unique(clusters, return_inverse=True)
    sums, sizes = np.bincount(cluster, values), np.bincount(cluster)
    drawn = np.random.default_rng(0).integers(0, len(sums), (SAMPLES, len(sums)))
    low, high = np.quantile(sums[drawn].sum(axis=1) / sizes[drawn].sum(axis=1), (0.025, 0.975))
    figures = {"mean": values.mean(), "low": low, "high": high, "median": np.median(values)}
    return {"markets": len(values), **{name: _rounded(value) for name, value in figures.items()}}


def _rounded(value: float) -> float:
    return round(float(value), 4)


def _left(quotes: ListedQuotes, basis: FloatArray) -> FloatArray:
    """What a law leaves of the spreads of events that it was not fitted to."""
    _, cluster = np.unique(quotes.event, return_inverse=True)
    fold, left = np.random.default_rng(0).permutation(cluster.max() + 1)[cluster] % FOLDS, np.empty(len(basis))
    for held in range(FOLDS):
        fitted, *_ = np.linalg.lstsq(basis[fold != held], quotes.spread[fold != held], rcond=None)
        left[fold == held] = quotes.spread[fold == held] - basis[fold == held] @ fitted
    return left

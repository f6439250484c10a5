"""How the liquidity of open markets falls with their spread in ticks; `trading.kernel.shown_micro` has the power -1."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from benchmarks import recordings
from pipelines.core.domain import FloatArray
from pipelines.core.errors import DataError

COLUMNS = ("bestBid", "bestAsk", "orderPriceMinTickSize", "liquidityNum")
EXTREME = 0.03
"""Markets with a price nearer to 0 or 1 are left out: their spread is bounded by the end of the scale."""
WIDEST = 50
"""In ticks; wider ones are abandoned rather than thin."""
EDGES = (0.5, 1.5, 2.5, 3.5, 5.5, 10.5, 20.5, WIDEST)
FEWEST = 30
SAMPLES = 1_000


def read(path: Path) -> tuple[FloatArray, FloatArray]:
    """Spread in ticks and liquidity in pUSD of the markets that have both.

    Raises:
        DataError: if the file cannot be read, lacks a column, or holds fewer than FEWEST such markets.
    """
    rows = recordings.table(path, COLUMNS, pa.float64())
    bid, ask, tick, liquidity = (column.to_numpy() for column in rows.columns)
    with np.errstate(invalid="ignore", divide="ignore"):
        spread = np.round((ask - bid) / tick)
        kept = (bid > EXTREME) & (ask < 1.0 - EXTREME) & (spread >= 1) & (spread < WIDEST) & (liquidity > 0.0)
    if kept.sum() < FEWEST:
        raise DataError(f"{path} holds {kept.sum()} markets with a two-sided price and liquidity; {FEWEST} are needed")
    return spread[kept], liquidity[kept]


def measure(spread: FloatArray, liquidity: FloatArray) -> dict[str, Any]:
    """The power that fits best (least squares of logarithms), its interval, and medians by spread."""
    rng = np.random.default_rng(0)
    drawn = [power(spread[rows], liquidity[rows]) for rows in rng.integers(0, len(spread), (SAMPLES, len(spread)))]
    low, high = np.quantile(drawn, (0.025, 0.975))
    group = np.digitize(spread, EDGES)
    medians = {
        f"{int(EDGES[k - 1] + 0.5)}..{int(EDGES[k])}": round(float(np.median(liquidity[group == k])))
        for k in np.unique(group).tolist()
    }
    return {
        "markets": len(spread),
        "power": round(power(spread, liquidity), 2),
        "power_low": round(float(low), 2),
        "power_high": round(float(high), 2),
        "median_liquidity_pusd": medians,
    }


def power(spread: FloatArray, liquidity: FloatArray) -> float:
    """Exponent b of liquidity ~ spread ** b."""
    return float(np.polyfit(np.log(spread), np.log(liquidity), 1)[0])

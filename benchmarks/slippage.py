"""What an order pays on recorded books, compared with the execution model: `python -m benchmarks.slippage BOOKS...`.

BOOKS are JSON lines (or .gz) of full-depth books: objects with `bids` and `asks` as lists of price and size (or JSON
text of such), alone or under `books`; or Parquet of the market channel, one row per level. A buy of every size walks
each book; the model walks a book of the same touch with `execution.model_depth_shares` over the spread in ticks a level
and `execution.impact_share` of the spread on top.
One JSON line: spread in ticks, shares at the touch, and per size, on the books and in the model, the mean and the 90 %
quantile of what the order pays beyond the touch in ticks, and the mean share that `execution.band_ticks` let fill.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.recordings import RecordedBook, books
from pipelines.core.errors import DataError, OddsmithError
from pipelines.core.money import MICRO, PRICE_SCALE
from pipelines.core.params import read
from pipelines.core.sections import ExecutionParams
from pipelines.trading import kernel

SIZES_PUSD = (100, 300, 1000)
WIDEST = 0.10
"""Books with a wider spread are left out, and counted: no limit of ours would trade there."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print; 1 with one line when a recording cannot be read."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.slippage", description=__doc__)
    parser.add_argument("books", type=Path, nargs="+")
    asked = parser.parse_args(arguments)
    execution = read(Path("params.yaml")).execution
    try:
        for path in asked.books:
            print(json.dumps({"benchmark": "slippage", "recording": path.name, **measure(path, execution)}))
    except OddsmithError as error:
        print(f"slippage: {error}", file=sys.stderr)
        return 1
    return 0


def measure(path: Path, execution: ExecutionParams) -> dict[str, Any]:
    """Figures of one recording."""
    found = list(books(path))
    kept = [book for book in found if 0 < book.spread <= WIDEST * PRICE_SCALE]
    if not kept:
        raise DataError(f"{path} holds {len(found)} two-sided books and none with a spread of at most {WIDEST}")
    spreads = [book.spread / book.tick for book in kept]
    touch = [float(book.asks[0, 1]) for book in kept]
    result: dict[str, Any] = {
        "books": len(kept),
        "left_out": len(found) - len(kept),
        "spread_ticks_mean": round(float(np.mean(spreads)), 2),
        "spread_ticks_median": float(np.median(spreads)),
        "touch_shares_median": float(np.median(touch)),
        "touch_shares_p10": float(np.quantile(touch, 0.1)),
    }
    for size in SIZES_PUSD:
        result[f"buy_{size}_pusd"] = _order(kept, size, execution)
    return result


def _order(kept: Sequence[RecordedBook], size: int, execution: ExecutionParams) -> dict[str, float]:
    paid = np.array([recorded(book, size) for book in kept])
    modelled = np.array([model(book, size, execution) for book in kept])
    within = [filled(book, size, execution.band_ticks) for book in kept]
    model_within = [model_filled(book, size, execution) for book in kept]
    return {
        "ticks_mean": round(float(np.mean(paid)), 2),
        "ticks_p90": round(float(np.quantile(paid, 0.9)), 2),
        "model_ticks_mean": round(float(np.mean(modelled)), 2),
        "model_ticks_p90": round(float(np.quantile(modelled, 0.9)), 2),
        "within_band": round(float(np.mean(within)), 3),
        "model_within_band": round(float(np.mean(model_within)), 3),
    }


def recorded(book: RecordedBook, size_pusd: float) -> float:
    """Ticks beyond the touch that a buy of `size_pusd` pays on average, walking the whole book."""
    worth = np.cumsum(book.asks[:, 0] * book.asks[:, 1]) / PRICE_SCALE
    before = np.concatenate(([0.0], worth[:-1]))
    spent = np.clip(size_pusd - before, 0.0, worth - before)
    shares = float(np.sum(spent * PRICE_SCALE / book.asks[:, 0]))
    return (float(np.sum(spent)) * PRICE_SCALE / shares - float(book.asks[0, 0])) / book.tick


def model(book: RecordedBook, size_pusd: float, execution: ExecutionParams) -> float:
    """The same on the modelled book with this touch and spread, without a limit."""
    ask = round(float(book.asks[0, 0]))
    _, shares, notional = _walked(book, size_pusd, execution, PRICE_SCALE - round(book.tick))
    return (notional * PRICE_SCALE / shares - ask) / book.tick


def filled(book: RecordedBook, size_pusd: float, band_ticks: int) -> float:
    """Share of a buy that the book sells within the band."""
    near = book.asks[book.asks[:, 0] <= book.asks[0, 0] + band_ticks * book.tick]
    return min(float(np.sum(near[:, 0] * near[:, 1])) / PRICE_SCALE / size_pusd, 1.0)


def model_filled(book: RecordedBook, size_pusd: float, execution: ExecutionParams) -> float:
    """The same on the modelled book."""
    ask, tick = round(float(book.asks[0, 0])), round(book.tick)
    wanted, shares, _ = _walked(book, size_pusd, execution, kernel.buy_limit(ask, tick, execution.band_ticks))
    return shares / wanted


def _walked(book: RecordedBook, size_pusd: float, execution: ExecutionParams, limit: int) -> tuple[int, int, int]:
    """Shares wanted, shares bought and what they cost in base units, on the modelled book up to a limit."""
    ask, tick, spread = round(float(book.asks[0, 0])), round(book.tick), round(book.spread)
    wanted = int(size_pusd / (ask / PRICE_SCALE) * MICRO)
    impact = kernel.impact_units(spread, execution.impact_share)
    shown = kernel.shown_micro(execution.model_depth_shares * MICRO, spread, tick)
    bought, notional, _ = kernel.walk(1, wanted, limit, ask, tick, impact, shown, shown, 0.0, 1.0)
    return wanted, bought, notional


if __name__ == "__main__":
    sys.exit(main())

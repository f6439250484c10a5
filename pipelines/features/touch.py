"""Imbalance and microprice of the best bid and ask. `order_flow` has the features of the levels behind them."""

import numpy as np
from numpy.typing import NDArray

from pipelines.core.domain import FloatArray, Quote
from pipelines.core.money import PRICE_SCALE

Sizes = NDArray[np.int64]
IntArray = NDArray[np.int64]


def imbalances(bid_size_micro: Sizes, ask_size_micro: Sizes) -> FloatArray:
    """Batch form of `imbalance`, one value per pair of sizes in base units; 0 where nothing is displayed."""
    total = bid_size_micro + ask_size_micro
    return _over((bid_size_micro - ask_size_micro).astype(np.float64), total.astype(np.float64))


def imbalance(quote: Quote) -> float:
    """Imbalance at the touch in [-1, 1]: (bid size - ask size) over their sum; 1 bids alone, 0 balanced or empty."""
    total = quote.bid_size_micro + quote.ask_size_micro
    return (quote.bid_size_micro - quote.ask_size_micro) / total if total else 0.0


def micro_gaps(bid_units: IntArray, ask_units: IntArray, sizes_micro: IntArray) -> FloatArray:
    """Batch form of `micro_gap`, (n,), of touches in 1e-4 and sizes at bid and ask, (n, 2), in base units."""
    bid, ask = sizes_micro[:, 0], sizes_micro[:, 1]
    two_sided = (bid_units > 0) & (bid_units < ask_units) & (ask_units < PRICE_SCALE)
    return np.where(two_sided, 0.5 * ((ask_units - bid_units) / PRICE_SCALE) * imbalances(bid, ask), 0.0)


def micro_gap(quote: Quote) -> float:
    """Microprice less mid at the touch, in [0, 1] prices: half the spread times the imbalance; 0 where the book shows
    no two sides or no sizes. `market_context` has the same of a bar's book."""
    return 0.5 * (quote.spread_units / PRICE_SCALE) * imbalance(quote) if quote.two_sided else 0.0


def _over(part: FloatArray, whole: FloatArray) -> FloatArray:
    found: FloatArray = np.zeros(len(part))
    np.divide(part, whole, out=found, where=whole > 0)
    return found

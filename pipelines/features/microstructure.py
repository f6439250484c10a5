"""What the displayed sizes lean to, for measurements; the forecaster reads `market_context`."""

import numpy as np
from numpy.typing import NDArray

from pipelines.core.domain import FloatArray, Quote

Sizes = NDArray[np.int64]


def imbalances(bid_size_micro: Sizes, ask_size_micro: Sizes) -> FloatArray:
    """Batch form of `imbalance`, one value per pair of sizes in base units; 0 where nothing is displayed."""
    total = bid_size_micro + ask_size_micro
    lean = (bid_size_micro - ask_size_micro).astype(np.float64)
    balance: FloatArray = np.zeros(len(total))
    np.divide(lean, total, out=balance, where=total > 0)
    return balance


def imbalance(quote: Quote) -> float:
    """Imbalance at the touch in [-1, 1]: (bid size - ask size) over their sum; 1 bids alone, 0 balanced or empty."""
    total = quote.bid_size_micro + quote.ask_size_micro
    return (quote.bid_size_micro - quote.ask_size_micro) / total if total else 0.0

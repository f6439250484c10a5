"""What books and trades lean to, for measurements; the forecaster reads `market_context`.

Prices are in [0, 1] units, sizes in shares, times in seconds; everything at a time is known at that time.
"""

import hashlib
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pipelines.core.domain import FloatArray, Quote
from pipelines.core.money import PRICE_SCALE

Sizes = NDArray[np.int64]
IntArray = NDArray[np.int64]

BOOK_FEATURES: Final = ("imbalance_1", "imbalance_3", "imbalance_5", "slope", "micro_gap", "deep_gap")
"""Imbalance of the first 1, 3 and 5 levels; which side's sizes lie nearer to the mid; microprice less mid at the touch,
and the same weighing the mean prices of the first five levels."""
TRADE_FEATURES: Final = ("trade_imbalance", "profile_gap", "large_flow")
"""Bought less sold over all trades of the window; the price at which most was traded so far, less the mid; bought less
sold of large accounts over all trades of the window."""
DEPTHS: Final = (1, 3, 5)
BUCKET: Final = 0.01
"""Width of a price bucket of the volume profile."""


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


@dataclass(frozen=True)
class BookLevels:
    """Levels of many books, best first, (n, L) each: prices and sizes; a level that is not there has size 0."""

    bid_price: FloatArray
    bid_size: FloatArray
    ask_price: FloatArray
    ask_size: FloatArray

    @property
    def mid(self) -> FloatArray:
        """Middle of the best bid and ask, (n,)."""
        middle: FloatArray = (self.bid_price[:, 0] + self.ask_price[:, 0]) / 2.0
        return middle


def book_features(books: BookLevels) -> FloatArray:
    """BOOK_FEATURES of every book, (n, 6); 0 where a side shows nothing."""
    mid = books.mid[:, None]
    made = []
    for depth in DEPTHS:
        bid, ask = (size[:, :depth].sum(axis=1) for size in (books.bid_size, books.ask_size))
        made.append(_over(bid - ask, bid + ask))
    bid, ask = (size[:, : DEPTHS[-1]] for size in (books.bid_size, books.ask_size))
    below, above = mid - books.bid_price[:, : DEPTHS[-1]], books.ask_price[:, : DEPTHS[-1]] - mid
    both = (bid.sum(axis=1) > 0.0) & (ask.sum(axis=1) > 0.0)
    far_bid, far_ask = (_over((size * far).sum(axis=1), size.sum(axis=1)) for size, far in ((bid, below), (ask, above)))
    made.append(_over(far_ask - far_bid, far_ask + far_bid))
    touch = _over(bid[:, 0] * above[:, 0] - ask[:, 0] * below[:, 0], bid[:, 0] + ask[:, 0])
    deep = _over(bid.sum(axis=1) * far_ask - ask.sum(axis=1) * far_bid, bid.sum(axis=1) + ask.sum(axis=1))
    found: FloatArray = np.where(both[:, None], np.column_stack([*made, touch, deep]), 0.0)
    return found


@dataclass(frozen=True)
class Tape:
    """Trades of one market whose side is known, oldest first, (n,) each. `account` are hashes of wallets, or none."""

    ts_s: IntArray
    buys: NDArray[np.bool_]
    price: FloatArray
    size: FloatArray
    account: IntArray | None = None

    @property
    def signed(self) -> FloatArray:
        """Sizes, negative where the taker sold YES."""
        return np.where(self.buys, self.size, -self.size)


def hashed(wallet: str, salt: bytes) -> int:
    """A number that stands for a wallet and cannot be turned back into it without the salt; the same for every case."""
    return int.from_bytes(hashlib.blake2b(wallet.lower().encode(), key=salt, digest_size=7).digest())


def trade_features(tape: Tape, at_s: IntArray, mid: FloatArray, window_s: int, large_share: float) -> FloatArray:
    """TRADE_FEATURES at the times `at_s` with their mids, (n, 3); 0 where nothing was traded in the window."""
    now, before = (np.searchsorted(tape.ts_s, at_s - back, side="right") for back in (0, window_s))
    total = _within(tape.size, now, before)
    flow = np.where(is_large(tape, large_share), tape.signed, 0.0)
    bought = _over(_within(tape.signed, now, before), total)
    return np.column_stack([bought, _profile_gap(tape, now, mid), _over(_within(flow, now, before), total)])


def is_large(tape: Tape, share: float) -> NDArray[np.bool_]:
    """Whether a trade's account had traded at least this share of the market's volume by then, its own trade included.

    An account is judged from its past alone, so that its first trades count for nothing.
    """
    if tape.account is None or not len(tape.size):
        return np.zeros(len(tape.size), dtype=np.bool_)
    order = np.argsort(tape.account, kind="stable")
    sums = np.cumsum(tape.size[order])
    starts = np.flatnonzero(np.append(True, np.diff(tape.account[order]) != 0))
    earlier = np.repeat(np.append(0.0, sums)[starts], np.diff(np.append(starts, len(order))))
    own = np.empty(len(order))
    own[order] = sums - earlier
    whole = np.cumsum(tape.size)
    warm = np.arange(len(own)) >= WARM_TRADES
    found: NDArray[np.bool_] = warm & (own >= share * whole)
    return found


WARM_TRADES: Final = 50
"""Trades of a market before any account counts as large: the first ones are large shares of little."""


def _profile_gap(tape: Tape, now: IntArray, mid: FloatArray) -> FloatArray:
    bucket = np.clip(np.rint(tape.price / BUCKET).astype(np.int64), 0, int(1.0 / BUCKET))
    volume, best, found, done = np.zeros(int(1.0 / BUCKET) + 1), 0, np.zeros(len(now)), 0
    for index, end in enumerate(now.tolist()):
        for trade in range(done, end):
            place = bucket[trade]
            volume[place] += tape.size[trade]
            if volume[place] >= volume[best]:
                best = int(place)
        done = max(done, end)
        found[index] = best * BUCKET - mid[index] if end else 0.0
    return found


def _within(values: FloatArray, now: IntArray, before: IntArray) -> FloatArray:
    sums = np.append(0.0, np.cumsum(values))
    inside: FloatArray = sums[now] - sums[before]
    return inside


def _over(part: FloatArray, whole: FloatArray) -> FloatArray:
    found: FloatArray = np.zeros(len(part))
    np.divide(part, whole, out=found, where=whole > 0)
    return found

"""Order-flow features of a bar: depth beyond the best level, signed trades, volume profile, and large accounts.

Every value is known at the close of its bar, and 0 where nothing was seen. The arithmetic is on whole numbers and in
one form: recorded frames, the venue's history and the live process all feed the same objects, trade by trade.
"""

from collections import Counter, deque
from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np

from pipelines.core.domain import FloatArray, Tape
from pipelines.core.money import PRICE_SCALE

BOOK: Final = ("imbalance_3", "imbalance_5", "slope", "deep_gap")
"""Imbalance of the first 3 and 5 levels in [-1, 1]; which side's sizes lie nearer to the mid, in [-1, 1]; a microprice
of the mean prices of the first five levels less the mid, in price units."""
TRADES: Final = ("trade_imbalance", "profile_gap")
"""Bought less sold over all trades of the last WINDOW_BARS, in [-1, 1]; the price at which most was traded in the last
MEMORY_BARS less the mid, in price units."""
ACCOUNTS: Final = ("large_flow", "large_position")
"""Bought less sold by large accounts over all trades of the window that ended a bar ago (the venue tells who traded
later than that something was traded); YES less NO shares that large holders have, over all of the largest holders'."""
ORDER_FLOW: Final = (*BOOK, *TRADES, *ACCOUNTS)
NOTHING: Final = (0.0,) * len(ORDER_FLOW)
"""Nothing was seen."""
NO_BOOK: Final = (0.0, 0.0, 0.0, 0.0)
"""`BOOK` where a side shows nothing."""

DEPTH: Final = 5
"""Levels of a book that are read."""
WINDOW_BARS: Final = 15
MEMORY_BARS: Final = 1_440
"""Bars whose trades the volume profile and the shares of accounts remember."""
LARGE_SHARE: Final = 0.08
"""An account is large from this share of the remembered volume on, a holder from this share of a token's on."""
POSITION_S: Final = 3_600
"""Market seconds for which what the holders had counts."""
WARM_TRADES: Final = 50
"""Remembered trades before any account counts as large: the first ones are large shares of little."""
BUCKET_UNITS: Final = 100
"""Width of a price bucket of the volume profile."""
BUCKETS: Final = PRICE_SCALE // BUCKET_UNITS + 1

Levels = Sequence[tuple[int, int]]
"""Price in units and size in base units of each level, the best first."""


def book_values(bids: Levels, asks: Levels) -> tuple[float, float, float, float]:
    """`BOOK` of a book; 0 where a side shows nothing.

    >>> book_values([(4_900, 30)], [(5_100, 10)])
    (0.5, 0.5, 0.0, 0.005)
    """
    bids, asks = [one for one in bids[:DEPTH] if one[1] > 0], [one for one in asks[:DEPTH] if one[1] > 0]
    if not bids or not asks:
        return NO_BOOK
    mid = bids[0][0] + asks[0][0]
    bid, ask = (sum(size for _, size in side) for side in (bids, asks))
    # Distances from the mid in half units, weighed by size.
    below, above = (
        sum(size * (mid - 2 * price) for price, size in bids),
        sum(size * (2 * price - mid) for price, size in asks),
    )
    near_bid, near_ask = below / bid, above / ask
    slope = (near_ask - near_bid) / (near_ask + near_bid)
    gap = (bid * near_ask - ask * near_bid) / (bid + ask) / (2 * PRICE_SCALE)
    return _lean(bids[:3], asks[:3]), _lean(bids, asks), slope, gap


def _lean(bids: Levels, asks: Levels) -> float:
    bid, ask = (sum(size for _, size in side) for side in (bids, asks))
    return (bid - ask) / (bid + ask)


def as_yes(price_units: int, *, buys: bool, no: bool) -> tuple[int, bool]:
    """Price and side of a trade as one of the YES token; `no` says that the NO token was traded.

    >>> as_yes(3_000, buys=False, no=True)
    (7000, True)
    """
    return (PRICE_SCALE - price_units, not buys) if no else (price_units, buys)


class TradeFlow:
    """The trades of one market, told in the order of time, and their features at each close."""

    def __init__(self, length_s: int) -> None:
        self._window_s, self._memory_s = WINDOW_BARS * length_s, MEMORY_BARS * length_s
        self._window: deque[tuple[int, int]] = deque()
        self._remembered: deque[tuple[int, int, int]] = deque()
        self._volume = [0] * BUCKETS
        self._signed = self._total = 0

    def trade(self, ts_s: int, price_units: int, shares_micro: int, buys: bool) -> None:
        """A trade, as `Tape` tells it."""
        signed = shares_micro if buys else -shares_micro
        self._window.append((ts_s, signed))
        self._signed += signed
        self._total += shares_micro
        bucket = min(max((price_units + BUCKET_UNITS // 2) // BUCKET_UNITS, 0), BUCKETS - 1)
        self._remembered.append((ts_s, bucket, shares_micro))
        self._volume[bucket] += shares_micro

    def close(self, ts_s: int, mid_units: int) -> tuple[float, float]:
        """`TRADES` of the bar that closes then; later trades were not told yet."""
        while self._window and self._window[0][0] <= ts_s - self._window_s:
            _, signed = self._window.popleft()
            self._signed -= signed
            self._total -= abs(signed)
        while self._remembered and self._remembered[0][0] <= ts_s - self._memory_s:
            _, bucket, shares = self._remembered.popleft()
            self._volume[bucket] -= shares
        leaning = self._signed / self._total if self._total else 0.0
        if not self._remembered:
            return leaning, 0.0
        most = max(range(BUCKETS), key=self._volume.__getitem__)
        return leaning, (most * BUCKET_UNITS - mid_units) / PRICE_SCALE


class LargeAccounts:
    """Who traded in one market, told in the order of time. An account is judged by what it had traded by then, its
    trade included, so what comes later changes nothing."""

    def __init__(self, length_s: int) -> None:
        self._length_s, self._memory_s = length_s, MEMORY_BARS * length_s
        self._remembered: deque[tuple[int, int, int]] = deque()
        self._window: deque[tuple[int, int, bool]] = deque()
        self._volume: Counter[int] = Counter()
        self._total = 0

    def trade(self, ts_s: int, shares_micro: int, buys: bool, account: int) -> bool:
        """A trade, as `Tape` tells it; whether its account is large. One that is not known never is."""
        while self._remembered and self._remembered[0][0] <= ts_s - self._memory_s:
            _, shares, gone = self._remembered.popleft()
            self._total -= shares
            self._volume[gone] -= shares
            if not self._volume[gone]:
                del self._volume[gone]
        self._remembered.append((ts_s, shares_micro, account))
        self._volume[account] += shares_micro
        self._total += shares_micro
        warm = len(self._remembered) > WARM_TRADES
        large = bool(account) and warm and self._volume[account] >= LARGE_SHARE * self._total
        self._window.append((ts_s, shares_micro if buys else -shares_micro, large))
        return large

    def flow(self, ts_s: int) -> float:
        """`large_flow` of the bar that closes then; trades of the last bar and later ones do not count."""
        last_s = ts_s - self._length_s
        while self._window and self._window[0][0] <= last_s - WINDOW_BARS * self._length_s:
            self._window.popleft()
        inside = [(signed, large) for at_s, signed, large in self._window if at_s <= last_s]
        total = sum(abs(signed) for signed, _ in inside)
        return sum(signed for signed, large in inside if large) / total if total else 0.0


def large_position(yes: Mapping[str, float], no: Mapping[str, float]) -> float:
    """YES less NO shares of large holders over the shares of all that are named, from shares by wallet; in [-1, 1].

    >>> large_position({"0xa": 90.0, "0xb": 5.0}, {"0xc": 5.0})
    0.85
    """
    totals = sum(yes.values()), sum(no.values())
    held = [
        sum(one for one in side.values() if one >= LARGE_SHARE * total)
        for side, total in zip((yes, no), totals, strict=True)
    ]
    whole = sum(totals)
    return (held[0] - held[1]) / whole if whole > 0.0 else 0.0


def values(
    tape: Tape,
    ts_s: Sequence[int],
    mid_units: Sequence[int],
    length_s: int,
    memory: tuple[TradeFlow, LargeAccounts] | None = None,
) -> FloatArray:
    """(trade_imbalance, profile_gap, large_flow) at each close, (n, 3), of trades that may begin before the first one
    and end after the last.

    `memory` is told the trades; afterwards it is that of a process that saw these closes. Without one it begins empty.
    """
    flow, large = memory or (TradeFlow(length_s), LargeAccounts(length_s))
    columns = tape.ts_s, tape.price_units, tape.shares_micro, tape.buys, tape.account
    rows = list(zip(*(column.tolist() for column in columns), strict=True))
    told, counted = (np.searchsorted(tape.ts_s, np.asarray(ts_s) - lag, side="right") for lag in (0, length_s))
    seen = known = 0
    made = []
    for close_s, mid, last, last_known in zip(ts_s, mid_units, told.tolist(), counted.tolist(), strict=True):
        for at_s, price, shares, buys, _ in rows[seen:last]:
            flow.trade(at_s, price, shares, buys)
        for at_s, _, shares, buys, account in rows[known:last_known]:
            large.trade(at_s, shares, buys, account)
        seen, known = last, last_known
        made.append((*flow.close(close_s, mid), large.flow(close_s)))
    return np.array(made, dtype=np.float64).reshape(-1, 3)

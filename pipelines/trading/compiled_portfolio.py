"""The markets of an account and an allocator above them as machine code, over whole tapes."""

from typing import Any

import numpy as np

from pipelines.trading import allocator
from pipelines.trading.compiled import (
    ASK,
    BID,
    EXPOSURE,
    MARKET,
    MID,
    SECONDS_LEFT,
    compiled,
    fast,
    open_row,
    used_share,
)
from pipelines.trading.compiled_account import (
    CONFIDENCE,
    FREE,
    MOVE,
    NEAR,
    ROUND_TRIP,
    STAKE,
    WORTH,
    enter,
    may_want,
    open_bar,
    related_places,
    wanted_entry,
)

_FAST = compiled([allocator.score, allocator.needed])
score, needed = _FAST["score"], _FAST["needed"]


@fast
def play_shared(
    shared: Any,
    numbers: Any,
    lanes: Any,
    account: Any,
    places: Any,
    rows: Any,
    edges: Any,
    bars: Any,
    signals: Any,
    markets: Any,
    fees: Any,
    about: Any,
    par: Any,
    equity: Any,
    claims: Any,
    scores: Any,
) -> None:
    """Each market claims by the tuned rule with `numbers`; the allocator with the numbers `shared` gives the room.

    `claims` (markets, 2) and `scores` (markets,) are working space; a claim is a row of the tape and its direction,
    twice as large where the whole cap is wanted.
    """
    for step in range(len(edges) - 1):
        now = rows[edges[step] : edges[step + 1]]
        open_bar(lanes, account, places, now, bars, markets, fees, about, par)
        equity[step] = account[WORTH]
        used, count = used_share(account[FREE], account[WORTH]), 0
        for row in now:
            if not may_want(row, lanes, account, used, numbers, bars, signals, markets, fees, about, par):
                continue
            wanted, fraction = wanted_entry(row, used, numbers, bars, signals)
            if wanted == 0 or not open_row(bars[row], signals[row, CONFIDENCE], par):
                continue
            move, near, cost = signals[row, MOVE], signals[row, NEAR], signals[row, ROUND_TRIP]
            spread, mid, left = bars[row, ASK] - bars[row, BID], bars[row, MID], float(bars[row, SECONDS_LEFT])
            confidence = signals[row, CONFIDENCE]
            claims[count, 0], claims[count, 1] = row, wanted * (2 if fraction == 1.0 else 1)
            scores[count] = score(shared, move, near, cost, spread, mid, left, confidence)
            count += 1
        if count == 0:
            continue
        order = np.argsort(-scores[:count], kind="mergesort")
        best = scores[order[0]]
        for at in order:
            row, wanted = claims[at, 0], 1 if claims[at, 1] > 0 else -1
            number, fraction = bars[row, MARKET], abs(claims[at, 1]) / 2.0
            taken = account[STAKE] / max(account[WORTH] * par[EXPOSURE], 1.0)
            related = related_places(number, account, places, about)
            if scores[at] < needed(shared, taken, count - 1, best - scores[at], related):
                continue
            confidence = signals[row, CONFIDENCE]
            enter(number, lanes, account, places, bars[row], confidence, wanted, fraction, markets, fees, about, par)

"""How headlines fade: at a bar, the sum of the scores known by its close, each halved every 10.4 minutes.

The time constant is 15 minutes (the pace at which quotes absorb news). Both forms run the same recursion, so training
and the live bot read the same bits. 0 is neutral; the value is clipped to [-1, 1] for reading, not in the sum.
"""

import math
from collections.abc import Iterable
from typing import Final

import numpy as np
from numpy.typing import NDArray

TAU_S: Final = 900.0
"""Time constant in seconds of market time."""


class Decay:
    """The incremental form, for one market. Bars and headlines are pushed in the order of time."""

    def __init__(self, tau_s: float = TAU_S) -> None:
        self._tau_s = tau_s
        self._sum = 0.0
        self._ts_s: int | None = None

    def push(self, ts_s: int, headlines: Iterable[tuple[int, float]] = ()) -> float:
        """Sentiment at the close `ts_s`, given the (known_s, score) pairs that became known since the last bar.

        >>> decay = Decay()
        >>> decay.push(60, [(60, 0.8)])
        0.8
        >>> round(decay.push(60 + 900), 3)
        0.294
        """
        if self._ts_s is not None:
            self._sum *= math.exp((self._ts_s - ts_s) / self._tau_s)
        for known_s, score in headlines:
            self._sum += score * math.exp((known_s - ts_s) / self._tau_s)
        self._ts_s = ts_s
        return min(max(self._sum, -1.0), 1.0)


def batch(
    ts_s: NDArray[np.int64],
    known_s: NDArray[np.int64],
    scores: NDArray[np.float64],
    tau_s: float = TAU_S,
) -> NDArray[np.float64]:
    """Sentiment at each bar of one market, shape (n,). `ts_s` ascends; headlines may come in any order.

    A headline enters at the first bar that closes at or after `known_s`; unscored ones (NaN) count as neutral.

    >>> batch(np.array([60, 120, 180]), known_s=np.array([90]), scores=np.array([0.5])).round(3)
    array([0.   , 0.484, 0.452])
    """
    order = np.lexsort((scores, known_s))
    known, values = known_s[order], np.nan_to_num(scores[order], nan=0.0)
    upto = np.searchsorted(known, ts_s, side="right")
    if len(upto) == 0 or upto[-1] == 0:
        return np.zeros(len(ts_s))
    decay, begin = Decay(tau_s), 0
    result = np.empty(len(ts_s))
    for bar, (close, end) in enumerate(zip(ts_s.tolist(), upto.tolist(), strict=True)):
        result[bar] = decay.push(close, zip(known[begin:end].tolist(), values[begin:end].tolist(), strict=True))
        begin = end
    return result


def tone(scores: Iterable[float]) -> float:
    """What the headlines of one bar say together: the sum of their scores, clipped to [-1, 1]."""
    total = 0.0
    for score in scores:
        total += score
    return min(max(total, -1.0), 1.0)


def impulses(
    ts_s: NDArray[np.int64], known_s: NDArray[np.int64], scores: NDArray[np.float64], length_s: int
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Tone (n,) and number (n,) of the headlines that became known in each bar of one market.

    A bar that closes at T has those of (T - length, T]: what was known before the first bar is in none.
    """
    order = np.lexsort((scores, known_s))
    known, values = known_s[order], np.nan_to_num(scores[order], nan=0.0)
    upto = np.searchsorted(known, ts_s, side="right")
    since = np.searchsorted(known, ts_s - length_s, side="right")
    count = upto - since
    made = np.zeros(len(ts_s))
    for bar in np.flatnonzero(count).tolist():
        made[bar] = tone(values[since[bar] : upto[bar]].tolist())
    return made, count.astype(np.int64)

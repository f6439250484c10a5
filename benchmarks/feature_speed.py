"""Time that features and filter take for a bar: `python -m benchmarks.feature_speed [--bars 20000]`.

Prints one JSON line: microseconds a bar and market of the live form (features, filter and market context, of six ranges
of one ladder with fair values), of the windows that keep what it makes, as the running bot has them, and bars a second
on one core of the batch form of the same. Best of three runs, on random walks.
"""

import argparse
import json
import os
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from pipelines.core.brackets import Bracket
from pipelines.core.command_line import whole
from pipelines.core.domain import Bar
from pipelines.features import compute
from pipelines.features.ladder import places_of
from pipelines.features.market_context import Moves, RollingContext
from pipelines.features.rolling import RollingFeatures
from pipelines.features.state_space import RollingStateSpace, StateSpace
from pipelines.features.state_space_batch import Books, Columns, Rungs, contexts, states
from serving.market.windows import Window, surround

FITTED = StateSpace((0.93, 0.9, 0.5, 0.7, 0.9, 0.5, -4.0, 0.3, 0.9, 100.0, -9.0, 0.5, -8.5, 1.5, -8.5, 0.5))
LENGTH_S, LOOKBACK, MARKETS, RUNS = 60, 60, 6, 3
BRACKETS = [Bracket("", 1_000.0 * side, 1_000.0 * (side + 1)) for side in range(MARKETS)]


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.feature_speed", description=__doc__)
    parser.add_argument("--bars", type=whole(100), default=20_000, help="of each of six markets")
    asked = parser.parse_args(arguments)
    rng = np.random.default_rng(1)
    mid = np.clip(5_000 + 50 * np.cumsum(rng.integers(-1, 2, (MARKETS, asked.bars)), axis=1), 500, 9_500)
    volume = rng.integers(0, 400, mid.shape) * 10**6
    live = min(_seconds(lambda: _live(mid, volume)) for _ in range(RUNS))
    kept = min(_seconds(lambda: _kept(mid, volume)) for _ in range(RUNS))
    _batch(mid[:, :200], volume[:, :200])  # compiles
    batch = min(_seconds(lambda: _batch(mid, volume)) for _ in range(RUNS))
    print(
        json.dumps(
            {
                "benchmark": "feature_speed",
                "load": round(os.getloadavg()[0], 2),
                "live_us_per_bar": round(live / mid.size * 1e6, 2),
                "windows_us_per_bar": round(kept / mid.size * 1e6, 2),
                "batch_bars_per_s": round(mid.size / batch),
            }
        )
    )


def _seconds(work: Callable[[], Any]) -> float:
    """Processor time of one run: other work on the machine does not count."""
    began = time.process_time()
    work()
    return time.process_time() - began


def _live(mid: Any, volume: Any) -> None:
    """Every market of the event, bar by bar."""
    features, context = [RollingFeatures(None) for _ in mid], [RollingContext() for _ in mid]
    filtered = [RollingStateSpace(FITTED, None, LENGTH_S) for _ in mid]
    moves = np.diff(mid, axis=1, prepend=mid[:, :1]).T.tolist()
    for number, (prices, volumes, moved) in enumerate(zip(mid.T.tolist(), volume.T.tolist(), moves, strict=True)):
        ts_s, moves_of_event, together = LENGTH_S * number, Moves(moved), sum(prices)
        places = places_of(list(zip(BRACKETS, prices, moved, strict=True)))
        for side in range(MARKETS):
            features[side].push(ts_s, prices[side], volumes[side])
            filtered[side].push(ts_s, prices[side], volumes[side], 0.0, 0)
            siblings = moves_of_event.others(moved[side])
            context[side].push(ts_s, prices[side], 100, (10**9, 10**9), siblings, places[side], together, (0.5, 0.49))


def _kept(mid: Any, volume: Any) -> None:
    """The same through the windows of the running bot, up to the state that a forecast is made from."""
    windows = [Window(LOOKBACK, LENGTH_S, None, bracket, exclusive=True) for bracket in BRACKETS]
    for number, (prices, volumes) in enumerate(zip(mid.T.tolist(), volume.T.tolist(), strict=True)):
        for window, price, shares in zip(windows, prices, volumes, strict=True):
            window.push(Bar("", LENGTH_S * (number + 1), price, shares, 1, 100, 10**9, 10**9), fair=(0.5, 0.49))
        surround(windows)
        if number == 0:
            for window in windows:
                window.view(FITTED)  # from here on the filter is kept up to date


def _batch(mid: Any, volume: Any) -> None:
    markets, bars = mid.shape
    ts = LENGTH_S * np.arange(bars, dtype=np.int64)
    for row in range(markets):
        compute.batch(ts, mid[row], volume[row], None)
    starts, many = np.tile(np.arange(bars) == 0, markets), np.tile(ts, markets)
    quiet = np.zeros(mid.size), np.zeros(mid.size, dtype=np.int64), np.full(mid.size, -1)
    states(FITTED, Columns.of(many, mid.ravel(), volume.ravel(), *quiet, starts, LENGTH_S))
    book = (np.full(mid.size, value, dtype=np.int64) for value in (100, 10**9, 10**9))
    fair = np.full((mid.size, 2), 0.5)
    rungs = Rungs.of(BRACKETS, [True] * markets, [0] * markets, [bars] * markets)
    contexts(Books(np.zeros(mid.size, dtype=np.int64), starts, many, mid.ravel(), *book, rungs=rungs, fair=fair))


if __name__ == "__main__":
    main()

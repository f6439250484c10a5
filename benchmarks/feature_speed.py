"""Time that features and filter take for a bar: `python -m benchmarks.feature_speed [--bars 20000]`.

Prints one JSON line: microseconds a bar and market of the live form (features, filter and market context, with five
siblings), and bars a second on one core of the batch form of the same. Best of three runs, on random walks.
"""

import argparse
import json
import os
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from pipelines.core.command_line import whole
from pipelines.features import compute
from pipelines.features.market_context import RollingContext
from pipelines.features.rolling import RollingFeatures
from pipelines.features.state_space import RollingStateSpace, StateSpace
from pipelines.features.state_space_batch import Books, Columns, contexts, states

FITTED = StateSpace((0.93, 0.9, 0.5, 0.7, 0.9, 0.5, -4.0, 0.3, 0.9, 100.0, -9.0, 0.5, -8.5, 1.5, -8.5, 0.5))
LENGTH_S, MARKETS, RUNS = 60, 6, 3


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.feature_speed", description=__doc__)
    parser.add_argument("--bars", type=whole(100), default=20_000, help="of each of six markets")
    asked = parser.parse_args(arguments)
    rng = np.random.default_rng(1)
    mid = np.clip(5_000 + 50 * np.cumsum(rng.integers(-1, 2, (MARKETS, asked.bars)), axis=1), 500, 9_500)
    volume = rng.integers(0, 400, mid.shape) * 10**6
    live = min(_seconds(lambda: _live(mid[0], volume[0], mid[1:])) for _ in range(RUNS))
    _batch(mid[:, :200], volume[:, :200])  # compiles
    batch = min(_seconds(lambda: _batch(mid, volume)) for _ in range(RUNS))
    print(
        json.dumps(
            {
                "benchmark": "feature_speed",
                "load": round(os.getloadavg()[0], 2),
                "live_us_per_bar": round(live / asked.bars * 1e6, 2),
                "batch_bars_per_s": round(mid.size / batch),
            }
        )
    )


def _seconds(work: Callable[[], Any]) -> float:
    """Processor time of one run: other work on the machine does not count."""
    began = time.process_time()
    work()
    return time.process_time() - began


def _live(mid: Any, volume: Any, others: Any) -> None:
    features, context = RollingFeatures(None), RollingContext()
    filtered = RollingStateSpace(FITTED, None, LENGTH_S)
    moves = np.diff(others, axis=1, prepend=others[:, :1]).T.tolist()
    rows = zip(mid.tolist(), volume.tolist(), moves, strict=True)
    for number, (units, micro, siblings) in enumerate(rows):
        ts_s = LENGTH_S * number
        features.push(ts_s, units, micro)
        filtered.push(ts_s, units, micro, 0.0, 0)
        context.push(ts_s, units, 100, (10**9, 10**9), siblings)


def _batch(mid: Any, volume: Any) -> None:
    markets, bars = mid.shape
    ts = LENGTH_S * np.arange(bars, dtype=np.int64)
    for row in range(markets):
        compute.batch(ts, mid[row], volume[row], None)
    starts, many = np.tile(np.arange(bars) == 0, markets), np.tile(ts, markets)
    quiet = np.zeros(mid.size), np.zeros(mid.size, dtype=np.int64), np.full(mid.size, -1)
    states(FITTED, Columns.of(many, mid.ravel(), volume.ravel(), *quiet, starts, LENGTH_S))
    book = (np.full(mid.size, value, dtype=np.int64) for value in (100, 10**9, 10**9))
    contexts(Books(np.zeros(mid.size, dtype=np.int64), starts, many, mid.ravel(), *book))


if __name__ == "__main__":
    main()

"""What a bar costs: the forecast of as many markets as the bot follows, and their decisions, in wall milliseconds."""

import time
from collections.abc import Sequence

import numpy as np

from pipelines.gate.forecasts import filter_states, windows
from pipelines.inference.bundle import Bundle
from pipelines.replay.market_history import Series

ROUNDS = 20


def forecast_ms(bundle: Bundle, series: Sequence[Series], markets: int) -> float:
    """Median wall milliseconds of one batch with a window of each of `markets` markets.

    The median, because a night shares its machine with what else runs there.
    """
    predictor = bundle.predictor()
    longest = max(series, key=lambda one: len(one.ts_s))
    rows = np.resize(np.arange(predictor.lookback - 1, len(longest.ts_s)), markets)
    left = filter_states(predictor, longest)
    windows(predictor, longest, left, rows)
    taken = []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        windows(predictor, longest, left, rows)
        taken.append(time.perf_counter() - started)
    return float(np.median(taken)) * 1e3

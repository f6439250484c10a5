"""Seconds of vectorbt for 300 crossovers over 50,000 bars: one JSON line."""

import json
import time

import numpy as np
import pandas as pd
import vectorbt as vbt

rng = np.random.default_rng(1)
close = pd.Series(100 * np.exp(rng.normal(0, 0.001, 50_000).cumsum()))


def work():
    """Seconds of the sweep."""
    began = time.perf_counter()
    for start in range(0, 300, 50):
        fast = vbt.MA.run(close, window=[5 + k for k in range(start, start + 50)], short_name="fast")
        slow = vbt.MA.run(close, window=[400] * 50, short_name="slow", per_column=False)
        entries = fast.ma.values > slow.ma.values[:, :1]
        vbt.Portfolio.from_signals(close, entries, ~entries, fees=0.001, freq="1min").total_return()
    return time.perf_counter() - began


work()
print(json.dumps({"vectorbt_sweep_s": round(min(work() for _ in range(2)), 3)}))

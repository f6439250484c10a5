"""The crossover of two moving averages from vectorbt's README, once per setting, on the prices given.

Argument: a JSON file with settings. Prints one JSON list: what was held, and what was gained until each bar.
"""

import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import vectorbt as vbt


def play(setting):
    """Fast over slow: everything in; below: everything out. Fills at the close, or at the touch that is given."""
    price = pd.Series(setting["price"])
    fast, slow = vbt.MA.run(price, 10), vbt.MA.run(price, 50)
    entries, exits = fast.ma_crossed_above(slow), fast.ma_crossed_below(slow)
    filled = np.where(entries, setting["ask"], np.where(exits, setting["bid"], price))
    costs = {"price": pd.Series(filled), "fees": np.array(setting["fees"])}
    portfolio = vbt.Portfolio.from_signals(price, entries, exits, init_cash=100, **costs)
    held = (portfolio.assets() > 0).astype(int)
    return {"wanted": held.tolist(), "gained": (portfolio.value() - 100.0).tolist()}


settings = json.loads(Path(sys.argv[1]).read_text())
print(json.dumps([play(setting) for setting in settings]))

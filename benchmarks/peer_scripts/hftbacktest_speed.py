"""Book events per second of hftbacktest with an order every thousand events: one JSON line."""

import json
import time

import numpy as np
from hftbacktest import (
    BUY_EVENT,
    DEPTH_EVENT,
    EXCH_EVENT,
    LOCAL_EVENT,
    SELL_EVENT,
    TRADE_EVENT,
    BacktestAsset,
    HashMapMarketDepthBacktest,
    event_dtype,
)
from numba import njit

rng = np.random.default_rng(1)
count = 1_000_000
middle = 500 + np.cumsum(rng.integers(-1, 2, count)) // 50
buys = rng.integers(0, 2, count) == 0
level = np.clip(np.where(buys, middle - rng.integers(1, 12, count), middle + rng.integers(1, 12, count)), 1, 999)
events = np.zeros(count, event_dtype)
kind = np.where(rng.random(count) < 0.05, TRADE_EVENT, DEPTH_EVENT)
events["ev"] = kind | EXCH_EVENT | LOCAL_EVENT | np.where(buys, BUY_EVENT, SELL_EVENT)
events["exch_ts"] = events["local_ts"] = np.arange(1, count + 1) * 1_000_000
events["px"], events["qty"] = level / 1000, rng.integers(0, 2_000, count)


def made():
    """The feed with orders that take or wait."""
    asset = (
        BacktestAsset()
        .data([events])
        .linear_asset(1.0)
        .constant_order_latency(0, 0)
        .risk_adverse_queue_model()
        .no_partial_fill_exchange()
        .trading_value_fee_model(0.0, 0.05)
        .tick_size(0.001)
        .lot_size(0.01)
    )
    return HashMapMarketDepthBacktest([asset])


@njit
def run(hbt):
    """An order a second."""
    number = 0
    while hbt.elapse(1_000_000_000) == 0:
        number += 1
        depth = hbt.depth(0)
        hbt.submit_buy_order(0, number, depth.best_bid, 10.0, 0, 0, False)
        hbt.clear_inactive_orders(0)
    return number


run(made())
speeds = []
for _ in range(3):
    hbt = made()
    began = time.perf_counter()
    run(hbt)
    speeds.append(count / (time.perf_counter() - began))
print(json.dumps({"hftbacktest_events_per_s": round(max(speeds), 1)}))

"""The orders of hftbacktest's tutorial "Getting started" on a given feed, once per setting.

Argument: a JSON file with `events` (a file of time in ns, kind, side, level, micro-shares) and `settings`, each with
a `plan` (1 to buy, ticks behind the touch, shares, steps until it is cancelled; one order per step of 30 s). Prints one
JSON list: what was sent, how much of each order was filled and at what price, and the account at each step.
"""

import json
import sys
from pathlib import Path

import numpy as np
from hftbacktest import (
    BUY_EVENT,
    DEPTH_EVENT,
    EXCH_EVENT,
    GTC,
    LIMIT,
    LOCAL_EVENT,
    SELL_EVENT,
    TRADE_EVENT,
    BacktestAsset,
    HashMapMarketDepthBacktest,
    event_dtype,
)
from hftbacktest.order import FILLED
from numba import njit

TICK, STEP_NS, LATENCY_NS = 0.001, 30_000_000_000, 10_000_000


def feed(rows):
    """The events in the program's own form. A trade against bids was started by a seller."""
    trade, bids = rows[:, 1] == 1, rows[:, 2] == 0
    made = np.zeros(len(rows), event_dtype)
    made["ev"] = np.where(trade, TRADE_EVENT, DEPTH_EVENT) | np.where(bids != trade, BUY_EVENT, SELL_EVENT)
    made["ev"] |= EXCH_EVENT | LOCAL_EVENT
    made["exch_ts"] = made["local_ts"] = rows[:, 0]
    made["px"], made["qty"] = rows[:, 3] * TICK, rows[:, 4] / 1e6
    return made


def market(events, setting):
    """The feed with the tutorial's latency and queue, one of the two exchanges, and a fee per share for takers."""
    asset = BacktestAsset().data([events]).linear_asset(1.0).constant_order_latency(LATENCY_NS, LATENCY_NS)
    asset = asset.risk_adverse_queue_model().trading_qty_fee_model(0.0, setting["fee"]).tick_size(TICK).lot_size(0.01)
    asset = asset.partial_fill_exchange() if setting["partial"] else asset.no_partial_fill_exchange()
    return HashMapMarketDepthBacktest([asset])


@njit
def trade(hbt, plan, sent, account):
    """One order of the plan per step; each is cancelled when its steps are over."""
    for step in range(len(plan) + 1):
        if hbt.elapse(STEP_NS) != 0:
            raise ValueError("the feed is shorter than the plan, or an order failed")
        depth, state = hbt.depth(0), hbt.state_values(0)
        middle = (depth.best_bid + depth.best_ask) / 2.0
        account[step] = state.balance + state.position * middle - state.fee
        sent[step, 0] = hbt.current_timestamp
        if step == len(plan):
            break
        for old in range(step):
            order = hbt.orders(0).get(old + 1)
            if old + plan[old, 3] == step and order is not None and order.cancellable:
                hbt.cancel(0, old + 1, False)
        buys, behind, shares, _ = plan[step]
        level = depth.best_bid_tick - behind if buys == 1 else depth.best_ask_tick + behind
        sent[step, 1] = level
        if buys == 1:
            hbt.submit_buy_order(0, step + 1, level * TICK, shares, GTC, LIMIT, False)
        else:
            hbt.submit_sell_order(0, step + 1, level * TICK, shares, GTC, LIMIT, False)


@njit
def filled(hbt, count):
    """Shares that each order got, and the price of its last fill."""
    got = np.zeros((count, 2))
    for number in range(count):
        order = hbt.orders(0).get(number + 1)
        if order is not None:
            got[number, 0] = order.qty if order.status == FILLED else order.qty - order.leaves_qty
            got[number, 1] = order.exec_price
    return got


def play(rows, setting):
    """One backtest."""
    plan = np.array(setting["plan"])
    events = feed(rows)  # the program keeps no reference to them
    hbt = market(events, setting)
    sent, account = np.zeros((len(plan) + 1, 2), dtype=np.int64), np.zeros(len(plan) + 1)
    trade(hbt, plan, sent, account)
    got = filled(hbt, len(plan))
    hbt.close()
    del events
    return {"sent": sent.tolist(), "filled": got[:, 0].tolist(), "paid": got[:, 1].tolist(), "gained": account.tolist()}


given = json.loads(Path(sys.argv[1]).read_text())
rows = np.load(given["events"])
print(json.dumps([play(rows, setting) for setting in given["settings"]]))

"""The threshold signal over whole histories, and the sizing table that it earned."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipelines.core.domain import FloatArray
from pipelines.core.money import PRICE_SCALE
from pipelines.core.params import Params
from pipelines.replay.market_history import History, IntArray
from pipelines.trading import kernel, policies
from pipelines.trading.policies.threshold import Threshold
from pipelines.trading.sizing import SizingTable
from pipelines.trading.threshold_rule import MOVE_STEPS, expected_units, pays_each
from pipelines.trading.tuned_rule import NEAR_STEPS

HOLD_ROWS = MOVE_STEPS + 1
"""Rows from the decision to the end of the forecast move, t to t+24: nearer to its end a market says too little."""


def threshold_params(params: Params, length_s: int | None = None) -> Threshold.Parameters:
    """The threshold rule's parameters; `length_s` is the bar length of the data where it is known."""
    return Threshold.Parameters.model_validate(policies.parameters(Threshold, params, length_s))


@dataclass(frozen=True, slots=True)
class Signals:
    """Per bar: expected move from t+1 to t+24 and round-trip cost, in price units."""

    move_units: FloatArray
    cost_units: FloatArray
    near_units: FloatArray
    """Expected move from t+1 to t+6."""


def signals(history: History, impact_share: float) -> Signals:
    """What the threshold rule compares, for every bar of a market."""
    mid = history.mid_units.astype(np.float64)
    last = history.mean.shape[1] - 1
    change = history.mean[:, min(MOVE_STEPS, last)] - history.mean[:, 0]
    near = history.mean[:, min(NEAR_STEPS, last)] - history.mean[:, 0]
    spread = (history.ask_units - history.bid_units).astype(np.float64)
    fee = history.market.fee
    cost = kernel.round_trip_units(spread, mid, impact_share, fee.rate, fee.exponent)
    return Signals(expected_units(change, mid), cost, expected_units(near, mid))


def concatenated(histories: Sequence[History], impact_share: float) -> Signals:
    """The same for the bars of many markets, one after the other."""
    seen = [signals(history, impact_share) for history in histories]
    return Signals(*(np.concatenate([getattr(one, name) for one in seen]) for name in Signals.__slots__))


def entries(history: History, params: Params) -> NDArray[np.bool_]:
    """Bars on which the threshold rule would enter: the move pays, the confidence and the price bounds hold."""
    seen = signals(history, params.execution.impact_share)
    bound = params.policy.min_price * PRICE_SCALE
    inside = (history.mid_units >= bound) & (history.mid_units <= PRICE_SCALE - bound)
    two_sided = (history.bid_units > 0) & (history.ask_units < PRICE_SCALE)
    paid = pays_each(seen.move_units, seen.cost_units, threshold_params(params).cost_multiple)
    passed: NDArray[np.bool_] = paid & inside & two_sided & (history.confidence >= params.risk.min_confidence)
    return passed


def exit_rows(seen: Signals, rows: IntArray, params: Params) -> IntArray:
    """Rows at which the threshold rule leaves what its signals at `rows` entered: the first after the fill at which the
    move points against the position by `exit_multiple` round trips, `max_hold_bars` at the latest."""
    rule, last = threshold_params(params), len(seen.move_units) - 1
    after = np.minimum(rows + params.execution.latency_bars, last)
    long = seen.move_units[rows] > 0.0
    first = np.where(long, _next(-seen.move_units, seen, rule)[after], _next(seen.move_units, seen, rule)[after])
    left: IntArray = np.minimum(first, np.minimum(after + rule.max_hold_bars, last))
    return left


def _next(against: FloatArray, seen: Signals, rule: Threshold.Parameters) -> IntArray:
    """For every row the next one, itself included, at which the move against a position ends it; else the last row."""
    rows = np.arange(len(against))
    ends = np.where(against >= rule.exit_multiple * seen.cost_units, rows, rows[-1])
    found: IntArray = np.minimum.accumulate(ends[::-1])[::-1]
    return found


def sizing_table(histories: Sequence[History], params: Params) -> SizingTable:
    """Win probability, mean win and mean loss (pUSD per share) after costs of the trades that the threshold rule would
    make, one for each bar where a signal passes: entered a latency later, left as the rule leaves."""
    outcomes, events = [], set()
    for history in histories:
        rows = np.flatnonzero(entries(history, params)[:-HOLD_ROWS]) if len(history) > HOLD_ROWS else np.empty(0, int)
        if len(rows) == 0:
            continue
        seen, latency = signals(history, params.execution.impact_share), params.execution.latency_bars
        left = np.minimum(exit_rows(seen, rows, params) + latency, len(history) - 1)
        moved = history.mid_units[left] - history.mid_units[rows + latency]
        outcomes.append(np.sign(seen.move_units[rows]) * moved - seen.cost_units[rows])
        events.add(history.market.event_id)
    net = np.concatenate(outcomes) / PRICE_SCALE if outcomes else np.zeros(0)
    return SizingTable.from_trades(net, len(events))

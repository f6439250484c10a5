"""Events whose markets exclude each other: exactly one of them resolves to YES, and their fair values sum to one.

Stick-breaking: every market except the last has its own path f_i, the probability that it wins if none of the markets
before it wins. Its fair value is f_i (1 - f_1) ... (1 - f_{i-1}); the last market has the rest. The paths are
independent (they share only the minutes of the news), so every product is a martingale. The quotes are computed the
same way from the markets' own quotes and rounded again. That adds half a tick of noise, less than any spread.
"""

import numpy as np

from pipelines.core.domain import FloatArray
from pipelines.core.money import PRICE_SCALE
from simulator.markets.dynamics import sizes
from simulator.markets.price_grid import IntArray, quotes, round_unbiased, tick_at
from simulator.markets.price_model import HIGH, LOW, Draws, Model, Paths

MARKET_FIELDS = ("mid_units", "bid_units", "ask_units", "bid_size_micro", "ask_size_micro", "resolved_yes", "fair")


def break_stick(own: FloatArray) -> FloatArray:
    """Probabilities (n, T) of outcomes of which exactly one happens, from conditional ones (all rows but the last)."""
    broken, left = np.empty_like(own), np.ones(own.shape[1:])
    for row in range(len(own) - 1):
        broken[row] = left * own[row]
        left = left - broken[row]
    broken[-1] = left
    return broken


def combine(model: Model, draws: Draws, made: Paths, rows: slice, uniform: FloatArray) -> None:
    """Change the independent paths of one event's markets, in place, to paths that exclude each other.

    `uniform` (n, T) decides the rounding. Under-reaction, overshoot and bounce remain those of the markets' own paths.
    """
    own = {name: getattr(made, name)[rows] for name in MARKET_FIELDS}
    tick = draws.tick_units[rows]
    extra = _extra_pairs(own["mid_units"], tick, own["ask_units"] - own["bid_units"])
    exact = break_stick(own["mid_units"] / PRICE_SCALE) * PRICE_SCALE
    mid = np.array([round_unbiased(*row) for row in zip(exact, _wide(tick, exact), uniform, strict=True)])
    mid_units = np.clip(mid, LOW * PRICE_SCALE, HIGH * PRICE_SCALE).astype(np.int64)
    bid, ask = quotes(mid_units, tick[:, None], extra)
    shown = (sizes(model, draws.size_bid[rows]), sizes(model, draws.size_ask[rows]))
    made.mid_units[rows], made.bid_units[rows], made.ask_units[rows] = mid_units, bid, ask
    made.bid_size_micro[rows] = np.where(bid > 0, shown[0], 0)
    made.ask_size_micro[rows] = np.where(ask < PRICE_SCALE, shown[1], 0)
    made.fair[rows] = break_stick(own["fair"])
    made.resolved_yes[rows] = break_stick(own["resolved_yes"].astype(np.float64)[:, None])[:, 0] > 0.5


def _wide(tick: IntArray, like: FloatArray) -> FloatArray:
    return np.broadcast_to(tick[:, None], like.shape).astype(np.float64)


def _extra_pairs(mid_units: IntArray, tick: IntArray, spread: IntArray) -> IntArray:
    """Pairs of ticks by which each spread exceeds the smallest one."""
    bid, ask = quotes(mid_units, tick[:, None], np.zeros_like(mid_units))
    pairs: IntArray = (spread - (ask - bid)) // (2 * tick_at(tick[:, None], mid_units))
    return pairs

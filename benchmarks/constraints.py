"""python -m benchmarks.constraints: episodes in which a basket of one event pays more than it costs; one JSON line.

Counted in simulated ladders second by second, with makers that err so often an hour (`--misquotes`; 0: consistent
ladders). There the executor (policy `baskets`) trades too: in a replay, and with --exchange with real orders at a local
exchange in a process of its own. Both meet the books that were decided on (`immediate`), or those of the next second
(`delayed`, in which the venue's hold of 150 ms ends). With --recording episodes are counted on the events of a
recording too (asks from its spread, else the model's; the depth is the model's, since few recordings have sizes of
every sibling).
"""

import argparse
import itertools
import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import basket_orders
from benchmarks.basket_orders import Legs
from benchmarks.basket_world import Books, Ladder, ladders
from benchmarks.series_world import LENGTH_S
from pipelines.core.domain import Outcome, Quote, Side
from pipelines.core.money import MICRO, PRICE_SCALE
from pipelines.core.params import load
from pipelines.decide import Decision
from pipelines.pull import grid, recording
from pipelines.replay import rules
from pipelines.replay.loop import Result, replay, tape
from pipelines.replay.market_history import touches
from pipelines.trading import constraints
from pipelines.trading.constraints import Basket
from pipelines.trading.policies.base import Inputs
from pipelines.trading.sizing import NO_SIGNALS

HOURS, SEEDS = 6, 5
SMALL_MICRO = 15 * MICRO
"""Shares at most in 77 % of the episodes of the study."""

Trader = Callable[..., Legs]
"""Trades the hours of a world with the basket executor: `traded` of this module and of `basket_orders`."""


def simulated(hours: int, seeds: int, misquotes_h: float) -> dict[str, Any]:
    """Episodes in ladders of the local exchange: nested levels of each hour."""
    made = (one for seed in range(1, seeds + 1) for one in ladders(hours, seed, misquotes_h))
    return _summed((_counted(one.books(), nested=True) for one in made), LENGTH_S)


def traded(hours: int, seed: int, misquotes_h: float, *, delayed: bool) -> Legs:
    """The basket executor on the same ladders in the replay, with an account of its own for each."""
    found = Legs()
    for ladder in ladders(hours, seed, misquotes_h):
        found.add(_hour(ladder, delayed=delayed))
    return found


def _hour(ladder: Ladder, *, delayed: bool) -> Legs:
    params = load()
    strategy = rules.make("baskets", params, NO_SIGNALS, None, LENGTH_S)
    sent: list[str] = []

    def watch(_inputs: Inputs, decision: Decision) -> None:
        sent.extend(intent.reason for intent in decision.intents)

    shown = tape(ladder.histories(immediate=not delayed), None, params.execution.model_depth_shares)
    result = replay(shown, strategy, params.backtest.cash_pusd * MICRO, watch)
    legs = len({fill.order_id for fill in result.fills if fill.side is Side.BUY})
    unwound = len({fill.order_id for fill in result.fills if fill.side is Side.SELL})
    return Legs(sent.count("leg"), legs, unwound, _settled_pusd(result, ladder.payouts_micro))


def _settled_pusd(result: Result, payouts_micro: dict[str, int]) -> float:
    """Cash of all fills, and what the shares that are left pay."""
    total = 0
    for fill in result.fills:
        pays = payouts_micro[fill.market_id] if fill.outcome is Outcome.YES else MICRO - payouts_micro[fill.market_id]
        shares = fill.shares_micro if fill.side is Side.BUY else -fill.shares_micro
        total += fill.cash_micro + shares * pays // MICRO
    return total / MICRO


def judged(seeds: int, run: Callable[[int], Legs]) -> dict[str, Any]:
    """Legs of all seeds, and the mean P&L of a seed with its 95 % bootstrap interval."""
    found = [run(seed) for seed in range(1, seeds + 1)]
    values = np.array([one.pnl_pusd for one in found])
    drawn = values[np.random.default_rng(0).integers(0, seeds, (2_000, seeds))].mean(axis=1)
    low, high = np.quantile(drawn, (0.025, 0.975)).tolist()
    legs = {name: sum(getattr(one, name) for one in found) for name in ("sent", "filled", "unwound")}
    return legs | {"pnl_pusd": round(float(values.mean()), 2), "interval": [round(low, 2), round(high, 2)]}


def recorded(path: Path) -> dict[str, Any]:
    """Events of a recording whose markets exclude each other."""
    params = load()
    read = recording.read(path)
    length_s = grid.infer_length_s(read.points)
    bars = grid.to_bars(read.points, length_s, params.bars.max_gap_bars, grid.grid_offset_s(read.points, length_s))
    depth = params.execution.model_depth_shares * MICRO
    events: dict[str, Books] = defaultdict(lambda: defaultdict(list))
    edges = [0, *[k for k in range(1, len(bars)) if bars.code[k] != bars.code[k - 1]], len(bars)]
    for left, right in itertools.pairwise(edges):
        one, part = read.markets[bars.code[left]], slice(left, right)
        spread = params.execution.model_spread * PRICE_SCALE
        bid, ask = touches(bars.ts_s[part], bars.mid_units[part], bars.spread_units[part], one.tick_units, spread)
        for ts_s, low, high in zip(bars.ts_s[part].tolist(), bid.tolist(), ask.tolist(), strict=True):
            events[one.event_id][ts_s].append((one, Quote(low, high, depth, depth)))
    return _summed([_counted(books, nested=False) for books in events.values()], length_s)


def _counted(books: Books, *, nested: bool) -> dict[str, list[Basket | None]]:
    """Every basket of one event at each time, by its legs; None where a leg is not offered."""
    times = sorted(books)
    found: dict[str, list[Basket | None]] = defaultdict(lambda: [None] * len(times))
    for place, ts_s in enumerate(times):
        baskets = constraints.ladder(books[ts_s]) if nested else constraints.exclusive(books[ts_s])
        for one in baskets:
            found[f"{one.kind} {one.legs[0].market.market_id} {len(one.legs)}"][place] = one
    return found


def _summed(events: Iterable[dict[str, list[Basket | None]]], length_s: int) -> dict[str, Any]:
    """Bars on which a basket was offered whole, and its episodes: a bar without an offer of every leg ends one. Sizes
    and gains of an episode are those of its first bar."""
    lives: list[int] = []
    first: list[Basket] = []
    best, bars = 0, 0
    for baskets in (one for event in events for one in event.values()):
        offered = [one for one in baskets if one is not None]
        best, bars = max([best, *(one.profit_micro for one in offered)]), bars + len(offered)
        for begin, length in constraints.episodes([0 if one is None else one.profit_micro for one in baskets]):
            lives.append(length * length_s)
            first += [one for one in baskets[begin : begin + 1] if one is not None]
    return {
        "bars": bars,
        "episodes": len(lives),
        "median_life_s": _middle(lives),
        "median_shares": _middle([one.shares_micro / MICRO for one in first]),
        "small_share": round(sum(one.shares_micro <= SMALL_MICRO for one in first) / len(first), 3) if first else None,
        "median_gain_pusd": _middle([one.profit_micro / MICRO for one in first]),
        "gain_pusd": round(sum(one.profit_micro for one in first) / MICRO, 2),
        "best_pusd": best / MICRO,
    }


def _middle(values: Sequence[float]) -> float | None:
    return sorted(values)[len(values) // 2] if values else None


def main(arguments: Sequence[str] | None = None) -> None:
    """Count and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.constraints", description=__doc__)
    parser.add_argument("--recording", type=Path, help="recording whose events have several markets")
    parser.add_argument("--hours", type=int, default=HOURS, help="simulated ladders of a seed (%(default)s)")
    parser.add_argument("--seeds", type=int, default=SEEDS, help="simulated worlds (%(default)s)")
    parser.add_argument("--misquotes", type=float, default=0.0, help="errors an hour of each maker (%(default)g)")
    parser.add_argument("--exchange", action="store_true", help="trade at the local exchange too: minutes an hour")
    asked = parser.parse_args(arguments)
    found: dict[str, Any] = {"simulated": simulated(asked.hours, asked.seeds, asked.misquotes)}
    traders: dict[str, Trader] = {"replay": traded} | ({"exchange": basket_orders.traded} if asked.exchange else {})
    for name, trade in traders.items():
        for delayed in (False, True):
            run = partial(trade, asked.hours, misquotes_h=asked.misquotes, delayed=delayed)
            found[f"{name}_{'delayed' if delayed else 'immediate'}"] = judged(asked.seeds, run)
    if asked.recording is not None:
        found["recorded"] = recorded(asked.recording)
    print(json.dumps(found))


if __name__ == "__main__":
    main()

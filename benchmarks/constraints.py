"""python -m benchmarks.constraints: episodes in which a basket of one event pays more than it costs; one JSON line.

Counted in simulated ladders second by second, where the executor (policy `baskets`) trades them too: orders, legs that
were unwound, P&L after fees. With --recording also on the events of a recording (asks from its spread,
else the model's; the depth is the model's, since few recordings have sizes of every sibling).
"""

import argparse
import itertools
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from benchmarks.series_world import FIRST_S, LENGTH_S, history, market
from pipelines.core.domain import Market, Quote
from pipelines.core.money import MICRO, PRICE_SCALE
from pipelines.core.params import load
from pipelines.pull import grid, recording
from pipelines.reference.board import Board
from pipelines.replay import rules
from pipelines.replay.loop import replay, tape
from pipelines.replay.market_history import touches
from pipelines.replay.performance import figures
from pipelines.trading import constraints
from pipelines.trading.sizing import NO_SIGNALS
from simulator.series.kinds import Series
from simulator.series.source import LADDER
from simulator.series.underlying import Underlying
from simulator.series.windows import Window, windows_from

HOURS = 6

Books = dict[int, list[tuple[Market, Quote]]]


def simulated(hours: int, seed: int = 1) -> dict[str, Any]:
    """Ladders of the local exchange: nested levels of each hour."""
    found = []
    for rungs in _ladders(hours, seed):
        books: Books = defaultdict(list)
        for one in rungs:
            described = market(one)
            columns = (one.ts_s, one.bid_units, one.ask_units, one.bid_size_micro, one.ask_size_micro)
            for ts_s, *quote in zip(*(column.tolist() for column in columns), strict=True):
                books[ts_s].append((described, Quote(*quote)))
        found.append(_counted(books, nested=True))
    return _summed(found, 1)


def _ladders(hours: int, seed: int) -> Iterator[list[Window]]:
    series, path = Series("BTC", "1h", strikes=LADDER), Underlying(seed, "BTC")
    for hour in range(hours):
        yield list(windows_from(series, FIRST_S // 3_600 * 3_600 + 3_600 * (hour + 1), path, seed))


def traded(hours: int, seed: int = 1) -> dict[str, Any]:
    """Orders, fills and P&L of the basket executor on the same ladders, with bars of one second."""
    params, board = load(), Board()
    histories = [history(one, board) for rungs in _ladders(hours, seed) for one in rungs]
    strategy = rules.make("baskets", params, NO_SIGNALS, None, LENGTH_S)
    cash = params.backtest.cash_pusd * MICRO
    result = replay(tape(histories, None, params.execution.model_depth_shares), strategy, cash)
    row = figures(result, cash, LENGTH_S)
    unwound = sum(trade.reason == "unwind" for trade in result.closed)
    return {"orders": row.orders, "fills": row.fills, "unwound": unwound, "pnl_pusd": round(row.pnl_pusd, 2)}


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


def _counted(books: Books, *, nested: bool) -> dict[str, list[int | None]]:
    """Profit of every basket of one event at each time, by the basket's legs; None where a leg is not offered."""
    times = sorted(books)
    found: dict[str, list[int | None]] = defaultdict(lambda: [None] * len(times))
    for place, ts_s in enumerate(times):
        baskets = constraints.ladder(books[ts_s]) if nested else constraints.exclusive(books[ts_s])
        for one in baskets:
            found[f"{one.kind} {one.legs[0].market.market_id} {len(one.legs)}"][place] = one.profit_micro
    return found


def _summed(events: Iterable[dict[str, list[int | None]]], length_s: int) -> dict[str, Any]:
    """Bars on which a basket was offered whole, and its episodes: a bar without an offer of every leg ends one."""
    runs: list[int] = []
    best, bars = 0, 0
    for profits in (one for event in events for one in event.values()):
        offered = [profit for profit in profits if profit is not None]
        runs += [length for _, length in constraints.episodes([profit or 0 for profit in profits])]
        best, bars = max(best, max(offered, default=0)), bars + len(offered)
    median_s = sorted(runs)[len(runs) // 2] * length_s if runs else None
    return {"bars": bars, "episodes": len(runs), "median_life_s": median_s, "best_pusd": best / MICRO}


def main(arguments: Sequence[str] | None = None) -> None:
    """Count and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.constraints", description=__doc__)
    parser.add_argument("--recording", type=Path, help="recording whose events have several markets")
    parser.add_argument("--hours", type=int, default=HOURS, help="simulated ladders (%(default)s)")
    asked = parser.parse_args(arguments)
    found: dict[str, Any] = {"simulated": simulated(asked.hours), "traded": traded(asked.hours)}
    if asked.recording is not None:
        found["recorded"] = recorded(asked.recording)
    print(json.dumps(found))


if __name__ == "__main__":
    main()

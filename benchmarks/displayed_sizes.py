"""python -m benchmarks.displayed_sizes RECORDING: what fills of recorded sizes at the touch change, paired by event.

Two policies play the markets of a recording that has sizes, once against the recorded ones and once against the model's
depth (`execution.model_depth_shares`) as before sizes were read. Recorded up/down books play in bars of a second, other
recordings in their own. One JSON line: P&L of each after costs, and the difference with its interval over events.
"""

import argparse
import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from benchmarks import recorded_windows, series_recorded
from benchmarks.recorded_books import BookSource
from benchmarks.series_recorded import CLOSING_BARS
from pipelines.core.money import MICRO
from pipelines.core.params import Params, load
from pipelines.replay import rules
from pipelines.replay.loop import replay, tape
from pipelines.replay.market_history import History
from pipelines.replay.policy_search import interval
from pipelines.study import course
from pipelines.trading.sizing import NO_SIGNALS

KINDS = ("buy_and_hold", "spike_fading")


def played(kind: str, histories: Sequence[History], params: Params, length_s: int) -> dict[str, float]:
    """P&L in pUSD by event."""
    strategy = rules.make(kind, params, NO_SIGNALS, None, length_s)
    strategy = replace(strategy, horizon_bars=CLOSING_BARS)
    result = replay(
        tape(histories, None, params.execution.model_depth_shares), strategy, params.backtest.cash_pusd * MICRO
    )
    events = {one.market.market_id: one.market.event_id for one in histories}
    gained: defaultdict[str, float] = defaultdict(float)
    for trade in result.closed:
        gained[events[trade.market_id]] += float(trade.pnl)
    for market_id, micro in result.open_pnl_micro.items():
        gained[events[market_id]] += micro / MICRO
    return gained


def _read(path: Path, params: Params) -> tuple[list[History], int]:
    if {"bid_px", "bid_px1"} & set(pq.read_schema(path).names):
        return [series_recorded.history(one) for one in recorded_windows.read(BookSource(path)).windows], 1
    read = course.of_file(path, params)
    return list(read.histories), read.length_s


def measure(path: Path, markets: int) -> dict[str, Any]:
    """Both policies with recorded sizes and without, on the first markets of a recording."""
    params = load()
    histories, length_s = _read(path, params)
    histories = histories[:markets]
    without = [replace(one, sizes_micro=None) for one in histories]
    seen = [one.sizes_micro for one in histories if one.sizes_micro is not None]
    table: dict[str, Any] = {}
    for kind in KINDS:
        by_event = [played(kind, one, params, length_s) for one in (histories, without)]
        events = sorted({one.market.event_id for one in histories})
        change = np.array([by_event[0].get(name, 0.0) - by_event[1].get(name, 0.0) for name in events])
        totals = {
            name: round(sum(one.values()), 2) for name, one in zip(("recorded", "modelled"), by_event, strict=True)
        }
        low, high = interval(change)
        table[kind] = {**totals, "change": round(float(change.sum()), 2), "low": round(low, 2), "high": round(high, 2)}
    return {
        "recording": path.name,
        "markets": len(histories),
        "bars": sum(map(len, histories)),
        "length_s": length_s,
        "sizes_recorded_share": float(np.mean(np.concatenate(seen) > 0)) if seen else 0.0,
        "pnl_pusd": table,
    }


def main() -> None:
    """Play and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.displayed_sizes", description=__doc__)
    parser.add_argument("recording", type=Path, help="a recording with sizes at the touch (parquet)")
    parser.add_argument("--markets", type=int, default=400, help="only so many of its markets (400)")
    given = parser.parse_args()
    print(json.dumps(measure(given.recording, given.markets)))


if __name__ == "__main__":
    main()

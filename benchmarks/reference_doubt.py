"""How often and for how long the fair value is withheld on honest prices.

    python -m benchmarks.reference_doubt [--hours N] [--hourly FILE] [--ladder FILE]

Simulated 5-minute windows with one and with two sources (a price a second), hourly markets with a price a minute, and
5-minute windows with a price every 30 seconds. One JSON line: per source the share of the bars with a fair value of
none by reason, and how many bars in a row at most and at the median a jump was not believed.
"""

import argparse
import gzip
import itertools
import json
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from benchmarks.series_world import BEFORE_S, FIRST_S, prices
from pipelines.core.settlement import RuleKind, Settlement
from pipelines.reference.board import Board
from pipelines.reference.prices import Price
from simulator.series.underlying import Underlying

DOUBT = "jumped"
"""Word of the reason that names a jump."""


def counted(board: Board, bars: Iterable[tuple[Settlement, int]]) -> dict[str, Any]:
    """Shares of bars without a fair value by reason, and lengths of doubt in bars."""
    reasons = [board.fair(rule, ts_s * 1_000)[1] for rule, ts_s in bars]
    runs = [len(list(group)) for is_doubt, group in itertools.groupby(reasons, lambda why: DOUBT in why) if is_doubt]
    shares = {why: round(count / len(reasons), 5) for why, count in Counter(reasons).most_common() if why}
    return {
        "bars": len(reasons),
        "withheld": shares,
        "doubts": len(runs),
        "doubt_bars_p50": float(np.median(runs)) if runs else 0.0,
        "doubt_bars_max": max(runs, default=0),
    }


def simulated(hours: int, sources: tuple[str, ...]) -> dict[str, Any]:
    """5-minute windows of the simulator's underlying."""
    board, end_s = Board(), FIRST_S + 3_600 * hours
    for price in prices(Underlying(1, "BTC"), FIRST_S - BEFORE_S, end_s + 1):
        if price.source in sources:
            board.take(price)
    bars = ((_window(FIRST_S + k // 300 * 300, sources[-1]), FIRST_S + k) for k in range(3_600 * hours))
    return counted(board, bars)


def hourly(path: Path) -> dict[str, Any]:
    """Hourly markets with a price a minute."""
    table = pq.read_table(path, columns=["asset", "timestamp", "spot"])
    asset, spot = table["asset"].to_numpy(zero_copy_only=False), table["spot"].to_numpy(zero_copy_only=False)
    ts_s = table["timestamp"].to_numpy(zero_copy_only=False).astype("datetime64[s]").astype(np.int64)
    rows = sorted({(str(a), int(t)): float(v) for a, t, v in zip(asset, ts_s, spot, strict=True) if v > 0.0}.items())
    board = Board.of(Price(a, "binance", t * 1_000, t * 1_000, v) for (a, t), v in rows)
    return counted(board, ((_hour(a, t), t) for (a, t), _ in rows))


def ladder(path: Path) -> dict[str, Any]:
    """5-minute windows with their opening price and one every 30 seconds of the last two minutes."""
    with gzip.open(path, "rt") as lines:
        windows = [json.loads(line) for line in lines]
    found = {(one["window_ts"], one["open_px"]) for one in windows if one["open_px"]}
    found |= {(_sampled(one, row), row["spot"]) for one in windows for row in one["samples"] if row["spot"]}
    board = Board.of(Price("BTC", "chainlink", t * 1_000, t * 1_000, v) for t, v in sorted(found))
    bars = [(one["window_ts"], _sampled(one, row)) for one in windows for row in one["samples"]]
    # A strike, because many openings lie in a gap.
    return counted(board, [(_window(begin_s, "chainlink", 60_000.0), ts_s) for begin_s, ts_s in bars])


def _sampled(window: dict[str, Any], row: dict[str, Any]) -> int:
    return int(window["window_ts"] + 300 + row["t"])


def _window(begin_s: int, source: str, strike: float | None = None) -> Settlement:
    return Settlement(
        symbol="BTC", source=source, kind=RuleKind.SPOT, start_s=begin_s, end_s=begin_s + 300, strike=strike
    )


def _hour(asset: str, ts_s: int) -> Settlement:
    begin_s = ts_s // 3_600 * 3_600
    return Settlement(
        symbol=asset, source="binance", kind=RuleKind.CANDLE, start_s=begin_s, end_s=begin_s + 3_600, strike=1.0
    )


def _parts(given: argparse.Namespace) -> Iterator[tuple[str, dict[str, Any]]]:
    yield "one_source", simulated(given.hours, ("chainlink",))
    yield "two_sources", simulated(given.hours, ("binance", "chainlink"))
    if given.hourly is not None:
        yield "hourly", hourly(given.hourly)
    if given.ladder is not None:
        yield "ladder", ladder(given.ladder)


def main() -> None:
    """Print the JSON line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hours", type=int, default=6)
    parser.add_argument("--hourly", type=Path)
    parser.add_argument("--ladder", type=Path)
    print(json.dumps(dict(_parts(parser.parse_args()))))


if __name__ == "__main__":
    main()

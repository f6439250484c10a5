"""Does the imbalance at the touch foretell the mid? `python -m benchmarks.imbalance RECORDING [--resamples 1000]`.

RECORDING is a parquet file or folder with market_id, timestamp, best_bid, best_bid_size, best_ask, best_ask_size.
With `--size-lean 0 0.3 1` instead it is the books of the simulator at these values of its switch of the same name.
Prints one JSON line for each: per horizon (observations ahead within a market) the correlation of imbalance and the
move that follows, and of imbalance and the move from the next observation on (what a decision could still trade), each
with a 95 % interval from resampling markets; `size_ratio`, the same of the log size ratio and the move that follows;
how often the sign is right among moves that happened; and, where the imbalance exceeds 0.9, the mean move in its
direction, the spread, and what a taker earns before fees who enters at the next observation and leaves at the horizon.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pyarrow as pa
import pyarrow.dataset as ds

from pipelines.core.domain import FloatArray
from pipelines.core.errors import DataError, OddsmithError
from pipelines.core.money import MICRO, PRICE_SCALE
from pipelines.features.market_context import LEAN_LIMIT
from pipelines.features.touch import imbalances
from simulator.markets.events import Family, build, paths
from simulator.markets.price_grid import IntArray
from simulator.markets.price_model import Model, World

COLUMNS = ("market_id", "timestamp", "best_bid", "best_bid_size", "best_ask", "best_ask_size")
HORIZONS = (1, 5, 24)
STRONG = 0.9
EVENTS = 60
"""Of a simulated world: 300 markets of a day."""


@dataclass(frozen=True, slots=True)
class TouchSeries:
    """Top of the book of one market in time order, prices in [0, 1]."""

    lean: FloatArray
    ratio: FloatArray
    bid: FloatArray
    ask: FloatArray

    @property
    def mid(self) -> FloatArray:
        """Middle of bid and ask."""
        return (self.bid + self.ask) / 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print; 1 with one line when the recording cannot be read."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.imbalance", description=__doc__)
    parser.add_argument("recording", type=Path, nargs="?")
    parser.add_argument("--size-lean", type=float, nargs="*", default=[], help="simulated books instead of a recording")
    parser.add_argument("--world", choices=get_args(World), default="reversion", help="of the simulated books")
    parser.add_argument("--edge", type=float, default=1.0, help="of the simulated books (%(default)s)")
    parser.add_argument("--resamples", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args(arguments)
    if (asked.recording is None) == (not asked.size_lean):
        parser.error("give a recording of the top of the book, or --size-lean with one or more values")
    for lean in asked.size_lean:
        model = Model(edge=asked.edge, world=asked.world, size_lean=lean)
        about = {"world": asked.world, "edge": asked.edge, "size_lean": lean}
        _say(about, simulated(model, asked.seed), asked.resamples, asked.seed)
    if asked.recording is None:
        return 0
    try:
        markets = read(asked.recording)
    except OddsmithError as error:
        print(f"imbalance: {error}", file=sys.stderr)
        return 1
    _say({"recording": asked.recording.name}, markets, asked.resamples, asked.seed)
    return 0


def _say(about: dict[str, Any], markets: Sequence[TouchSeries], resamples: int, seed: int) -> None:
    found = {f"h{h}": measure(markets, h, resamples, seed) for h in HORIZONS}
    print(json.dumps({"benchmark": "imbalance", **about, "markets": len(markets), **found}))


def simulated(model: Model, seed: int) -> list[TouchSeries]:
    """The book of every market of some events, minute by minute; minutes without two sides are left out."""
    family = Family(seed, model)
    made = paths(family, [build(family, number) for number in range(EVENTS)])
    whole = (made.bid_units > 0) & (made.ask_units < PRICE_SCALE)
    books: list[TouchSeries] = []
    for row, kept in enumerate(whole):
        sizes = [side[row][kept].astype(np.int64) for side in (made.bid_size_micro, made.ask_size_micro)]
        bid, ask = (side[row][kept] / PRICE_SCALE for side in (made.bid_units, made.ask_units))
        books.append(TouchSeries(imbalances(*sizes), ratios(*sizes), bid, ask))
    return [book for book in books if len(book.lean)]


def ratios(bid_micro: IntArray, ask_micro: IntArray) -> FloatArray:
    """Log of bid size over ask size as the market context has it: a side without size counts as one share."""
    found = np.log((bid_micro + MICRO) / (ask_micro + MICRO))
    limited: FloatArray = np.clip(found, -LEAN_LIMIT, LEAN_LIMIT)
    return limited


def read(path: Path) -> list[TouchSeries]:
    """The book of every market; observations without two sides are left out.

    Raises:
        DataError: naming what is missing.
    """
    try:
        recording = ds.dataset(path)
    except (OSError, pa.ArrowInvalid) as error:
        raise DataError(f"{path} is no parquet file or folder: {error}") from None
    missing = [name for name in COLUMNS if name not in recording.schema.names]
    if missing:
        raise DataError(
            f"{path} lacks {', '.join(missing)}; a recording of the top of the book has {', '.join(COLUMNS)}"
        )
    table = recording.to_table(columns=list(COLUMNS))
    table = table.set_column(0, "market_id", table["market_id"].cast(pa.string()))
    table = table.sort_by([("market_id", "ascending"), ("timestamp", "ascending")])
    bid, bid_size, ask, ask_size = (np.asarray(table[name].to_numpy(), dtype=np.float64) for name in COLUMNS[2:])
    whole = np.isfinite(bid + ask + bid_size + ask_size) & (bid > 0) & (ask < 1) & (ask > bid)
    micro = [np.where(whole, size * MICRO, 0).astype(np.int64) for size in (bid_size, ask_size)]
    lean = imbalances(*micro)
    _, first = np.unique(np.asarray(table["market_id"].to_numpy()), return_index=True)
    parts = np.split(np.arange(len(lean)), np.sort(first)[1:])
    kept = [part[whole[part]] for part in parts]
    ratio = ratios(*micro)
    return [TouchSeries(lean[part], ratio[part], bid[part], ask[part]) for part in kept if len(part)]


def measure(markets: Sequence[TouchSeries], horizon: int, resamples: int, seed: int) -> dict[str, Any]:
    """Correlations with their intervals, the hit rate, and what strong imbalances would pay, at one horizon."""
    generator = np.random.default_rng([seed, horizon])
    long_enough = [book for book in markets if len(book.lean) > horizon + 1]
    at_once = [_sums(book.lean[:-horizon], book.mid[horizon:] - book.mid[:-horizon]) for book in long_enough]
    later = [_sums(book.lean[: -horizon - 1], book.mid[horizon + 1 :] - book.mid[1:-horizon]) for book in long_enough]
    ratio = [_sums(book.ratio[:-horizon], book.mid[horizon:] - book.mid[:-horizon]) for book in long_enough]
    signs = [_hits(book, horizon) for book in long_enough]
    right, moved = (sum(column) for column in zip(*signs, strict=True)) if signs else (0, 0)
    return {
        "observations": int(sum(sums[0] for sums in at_once)),
        "correlation": _with_interval(np.array(at_once), resamples, generator),
        "correlation_from_next": _with_interval(np.array(later), resamples, generator),
        "size_ratio": _with_interval(np.array(ratio), resamples, generator),
        "hit_rate": round(right / moved, 4) if moved else None,
        "strong": _strong(long_enough, horizon),
    }


def _hits(book: TouchSeries, horizon: int) -> tuple[int, int]:
    direction, move = np.sign(book.lean[:-horizon]), np.sign(book.mid[horizon:] - book.mid[:-horizon])
    happened = (direction != 0) & (move != 0)
    return int(np.sum(direction[happened] == move[happened])), int(happened.sum())


def _strong(markets: Sequence[TouchSeries], horizon: int) -> dict[str, float] | None:
    """Means where the imbalance is strong: move along it, spread, and a taker's round trip before fees."""
    moves, spreads, trips = [], [], []
    for book in markets:
        at = np.flatnonzero(np.abs(book.lean[: -horizon - 1]) > STRONG)
        enter, leave, side = at + 1, at + 1 + horizon, np.sign(book.lean[at])
        moves.append(side * (book.mid[leave] - book.mid[enter]))
        spreads.append(book.ask[enter] - book.bid[enter])
        trips.append(np.where(side > 0, book.bid[leave] - book.ask[enter], book.bid[enter] - book.ask[leave]))
    if not sum(map(len, moves)):
        return None
    names = {"move": moves, "spread": spreads, "taker_round_trip": trips}
    means = {name: round(float(np.concatenate(parts).mean()), 5) for name, parts in names.items()}
    return {"observations": sum(map(len, moves)), **means}


def _sums(x: FloatArray, y: FloatArray) -> tuple[float, ...]:
    return float(len(x)), x.sum(), y.sum(), (x * x).sum(), (y * y).sum(), (x * y).sum()


def _with_interval(sums: FloatArray, resamples: int, generator: np.random.Generator) -> list[float] | None:
    """[value, 2.5 %, 97.5 %]; markets are resampled whole, because bars of one market are not independent."""
    if not len(sums):
        return None
    picks = generator.integers(0, len(sums), size=(resamples, len(sums)))
    drawn = np.array([_correlation(sums[pick].sum(axis=0)) for pick in picks])
    low, high = np.nanquantile(drawn, (0.025, 0.975))
    return [round(float(v), 4) for v in (_correlation(sums.sum(axis=0)), low, high)]


def _correlation(total: FloatArray) -> float:
    n, x, y, xx, yy, xy = total
    spread = (xx - x * x / n) * (yy - y * y / n)
    return float((xy - x * y / n) / np.sqrt(spread)) if spread > 0 else float("nan")


if __name__ == "__main__":
    sys.exit(main())

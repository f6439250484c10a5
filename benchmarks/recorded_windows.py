"""Windows of recorded up/down books, second by second."""

import itertools
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from pipelines.core.domain import FloatArray
from pipelines.venue import settlement_rules

STEP_S = 1


@dataclass(frozen=True)
class Window:
    """One market's YES book every second: bid, ask, sizes; `won` is what it paid, `left_s` the seconds to its end."""

    name: str
    left_s: FloatArray
    bid: FloatArray
    ask: FloatArray
    bid_size: FloatArray
    ask_size: FloatArray
    lowest_ask: FloatArray
    highest_bid: FloatArray
    """Best of all messages within the second before."""
    won: bool


def top5(path: Path) -> list[Window]:
    """Windows of a recording of the best levels (`bid_px1`, `ask_px1`, ..., one token per market)."""
    names = ["slug", "server_ms", "bid_px1", "bid_sz1", "ask_px1", "ask_sz1"]
    table = pq.read_table(path, columns=names).sort_by([("slug", "ascending"), ("server_ms", "ascending")])
    slugs = table["slug"].to_numpy(zero_copy_only=False)
    columns = [table[name].to_numpy(zero_copy_only=False).astype(np.float64) for name in names[1:]]
    edges = [0, *(np.flatnonzero(slugs[1:] != slugs[:-1]) + 1).tolist(), len(slugs)]
    made = (_window(slugs[a], *(column[a:b] for column in columns)) for a, b in itertools.pairwise(edges))
    return [one for one in made if one is not None]


def lists(path: Path) -> list[Window]:
    """Windows of a recording of whole levels (`bid_px` and others as lists, `side` UP and DOWN), with its markets."""
    about = {row["market_id"]: row for row in pq.read_table(markets_of(path)).to_pylist()}
    rows = pq.read_table(path).to_pylist()
    found: dict[str, list[tuple[float, ...]]] = {}
    for row in rows:
        if row["side"].upper() != "UP":
            continue
        bid, ask = (row["bid_px"] or [0.0])[0], (row["ask_px"] or [1.0])[0]
        sizes = ((row["bid_sz"] or [0.0])[0], (row["ask_sz"] or [0.0])[0])
        found.setdefault(row["market_id"], []).append((row["ts"], bid, sizes[0], ask, sizes[1]))
    made = []
    for market_id, books in sorted(found.items(), key=lambda one: about[one[0]]["start_ts"]):
        columns = np.array(sorted(books)).T
        window = _window(about[market_id]["slug"], *columns)
        if window is not None:
            made.append(window)
    return made


def of(path: Path) -> list[Window]:
    """Windows of a recording of either form."""
    return lists(path) if "bid_px" in pq.read_schema(path).names else top5(path)


def markets_of(path: Path) -> Path:
    """The file of markets in the folder of a file of books."""
    return path.with_name(path.name.replace("_books", "_markets"))


def _window(
    slug: str, ms: FloatArray, bid: FloatArray, bid_size: FloatArray, ask: FloatArray, ask_size: FloatArray
) -> Window | None:
    rule = settlement_rules.of_slug(str(slug))
    if rule is None or len(ms) < 60:
        return None
    seconds = np.arange(rule.start_s, rule.end_s, STEP_S)
    row = np.searchsorted(ms, seconds * 1_000, side="right") - 1
    seen = row >= 0
    seconds, row = seconds[seen], row[seen]
    bids = np.nan_to_num(bid[row], nan=0.0)
    asks = np.nan_to_num(ask[row], nan=1.0)
    asks[asks <= 0.0] = 1.0
    if len(row) < 60 or rule.end_s - seconds[-1] > 5:
        return None
    last = (bids[-5:].mean() + asks[-5:].mean()) / 2.0
    if 0.2 < last < 0.8:
        return None
    sizes = (np.nan_to_num(bid_size[row]), np.nan_to_num(ask_size[row]))
    messages = (np.where(np.nan_to_num(ask) > 0.0, ask, 1.0), np.nan_to_num(bid))
    edges = [0, *(row + 1).tolist()]
    within = [slice(min(a, b - 1), b) for a, b in itertools.pairwise(edges)]
    inside = ([float(messages[0][one].min()) for one in within], [float(messages[1][one].max()) for one in within])
    left_s = (rule.end_s - seconds).astype(float)
    return Window(str(slug), left_s, bids, asks, *sizes, np.array(inside[0]), np.array(inside[1]), bool(last > 0.5))

"""Windows of recorded up/down books, second by second, with what each paid.

A window is kept whatever its price was near the end: those that are contested until then are the ones in which a
resting order loses most. What it paid is read from the recording's markets, else from a file of outcomes, else from its
last book where that leaves no doubt.
"""

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow.parquet as pq

from pipelines.core.domain import FloatArray
from pipelines.core.settlement import Settlement
from pipelines.venue import settlement_rules

STEP_S: Final = 1
FEWEST: Final = 60
"""Books and seconds that a window needs."""
QUIET_S: Final = 30
"""A recording whose last book is older than this at the end of its window was stopped before."""
SURE: Final = 0.95
"""The last book tells the outcome where its middle is at least this for one side; an empty side counts as 0 or 1."""
OUTCOMES: Final = {"btc-updown-5m": Path("../prices/btc5m_outcomes.parquet")}
"""File of outcomes of a series, seen from the folder of the books: `timestamp` (begin) or `slug`, and `outcome`."""


@dataclass(frozen=True)
class Window:
    """One market's YES book every second: bid, ask, sizes; `won` is what it paid, `told_by` who says so, `left_s` the
    seconds to its end."""

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
    told_by: str


@dataclass(frozen=True)
class Recording:
    """The windows of one file in the order of time, and why others were left out, by name."""

    windows: list[Window] = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class _Books:
    """Messages of one market in the order of time: milliseconds, bid, its size, ask, its size."""

    slug: str
    ms: FloatArray
    bid: FloatArray
    bid_size: FloatArray
    ask: FloatArray
    ask_size: FloatArray

    def middles(self) -> FloatArray:
        """Mid of each book; an empty side counts as 0 or 1."""
        result: FloatArray = (np.nan_to_num(self.bid) + _asks(self.ask)) / 2.0
        return result


def read(path: Path) -> Recording:
    """Windows of a recording of either form: the best levels in columns (`bid_px1`, `ask_px1`, ..., one token per
    market), or whole levels as lists (`bid_px`, ..., `side` UP and DOWN) with a file of its markets."""
    lists = "bid_px" in pq.read_schema(path).names
    paid = _paid_by_market(path) if lists else {}
    made = Recording()
    for books in sorted(_lists(path) if lists else _top5(path), key=lambda one: float(one.ms[0])):
        told = _told(books, paid, path)
        why = _unfit(books) or told[0]
        if why or told[1] is None:
            made.left_out[books.slug] = why
        else:
            made.windows.append(_window(books, won=told[1], told_by=told[2]))
    return made


def markets_of(path: Path) -> Path:
    """The file of markets in the folder of a file of books."""
    return path.with_name(path.name.replace("_books", "_markets"))


def _top5(path: Path) -> list[_Books]:
    names = ["slug", "server_ms", "bid_px1", "bid_sz1", "ask_px1", "ask_sz1"]
    table = pq.read_table(path, columns=names).sort_by([("slug", "ascending"), ("server_ms", "ascending")])
    slugs = table["slug"].to_numpy(zero_copy_only=False)
    columns = [table[name].to_numpy(zero_copy_only=False).astype(np.float64) for name in names[1:]]
    edges = [0, *(np.flatnonzero(slugs[1:] != slugs[:-1]) + 1).tolist(), len(slugs)]
    return [_Books(str(slugs[a]), *(column[a:b] for column in columns)) for a, b in itertools.pairwise(edges) if b > a]


def _lists(path: Path) -> list[_Books]:
    slugs = {row["market_id"]: str(row["slug"]) for row in pq.read_table(markets_of(path)).to_pylist()}
    found: dict[str, list[tuple[float, ...]]] = {}
    for row in pq.read_table(path).to_pylist():
        if row["side"].upper() != "UP":
            continue
        bid, ask = (row["bid_px"] or [0.0])[0], (row["ask_px"] or [1.0])[0]
        sizes = ((row["bid_sz"] or [0.0])[0], (row["ask_sz"] or [0.0])[0])
        found.setdefault(row["market_id"], []).append((row["ts"], bid, sizes[0], ask, sizes[1]))
    return [_Books(slugs[one], *np.array(sorted(books)).T) for one, books in found.items()]


def _paid_by_market(path: Path) -> dict[str, float]:
    """What the markets of a recording paid for Up, by slug, where their file says it."""
    rows = pq.read_table(markets_of(path)).to_pylist()
    return {str(row["slug"]): float(row["payout_up"]) for row in rows if row.get("payout_up") is not None}


def _paid_by_outcomes(slug: str, path: Path) -> Mapping[str, Any]:
    """Rows of the file of outcomes of a slug's series; empty where there is no such file."""
    series, _, begin = slug.rpartition("-")
    file = path.parent / OUTCOMES[series] if series in OUTCOMES else None
    if file is None or not file.is_file():
        return {}
    by_slug = "slug" in pq.read_schema(file).names
    wanted: Any = ("slug", "=", slug) if by_slug else ("timestamp", "=", int(begin))
    rows = pq.read_table(file, filters=[wanted]).to_pylist()
    return rows[0] if rows else {}


def _told(books: _Books, paid: Mapping[str, float], path: Path) -> tuple[str, bool | None, str]:
    """Why the outcome is not known (empty where it is), whether Up won, and who says so."""
    stated = paid.get(books.slug)
    if stated is not None:
        return ("", stated > 0.5, "payout") if stated in (0.0, 1.0) else (f"it paid {stated:g}", None, "")
    outcome = str(_paid_by_outcomes(books.slug, path).get("outcome", "")).lower()
    if outcome in ("up", "down"):
        return "", outcome == "up", "outcomes"
    last = float(books.middles()[-1])
    if max(last, 1.0 - last) >= SURE:
        return "", last > 0.5, "last book"
    return f"its payout is not known, and its last book is at {last:.2f}", None, ""


def _rule(slug: str) -> Settlement | None:
    return settlement_rules.of_slug(slug)


def _unfit(books: _Books) -> str:
    """Why the books of a market are no window; empty where they are one."""
    rule = _rule(books.slug)
    if rule is None:
        return "its slug names no series that is known"
    inside = books.ms[books.ms < rule.end_s * 1_000]
    if len(inside) < FEWEST or rule.end_s - max(inside[0] / 1_000.0, rule.start_s) < FEWEST:
        return f"it has {len(inside)} books in its range, {FEWEST} and as many seconds are needed"
    quiet = rule.end_s - inside[-1] / 1_000.0
    return f"its books stop {quiet:.0f} s before its end" if quiet > QUIET_S else ""


def _asks(ask: FloatArray) -> FloatArray:
    found = np.nan_to_num(ask, nan=1.0)
    return np.where(found > 0.0, found, 1.0)


def _window(books: _Books, *, won: bool, told_by: str) -> Window:
    rule = _rule(books.slug)
    assert rule is not None, "`_unfit` leaves out slugs without a rule"
    seconds = np.arange(rule.start_s, rule.end_s, STEP_S)
    row = np.searchsorted(books.ms, seconds * 1_000, side="right") - 1
    seconds, row = seconds[row >= 0], row[row >= 0]
    asks, bids = _asks(books.ask), np.nan_to_num(books.bid)
    within = [slice(min(a, b - 1), b) for a, b in itertools.pairwise([0, *(row + 1).tolist()])]
    inside = ([float(asks[one].min()) for one in within], [float(bids[one].max()) for one in within])
    sizes = (np.nan_to_num(books.bid_size[row]), np.nan_to_num(books.ask_size[row]))
    return Window(
        books.slug,
        (rule.end_s - seconds).astype(float),
        bids[row],
        asks[row],
        *sizes,
        np.array(inside[0]),
        np.array(inside[1]),
        won,
        told_by,
    )

"""Windows of recorded up/down books, second by second, with what each paid.

A window is kept whatever its price was near the end: those that are contested until then are the ones in which a
resting order loses most. What it paid is read from the recording or its markets, else from a file of outcomes, else
from its last book where that leaves no doubt.
"""

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Final

import numpy as np

from benchmarks import recorded_books, window_outcomes
from benchmarks.recorded_books import BookFile, Books, BookSource
from pipelines.core.domain import FloatArray
from pipelines.core.settlement import Settlement
from pipelines.reference.board import Board
from pipelines.reference.prices import Price
from pipelines.venue import settlement_rules

STEP_S: Final = 1
FEWEST: Final = 60
"""Books and seconds that a window needs."""
QUIET_S: Final = 30
"""A recording whose last book is older than this at the end of its window was stopped before."""
COARSEST_S: Final = 5.0
"""Books that are further apart (median) say nothing of the seconds between them."""
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
    rule: Settlement
    fair: FloatArray
    """Probability of Up that the recording's reference prices imply at each second and before it (`Board.series`),
    shape (n, 2); NaN where none is known."""


@dataclass(frozen=True)
class Recording:
    """The windows of one file in the order of time, and why others were left out, by name."""

    windows: list[Window] = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)


def read(source: BookSource) -> Recording:
    """The windows of a file of books that `oddsmith data import` understands. What a window paid says a column of the
    file or of its markets (`x_markets` beside `x_books`, or `about`), else the file of outcomes, else its last book.

    Raises:
        DataError: if the file is no recording of books, or the file of outcomes is none.
    """
    found = recorded_books.read(source)
    board = Board.of([*found.prices, *_spots(found)])
    made = Recording(left_out=dict(found.left_out))
    for books in sorted(found.books, key=lambda one: float(one.ms[0])):
        rule = _rule(books)
        if rule is None:
            made.left_out[books.names[0]] = "its name is of no series that is known"
            continue
        why, won, told_by = _told(books, rule, source)
        why = _unfit(books, rule) or why
        if why or won is None:
            made.left_out[books.names[0]] = why
        else:
            made.windows.append(_window(books, rule, board, won=won, told_by=told_by))
    return made


def _rule(books: Books) -> Settlement | None:
    return settlement_rules.of_recording(books.names, int(books.ms[0]) // 1_000)


def _spots(found: BookFile) -> list[Price]:
    """Prices of the underlying that rows have beside their books, once for each source and time."""
    made: dict[tuple[str, str, int], float] = {}
    rules: dict[tuple[str, ...], Settlement | None] = {}
    for names, source, ms, value in found.spots:
        if names not in rules:
            rules[names] = settlement_rules.of_recording(names, ms // 1_000)
        rule = rules[names]
        if rule is not None:
            made.setdefault((rule.symbol, source, ms), value)
    return [Price(symbol, source, ms, ms, value) for (symbol, source, ms), value in made.items()]


@cache
def _outcomes(path: Path) -> Mapping[str, float]:
    return window_outcomes.read(path)


def _paid(books: Books, rule: Settlement, source: BookSource) -> float | None:
    """What Up paid by the file of outcomes that was given, or by the one of its series beside the recording."""
    series = books.names[0].rpartition("-")[0]
    beside = source.path.parent / OUTCOMES[series] if series in OUTCOMES else None
    file = source.outcomes or (beside if beside is not None and beside.is_file() else None)
    told = {} if file is None else _outcomes(file)
    return next((told[one] for one in (*books.names, str(rule.start_s)) if one in told), None)


def _told(books: Books, rule: Settlement, source: BookSource) -> tuple[str, bool | None, str]:
    """Why the outcome is not known (empty where it is), whether Up won, and who says so."""
    last = float((np.nan_to_num(books.bid[-1]) + _asks(books.ask)[-1]) / 2.0)
    sure = max(last, 1.0 - last) >= SURE
    for paid, told_by in ((books.paid, "payout"), (_paid(books, rule, source), "outcomes")):
        if paid is not None and sure and not books.labelled and (paid > 0.5) != (last > 0.5):
            return f"Up paid {paid:g}, and the token that is recorded ends at {last:.2f}: it may be Down's", None, ""
        if paid is not None:
            return ("", paid > 0.5, told_by) if paid in (0.0, 1.0) else (f"it paid {paid:g}", None, "")
    if sure:
        return "", last > 0.5, "last book"
    return f"its payout is not known, and its last book is at {last:.2f}; give a file of --outcomes", None, ""


def _unfit(books: Books, rule: Settlement) -> str:
    """Why the books of a market are no window; empty where they are one."""
    inside = books.ms[books.ms < rule.end_s * 1_000]
    if len(inside) < FEWEST or rule.end_s - max(inside[0] / 1_000.0, rule.start_s) < FEWEST:
        return f"it has {len(inside)} books in its range, {FEWEST} and as many seconds are needed"
    apart_s = float(np.median(np.diff(inside))) / 1_000.0
    if apart_s > COARSEST_S:
        return f"its books are {apart_s:.0f} s apart, and bars of a second need them at most {COARSEST_S:g} s apart"
    quiet = rule.end_s - inside[-1] / 1_000.0
    return f"its books stop {quiet:.0f} s before its end" if quiet > QUIET_S else ""


def _asks(ask: FloatArray) -> FloatArray:
    found = np.nan_to_num(ask, nan=1.0)
    return np.where(found > 0.0, found, 1.0)


def _fair(rule: Settlement, board: Board, seconds: FloatArray) -> FloatArray:
    """Fair values by the source that the market settles on, or by Binance's price in its place: both ends of the range
    are then read from it, so that a constant difference of the two does not count."""
    known = {source for symbol, source in board.paths if symbol == rule.symbol}
    if rule.source not in known and "binance" in known:
        rule = replace(rule, source="binance")
    if rule.source not in known:
        return np.full((len(seconds), 2), np.nan)
    return board.series(rule, seconds.astype(np.int64), STEP_S)


def _window(books: Books, rule: Settlement, board: Board, *, won: bool, told_by: str) -> Window:
    seconds = np.arange(rule.start_s, rule.end_s, STEP_S)
    row = np.searchsorted(books.ms, seconds * 1_000, side="right") - 1
    seconds, row = seconds[row >= 0], row[row >= 0]
    asks, bids = _asks(books.ask), np.nan_to_num(books.bid)
    within = [slice(min(a, b - 1), b) for a, b in itertools.pairwise([0, *(row + 1).tolist()])]
    inside = ([float(asks[one].min()) for one in within], [float(bids[one].max()) for one in within])
    sizes = (np.nan_to_num(books.bid_size[row]), np.nan_to_num(books.ask_size[row]))
    return Window(
        books.names[0],
        (rule.end_s - seconds).astype(float),
        bids[row],
        asks[row],
        *sizes,
        np.array(inside[0]),
        np.array(inside[1]),
        won,
        told_by,
        rule,
        _fair(rule, board, seconds.astype(np.float64)),
    )

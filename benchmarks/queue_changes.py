"""Recordings of the venue's market channel as changes of levels, each an order, a cancel or a trade.

The venue sends `price_change` where an order was placed or cancelled and a whole `book` where a trade moved it: what a
`book` shows less, from the touch on, was traded. A recording that holds `last_trade_price` rows tells it by them.
"""

import itertools
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow.parquet as pq

from pipelines.core.domain import Quote
from pipelines.core.errors import DataError
from pipelines.core.money import MICRO, PRICE_SCALE
from pipelines.reference.segments import RECORDER, Continuity, lines
from pipelines.replay.recorded_books import COLUMNS

BIDS, ASKS = 0, 1
CENT, FINE = 100, 10
LEAST = 1e-6
"""Shares that count as a change."""
REPORT_MS = 1_000
"""A trade and the fall of its level come within so long of each other."""
KINDS = ("book", "price_change", "last_trade_price")

Levels = tuple[dict[int, float], dict[int, float]]
"""Shares by price in units, of bids and of asks."""


class Kind(IntEnum):
    """Why the size of a level changed."""

    PLACED = 0
    CANCELLED = 1
    TRADED = 2


class Change(NamedTuple):
    """Shares that came to a level or left it."""

    ms: int
    side: int
    units: int
    kind: Kind
    shares: float


class Seen(NamedTuple):
    """The touch after a message."""

    ms: int
    quote: Quote


@dataclass
class Recorded:
    """One market's YES book: every change, and the touch after every message, in the order of time."""

    name: str
    changes: list[Change] = field(default_factory=list)
    touches: list[Seen] = field(default_factory=list)

    @property
    def tick_units(self) -> int:
        """A cent, or a tenth of it where a level is between two cents."""
        return FINE if any(one.units % CENT for one in self.changes) else CENT


class Row(NamedTuple):
    """One level of a message, or a trade."""

    market: str
    token: str
    kind: str
    side: int
    units: int
    shares: float
    message: str
    ms: int


GAP = Row("", "", "gap", BIDS, 0, 0.0, "", 0)
"""Nothing is known of a book until it is shown whole again."""


def read(path: Path) -> list[Recorded]:
    """The markets of a recording, one token each (the other's book is its mirror), in the order of their first row.

    Args:
        path: Parquet with a row per level, or frames of `oddsmith data record` (JSON lines, .gz too, or their folder).

    Raises:
        DataError: if a column is missing, or nothing in it tells a trade from a cancel.
    """
    tokens: dict[str, str] = {}
    rows: defaultdict[str, list[Row]] = defaultdict(list)
    kinds: set[str] = set()
    for row in _table(path) if path.suffix in (".parquet", ".pq") else _frames(path):
        if row is GAP:
            for found in rows.values():
                found.append(row)
            continue
        kinds.add(row.kind)
        if tokens.setdefault(row.market, row.token) == row.token:
            rows[row.market].append(row)
    prints = "last_trade_price" in kinds
    if not prints and not {"book", "price_change"} <= kinds:
        raise DataError(
            f"{path} has only {', '.join(sorted(kinds)) or 'no'} rows: they do not tell a trade from a cancel. Record"
            " price_change and book, or last_trade_price"
        )
    return [_recorded(market, found, prints=prints) for market, found in rows.items()]


def _table(path: Path) -> Iterator[Row]:
    table = pq.read_table(path)
    if missing := set(COLUMNS) - set(table.column_names):
        raise DataError(f"{path} lacks the columns {', '.join(sorted(missing))}; a recording of the channel has them")
    names = set(table.column_names)
    market = "market_slug" if "market_slug" in names else "asset_id"
    message = "hash" if "hash" in names else "timestamp"
    wanted = (market, "asset_id", "event_type", "side", "price", "size", message, "timestamp")
    columns = (table[name].to_pylist() for name in wanted)
    for slug, token, kind, side, price, size, text, ms in zip(*columns, strict=True):
        yield Row(str(slug), str(token), str(kind), _side(side), _units(price), float(size), str(text), int(ms))


def _frames(path: Path) -> Iterator[Row]:
    """Rows in the order of time, with GAP where what came before does not go on."""
    segments = sorted(path.rglob("*.jsonl*"), key=lambda segment: segment.name) if path.is_dir() else [path]
    continuity = Continuity()
    for segment in segments:
        for line in continuity.rows(lines(segment)):
            if "gap" in line and line.get("source") in ("market", RECORDER):
                yield GAP
            frame = line.get("frame", line)
            for one in frame if isinstance(frame, list) else [frame]:
                if isinstance(one, dict) and one.get("event_type") in KINDS:
                    yield from _rows(one)


def _rows(one: Mapping[str, Any]) -> Iterator[Row]:
    """The levels of a raw message."""
    kind, market, ms = one["event_type"], str(one["market"]), int(one["timestamp"])
    if kind == "book":
        levels = [(one, side, level) for side in ("bids", "asks") for level in one[side]]
    else:
        changes = one["price_changes"] if kind == "price_change" else [one]
        levels = [(change, change["side"], change) for change in changes]
    for about, side, level in levels:
        shown = (_side(side), _units(level["price"]), float(level["size"]))
        yield Row(market, str(about["asset_id"]), kind, *shown, str(about.get("hash", "")), ms)


def _units(price: Any) -> int:
    return round(float(price) * PRICE_SCALE)


def _recorded(name: str, rows: list[Row], *, prints: bool) -> Recorded:
    made, traded = Recorded(name), _Traded()
    levels: Levels = ({}, {})
    started, now = False, 0
    for (kind, ms, _), message in itertools.groupby(rows, lambda row: (row.kind, row.ms, row.message)):
        if kind == GAP.kind:
            levels, started = ({}, {}), False
            continue
        now = max(ms, now)
        at = [(row.side, row.units, row.shares) for row in message]
        if kind == "last_trade_price":
            for side, units, shares in at:
                traded.report(made.changes, now, (1 - side, units), shares)
            continue
        after = _after(levels, at, whole=kind == "book")
        if started:
            found = _changes(now, levels, after, whole=kind == "book" and not prints)
            made.changes += traded.split(found) if prints else found
        levels, started = after, started or kind == "book"
        if started:
            made.touches.append(Seen(now, _quote(levels)))
    return made


class _Traded:
    """Reported trades, each made good by falls of its level within REPORT_MS before or after it."""

    def __init__(self) -> None:
        self._open: dict[tuple[int, int], tuple[int, float]] = {}

    def report(self, changes: list[Change], now: int, level: tuple[int, int], shares: float) -> None:
        """A trade at a level of the resting side: a fall that was shown already was it."""
        for place in range(len(changes) - 1, -1, -1):
            one = changes[place]
            if shares <= LEAST or now - one.ms > REPORT_MS:
                break
            if one.kind is Kind.CANCELLED and (one.side, one.units) == level:
                took = min(one.shares, shares)
                changes[place : place + 1] = list(_parted(one, took))
                shares -= took
        if shares > LEAST:
            self._open[level] = (now, shares + self._left(level, now))

    def _left(self, level: tuple[int, int], now: int) -> float:
        ms, shares = self._open.get(level, (now, 0.0))
        return shares if now - ms <= REPORT_MS else 0.0

    def split(self, changes: list[Change]) -> Iterator[Change]:
        """Changes with falls split into what was reported as traded at their level, and the rest."""
        for one in changes:
            level = (one.side, one.units)
            left = self._left(level, one.ms)
            if one.kind is Kind.PLACED or left <= LEAST:
                yield one
                continue
            took = min(one.shares, left)
            self._open[level] = (self._open[level][0], left - took)
            yield from _parted(one, took)


def _parted(one: Change, took: float) -> Iterator[Change]:
    for kind, shares in ((Kind.TRADED, took), (Kind.CANCELLED, one.shares - took)):
        if shares > LEAST:
            yield one._replace(kind=kind, shares=shares)


def _side(name: str) -> int:
    return ASKS if name in ("ask", "asks", "SELL") else BIDS


def _after(levels: Levels, at: list[tuple[int, int, float]], *, whole: bool) -> Levels:
    made: Levels = ({}, {}) if whole else (dict(levels[BIDS]), dict(levels[ASKS]))
    for side, units, shares in at:
        made[side].pop(units, None)
        if shares > 0.0:
            made[side][units] = shares
    return made


def _changes(ms: int, before: Levels, after: Levels, *, whole: bool) -> list[Change]:
    """The changes of levels between two books, best prices first.

    `whole` says that the message follows a trade: less size is then a trade where every better level of its side is
    gone, because a trade takes the best prices first. Else it is a cancel.
    """
    found = []
    for side in (BIDS, ASKS):
        reached = whole
        for units in sorted(before[side].keys() | after[side].keys(), reverse=side == BIDS):
            gained = after[side].get(units, 0.0) - before[side].get(units, 0.0)
            kind = Kind.PLACED if gained > 0.0 else Kind.TRADED if reached else Kind.CANCELLED
            if abs(gained) > LEAST:
                found.append(Change(ms, side, units, kind, abs(gained)))
            reached = reached and units not in after[side]
    return found


def _quote(levels: Levels) -> Quote:
    bid, ask = max(levels[BIDS], default=0), min(levels[ASKS], default=PRICE_SCALE)
    sizes = (levels[BIDS].get(bid, 0.0), levels[ASKS].get(ask, 0.0))
    return Quote(bid, ask, *(round(shares * MICRO) for shares in sizes))

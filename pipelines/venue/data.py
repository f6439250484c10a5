"""The Data API's v2 routes: price history and trades of one market, by windows and cursors.

Rows are read one by one: one that cannot be read is left out and counted, and so is one that an earlier page gave.
Reading ends at the last page, at a cursor that came before, and where some pages in a row give nothing new.
"""

import hashlib
import math
import secrets
from collections.abc import AsyncIterator, Mapping
from functools import lru_cache
from typing import Any, TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from pipelines.core import log
from pipelines.core.domain import Market, Tape
from pipelines.core.money import MICRO, PRICE_SCALE
from pipelines.venue.clob import MOST_MICRO
from pipelines.venue.http import VenueHttp
from pipelines.venue.odd_rows import OddRows
from pipelines.venue.wire import DataPage, Holder, PricePoint, TokenHolders, TradeRow

IntArray = NDArray[np.int64]
Row = TypeVar("Row", PricePoint, TradeRow, TokenHolders, Holder)

SPAN_S = 15 * 86_400
"""Longest range that one request of price history may ask for."""
PRICE_PAGE = 10_000
MOST_SHARES = MOST_MICRO / MICRO
STALE_PAGES = 3
"""So many pages in a row without a new row end a reading: pages may overlap, and cursors may go round for ever."""
TRADE_PAGE = 1_000

UNREADABLE, REPEATED, SAME_CURSOR = "history_rows_unreadable", "history_rows_repeated", "history_cursors_repeated"
"""What is counted in `odd`."""

_log = log.get("data")
_SALT = secrets.token_bytes(16)


LEAST_BUCKET_S = 60
"""The price history has no shorter buckets: shorter bars come from recorded frames, and live from the stream alone."""


async def price_history(
    http: VenueHttp, token_id: str, start_s: int, end_s: int, bucket_s: int, odd: OddRows | None = None
) -> tuple[IntArray, IntArray]:
    """Times (UTC s) and prices (1e-4) of a token in (start_s, end_s], ascending, one per time.

    `odd` counts the rows that were left out, by reason; a price outside [0, 1] is one.
    """
    counted = OddRows() if odd is None else odd
    points: dict[int, float] = {}
    for begin in range(start_s, end_s, SPAN_S):
        span = {"start": begin, "end": min(begin + SPAN_S, end_s)}
        filters = {"token_id": token_id, "bucket_seconds": bucket_s, **span}
        async for page in _pages(http, "/v2/prices-history", filters, PRICE_PAGE, PricePoint, counted):
            for point in page:
                points[math.ceil(point.timestamp)] = point.price
    times = np.array(sorted(t for t in points if start_s < t <= end_s), np.int64)
    prices = np.array([points[t] for t in times.tolist()], float)
    return times, np.rint(prices * 10_000).astype(np.int64)


async def trades(http: VenueHttp, market: Market, start_s: int, end_s: int, odd: OddRows | None = None) -> Tape:
    """All trades of a market's two tokens in (start_s, end_s], oldest first; wallets are hashed with a salt of this
    process.

    The route lists the newest first, so reading stops at the first page that lies before the range. `odd` counts the
    rows that were left out, by reason.
    """
    counted = OddRows() if odd is None else odd
    found: list[TradeRow] = []
    filters = {"condition": market.market_id, "taker_only": "true"}
    async for page in _pages(http, "/v2/trades", filters, TRADE_PAGE, TradeRow, counted):
        found += [row for row in page if start_s < row.timestamp <= end_s]
        if page and all(row.timestamp <= start_s for row in page):
            break
    found.reverse()
    other = np.array([row.token_id == market.token_no for row in found], bool)
    prices = np.clip(np.array([row.price for row in found], float), 0.0, 1.0)
    prices = np.rint(prices * PRICE_SCALE).astype(np.int64)
    parts = Tape(
        np.array([math.ceil(row.timestamp) for row in found], np.int64),
        np.where(other, PRICE_SCALE - prices, prices),
        np.rint(np.array([row.size for row in found], float) * MICRO).astype(np.int64),
        np.array([row.side.upper() == "BUY" for row in found], bool) != other,
        np.array([hashed(row.proxy_wallet) if row.proxy_wallet else 0 for row in found], np.int64),
    )
    return Tape.joined([parts])


@lru_cache(maxsize=65_536)
def hashed(wallet: str, salt: bytes = _SALT) -> int:
    """Salted hash of a wallet; the same in whatever case it is written, never 0."""
    return 1 + int.from_bytes(hashlib.blake2b(wallet.lower().encode(), key=salt, digest_size=7).digest())


async def holders(http: VenueHttp, market: Market) -> tuple[dict[str, float], dict[str, float]]:
    """Shares of the largest holders of the YES and of the NO token, by wallet; a row that cannot be read is left out.

    Raises:
        VenueError: if the venue does not answer.
    """
    page = await http.get("/v2/holders", DataPage, {"condition": market.market_id})
    found: dict[str, dict[str, float]] = {market.token_yes: {}, market.token_no: {}}
    for raw in page.data or ():
        row = _row(bytes(raw), TokenHolders)
        for one in () if isinstance(row, str) else row.holders:
            held = _row(bytes(one), Holder)
            if not isinstance(held, str) and held.token_id in found:
                found[held.token_id][held.proxy_wallet] = held.amount
    return found[market.token_yes], found[market.token_no]


async def _pages(
    http: VenueHttp, route: str, filters: Mapping[str, Any], limit: int, kind: type[Row], odd: OddRows
) -> AsyncIterator[list[Row]]:
    """Pages of rows that no earlier page had. Two equal rows of one page are two trades."""
    earlier: set[bytes] = set()
    cursors: set[str] = set()
    stale = 0
    asked: dict[str, Any] = {**filters, "limit": limit}
    while True:
        page = await http.get(route, DataPage, asked)
        found = [bytes(raw) for raw in page.data or ()]
        fresh = [raw for raw in found if raw not in earlier]
        odd[REPEATED] += len(found) - len(fresh)
        earlier.update(fresh)
        yield _readable(fresh, kind, odd, route, str(next(iter(filters.values()))))
        cursor = page.pagination.next_cursor if page.pagination and page.pagination.has_more else None
        stale = 0 if fresh else stale + 1
        if not cursor or stale >= STALE_PAGES:
            return
        if cursor in cursors:
            odd[SAME_CURSOR] += 1
            _log.warning("the same cursor again; what was read so far is used", route=route, **filters)
            return
        cursors.add(cursor)
        asked = {**filters, "cursor": cursor}


def _readable(rows: list[bytes], kind: type[Row], odd: OddRows, route: str, about: str) -> list[Row]:
    found = []
    for raw in rows:
        row = _row(raw, kind)
        if not isinstance(row, str):
            found.append(row)
            continue
        odd[UNREADABLE] += 1
        odd.keep(route, about, row, raw)
    odd.read += len(rows)
    return found


def _row(raw: bytes, kind: type[Row]) -> Row | str:
    """The row, or why it cannot be read."""
    try:
        row = msgspec.json.decode(raw, type=kind)
    except msgspec.DecodeError as error:
        return str(error)
    return _impossible(row) or row


def _impossible(row: PricePoint | TradeRow | TokenHolders | Holder) -> str | None:
    """The value that no row of its kind can have; None where all are possible."""
    match row:
        case PricePoint(timestamp=time) | TradeRow(timestamp=time) if time < 0:
            return f"a time of {time}"
        case TradeRow(size=size) if not 0 <= size <= MOST_SHARES:
            return f"a size of {size}"
        case PricePoint(price=price) if not 0 <= price <= 1:
            return f"a price of {price}"
        case Holder(amount=amount) if not 0 <= amount <= MOST_SHARES:
            return f"an amount of {amount}"
    return None

"""The Data API's v2 routes: price history and trades of one market, by windows and cursors."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipelines.core.errors import DataError
from pipelines.venue.http import VenueHttp
from pipelines.venue.wire import PricePage, PricePoint, TradePage

IntArray = NDArray[np.int64]

SPAN_S = 15 * 86_400
"""Longest range that one request of price history may ask for."""
PRICE_PAGE = 10_000
TRADE_PAGE = 1_000


async def price_history(
    http: VenueHttp, token_id: str, start_s: int, end_s: int, bucket_s: int
) -> tuple[IntArray, IntArray]:
    """Times (UTC s) and prices (1e-4) of a token in (start_s, end_s], ascending, one per time.

    Raises:
        DataError: a price outside [0, 1].
    """
    points: dict[int, float] = {}
    for begin in range(start_s, end_s, SPAN_S):
        span = {"start": begin, "end": min(begin + SPAN_S, end_s)}
        for point in await _all_points(http, {"token_id": token_id, "bucket_seconds": bucket_s, **span}):
            points[math.ceil(point.timestamp)] = point.price
    times = np.array(sorted(t for t in points if start_s < t <= end_s), np.int64)
    prices = np.array([points[t] for t in times.tolist()], float)
    if len(prices) and not ((prices >= 0) & (prices <= 1)).all():
        raise DataError(f"token {token_id}: prices must lie in [0, 1], were {prices.min():g} to {prices.max():g}")
    return times, np.rint(prices * 10_000).astype(np.int64)


async def _all_points(http: VenueHttp, filters: Mapping[str, Any]) -> list[PricePoint]:
    found: list[PricePoint] = []
    page = await http.get("/v2/prices-history", PricePage, {**filters, "limit": PRICE_PAGE})
    while True:
        found += page.data or []
        cursor = page.pagination.next_cursor if page.pagination and page.pagination.has_more else None
        if not cursor:
            return found
        page = await http.get("/v2/prices-history", PricePage, {**filters, "cursor": cursor})


async def trades(http: VenueHttp, market_id: str, start_s: int, end_s: int) -> tuple[IntArray, IntArray]:
    """Times (UTC s) and sizes (1e-6 shares) of all trades of a market's two tokens in (start_s, end_s].

    The route lists the newest first, so reading stops at the first page that lies before the range.
    """
    times: list[int] = []
    sizes: list[float] = []
    filters = {"condition": market_id, "taker_only": "true"}
    page = await http.get("/v2/trades", TradePage, {**filters, "limit": TRADE_PAGE})
    while True:
        rows = page.data or []
        inside = [row for row in rows if start_s < row.timestamp <= end_s]
        times += [math.ceil(row.timestamp) for row in inside]
        sizes += [row.size for row in inside]
        cursor = page.pagination.next_cursor if page.pagination and page.pagination.has_more else None
        if not cursor or not rows or all(row.timestamp <= start_s for row in rows):
            return np.array(times, np.int64), np.rint(np.array(sizes, float) * 1e6).astype(np.int64)
        page = await http.get("/v2/trades", TradePage, {**filters, "cursor": cursor})

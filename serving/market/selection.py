"""Which markets are followed: those held, those followed already, then the listing in its own order."""

from collections.abc import Iterable, Sequence

from pipelines.core.domain import Market
from pipelines.core.errors import VenueUnavailable
from pipelines.venue import clob, gamma
from pipelines.venue.http import VenueHttp

LISTED = 300
"""Most open markets that a look at the listing reads."""


async def discover(listing: VenueHttp, exchange: VenueHttp) -> tuple[list[Market], int]:
    """Open markets and the venue's market time (the newest timestamp of their books).

    Raises:
        VenueUnavailable: if nothing is open.
    """
    markets = await gamma.tradable(listing, LISTED)
    books = await clob.books(exchange, [market.token_yes for market in markets[:50]])
    if not books:
        raise VenueUnavailable(f"{len(markets)} markets are listed and none has an order book; waiting for one")
    return markets, max(clob.time_ms(book) for book in books.values()) // 1_000


def choose(
    listed: Sequence[Market], followed: Iterable[Market], held: Iterable[Market], now_s: int, limit: int
) -> list[Market]:
    """At most `limit` markets to follow (more only if more are held)."""
    open_now = {m.market_id: m for m in listed if _alive(m, now_s)}
    chosen = {m.market_id: m for m in held}
    for market in (*followed, *open_now.values()):
        if len(chosen) >= limit:
            break
        if market.market_id in open_now:
            chosen.setdefault(market.market_id, market)
    return list(chosen.values())


def _alive(market: Market, now_s: int) -> bool:
    begun = market.start_s is None or market.start_s <= now_s
    return begun and (market.end_s is None or market.end_s > now_s)

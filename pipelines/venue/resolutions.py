"""What a decided market pays, from the Data API: the stream's message may never arrive (polymarket-api 2.4)."""

import msgspec

from pipelines.core.domain import Market
from pipelines.venue.http import VenueHttp

_CONDITION_DIGITS = 64


class _Row(msgspec.Struct):
    status: str = ""
    payouts: list[int] | None = None


class _Page(msgspec.Struct):
    data: list[_Row] | _Row | None = None


async def payout_yes_micro(http: VenueHttp, market: Market) -> int | None:
    """pUSD base units that one YES share pays (1,000,000, 0, or 500,000 for 50-50); None while it is undecided."""
    condition = "0x" + market.market_id.removeprefix("0x").ljust(_CONDITION_DIGITS, "0")
    page = await http.get("/v2/resolutions", _Page, {"condition": condition})
    rows = page.data if isinstance(page.data, list) else [page.data]
    for row in rows:
        if row is not None and row.status == "resolved" and row.payouts:
            return row.payouts[0]
    return None

"""What a decided market pays, from the Data API: the stream's message may never arrive, and names a winner of 50-50."""

from typing import Any

import msgspec

from pipelines.core import log
from pipelines.core.domain import Market
from pipelines.core.money import MICRO
from pipelines.venue.http import VenueHttp

_CONDITION_DIGITS = 64


class _Row(msgspec.Struct):
    status: str = ""
    payouts: list[int | float | str] | None = None


class _ResolutionPage(msgspec.Struct):
    data: Any = None


async def payout_yes_micro(http: VenueHttp, market: Market) -> int | None:
    """pUSD base units that one YES share pays (1,000,000, 0, or 500,000 for 50-50); None while it is undecided.

    Raises:
        VenueError: if the venue does not answer.
    """
    condition = "0x" + market.market_id.removeprefix("0x").ljust(_CONDITION_DIGITS, "0")
    page = await http.get("/v2/resolutions", _ResolutionPage, {"condition": condition})
    rows = page.data if isinstance(page.data, list) else [page.data]
    paid = [found for found in map(_paid, rows) if found is not None]
    return paid[0] if paid else None


def _paid(raw: Any) -> int | None:
    """What a row says; None where it is undecided, or where Yes and No do not share one pUSD."""
    try:
        row = msgspec.convert(raw, _Row)
        if row.status != "resolved" or not row.payouts:
            return None
        yes, no = (int(one) for one in row.payouts)
    except (msgspec.ValidationError, ValueError, ArithmeticError):
        log.get("resolutions").warning("row left out", row=str(raw)[:200])
        return None
    if min(yes, no) < 0 or yes + no != MICRO:
        log.get("resolutions").warning("payouts that are no decision", row=str(raw)[:200])
        return None
    return yes

"""Price history: the Data API's /v2/prices-history and the CLOB's older /prices-history."""

import base64
import binascii
from dataclasses import dataclass

import numpy as np
from starlette.requests import Request
from starlette.responses import Response

from pipelines.core.domain import Outcome
from pipelines.core.money import PRICE_SCALE
from simulator.api.responses import integer, raw
from simulator.engine.markets import LiveMarket, MarketState
from simulator.engine.refusals import Refused
from simulator.markets.source import IntArray
from simulator.venue.venue import Venue

MAX_SPAN_S = 15 * 86_400
MAX_LIMIT = 10_000
INTERVALS_S = {"1h": 3600, "6h": 6 * 3600, "1d": 86_400, "1w": 7 * 86_400, "1m": 30 * 86_400}
COARSE = {"1w": 300, "1m": 600, "max": 600, "all": 600}


@dataclass(frozen=True, slots=True)
class PricePoints:
    """Prices of a token on a grid of buckets, oldest first."""

    ts_s: IntArray
    units: IntArray


def points(venue: Venue, market: LiveMarket, outcome: Outcome, start_s: int, end_s: int, bucket_s: int) -> PricePoints:
    """The last price of each bucket within [start_s, end_s]."""
    history = venue.source.history(market.listing.market_id)
    first, last = np.searchsorted(history.ts_s, [start_s, end_s + 1])
    ts_s, units = history.ts_s[first:last], history.mid_units[first:last]
    if bucket_s > venue.source.step_s and len(ts_s):
        bucket = -(-ts_s // bucket_s)
        keep = np.append(bucket[1:] != bucket[:-1], True)
        ts_s, units = ts_s[keep], units[keep]
    return PricePoints(ts_s, units if outcome is Outcome.YES else PRICE_SCALE - units)


def data_history(venue: Venue, request: Request) -> Response:
    """GET /v2/prices-history: one token, and one of interval, start (with end), or as_of; pages by cursor.

    Raises:
        Refused: for parameters that the venue does not take.
    """
    query = request.query_params
    market = venue.exchange.by_token.get(query.get("token_id") or "")
    if "offset" in query:
        raise Refused("offset is not supported, use cursor")
    chosen = [name for name in ("interval", "start", "as_of") if query.get(name)]
    if len(chosen) != 1:
        raise Refused("exactly one of interval, start, as_of is required")
    bucket_s = integer(request, "bucket_seconds", 60, low=60, high=86_400)
    start_s, end_s = _window(venue, request, chosen[0], bucket_s)
    limit = integer(request, "limit", 1000, low=1, high=MAX_LIMIT)
    if query.get("cursor"):
        start_s, limit = _resume(query["cursor"])
    if market is None:
        return raw(_envelope(b"", limit, None))
    found = points(venue, market, market.outcome(query["token_id"]), start_s, end_s, bucket_s)
    if chosen[0] == "as_of":
        found = PricePoints(found.ts_s[-1:], found.units[-1:])
    return raw(_page(venue, market, found, limit, bucket_s))


def _window(venue: Venue, request: Request, chosen: str, bucket_s: int) -> tuple[int, int]:
    if chosen == "interval":
        name = request.query_params["interval"]
        if name not in INTERVALS_S and name not in COARSE:
            raise Refused("invalid interval")
        if bucket_s < COARSE.get(name, 60):
            raise Refused(f"bucket_seconds must be at least {COARSE[name]} for interval {name}")
        return (venue.now_s - INTERVALS_S[name] if name in INTERVALS_S else 0), venue.now_s
    if chosen == "as_of":
        return 0, integer(request, "as_of", 0)
    start_s = integer(request, "start", 0)
    end_s = integer(request, "end", min(venue.now_s, start_s + MAX_SPAN_S))
    if end_s - start_s > MAX_SPAN_S:
        raise Refused("range between start and end must be at most 15 days")
    return start_s, end_s


def _page(venue: Venue, market: LiveMarket, found: PricePoints, limit: int, bucket_s: int) -> bytes:
    more = len(found.ts_s) > limit
    times, units = found.ts_s[:limit].tolist(), found.units[:limit].tolist()
    rows = [
        f'{{"timestamp":{t},"price":{p / PRICE_SCALE},"resolution_seconds":{bucket_s}}}'
        for t, p in zip(times, units, strict=True)
    ]
    alive = market.state is MarketState.OPEN
    if rows and not more and alive and times[-1] == venue.now_s:
        rows[-1] = f'{{"timestamp":{times[-1]},"price":{units[-1] / PRICE_SCALE},"resolution_seconds":0}}'
    following = f"{int(found.ts_s[limit])}:{limit}" if more else None
    return _envelope(",".join(rows).encode(), limit, following)


def _envelope(rows: bytes, limit: int, following: str | None) -> bytes:
    cursor = f'"{base64.urlsafe_b64encode(following.encode()).decode()}"' if following else "null"
    more = "true" if following else "false"
    tail = f'],"pagination":{{"limit":{limit},"offset":0,"has_more":{more},"next_cursor":{cursor}}}}}'
    return b'{"data":[' + rows + tail.encode()


def _resume(cursor: str) -> tuple[int, int]:
    try:
        start, limit = base64.urlsafe_b64decode(cursor).decode("ascii").split(":")
        start_s, size = int(start), int(limit)
    except (ValueError, binascii.Error):
        raise Refused("invalid cursor") from None
    if not (0 <= start_s < 2**53 and 1 <= size <= MAX_LIMIT):
        raise Refused("invalid cursor")
    return start_s, size


def clob_history(venue: Venue, request: Request) -> Response:
    """GET /prices-history of the CLOB: `market` is a token id, fidelity in minutes.

    Raises:
        Refused: for parameters that the venue does not take.
    """
    query = request.query_params
    market = venue.exchange.by_token.get(query.get("market") or "")
    bucket_s = integer(request, "fidelity", 1, low=1, high=1440) * 60
    start_s = integer(request, "startTs", 0)
    end_s = integer(request, "endTs", venue.now_s if query.get("interval") else min(venue.now_s, start_s + MAX_SPAN_S))
    if query.get("interval"):
        name = query["interval"]
        if name not in INTERVALS_S and name != "max":
            raise Refused("invalid interval")
        start_s = venue.now_s - INTERVALS_S.get(name, venue.now_s)
    elif not query.get("startTs"):
        raise Refused("invalid filters: 'startTs' and 'endTs' or 'interval' are required")
    elif end_s - start_s > MAX_SPAN_S:
        raise Refused("invalid filters: 'startTs' and 'endTs' interval is too long")
    hidden = market is None or (market.state is MarketState.RESOLVED and bucket_s < 12 * 3600)
    if hidden or market is None:
        return raw(b'{"history":[]}')
    found = points(venue, market, market.outcome(query["market"]), start_s, end_s, bucket_s)
    pairs = zip(found.ts_s.tolist(), found.units.tolist(), strict=True)
    rows = ",".join(f'{{"t":{t},"p":{p / PRICE_SCALE}}}' for t, p in pairs)
    return raw(b'{"history":[' + rows.encode() + b"]}")

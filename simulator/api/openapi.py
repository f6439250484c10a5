"""A page that describes each application's routes (OpenAPI 3.1), made from the routes themselves."""

from collections.abc import Iterable
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from simulator.api.responses import answer

TOKEN, SIDE, CURSOR = "token_id", "side", "next_cursor"

QUERIES: dict[str, tuple[str, ...]] = {
    "/book": (TOKEN,),
    "/price": (TOKEN, SIDE),
    "/midpoint": (TOKEN,),
    "/spread": (TOKEN,),
    "/last-trade-price": (TOKEN,),
    "/tick-size": (TOKEN,),
    "/neg-risk": (TOKEN,),
    "/fee-rate": (TOKEN,),
    "/markets": (CURSOR, "limit", "offset", "closed", "slug", "id", "condition_ids", "clob_token_ids"),
    "/simplified-markets": (CURSOR,),
    "/sampling-markets": (CURSOR,),
    "/sampling-simplified-markets": (CURSOR,),
    "/prices-history": ("market", "interval", "startTs", "endTs", "fidelity"),
    "/data/orders": ("id", "market", "asset_id", CURSOR),
    "/data/trades": ("id", "market", "asset_id", "maker_address", "after", "before", CURSOR),
    "/builder/trades": ("builder_code", CURSOR),
    "/balance-allowance": ("asset_type", TOKEN, "signature_type"),
    "/balance-allowance/update": ("asset_type", TOKEN, "signature_type"),
    "/order-scoring": ("order_id",),
    "/notifications": ("signature_type", "ids"),
    "/markets/keyset": (
        "limit", "after_cursor", "closed", "order", "ascending", "slug", "id", "condition_ids", "clob_token_ids",
        "start_date_min", "start_date_max", "end_date_min", "end_date_max", "include_tag",
    ),
    "/events": ("limit", "offset", "closed", "slug", "id", "ascending"),
    "/events/keyset": ("limit", "after_cursor", "closed", "slug", "id", "ascending"),
    "/public-search": ("q",),
    "/v2/prices-history": (TOKEN, "interval", "start", "end", "as_of", "bucket_seconds", "limit", "cursor"),
    "/v2/trades": ("user", "condition", "event_id", "taker_only", SIDE, "start", "end", "limit", "cursor"),
    "/v2/positions": ("user", "condition", "status", "filter_amount", "limit", "cursor"),
    "/v2/activity": ("user", "type", "start", "end", "limit", "cursor"),
    "/v2/resolutions": ("question_id", "condition", "event_id"),
    "/v2/holders": ("condition",),
    "/v2/oi": ("condition",),
    "/v2/tokens": ("condition", TOKEN),
    "/v2/value": ("user", "condition"),
    "/v2/user-stats": ("user",),
    "/v2/user-pnl": ("user", "interval", "fidelity"),
    "/v2/user-volume": ("user", "start", "end"),
    "/v2/live-volume": ("event_id",),
    "/v2/leaderboard": ("user", "time_period", "sort_by", "limit", "cursor"),
    "/v2/biggest-winners": ("time_period", "limit", "cursor"),
    "/v2/builders/leaderboard": ("time_period", "limit", "cursor"),
    "/v2/builders/volume": ("interval", "limit"),
    "/v2/positions/combos": ("user", "limit", "cursor"),
    "/v2/activity/combos": ("user", "limit", "cursor"),
    "/v1/accounting/snapshot": ("user",),
    "/public-profile": ("address",),
    "/rewards/markets/current": (CURSOR,),
    "/rewards/markets/multi": ("q", CURSOR),
    "/rewards/markets/{condition_id}": (CURSOR,),
    "/rewards/user": ("date", "signature_type", CURSOR),
    "/rewards/user/total": ("date", "signature_type"),
    "/rewards/user/markets": ("date", "signature_type", CURSOR),
    "/rebates/current": ("date", "maker_address"),
    "/rfq/data/requests": ("requestIds", "markets", "state", "sizeMin", "sortBy", "sortDir", "limit", "offset"),
    "/rfq/data/requester/quotes": ("quoteIds", "requestIds", "state", "sortBy", "sortDir", "limit", "offset"),
    "/rfq/data/quoter/quotes": ("quoteIds", "requestIds", "state", "sortBy", "sortDir", "limit", "offset"),
    "/rfq/data/best-quote": ("requestId",),
    "/rss": ("after", "before", "limit"),
}  # fmt: skip
"""Query parameters by path. On the wire all are text and optional."""

_TOKENS = {
    "type": "array",
    "items": {"type": "object", "properties": {TOKEN: {"type": "string"}, SIDE: {"enum": ["BUY", "SELL"]}}},
}
_TEXT = {"type": "string"}
_ORDER = {
    "type": "object",
    "properties": {
        "order": {
            "type": "object",
            "properties": {
                "salt": {"type": "integer"},
                "signatureType": {"enum": [0, 1, 2, 3]},
                "side": {"enum": ["BUY", "SELL"]},
                **dict.fromkeys(("maker", "signer", "tokenId", "makerAmount", "takerAmount"), _TEXT),
                **dict.fromkeys(("expiration", "timestamp", "metadata", "builder", "signature"), _TEXT),
            },
        },
        "owner": _TEXT,
        "orderType": {"enum": ["GTC", "GTD", "FOK", "FAK"]},
        "deferExec": {"type": "boolean"},
        "postOnly": {"type": "boolean"},
    },
}

_TERMS: dict[str, Any] = {
    "type": "object",
    "properties": {
        **dict.fromkeys(("assetIn", "assetOut", "amountIn", "amountOut"), _TEXT),
        "userType": {"enum": [0, 1, 2, 3]},
    },
}

BODIES: dict[tuple[str, str], dict[str, Any]] = {
    ("POST", "/books"): _TOKENS,
    ("POST", "/prices"): _TOKENS,
    ("POST", "/midpoints"): _TOKENS,
    ("POST", "/spreads"): _TOKENS,
    ("POST", "/last-trades-prices"): _TOKENS,
    ("POST", "/order"): _ORDER,
    ("POST", "/orders"): {"type": "array", "items": _ORDER, "maxItems": 15},
    ("DELETE", "/order"): {"type": "object", "properties": {"orderID": _TEXT}},
    ("DELETE", "/orders"): {"type": "array", "items": _TEXT},
    ("DELETE", "/cancel-market-orders"): {"type": "object", "properties": {"market": _TEXT, "asset_id": _TEXT}},
    ("POST", "/orders-scoring"): {"type": "array", "items": _TEXT},
    ("POST", "/rfq/request"): _TERMS,
    ("POST", "/rfq/quote"): {**_TERMS, "properties": {**_TERMS["properties"], "requestId": _TEXT}},
    ("DELETE", "/rfq/request"): {"type": "object", "properties": {"requestId": _TEXT}},
    ("DELETE", "/rfq/quote"): {"type": "object", "properties": {"quoteId": _TEXT}},
    ("POST", "/v1/heartbeats"): {"type": "object", "properties": {"heartbeat_id": {"type": ["string", "null"]}}},
}
"""JSON bodies by method and path."""

STATUSES = {
    "200": "success",
    "400": "refused, with the reason in `error`",
    "401": "authentication failed",
    "403": "blocked",
    "404": "not found",
    "405": "method not allowed",
    "413": "body too large",
    "422": "parameter refused",
    "425": "matching engine is restarting",
    "429": "rate limited",
    "503": "not available now",
}


def with_page(title: str, routes: list[BaseRoute]) -> list[BaseRoute]:
    """The routes with /openapi.json, which describes them, as the first one."""
    document = describe(title, routes)

    async def page(request: Request) -> Response:
        return answer(document)

    return [Route("/openapi.json", page, methods=["GET"]), *routes]


def describe(title: str, routes: Iterable[BaseRoute]) -> dict[str, Any]:
    """The OpenAPI document of routes."""
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        if isinstance(route, Route):
            for method in sorted((route.methods or set()) - {"HEAD"}):
                paths.setdefault(route.path, {})[method.lower()] = _operation(method, route)
    return {"openapi": "3.1.0", "info": {"title": title, "version": "1"}, "paths": paths}


def _operation(method: str, route: Route) -> dict[str, Any]:
    query = [{"name": name, "in": "query", "schema": _TEXT} for name in QUERIES.get(route.path, ())]
    in_path = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
        for name in route.param_convertors
    ]
    found: dict[str, Any] = {
        "summary": (route.endpoint.__doc__ or "").strip().split("\n")[0],
        "parameters": [*in_path, *query],
        "responses": {status: {"description": text} for status, text in STATUSES.items()},
    }
    body = BODIES.get((method, route.path))
    if body is not None:
        found["requestBody"] = {"content": {"application/json": {"schema": body}}}
    return found

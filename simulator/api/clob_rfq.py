"""CLOB routes for requests for quotes, as the public clients call them."""

import base64
from collections.abc import Callable, Iterable
from typing import Any

from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from pipelines.core.domain import Side
from simulator.api import formats
from simulator.api.private import Private
from simulator.api.responses import answer, body_json, guarded, integer
from simulator.engine.orders import Order
from simulator.engine.refusals import Refused
from simulator.signing.credentials import Credentials
from simulator.venue.intake import INVALID_PAYLOAD, build_order, parse_entry
from simulator.venue.rfq import QUOTE_S, REQUEST_S, Quote, QuoteRequest, RfqDesk, RfqState, Terms

MOST = 1000
"""Largest page."""

SORTS: dict[str, Callable[[Terms], float]] = {
    "price": lambda terms: terms.price_units,
    "size": lambda terms: terms.shares_micro,
    "expiry": lambda terms: terms.expires_s,
    "created": lambda terms: terms.created_s,
}
BOUNDS: dict[str, Callable[[Terms], float]] = {
    "size": lambda terms: terms.shares_micro / 1e6,
    "sizeUsdc": lambda terms: terms.cash_micro / 1e6,
    "price": lambda terms: terms.price_units / 1e4,
}


class ClobRfq(Private):
    """Routes of requests for quotes."""

    def routes(self) -> list[BaseRoute]:
        """The routes of this part, with their handlers."""
        table: list[tuple[str, str, Any]] = [
            ("POST", "/rfq/request", self.ask), ("DELETE", "/rfq/request", self.cancel_request),
            ("POST", "/rfq/quote", self.quote), ("DELETE", "/rfq/quote", self.cancel_quote),
            ("GET", "/rfq/data/requests", self.requests),
            ("GET", "/rfq/data/requester/quotes", self.quotes_received),
            ("GET", "/rfq/data/quoter/quotes", self.quotes_given),
            ("GET", "/rfq/data/best-quote", self.best),
            ("POST", "/rfq/request/accept", self.accept), ("POST", "/rfq/quote/approve", self.approve),
            ("GET", "/rfq/config", self.config),
        ]  # fmt: skip
        return [Route(path, guarded(handler), methods=[method]) for method, path, handler in table]

    @property
    def _desk(self) -> RfqDesk:
        return self.venue.desk

    async def _written(self, request: Request) -> tuple[Credentials, dict[str, Any]]:
        caller = await self._caller(request, writes=True)
        document = await body_json(request, INVALID_PAYLOAD)
        if not isinstance(document, dict):
            raise Refused(INVALID_PAYLOAD)
        return caller, document

    # -- asking and quoting

    async def ask(self, request: Request) -> Response:
        """Open a request."""
        caller, document = await self._written(request)
        made = self._desk.ask(caller.address, *_assets(document))
        return answer({"requestId": made.terms.identity, "expiry": str(made.terms.expires_s)})

    async def quote(self, request: Request) -> Response:
        """Quote a request."""
        caller, document = await self._written(request)
        made = self._desk.quote(caller.address, _text(document, "requestId"), *_assets(document))
        return answer({"quoteId": made.terms.identity, "expiry": str(made.terms.expires_s)})

    async def cancel_request(self, request: Request) -> Response:
        """Cancel a request."""
        caller, document = await self._written(request)
        self._desk.cancel_request(caller.address, _text(document, "requestId"))
        return answer("OK")

    async def cancel_quote(self, request: Request) -> Response:
        """Cancel a quote."""
        caller, document = await self._written(request)
        self._desk.cancel_quote(caller.address, _text(document, "quoteId"))
        return answer("OK")

    async def accept(self, request: Request) -> Response:
        """The requester accepts a quote with a signed order."""
        caller, document = await self._written(request)
        names = _text(document, "quoteId"), _text(document, "requestId")
        self._desk.accept(*names, self._signed(document, caller))
        return answer("OK")

    async def approve(self, request: Request) -> Response:
        """The quoter approves with a signed order; the two orders trade."""
        caller, document = await self._written(request)
        names = _text(document, "quoteId"), _text(document, "requestId")
        self._desk.approve(*names, self._signed(document, caller))
        return answer("OK")

    def _signed(self, document: dict[str, Any], caller: Credentials) -> Order:
        signed = {key: value for key, value in document.items() if key not in ("requestId", "quoteId", "owner")}
        kind = "GTC" if str(signed.get("expiration", "0")) == "0" else "GTD"
        entry = {"order": signed, "owner": document.get("owner"), "orderType": kind}
        return build_order(self.venue, parse_entry(entry), caller)

    # -- reading

    async def requests(self, request: Request) -> Response:
        """Requests of all accounts."""
        await self._caller(request)
        self._desk.expire()
        return _listed(request, self._desk.requests.values(), "requestIds", _request_row)

    async def quotes_received(self, request: Request) -> Response:
        """Quotes on the caller's requests."""
        caller = await self._caller(request)
        return self._quotes(request, lambda quote: quote.request.terms.address == caller.address)

    async def quotes_given(self, request: Request) -> Response:
        """The caller's quotes."""
        caller = await self._caller(request)
        return self._quotes(request, lambda quote: quote.terms.address == caller.address)

    def _quotes(self, request: Request, mine: Callable[[Quote], bool]) -> Response:
        self._desk.expire()
        wanted = request.query_params.getlist("requestIds")
        found = [q for q in self._desk.quotes.values() if mine(q) and _named(wanted, q.request.terms.identity)]
        return _listed(request, found, "quoteIds", _quote_row)

    async def best(self, request: Request) -> Response:
        """The best quote of one of the caller's requests; null if it has no active quote."""
        caller = await self._caller(request)
        self._desk.expire()
        known = self._desk.requests.get(request.query_params.get("requestId", ""))
        if known is None or known.terms.address != caller.address:
            raise Refused("request not found", 404)
        quote = known.best()
        return answer(_quote_row(quote) if quote else None)

    async def config(self, request: Request) -> Response:
        """How long requests and quotes stay open, in seconds."""
        await self._caller(request)
        return answer({"requestExpirySeconds": REQUEST_S, "quoteExpirySeconds": QUOTE_S})


def _text(document: dict[str, Any], key: str) -> str:
    value = document.get(key)
    if not isinstance(value, str):
        raise Refused(INVALID_PAYLOAD)
    return value


def _assets(document: dict[str, Any]) -> tuple[tuple[str, str], tuple[int, int]]:
    amounts = [_text(document, key) for key in ("amountIn", "amountOut")]
    if not all(text.isascii() and text.isdigit() and len(text) < 20 for text in amounts):
        raise Refused(INVALID_PAYLOAD)
    return (_text(document, "assetIn"), _text(document, "assetOut")), (int(amounts[0]), int(amounts[1]))


def _terms_row(terms: Terms) -> dict[str, Any]:
    is_buy = terms.side is Side.BUY
    shares, cash = formats.amount(terms.shares_micro), formats.amount(terms.cash_micro)
    return {
        "userAddress": terms.address,
        "proxyAddress": terms.wallet,
        "token": terms.token_id,
        "complement": terms.complement,
        "condition": terms.market.listing.market_id,
        "side": terms.side.value,
        "sizeIn": shares if is_buy else cash,
        "sizeOut": cash if is_buy else shares,
        "price": terms.price_units / 1e4,
        "state": terms.state.value,
        "expiry": str(terms.expires_s),
        "createdAt": formats.iso(terms.created_s),
        "updatedAt": formats.iso(terms.updated_s or terms.created_s),
    }


def _request_row(request: QuoteRequest) -> dict[str, Any]:
    return {
        "requestId": request.terms.identity,
        "acceptedQuoteId": request.accepted_id or None,
        **_terms_row(request.terms),
    }


def _quote_row(quote: Quote) -> dict[str, Any]:
    return {
        "quoteId": quote.terms.identity,
        "requestId": quote.request.terms.identity,
        "matchType": quote.match_type,
        **_terms_row(quote.terms),
    }


def _named(names: list[str], name: str) -> bool:
    return not names or name in names


def _listed(request: Request, found: Iterable[Any], ids: str, shown: Callable[[Any], dict[str, Any]]) -> Response:
    query = request.query_params
    names, markets, state = query.getlist(ids), query.getlist("markets"), query.get("state", "")
    rows = [
        one
        for one in found
        if _named(names, one.terms.identity)
        and _named(markets, one.terms.market.listing.market_id)
        and (not state or (one.terms.state is RfqState.ACTIVE) == (state == "active"))
        and all(_within(query, name, value(one.terms)) for name, value in BOUNDS.items())
    ]
    key = SORTS.get(query.get("sortBy", "created"), SORTS["created"])
    rows.sort(key=lambda one: key(one.terms), reverse=query.get("sortDir") == "desc")
    return _paged(request, rows, shown)


def _paged(request: Request, rows: list[Any], shown: Callable[[Any], dict[str, Any]]) -> Response:
    limit, start = integer(request, "limit", 100, low=1, high=MOST), _start(request.query_params.get("offset"))
    part, end = rows[start : start + limit], start + limit
    following = base64.b64encode(str(end if end < len(rows) else -1).encode()).decode()
    document = {"data": [shown(one) for one in part], "next_cursor": following, "limit": limit, "count": len(part)}
    return answer(document | {"total_count": len(rows)})


def _start(cursor: str | None) -> int:
    try:
        start = int(base64.b64decode(cursor or "MA==", validate=True).decode("ascii")[:20])
    except ValueError:
        raise Refused("invalid offset") from None
    return start if start >= 0 else 2**62


def _within(query: QueryParams, name: str, value: float) -> bool:
    for suffix, sign in (("Min", 1), ("Max", -1)):
        text = query.get(name + suffix)
        if text:
            try:
                bound = float(text)
            except ValueError:
                raise Refused(f"invalid {name}{suffix}") from None
            if not (value - bound) * sign >= 0:
                return False
    return True

"""Requests for quotes: one account asks for a size, others quote, and an accepted and approved quote becomes a trade.

The requester signs an order when accepting, the quoter when approving; these two orders match only each other. Ids,
states and the shape of answers follow the public clients. No source states the lifetimes and the configuration; they
are our choice.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from uuid import uuid4

from pipelines.core.domain import Side
from pipelines.core.money import PRICE_SCALE
from simulator.engine.exchange import Exchange
from simulator.engine.markets import LiveMarket
from simulator.engine.orders import Order, Trade
from simulator.engine.refusals import Refused

REQUEST_S, QUOTE_S, KEPT_S = 300, 60, 3600
"""Wall seconds: life of a request, life of a quote, and how long ended ones stay listed."""

COLLATERAL = "0"
"""Asset id of pUSD on these routes."""


class RfqState(StrEnum):
    """State of a request or a quote."""

    ACTIVE = "active"
    ACCEPTED = "accepted"
    EXECUTED = "executed"
    CANCELED = "canceled"


@dataclass(slots=True, eq=False)
class Terms:
    """Side, token, shares and pUSD (base units) that a request or a quote is for."""

    identity: str
    address: str
    wallet: str
    market: LiveMarket
    token_id: str
    side: Side
    shares_micro: int
    cash_micro: int
    created_s: int
    expires_s: int
    state: RfqState = RfqState.ACTIVE
    updated_s: int = 0

    @property
    def price_units(self) -> int:
        """Price of `token_id` in units of 1e-4."""
        return self.cash_micro * PRICE_SCALE // self.shares_micro

    @property
    def complement(self) -> str:
        """Id of the market's other token."""
        return self.market.token(self.market.outcome(self.token_id).other)


@dataclass(slots=True, eq=False)
class Quote:
    """An answer to a request. `order` is the requester's signed order once the quote is accepted."""

    terms: Terms
    request: "QuoteRequest"
    order: Order | None = None

    @property
    def match_type(self) -> str:
        """COMPLEMENTARY, MINT or MERGE."""
        if self.terms.token_id == self.request.terms.token_id:
            return "COMPLEMENTARY"
        return "MINT" if self.terms.side is Side.BUY else "MERGE"

    @property
    def price_asked(self) -> int:
        """Price of the quote in the requester's token, in units of 1e-4."""
        units = self.terms.price_units
        return units if self.match_type == "COMPLEMENTARY" else PRICE_SCALE - units


@dataclass(slots=True, eq=False)
class QuoteRequest:
    """A request and its quotes by id."""

    terms: Terms
    quotes: dict[str, Quote] = field(default_factory=dict)
    accepted_id: str = ""

    def best(self) -> Quote | None:
        """The active quote with the best price for the requester; None if there is no active quote."""
        active = [quote for quote in self.quotes.values() if quote.terms.state is RfqState.ACTIVE]
        sign = 1 if self.terms.side is Side.BUY else -1
        return min(active, key=lambda quote: sign * quote.price_asked, default=None)


@dataclass(slots=True)
class RfqDesk:
    """All requests and quotes. Methods change nothing when they raise `Refused`."""

    exchange: Exchange
    wall_s: Callable[[], float]
    requests: dict[str, QuoteRequest] = field(default_factory=dict)
    quotes: dict[str, Quote] = field(default_factory=dict)

    def ask(self, address: str, assets: tuple[str, str], amounts: tuple[int, int]) -> QuoteRequest:
        """Open a request.

        Args:
            address: the requester's account.
            assets: ids of the asset that it receives and the asset that it pays; pUSD is "0".
            amounts: base units of both.
        """
        terms = self._terms(address, assets, amounts, REQUEST_S)
        self.requests[terms.identity] = request = QuoteRequest(terms)
        return request

    def quote(self, address: str, name: str, assets: tuple[str, str], amounts: tuple[int, int]) -> Quote:
        """Quote a request; `assets` and `amounts` are what the quoter receives and pays, for the whole size."""
        request = self._request(name)
        terms, asked = self._terms(address, assets, amounts, QUOTE_S), request.terms
        # In one token the quoter takes the opposite side; in the other token the same side, which mints or merges.
        same = terms.token_id == asked.token_id
        if terms.market is not asked.market or (terms.side is asked.side) is same:
            raise Refused("invalid quote: it does not trade against the request")
        if address == asked.address or terms.shares_micro != asked.shares_micro:
            raise Refused("invalid quote: quote another account's request, for its whole size")
        made = Quote(terms, request)
        request.quotes[terms.identity] = self.quotes[terms.identity] = made
        return made

    def _terms(self, address: str, assets: tuple[str, str], amounts: tuple[int, int], life_s: int) -> Terms:
        is_buy = assets[1] == COLLATERAL
        token_id = assets[0] if is_buy else assets[1]
        market = self.exchange.by_token.get(token_id)
        if market is None or (assets[1] if is_buy else assets[0]) != COLLATERAL:
            raise Refused("Invalid token id")
        shares, cash = amounts if is_buy else amounts[::-1]
        if not 0 < cash < shares:
            raise Refused("invalid amounts, the price must lie between 0 and 1")
        side, now = (Side.BUY if is_buy else Side.SELL), int(self.wall_s())
        return Terms(str(uuid4()), address, address, market, token_id, side, shares, cash, now, now + life_s)

    def _request(self, name: str) -> QuoteRequest:
        self.expire()
        request = self.requests.get(name)
        if request is None or request.terms.state is not RfqState.ACTIVE:
            raise Refused("request not found", 404)
        return request

    def _quote(self, name: str, request_name: str, state: RfqState) -> Quote:
        self.expire()
        quote = self.quotes.get(name)
        if quote is None or quote.request.terms.identity != request_name or quote.terms.state is not state:
            raise Refused("quote not found", 404)
        return quote

    def cancel_request(self, address: str, name: str) -> None:
        """Cancel a request and all its quotes."""
        request = self._request(name)
        if request.terms.address != address:
            raise Refused("request not found", 404)
        for terms in (request.terms, *(quote.terms for quote in request.quotes.values())):
            self._move(terms, RfqState.CANCELED)

    def cancel_quote(self, address: str, name: str) -> None:
        """Cancel a quote."""
        known = self.quotes.get(name)
        quote = self._quote(name, known.request.terms.identity if known else "", RfqState.ACTIVE)
        if quote.terms.address != address:
            raise Refused("quote not found", 404)
        self._move(quote.terms, RfqState.CANCELED)

    def accept(self, name: str, request_name: str, order: Order) -> None:
        """Accept a quote with an order of the requester that has the quote's terms."""
        request, quote = self._request(request_name), self._quote(name, request_name, RfqState.ACTIVE)
        asked = request.terms
        _check_order(order, asked.address, asked.token_id, asked.side, quote.price_asked, asked.shares_micro)
        self.exchange.admit(asked.market, order)
        quote.order, request.accepted_id = order, name
        for terms in (asked, quote.terms):
            self._move(terms, RfqState.ACCEPTED)

    def approve(self, name: str, request_name: str, order: Order) -> Trade:
        """Approve an accepted quote with an order of the quoter that has its terms. Returns the trade."""
        quote = self._quote(name, request_name, RfqState.ACCEPTED)
        said = quote.terms
        _check_order(order, said.address, said.token_id, said.side, said.price_units, said.shares_micro)
        assert quote.order is not None
        trade = self.exchange.match(quote.order, order)
        for terms in (quote.request.terms, said):
            self._move(terms, RfqState.EXECUTED)
        return trade

    def expire(self) -> None:
        """Cancel requests and quotes whose time is over, and drop requests that expired `KEPT_S` ago."""
        now = self.wall_s()
        known = [r.terms for r in self.requests.values()] + [q.terms for q in self.quotes.values()]
        for terms in known:
            if terms.state in (RfqState.ACTIVE, RfqState.ACCEPTED) and terms.expires_s <= now:
                self._move(terms, RfqState.CANCELED)
        for name in [n for n, request in self.requests.items() if request.terms.expires_s + KEPT_S <= now]:
            for quote in self.requests.pop(name).quotes:
                del self.quotes[quote]

    def _move(self, terms: Terms, state: RfqState) -> None:
        if terms.state not in (RfqState.EXECUTED, RfqState.CANCELED):
            terms.state, terms.updated_s = state, int(self.wall_s())


def _check_order(order: Order, address: str, token_id: str, side: Side, price_units: int, shares_micro: int) -> None:
    signed = (order.account.address, order.token_id, order.side, order.price_units, order.shares_micro)
    if signed != (address, token_id, side, price_units, shares_micro):
        raise Refused("the order does not match the quote")

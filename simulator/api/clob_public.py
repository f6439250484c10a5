"""CLOB routes without authentication: books, prices, market data, time and version."""

from collections.abc import Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from pipelines.core.domain import Outcome
from simulator.api import clob_documents as documents
from simulator.api import formats
from simulator.api.prices_history import clob_history
from simulator.api.responses import answer, body_json, guarded, page
from simulator.engine.markets import LiveMarket, MarketState
from simulator.engine.refusals import Refused
from simulator.venue.venue import Venue

MAX_BATCH = 500
PAGE = 1000


class ClobPublic:
    """Routes of the CLOB without authentication."""

    def __init__(self, venue: Callable[[], Venue]):
        self._venue = venue

    @property
    def venue(self) -> Venue:
        """The venue.

        Raises:
            Refused: 503 until the history is generated.
        """
        return self._venue()

    def routes(self) -> list[BaseRoute]:
        """The routes of this part, with their handlers."""
        get: list[tuple[str, Any]] = [
            ("/", self.root), ("/ok", self.ok), ("/version", self.version), ("/time", self.time),
            ("/book", self.book), ("/price", self.price), ("/midpoint", self.midpoint), ("/spread", self.spread),
            ("/last-trade-price", self.last_trade_price), ("/tick-size", self.tick_size),
            ("/tick-size/{token_id}", self.tick_size), ("/neg-risk", self.neg_risk), ("/fee-rate", self.fee_rate),
            ("/markets-by-token/{token_id}", self.market_by_token),
            ("/clob-markets/{condition_id}", self.clob_market),
            ("/markets", self.markets), ("/sampling-markets", self.sampling_markets),
            ("/simplified-markets", self.simplified_markets),
            ("/sampling-simplified-markets", self.sampling_simplified_markets),
            ("/markets/live-activity/{condition_id}", self.live_activity),
            ("/live-activity/events/{condition_id}", self.live_activity),
            ("/markets/{condition_id}", self.market),
            ("/prices-history", self.prices_history),
            ("/fees/builder-fees/{code}", self.builder_fees),
            ("/api/geoblock", self.geoblock),
        ]  # fmt: skip
        post: list[tuple[str, Any]] = [
            ("/books", self.books), ("/prices", self.prices), ("/midpoints", self.midpoints),
            ("/spreads", self.spreads), ("/last-trades-prices", self.last_trades_prices),
        ]  # fmt: skip
        asked = [("GET", *row) for row in get] + [("POST", *row) for row in post]
        return [Route(path, guarded(handler), methods=[method]) for method, path, handler in asked]

    # -- lookups

    def _token(self, token_id: str | None) -> tuple[LiveMarket, Outcome]:
        if not token_id or not (token_id.isascii() and token_id.isdigit()):
            raise Refused("Invalid token id")
        market = self.venue.exchange.by_token.get(token_id)
        if market is None or market.state is not MarketState.OPEN:
            raise Refused("No orderbook exists for the requested token id", 404)
        return market, market.outcome(token_id)

    def _asked(self, request: Request) -> tuple[LiveMarket, Outcome]:
        return self._token(request.path_params.get("token_id") or request.query_params.get("token_id"))

    async def _batch(self, request: Request) -> list[dict[str, Any]]:
        rows = await body_json(request, "Invalid payload")
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise Refused("Invalid payload")
        if len(rows) > MAX_BATCH:
            raise Refused("Payload exceeds the limit")
        return rows

    def _known(self, row: dict[str, Any]) -> tuple[str, LiveMarket, Outcome] | None:
        token_id = row.get("token_id")
        try:
            market, outcome = self._token(token_id if isinstance(token_id, str) else None)
        except Refused as refused:
            if refused.status == 404:
                return None
            raise
        return str(token_id), market, outcome

    def _market(self, request: Request) -> LiveMarket:
        condition = str(request.path_params["condition_id"])
        market = self.venue.exchange.markets.get(condition.lower())
        if market is None:
            raise Refused("market not found", 404)
        return market

    # -- service

    async def root(self, request: Request) -> Response:
        """Version of the service."""
        return answer({"version": self._service_version()})

    async def ok(self, request: Request) -> Response:
        """OK when the venue is open."""
        _ = self.venue
        return answer("OK")

    async def version(self, request: Request) -> Response:
        """Version of the service, not of a market."""
        return answer({"version": self._service_version()})

    def _service_version(self) -> int:
        return 2 if set(self.venue.options.order_versions) & {2, 3} else 1

    async def time(self, request: Request) -> Response:
        """Wall time in seconds."""
        return answer(int(self.venue.wall_s()))

    # -- books and prices

    async def book(self, request: Request) -> Response:
        """One token's book."""
        market, outcome = self._asked(request)
        return answer(formats.book(self.venue, market, outcome))

    async def books(self, request: Request) -> Response:
        """Books of many tokens. Do not rely on their order; tokens without a book are left out."""
        found = [self._known(row) for row in await self._batch(request)]
        return answer([formats.book(self.venue, known[1], known[2]) for known in found if known])

    async def price(self, request: Request) -> Response:
        """Best price at which the caller can trade: the lowest ask for BUY, the highest bid for SELL."""
        market, outcome = self._asked(request)
        best = _touch(market, outcome, request.query_params.get("side"))
        if best is None:
            raise Refused("No orderbook exists for the requested token id", 404)
        return answer({"price": formats.price(best)})

    async def prices(self, request: Request) -> Response:
        """Best prices of many tokens and sides."""
        result: dict[str, dict[str, str]] = {}
        for row in await self._batch(request):
            known, side = self._known(row), row.get("side")
            best = _touch(known[1], known[2], side) if known else None
            if known and best is not None:
                result.setdefault(known[0], {})[str(side)] = formats.price(best)
        return answer(result)

    async def midpoint(self, request: Request) -> Response:
        """Middle of bid and ask."""
        market, outcome = self._asked(request)
        return answer({"mid": _mid(market, outcome)})

    async def midpoints(self, request: Request) -> Response:
        """Midpoints of many tokens."""
        return answer({k[0]: _mid(k[1], k[2]) for k in map(self._known, await self._batch(request)) if k})

    async def spread(self, request: Request) -> Response:
        """Ask minus bid."""
        market, outcome = self._asked(request)
        return answer({"spread": _spread(market, outcome)})

    async def spreads(self, request: Request) -> Response:
        """Spreads of many tokens."""
        return answer({k[0]: _spread(k[1], k[2]) for k in map(self._known, await self._batch(request)) if k})

    async def last_trade_price(self, request: Request) -> Response:
        """Price and side of the last trade; 0.5 and an empty side before the first one."""
        market, outcome = self._asked(request)
        if not market.last_units:
            return answer({"price": "0.5", "side": ""})
        return answer({"price": formats.last_price(market, outcome), "side": _last_side(market, outcome)})

    async def last_trades_prices(self, request: Request) -> Response:
        """Last trades of many tokens; tokens that never traded are left out."""
        known = [k for k in map(self._known, await self._batch(request)) if k and k[1].last_units]
        return answer(
            [{"token_id": t, "price": formats.last_price(m, o), "side": _last_side(m, o)} for t, m, o in known]
        )

    # -- market parameters

    async def tick_size(self, request: Request) -> Response:
        """Tick size as a number."""
        market, _ = self._asked(request)
        return answer({"minimum_tick_size": formats.number(market.tick_units)})

    async def neg_risk(self, request: Request) -> Response:
        """Whether the market settles on the negative risk exchange."""
        market, _ = self._asked(request)
        return answer({"neg_risk": market.listing.neg_risk})

    async def fee_rate(self, request: Request) -> Response:
        """The legacy base fee. It is not the fee of a trade: that is in the fee schedule of the market."""
        self._asked(request)
        return answer({"base_fee": documents.LEGACY_BASE_FEE})

    async def market_by_token(self, request: Request) -> Response:
        """Condition of a token."""
        market = self.venue.exchange.by_token.get(request.path_params["token_id"])
        if market is None:
            raise Refused("market not found", 404)
        listing = market.listing
        return answer(
            {
                "condition_id": listing.market_id,
                "primary_token_id": listing.token_yes,
                "secondary_token_id": listing.token_no,
            }
        )

    async def clob_market(self, request: Request) -> Response:
        """The compact form of a market."""
        market = self._market(request)
        return answer(documents.compact(market, delays_takers=self.venue.delays_takers(market)))

    async def market(self, request: Request) -> Response:
        """The full form of a market."""
        return answer(documents.full(self._market(request)))

    # -- lists

    def _list(self, request: Request, *, sampling: bool, shape: Callable[[LiveMarket], dict[str, Any]]) -> Response:
        markets = list(self.venue.exchange.markets.values())
        if sampling:
            markets = [m for m in markets if m.state is MarketState.OPEN]
        part = page(markets, request.query_params.get("next_cursor"), PAGE)
        part["data"] = [shape(market) for market in part["data"]]
        return answer(part)

    async def markets(self, request: Request) -> Response:
        """All markets."""
        return self._list(request, sampling=False, shape=documents.full)

    async def sampling_markets(self, request: Request) -> Response:
        """Open markets. The venue lists only those with rewards."""
        return self._list(request, sampling=True, shape=documents.full)

    async def simplified_markets(self, request: Request) -> Response:
        """All markets in the short form."""
        return self._list(request, sampling=False, shape=documents.simplified)

    async def sampling_simplified_markets(self, request: Request) -> Response:
        """Open markets in the short form."""
        return self._list(request, sampling=True, shape=documents.simplified)

    async def live_activity(self, request: Request) -> Response:
        """Recent trades of outside accounts in a market."""
        market = self._market(request)
        rows = self.venue.tape.outside(market.listing.market_id)[-100:]
        return answer(
            [
                {
                    "event_type": "trade",
                    "market": {"condition_id": market.listing.market_id, "asset_id": row.token_id},
                    "user": {"address": row.wallet},
                    "side": row.side.value,
                    "size": formats.amount(row.shares_micro),
                    "fee_rate_bps": "0",
                    "price": formats.price(row.price_units),
                    "outcome": market.label(market.outcome(row.token_id)),
                    "timestamp": str(row.ts_s),
                }
                for row in reversed(rows)
            ]
        )

    async def prices_history(self, request: Request) -> Response:
        """The older price history: fidelity in minutes."""
        return clob_history(self.venue, request)

    async def geoblock(self, request: Request) -> Response:
        """Whether this address may trade. On the venue this route is on the website's host."""
        address = request.client.host if request.client else ""
        blocked = self.venue.hooks.blocked()
        country, region = ("US", "NY") if blocked else ("CH", "ZH")
        return answer({"blocked": blocked, "ip": address, "country": country, "region": region})

    async def builder_fees(self, request: Request) -> Response:
        """Fees of a builder code; always 0 here."""
        return answer({"builder_maker_fee_rate_bps": 0, "builder_taker_fee_rate_bps": 0})


def _touch(market: LiveMarket, outcome: Outcome, side: object) -> int | None:
    if side not in ("BUY", "SELL"):
        raise Refused("Invalid side")
    bid, ask = market.book.top(outcome)
    return ask if side == "BUY" else bid


def _mid(market: LiveMarket, outcome: Outcome) -> str:
    bid, ask = documents.sides(market, outcome)
    return formats.amount((bid + ask) * 50)


def _spread(market: LiveMarket, outcome: Outcome) -> str:
    bid, ask = documents.sides(market, outcome)
    return formats.price(ask - bid)


def _last_side(market: LiveMarket, outcome: Outcome) -> str:
    own = market.last_token == market.token(outcome)
    return market.last_side.value if own else {"BUY": "SELL", "SELL": "BUY"}[market.last_side.value]

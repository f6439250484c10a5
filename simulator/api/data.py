"""The Data API v2: price history, public trades, positions, activity, resolutions."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from pipelines.core.domain import Outcome
from pipelines.core.money import MICRO, PRICE_SCALE
from simulator.api import wire
from simulator.api.clob_documents import question_id
from simulator.api.data_pages import page_of, paging_of
from simulator.api.data_positions import position
from simulator.api.data_tape import tape_page
from simulator.api.history import data_history
from simulator.api.http import Handler, answer, integer, raw
from simulator.engine.errors import Refused
from simulator.engine.markets import LiveMarket
from simulator.venue.activity import Entry
from simulator.venue.venue import Venue

MAX_TRADES = 10_000
MAX_CONDITIONS = 20
DUST_SHARES = 0.1


def guarded(handler: Handler) -> Handler:
    """A handler whose refusals become the Data API's error bodies."""

    @wraps(handler)
    async def run(request: Request) -> Response:
        try:
            if "offset" in request.query_params:
                raise Refused("offset is not supported, use cursor")
            return await handler(request)
        except Refused as refused:
            code = {404: "not_found", 503: "unavailable"}.get(refused.status, "invalid_parameter")
            trace = "00000000000000000000000000000000"
            retryable = refused.status >= 500
            body = {"error": refused.text, "code": code, "retryable": retryable, "trace_id": trace}
            return answer(body, refused.status)

    return run


class DataApi:
    """Data API v2."""

    def __init__(self, venue: Callable[[], Venue]):
        self._venue = venue

    @property
    def venue(self) -> Venue:
        """The venue.

        Raises:
            Refused: 503 while history is still being made.
        """
        return self._venue()

    def routes(self) -> list[BaseRoute]:
        """All routes."""
        table: list[tuple[str, Any]] = [
            ("/", self.ok), ("/ok", self.ok), ("/v2/status", self.status),
            ("/v2/prices-history", self.prices_history), ("/v2/trades", self.trades),
            ("/v2/positions", self.positions), ("/v2/activity", self.activity),
            ("/v2/resolutions", self.resolutions), ("/v2/holders", self.holders), ("/v2/oi", self.open_interest),
            ("/v2/value", self.value), ("/v2/tokens", self.tokens),
        ]  # fmt: skip
        return [Route(path, guarded(handler), methods=["GET"]) for path, handler in table]

    async def ok(self, request: Request) -> Response:
        """OK once there is history."""
        _ = self.venue
        return answer("OK")

    async def status(self, request: Request) -> Response:
        """How far the index lags: not at all."""
        now = self.venue.now_s
        return answer({"data": {"indexed_at": now, "lag_seconds": 0, "healthy": True}})

    async def prices_history(self, request: Request) -> Response:
        """Prices of a token on a time grid."""
        return data_history(self.venue, request)

    # -- trades

    def _conditions(self, request: Request) -> list[LiveMarket]:
        names = [part for value in request.query_params.getlist("condition") for part in value.split(",") if part]
        if len(names) > MAX_CONDITIONS:
            raise Refused(f"at most {MAX_CONDITIONS} conditions")
        return [m for m in (self.venue.exchange.markets.get(name.lower()) for name in names) if m]

    async def trades(self, request: Request) -> Response:
        """Public trades, newest first: of a user, or of up to 20 conditions or an event."""
        query = request.query_params
        paging = paging_of(request, 100, MAX_TRADES)
        bounds = (integer(request, "start", 0), integer(request, "end", 2**53))
        side = query.get("side")
        if side not in (None, "", "BUY", "SELL"):
            raise Refused("invalid side")
        if query.get("user"):
            rows = [row for row in self._user_trades(request) if side in (None, "", row["side"])]
            rows = [row for row in rows if bounds[0] <= row["timestamp"] <= bounds[1]]
            return answer(page_of(rows, paging))
        markets = self._conditions(request)
        if query.get("event_id"):
            markets = [m for m in self.venue.exchange.markets.values() if m.listing.event_id == query["event_id"]]
        elif not markets and not query.get("condition"):
            markets = [self.venue.exchange.markets[m] for m in sorted(self.venue.alive)[:MAX_CONDITIONS]]
        return raw(tape_page(self.venue, markets, side or "", bounds, paging))

    def _user_trades(self, request: Request) -> list[dict[str, Any]]:
        account = self.venue.account_of(request.query_params["user"])
        chosen = {m.listing.market_id for m in self._conditions(request)}
        rows = self.venue.activity.rows.get(account.address, []) if account else []
        return [
            self._user_trade(request.query_params["user"], row)
            for row in reversed(rows)
            if row.kind == "TRADE" and (not chosen or row.market_id in chosen)
        ]

    def _user_trade(self, user: str, row: Entry) -> dict[str, Any]:
        market = self.venue.exchange.markets[row.market_id]
        outcome = market.outcome(row.token_id)
        return {
            "proxy_wallet": user.lower(),
            "side": row.side,
            "token_id": row.token_id,
            "condition_id": row.market_id,
            "size": row.shares_micro / MICRO,
            "price": row.price_units / PRICE_SCALE,
            "timestamp": row.ts_s,
            "title": market.listing.question,
            "slug": market.listing.slug,
            "event_slug": market.listing.event_id,
            "outcome": wire.label(outcome),
            "outcome_index": 0 if outcome is Outcome.YES else 1,
            "transaction_hash": self._hash(row.reference),
        }

    def _hash(self, trade_id: str) -> str:
        made = self.venue.exchange.trades.get(trade_id)
        return made.transaction_hash if made else ""

    # -- accounts

    async def positions(self, request: Request) -> Response:
        """Holdings of a user: open ones by default, with cost and profit."""
        query = request.query_params
        paging = paging_of(request, 100, 500)
        if not query.get("user") and not query.get("condition"):
            raise Refused("user or condition is required")
        status = query.get("status") or "OPEN"
        if status not in ("OPEN", "REDEEMABLE", "REDEEMABLE_LOST", "MERGEABLE", "CLOSED"):
            raise Refused("invalid status")
        floor = _amount(query.get("filter_amount"), DUST_SHARES)
        chosen = {m.listing.market_id for m in self._conditions(request)}
        rows = [
            row
            for user in self._users(query.get("user"))
            for row in self._positions(user)
            if (not chosen or row["condition_id"] in chosen) and _has_status(row, status, floor)
        ]
        return answer(page_of(rows, paging))

    def _users(self, user: str | None) -> list[str]:
        if user:
            account = self.venue.account_of(user)
            return [account.address] if account else []
        return [a.address for a in self.venue.exchange.accounts.values() if not a.internal]

    def _positions(self, address: str) -> list[dict[str, Any]]:
        activity = self.venue.activity
        return [
            position(self.venue, address, token, held) for token, held in activity.holdings.get(address, {}).items()
        ]

    async def activity(self, request: Request) -> Response:
        """What a user did, newest first."""
        query = request.query_params
        paging = paging_of(request, 100, 500)
        if not query.get("user"):
            raise Refused("user is required")
        account = self.venue.account_of(query["user"])
        kinds = {part for value in query.getlist("type") for part in value.split(",") if part}
        start, end = integer(request, "start", 0), integer(request, "end", 2**53)
        rows = self.venue.activity.rows.get(account.address, []) if account else []
        found = [
            self._activity(query["user"], row)
            for row in reversed(rows)
            if (not kinds or row.kind in kinds) and start <= row.ts_s <= end
        ]
        return answer(page_of(found, paging))

    def _activity(self, user: str, row: Entry) -> dict[str, Any]:
        market = self.venue.exchange.markets.get(row.market_id)
        return {
            "proxy_wallet": user.lower(),
            "type": row.kind,
            "timestamp": row.ts_s,
            "condition_id": row.market_id,
            "token_id": row.token_id,
            "side": row.side,
            "size": row.shares_micro / MICRO,
            "usdc_size": row.cash_micro / MICRO,
            "fee_usdc": row.fee_micro / MICRO,
            "price": row.price_units / PRICE_SCALE,
            "transaction_hash": self._hash(row.reference),
            "title": market.listing.question if market else "",
            "slug": market.listing.slug if market else "",
            "outcome": wire.label(market.outcome(row.token_id)) if market and row.token_id else "",
        }

    async def value(self, request: Request) -> Response:
        """Market value of a user's positions."""
        users = self._users(request.query_params.get("user") or "-")
        total = sum(row["current_value"] for user in users for row in self._positions(user))
        return answer({"data": [{"user": request.query_params.get("user", "").lower(), "value": total}]})

    # -- markets

    async def resolutions(self, request: Request) -> Response:
        """How a question, condition or event was resolved; payouts in base units."""
        query = request.query_params
        chosen = [name for name in ("question_id", "condition", "event_id") if query.get(name)]
        if len(chosen) != 1:
            raise Refused("exactly one of question_id, condition, event_id is required")
        wanted = query[chosen[0]]
        markets = [m for m in self.venue.exchange.markets.values() if _names(m, chosen[0]) == wanted]
        return answer({"data": [_resolution(market) for market in markets]})

    async def holders(self, request: Request) -> Response:
        """Holders of each token of a condition."""
        rows = []
        for market in self._conditions(request):
            for token in (market.listing.token_yes, market.listing.token_no):
                accounts = [a for a in self.venue.exchange.accounts.values() if a.shares(token)]
                holders = [{"proxy_wallet": a.address.lower(), "amount": a.shares(token) / MICRO} for a in accounts]
                rows.append({"token_id": token, "holders": holders})
        return answer({"data": rows})

    async def open_interest(self, request: Request) -> Response:
        """Collateral behind each condition."""
        markets = self._conditions(request)
        rows = [{"condition_id": m.listing.market_id, "value": m.collateral_micro / MICRO} for m in markets]
        return answer({"data": rows})

    async def tokens(self, request: Request) -> Response:
        """Both tokens of each condition."""
        rows = [
            {"token_id": m.token(o), "condition_id": m.listing.market_id, "outcome": wire.label(o)}
            for m in self._conditions(request)
            for o in Outcome
        ]
        return answer({"data": rows})


def _names(market: LiveMarket, name: str) -> str:
    listing = market.listing
    return {"question_id": question_id(market), "condition": listing.market_id}.get(name, listing.event_id)


def _resolution(market: LiveMarket) -> dict[str, Any]:
    resolved = market.payout_yes_micro is not None
    return {
        "question_id": question_id(market),
        "condition_id": market.listing.market_id,
        "event_id": market.listing.event_id,
        "status": "resolved" if resolved else "initialized",
        "payouts": [market.payout_micro(outcome) for outcome in Outcome] if resolved else [],
        "reporter": "UMA_OO",
        "market_type": "NEG_RISK" if market.listing.neg_risk else "BINARY",
        "resolved_at": market.resolved_s if resolved else None,
    }


def _has_status(row: dict[str, Any], status: str, floor: float) -> bool:
    size = row["current_size"]
    if status == "CLOSED":
        return bool(size == 0)
    if size < floor or size == 0:
        return False
    if status == "MERGEABLE":
        return bool(row["mergeable"])
    if status == "REDEEMABLE":
        return bool(row["redeemable"] and row["current_price"] > 0)
    if status == "REDEEMABLE_LOST":
        return bool(row["redeemable"] and row["current_price"] == 0)
    return True


def _amount(text: str | None, default: float) -> float:
    if not text:
        return default
    try:
        value = float(text)
    except ValueError:
        raise Refused("invalid filter_amount") from None
    if not 0 <= value < 1e15:
        raise Refused("invalid filter_amount")
    return value

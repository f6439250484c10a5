"""The Data API v2: price history, public trades, positions, activity, resolutions."""

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from pipelines.core.domain import Outcome
from pipelines.core.money import MICRO, PRICE_SCALE
from simulator.api.data_base import MAX_CONDITIONS, DataPart, listed, required_user
from simulator.api.data_pages import page_of, paging_of
from simulator.api.data_positions import positions_of
from simulator.api.data_tape import tape_page
from simulator.api.prices_history import data_history
from simulator.api.responses import Handler, answer, integer, raw
from simulator.engine.refusals import Refused
from simulator.venue.activity import ActivityRow
from simulator.venue.settlement import transaction_hash

MAX_TRADES = 10_000
DUST_SHARES = 0.1


class DataApi(DataPart):
    """Routes of the Data API v2 about prices, trades and users."""

    def table(self) -> list[tuple[str, Handler]]:
        """The routes of this part, with their handlers."""
        return [
            ("/", self.root),
            ("/ok", self.ok),
            ("/v2/status", self.status),
            ("/v2/prices-history", self.prices_history),
            ("/v2/trades", self.trades),
            ("/v2/positions", self.positions),
            ("/v2/activity", self.activity),
        ]

    async def root(self, request: Request) -> Response:
        """OK in an object when the venue is open, as polymarket-apis reads it."""
        _ = self.venue
        return answer({"data": "OK"})

    async def ok(self, request: Request) -> Response:
        """OK when the venue is open."""
        _ = self.venue
        return answer("OK")

    async def status(self, request: Request) -> Response:
        """Delay of the venue's index; always 0 here."""
        now = self.venue.now_s
        return answer({"data": {"indexed_at": now, "lag_seconds": 0, "healthy": True}})

    async def prices_history(self, request: Request) -> Response:
        """Prices of a token on a time grid."""
        return data_history(self.venue, request)

    # -- trades

    async def trades(self, request: Request) -> Response:
        """Public trades, newest first: of a user, of up to 20 conditions, or of an event."""
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
        markets = self.conditions(request)
        if query.get("event_id"):
            markets = self.markets_of_events(request)
        elif not markets and not query.get("condition") and not query.get("condition_id"):
            markets = [self.venue.exchange.markets[m] for m in sorted(self.venue.open_markets)[:MAX_CONDITIONS]]
        return raw(tape_page(self.venue, markets, side or "", bounds, paging))

    def _user_trades(self, request: Request) -> list[dict[str, Any]]:
        account = self.venue.account_of(request.query_params["user"])
        chosen = {m.listing.market_id for m in self.conditions(request)}
        rows = self.venue.activity.rows.get(account.address, []) if account else []
        return [
            self._user_trade(request.query_params["user"], row)
            for row in reversed(rows)
            if row.kind == "TRADE" and (not chosen or row.market_id in chosen)
        ]

    def _user_trade(self, user: str, row: ActivityRow) -> dict[str, Any]:
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
            "outcome": market.label(outcome),
            "outcome_index": 0 if outcome is Outcome.YES else 1,
            "transaction_hash": transaction_hash(row.reference),
        }

    # -- accounts

    async def positions(self, request: Request) -> Response:
        """Positions of a user with cost and profit; by default the open ones."""
        query = request.query_params
        paging = paging_of(request, 100, 1000)
        if not query.get("user") and not query.get("condition") and not query.get("condition_id"):
            raise Refused("user or condition is required")
        status = query.get("status") or "OPEN"
        if status not in ("OPEN", "REDEEMABLE", "REDEEMABLE_LOST", "MERGEABLE", "CLOSED"):
            raise Refused("invalid status")
        floor = _amount(query.get("filter_amount"), DUST_SHARES)
        chosen = {m.listing.market_id for m in self.conditions(request)}
        rows = [
            row
            for user in self.users(query.get("user"))
            for row in positions_of(self.venue, user)
            if (not chosen or row["condition_id"] in chosen) and _has_status(row, status, floor)
        ]
        return answer(page_of(rows, paging))

    async def activity(self, request: Request) -> Response:
        """Activity of a user, newest first."""
        query = request.query_params
        paging = paging_of(request, 100, 1000)
        account = self.venue.account_of(required_user(request))
        kinds = set(listed(request, "type"))
        start, end = integer(request, "start", 0), integer(request, "end", 2**53)
        rows = self.venue.activity.rows.get(account.address, []) if account else []
        found = [
            self._activity(query["user"], row)
            for row in reversed(rows)
            if (not kinds or row.kind in kinds) and start <= row.ts_s <= end
        ]
        return answer(page_of(found, paging))

    def _activity(self, user: str, row: ActivityRow) -> dict[str, Any]:
        market = self.venue.exchange.markets.get(row.market_id)
        outcome = market.outcome(row.token_id) if market and row.token_id else None
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
            "transaction_hash": transaction_hash(row.reference or f"{user}{row.ts_s}{row.kind}"),
            "title": market.listing.question if market else "",
            "slug": market.listing.slug if market else "",
            "event_slug": market.listing.event_id if market else "",
            "outcome": market.label(outcome) if market and outcome else "",
            "outcome_index": 999 if outcome is None else int(outcome is Outcome.NO),
            "is_combo": False,
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

"""The Data API v2: price history, public trades, positions, activity, resolutions."""

import base64
import binascii
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any

import numpy as np
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from pipelines.core.domain import Outcome, Side
from pipelines.core.money import MICRO, PRICE_SCALE
from simulator.api import wire
from simulator.api.clob_public import question_id
from simulator.api.history import data_history
from simulator.api.http import Handler, answer, integer, raw
from simulator.engine.errors import Refused
from simulator.engine.markets import LiveMarket, MarketState
from simulator.venue.activity import Entry, Holding
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


@dataclass(frozen=True, slots=True)
class Paging:
    """Limit and start of a page of rows."""

    limit: int
    cursor: int | None


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
        paging = _paging(request, 100, MAX_TRADES)
        bounds = (integer(request, "start", 0), integer(request, "end", 2**53))
        side = query.get("side")
        if side not in (None, "", "BUY", "SELL"):
            raise Refused("invalid side")
        if query.get("user"):
            rows = [row for row in self._user_trades(request) if side in (None, "", row["side"])]
            rows = [row for row in rows if bounds[0] <= row["timestamp"] <= bounds[1]]
            return answer(_page(rows, paging))
        markets = self._conditions(request)
        if query.get("event_id"):
            markets = [m for m in self.venue.exchange.markets.values() if m.listing.event_id == query["event_id"]]
        elif not markets and not query.get("condition"):
            markets = [self.venue.exchange.markets[m] for m in sorted(self.venue.alive)[:MAX_CONDITIONS]]
        return raw(self._tape(markets, side or "", bounds, paging))

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

    def _tape(self, markets: list[LiveMarket], side: str, bounds: tuple[int, int], paging: Paging) -> bytes:
        """A page of the public tape, written straight to JSON: hundreds of thousands of rows are asked for."""
        if len(markets) == 1 and not side and not self.venue.tape.outside(markets[0].listing.market_id):
            return self._plain_tape(markets[0], bounds, paging)
        lines: list[tuple[int, int, int, int, int]] = []
        for number, market in enumerate(markets):
            lines.extend(self._lines(number, market, side, bounds))
        if len(markets) > 1:
            lines.sort(key=lambda line: line[0])
        end = len(lines) if paging.cursor is None else min(paging.cursor, len(lines))
        start = max(0, end - paging.limit)
        heads = [_row_head(market) for market in markets]
        rows = [_row(heads[line[1]], line) for line in reversed(lines[start:end])]
        return b'{"data":[' + ",".join(rows).encode() + b"]," + _pagination(paging.limit, start) + b"}"

    def _plain_tape(self, market: LiveMarket, bounds: tuple[int, int], paging: Paging) -> bytes:
        """The same for one market without outside trades: only the page's rows are touched."""
        noise = self.venue.source.trades(market.listing.market_id)
        first, last = (int(i) for i in np.searchsorted(noise.ts_s, [bounds[0], bounds[1] + 1]))
        end = last - first if paging.cursor is None else min(paging.cursor, last - first)
        start = max(0, end - paging.limit)
        part = slice(first + start, first + end)
        columns = (noise.ts_s[part], noise.buys[part], noise.price_units[part], noise.shares_micro[part])
        head = _row_head(market)
        found = zip(*(c[::-1].tolist() for c in columns), strict=True)
        rows = [_row(head, (t, 0, int(b), p, s)) for t, b, p, s in found]
        return b'{"data":[' + ",".join(rows).encode() + b"]," + _pagination(paging.limit, start) + b"}"

    def _lines(
        self, number: int, market: LiveMarket, side: str, bounds: tuple[int, int]
    ) -> list[tuple[int, int, int, int, int]]:
        """Trades of a market as (ts, market, kind, price, shares), oldest first.

        kind: bit 0 buy, bit 1 NO token.
        """
        noise = self.venue.source.trades(market.listing.market_id)
        first, last = np.searchsorted(noise.ts_s, [bounds[0], bounds[1] + 1])
        part = slice(first, last)
        columns = (noise.ts_s[part], noise.buys[part], noise.price_units[part], noise.shares_micro[part])
        rows = [(t, number, int(b), p, s) for t, b, p, s in zip(*(c.tolist() for c in columns), strict=True)]
        outside = [
            (
                t.ts_s,
                number,
                (1 if t.side is Side.BUY else 0) + (2 if t.token_id == market.listing.token_no else 0),
                t.price_units,
                t.shares_micro,
            )
            for t in self.venue.tape.outside(market.listing.market_id)
            if bounds[0] <= t.ts_s <= bounds[1]
        ]
        if outside:
            rows = sorted(rows + outside, key=lambda row: row[0])
        if side:
            rows = [row for row in rows if (row[2] & 1) == (side == "BUY")]
        return rows

    # -- accounts

    async def positions(self, request: Request) -> Response:
        """Holdings of a user: open ones by default, with cost and profit."""
        query = request.query_params
        paging = _paging(request, 100, 500)
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
        return answer(_page(rows, paging))

    def _users(self, user: str | None) -> list[str]:
        if user:
            account = self.venue.account_of(user)
            return [account.address] if account else []
        return [a.address for a in self.venue.exchange.accounts.values() if not a.internal]

    def _positions(self, address: str) -> list[dict[str, Any]]:
        activity = self.venue.activity
        return [self._position(address, token, held) for token, held in activity.holdings.get(address, {}).items()]

    def _position(self, address: str, token_id: str, held: Holding) -> dict[str, Any]:
        market = self.venue.exchange.by_token[token_id]
        outcome = market.outcome(token_id)
        shares = self.venue.exchange.accounts[address].shares(token_id)
        value_units = _mark(market, outcome)
        entered = held.cost_micro / held.bought_micro if held.bought_micro else 0.0
        out = held.sold_micro + held.redeemed_micro
        realized = held.proceeds_micro + held.paid_micro - entered * out
        unrealized = shares * value_units / PRICE_SCALE - entered * shares
        cost = entered * shares
        other = market.token(outcome.other)
        resolved = market.state is MarketState.RESOLVED
        return {
            "proxy_wallet": address.lower(),
            "token_id": token_id,
            "condition_id": market.listing.market_id,
            "current_size": shares / MICRO,
            "avg_price": entered,
            "entry_cost_usdc": held.cost_micro / MICRO,
            "entry_fees_usdc": held.fees_micro / MICRO,
            "total_cost_usdc": (held.cost_micro + held.fees_micro) / MICRO,
            "current_price": value_units / PRICE_SCALE,
            "current_value": shares * value_units / PRICE_SCALE / MICRO,
            "total_size": held.bought_micro / MICRO,
            "realized_pnl": realized / MICRO,
            "unrealized_pnl": unrealized / MICRO,
            "total_pnl": (realized + unrealized) / MICRO,
            "percent_pnl": 100 * unrealized / cost if cost else 0.0,
            "percent_realized_pnl": 100 * realized / held.cost_micro if held.cost_micro else 0.0,
            "status": "OPEN" if shares else "CLOSED",
            "redeemable": resolved and shares > 0,
            "mergeable": shares > 0 and self.venue.exchange.accounts[address].shares(other) > 0,
            "negative_risk": market.listing.neg_risk,
            "archived": False,
            "outcome": wire.label(outcome),
            "opposite_outcome": wire.label(outcome.other),
            "outcome_index": 0 if outcome is Outcome.YES else 1,
            "opposite_token_id": other,
            "event_id": market.listing.event_id,
            "title": market.listing.question,
            "slug": market.listing.slug,
            "end_date": wire.iso(market.listing.end_s),
            "last_event_at": held.last_s,
            "first_entry_at": held.first_s,
        }

    async def activity(self, request: Request) -> Response:
        """What a user did, newest first."""
        query = request.query_params
        paging = _paging(request, 100, 500)
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
        return answer(_page(found, paging))

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


def _mark(market: LiveMarket, outcome: Outcome) -> int:
    if market.payout_yes_micro is not None:
        return market.payout_micro(outcome) // 100
    bid, ask = market.book.top(outcome)
    return ((bid or 0) + (PRICE_SCALE if ask is None else ask)) // 2


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


def _row_head(market: LiveMarket) -> tuple[str, list[str], str]:
    """The constant parts of a market's rows: start, one middle per kind, end."""
    listing = market.listing
    quoted = wire.encode(listing.question).decode(), wire.encode(listing.slug).decode()
    event = wire.encode(listing.event_id).decode()
    middles = []
    for token, outcome, index in ((listing.token_yes, "Yes", 0), (listing.token_no, "No", 1)):
        for side in ("SELL", "BUY"):
            middles.append(
                f'"side":"{side}","token_id":"{token}","condition_id":"{listing.market_id}","outcome":"{outcome}",'
                f'"outcome_index":{index},"title":{quoted[0]},"slug":{quoted[1]},"event_slug":{event},'
            )
    return '{"proxy_wallet":"0xb2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2",', middles, listing.market_id[2:42]


def _row(head: tuple[str, list[str], str], line: tuple[int, int, int, int, int]) -> str:
    ts_s, _, kind, units, shares = line
    unique = f"{ts_s:010x}{units & 0xFFFF:04x}{shares & 0xFFFFFFFFFF:010x}"
    return (
        f'{head[0]}{head[1][kind]}"size":{shares / MICRO},"price":{units / PRICE_SCALE},"timestamp":{ts_s},'
        f'"transaction_hash":"0x{head[2]}{unique}"}}'
    )


def _paging(request: Request, default: int, most: int) -> Paging:
    cursor = request.query_params.get("cursor")
    limit = integer(request, "limit", default, low=1, high=most)
    if not cursor:
        return Paging(limit, None)
    try:
        place, size = base64.urlsafe_b64decode(cursor).decode("ascii").split(":")
        found = Paging(int(size[:8]), int(place[:16]))
    except (ValueError, binascii.Error):
        raise Refused("invalid cursor") from None
    if not (1 <= found.limit <= most and found.cursor is not None and found.cursor >= 0):
        raise Refused("invalid cursor")
    return found


def _pagination(limit: int, place: int) -> bytes:
    cursor = base64.urlsafe_b64encode(f"{place}:{limit}".encode()).decode() if place > 0 else None
    document = {"limit": limit, "offset": 0, "has_more": place > 0, "next_cursor": cursor}
    return b'"pagination":' + wire.encode(document)


def _page(rows: list[dict[str, Any]], paging: Paging) -> dict[str, Any]:
    """A page of rows that are sorted newest first; the cursor counts from the oldest, so new rows do not shift it."""
    end = len(rows) if paging.cursor is None else min(paging.cursor, len(rows))
    start = max(0, end - paging.limit)
    first = len(rows) - end
    part = rows[first : first + paging.limit]
    cursor = base64.urlsafe_b64encode(f"{start}:{paging.limit}".encode()).decode() if start > 0 else None
    pagination = {"limit": paging.limit, "offset": 0, "has_more": start > 0, "next_cursor": cursor}
    return {"data": part, "pagination": pagination}

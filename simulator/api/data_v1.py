"""The Data API's older routes: bare arrays with camelCase keys and offsets, as older clients still ask for them."""

from functools import wraps
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from pipelines.core.domain import Outcome
from pipelines.core.money import MICRO
from simulator.api.data import DataApi
from simulator.api.data_base import listed, required_user
from simulator.api.data_pages import Paging
from simulator.api.data_positions import positions_of
from simulator.api.data_tape import tape_page
from simulator.api.responses import Handler, answer, integer
from simulator.engine.markets import LiveMarket
from simulator.engine.refusals import Refused

MAX_OFFSET = 10_000
KINDS = ("TRADE", "SPLIT", "MERGE", "REDEEM", "REWARD", "CONVERSION", "MAKER_REBATE", "YIELD")
"""Kinds of activity on these routes. Deposits, withdrawals and other rebates are only in /v2/activity."""

NAMELESS = {"name": "", "pseudonym": "", "bio": "", "profileImage": "", "profileImageOptimized": ""}

POSITION = {
    "proxyWallet": "proxy_wallet", "asset": "token_id", "conditionId": "condition_id", "size": "current_size",
    "avgPrice": "avg_price", "currentValue": "current_value", "cashPnl": "unrealized_pnl", "percentPnl": "percent_pnl",
    "totalBought": "total_size", "realizedPnl": "realized_pnl", "percentRealizedPnl": "percent_realized_pnl",
    "curPrice": "current_price", "redeemable": "redeemable", "mergeable": "mergeable", "title": "title",
    "slug": "slug", "icon": "icon", "eventId": "event_id", "eventSlug": "event_slug", "outcome": "outcome",
    "outcomeIndex": "outcome_index", "oppositeOutcome": "opposite_outcome", "oppositeAsset": "opposite_token_id",
    "endDate": "end_date", "negativeRisk": "negative_risk",
}  # fmt: skip

TRADE = {
    "proxyWallet": "proxy_wallet", "side": "side", "asset": "token_id", "conditionId": "condition_id", "size": "size",
    "price": "price", "timestamp": "timestamp", "title": "title", "slug": "slug", "eventSlug": "event_slug",
    "outcome": "outcome", "outcomeIndex": "outcome_index", "transactionHash": "transaction_hash",
}  # fmt: skip

ACTIVITY = TRADE | {"type": "type", "usdcSize": "usdc_size"}


class DataV1(DataApi):
    """The older routes. Their rows have the data of /v2 under other names."""

    def table(self) -> list[tuple[str, Handler]]:
        """The routes of this part, with their handlers."""
        return [
            ("/positions", self.old_positions),
            ("/closed-positions", self.closed_positions),
            ("/trades", self.old_trades),
            ("/activity", self.old_activity),
            ("/holders", self.holders),
            ("/value", self.value),
            ("/traded", self.traded),
            ("/oi", self.open_interest),
            ("/live-volume", self.live_volume),
            ("/v1/leaderboard", self.leaderboard),
            ("/v1/builders/leaderboard", self.nothing),
            ("/v1/builders/volume", self.nothing),
        ]

    def routes(self) -> list[BaseRoute]:
        """All routes, with the older error body."""
        return [Route(path, _guarded(handler), methods=["GET"]) for path, handler in self.table()]

    def _markets(self, request: Request) -> list[LiveMarket]:
        found = (self.venue.exchange.markets.get(name.lower()) for name in listed(request, "market"))
        return [market for market in found if market]

    def _held(self, request: Request) -> list[dict[str, Any]]:
        chosen = {m.listing.market_id for m in self._markets(request)}
        rows = [row for user in self.users(required_user(request)) for row in positions_of(self.venue, user)]
        return [row for row in rows if not chosen or row["condition_id"] in chosen]

    async def nothing(self, request: Request) -> Response:
        """An empty list."""
        return answer([])

    async def old_positions(self, request: Request) -> Response:
        """Open positions of a user above `sizeThreshold` (1 share), if asked only `redeemable` or `mergeable` ones."""
        floor = _number(request, "sizeThreshold", 1.0)
        flags = [name for name in ("redeemable", "mergeable") if request.query_params.get(name) == "true"]
        rows = [
            row
            for row in self._held(request)
            if row["current_size"] and row["current_size"] >= floor and all(row[name] for name in flags)
        ]
        made = [_named(row, POSITION) | {"initialValue": row["avg_price"] * row["current_size"]} for row in rows]
        return answer(_page(request, made))

    async def closed_positions(self, request: Request) -> Response:
        """Positions that were sold or redeemed."""
        rows = [row for row in self._held(request) if not row["current_size"]]
        return answer(_page(request, [_named(row, POSITION) | {"timestamp": row["last_event_at"]} for row in rows]))

    async def old_trades(self, request: Request) -> Response:
        """Trades of a user or of markets, newest first."""
        if request.query_params.get("user"):
            rows = self._user_trades(request)
            chosen = {m.listing.market_id for m in self._markets(request)}
            rows = [row for row in rows if not chosen or row["condition_id"] in chosen]
        else:
            markets = self._markets(request) or [
                self.venue.exchange.markets[name] for name in sorted(self.venue.open_markets)[:20]
            ]
            content = tape_page(self.venue, markets, "", (0, 2**53), Paging(MAX_OFFSET, None))
            rows = msgspec.json.decode(content)["data"]
        side = request.query_params.get("side")
        rows = [row for row in rows if side in (None, "", row["side"])]
        return answer(_page(request, [_named(row, TRADE) | {"icon": ""} | NAMELESS for row in rows]))

    async def old_activity(self, request: Request) -> Response:
        """Activity of a user, newest first."""
        user = required_user(request)
        account = self.venue.account_of(user)
        wanted = set(listed(request, "type")) or set(KINDS)
        start, end = integer(request, "start", 0), integer(request, "end", 2**53)
        rows = reversed(self.venue.activity.rows.get(account.address, []) if account else [])
        found = [
            _named(self._activity(user, row), ACTIVITY) | {"icon": ""} | NAMELESS
            for row in rows
            if row.kind in wanted and row.kind in KINDS and start <= row.ts_s <= end
        ]
        return answer(_page(request, found))

    async def holders(self, request: Request) -> Response:
        """Holders of each token of the markets, the largest first."""
        rows = []
        for market in self._markets(request):
            for index, outcome in enumerate(Outcome):
                token = market.token(outcome)
                found = sorted(self.venue.exchange.holders(market.listing.market_id), key=lambda a: -a.shares(token))
                rows.append(
                    {
                        "token": token,
                        "holders": [
                            {"proxyWallet": a.address.lower(), "asset": token, "amount": a.shares(token) / MICRO,
                             "outcomeIndex": index, "displayUsernamePublic": False, "verified": False, **NAMELESS}
                            for a in found if a.shares(token)
                        ],
                    }
                )  # fmt: skip
        return answer(rows)

    async def value(self, request: Request) -> Response:
        """Market value of a user's positions."""
        total = sum(row["current_value"] for row in self._held(request))
        return answer([{"user": required_user(request).lower(), "value": total}])

    async def traded(self, request: Request) -> Response:
        """Number of markets that a user traded."""
        count = len({row["condition_id"] for row in self._held(request)})
        return answer({"user": required_user(request).lower(), "traded": count})

    async def open_interest(self, request: Request) -> Response:
        """Collateral behind each market, or behind all of them as GLOBAL."""
        markets = self._markets(request)
        rows = [{"market": m.listing.market_id, "value": m.collateral_micro / MICRO} for m in markets]
        total = sum(m.collateral_micro for m in self.venue.exchange.markets.values())
        return answer(rows if listed(request, "market") else [{"market": "GLOBAL", "value": total / MICRO}])

    async def live_volume(self, request: Request) -> Response:
        """Shares that outside takers traded in the markets of an event (`id`)."""
        markets = self.markets_of_events(request, "id")
        volumes = {
            m.listing.market_id: sum(t.shares_micro for t in self.venue.tape.outside(m.listing.market_id)) / MICRO
            for m in markets
        }
        rows = [{"market": name, "value": value} for name, value in volumes.items()]
        return answer([{"total": sum(volumes.values()), "markets": rows}])

    async def leaderboard(self, request: Request) -> Response:
        """Traders by profit."""
        totals = {user: positions_of(self.venue, user) for user in self.users(request.query_params.get("user"))}
        ranked = sorted(totals, key=lambda user: -sum(row["total_pnl"] for row in totals[user]))
        rows = [
            {
                "rank": place, "proxyWallet": user.lower(), "userName": "", "xUsername": "", "verifiedBadge": False,
                "vol": sum(row["total_size"] for row in totals[user]),
                "pnl": sum(row["total_pnl"] for row in totals[user]), "profileImage": "",
            }
            for place, user in enumerate(ranked, 1)
        ]  # fmt: skip
        return answer(_page(request, rows))


def _named(row: dict[str, Any], names: dict[str, str]) -> dict[str, Any]:
    return {name: row[key] for name, key in names.items()}


def _page(request: Request, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    limit = integer(request, "limit", 100, low=0, high=MAX_OFFSET)
    offset = integer(request, "offset", 0, high=MAX_OFFSET)
    return rows[offset : offset + limit]


def _number(request: Request, name: str, default: float) -> float:
    """A query number that clients write as 1 or as 1.0.

    Raises:
        Refused: if it is none, or not from 0 to a billion.
    """
    text = request.query_params.get(name, "")
    try:
        found = float(text) if text else default
    except ValueError:
        found = -1.0
    if not 0 <= found <= 1e9:
        raise Refused(f"invalid {name}")
    return found


def _guarded(handler: Handler) -> Handler:
    @wraps(handler)
    async def run(request: Request) -> Response:
        try:
            return await handler(request)
        except Refused as refused:
            return answer({"error": refused.text}, refused.status)

    return run

"""The Data API about all accounts: leaderboards of traders and builders, biggest winners, and accounts as files."""

import csv
import io
import zipfile
from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from pipelines.core.money import MICRO
from simulator.api import formats
from simulator.api.data_base import FIRST_EVENT, DataPart, required_user
from simulator.api.data_pages import page_of, paging_of
from simulator.api.data_positions import positions_of
from simulator.api.responses import Handler, answer, integer
from simulator.engine.orders import Trade
from simulator.engine.refusals import Refused
from simulator.signing.eip712 import ZERO_BYTES32
from simulator.venue.incentives import day_of

WINDOWS_S = {"day": 86_400, "week": 7 * 86_400, "month": 30 * 86_400, "all": 2**53}
NAMELESS = {"user_name": "", "profile_image": "", "x_username": "", "verified": False}
MAX_BUCKETS = 90


class DataStandings(DataPart):
    """Routes that rank traders and builders. Time windows end at the current market time."""

    def table(self) -> list[tuple[str, Handler]]:
        """The routes of this part, with their handlers."""
        return [
            ("/v2/leaderboard", self.leaderboard),
            ("/v2/biggest-winners", self.winners),
            ("/v2/builders/leaderboard", self.builders),
            ("/v2/builders/volume", self.builder_volume),
            ("/v2/positions/combos", self.combos),
            ("/v2/activity/combos", self.combos),
            ("/v1/accounting/snapshot", self.snapshot),
        ]

    def _since(self, request: Request) -> int:
        window = request.query_params.get("time_period") or "all"
        if window not in WINDOWS_S:
            raise Refused("invalid time_period")
        return self.venue.now_s - WINDOWS_S[window]

    # -- traders

    async def leaderboard(self, request: Request) -> Response:
        """Traders by profit or volume (`sort_by`); with `user` the ranks of one, null for an address without account.

        The profit of a window is that of positions that last changed in it.
        """
        by = "volume" if (request.query_params.get("sort_by") or "").lower().startswith("vol") else "pnl"
        rows = sorted(self._traders(self._since(request)), key=lambda row: row[by], reverse=True)
        user = request.query_params.get("user")
        if not user:
            ranked = [{"rank": place, **row} for place, row in enumerate(rows, 1)]
            return answer(page_of(ranked, paging_of(request, 100, 1000)))
        account = self.venue.account_of(user)
        own = [row for row in rows if account and row["user_id"] == account.address.lower()]
        return answer({"data": own[0] | _ranks(own[0], rows) if own else None})

    def _traders(self, since_s: int) -> Iterable[dict[str, Any]]:
        for address in self.users(None):
            entries = [e for e in self.venue.activity.rows.get(address, []) if e.kind == "TRADE" and e.ts_s >= since_s]
            held = [row for row in positions_of(self.venue, address) if row["last_event_at"] >= since_s]
            if entries or held:
                pnl, volume = sum(r["total_pnl"] for r in held), sum(e.shares_micro for e in entries) / MICRO
                yield {"user_id": address.lower(), "pnl": pnl, "volume": volume, **NAMELESS}

    async def winners(self, request: Request) -> Response:
        """Resolved positions that won, the largest profit first."""
        since_s = self._since(request)
        rows = [
            self._win(row)
            for address in self.users(None)
            for row in positions_of(self.venue, address)
            if row["realized_pnl"] > 0 and self._resolved_s(row) >= max(1, since_s)
        ]
        rows.sort(key=lambda row: row["pnl"], reverse=True)
        ranked = [{"win_rank": place, **row} for place, row in enumerate(rows, 1)]
        return answer(page_of(ranked, paging_of(request, 100, 1000)))

    def _resolved_s(self, row: dict[str, Any]) -> int:
        return self.venue.exchange.markets[row["condition_id"]].resolved_s

    def _win(self, row: dict[str, Any]) -> dict[str, Any]:
        listing = self.venue.exchange.markets[row["condition_id"]].listing
        return {
            "user_id": row["proxy_wallet"],
            "pnl": row["realized_pnl"],
            "initial_value": row["entry_cost_usdc"],
            "final_value": row["entry_cost_usdc"] + row["realized_pnl"],
            "resolved_at": formats.iso(self._resolved_s(row)),
            "user_name": "",
            "profile_image": "",
            "event_title": listing.event_title,
            "kind": "MARKET",
            "condition_id": row["condition_id"],
            "position_id": row["token_id"],
            "event_id": str(FIRST_EVENT + self.venue.event_positions[listing.event_id]),
            "event_slug": listing.event_id,
        }

    # -- builders

    def _built(self, since_s: int) -> list[tuple[str, Trade, str, int]]:
        """Legs of trades whose orders carry a builder code: code, trade, account, shares."""
        found = []
        for made in self.venue.exchange.trades.values():
            if made.market_s >= since_s:
                legs = [(made.taker, made.shares_micro), *((fill.order, fill.shares_micro) for fill in made.makers)]
                for order, shares in legs:
                    if order.builder not in ("", ZERO_BYTES32):
                        found.append((order.builder, made, order.account.address, shares))
        return found

    async def builders(self, request: Request) -> Response:
        """Builder codes by volume in shares."""
        rows = _by_volume((code, user, shares) for code, _, user, shares in self._built(self._since(request)))
        return answer(page_of(rows, paging_of(request, 100, 1000)))

    async def builder_volume(self, request: Request) -> Response:
        """Volume of builder codes by calendar day, the newest `limit` days."""
        days: defaultdict[str, list[tuple[str, str, int]]] = defaultdict(list)
        for code, made, user, shares in self._built(0):
            days[day_of(made.market_s)].append((code, user, shares))
        newest = sorted(days, reverse=True)[: integer(request, "limit", MAX_BUCKETS, low=1, high=MAX_BUCKETS)]
        return answer({"data": [row | {"date": day} for day in newest for row in _by_volume(days[day])]})

    async def combos(self, request: Request) -> Response:
        """An empty list: combinations of markets are not simulated."""
        required_user(request)
        return answer(page_of([], paging_of(request, 100, 1000)))

    # -- books

    async def snapshot(self, request: Request) -> Response:
        """A ZIP of an account's equity and positions as CSV."""
        user = required_user(request)
        account = self.venue.account_of(user)
        if account is None:
            raise Refused("user not found", 404)
        now = formats.iso(self.venue.now_s)
        held = [row for row in positions_of(self.venue, account.address) if row["current_size"]]
        value = sum(row["current_value"] for row in held)
        cash = account.cash_micro / MICRO
        equity = [{"cashBalance": cash, "positionsValue": value, "equity": cash + value, "valuationTime": now}]
        keys = {"conditionId": "condition_id", "asset": "token_id", "size": "current_size", "curPrice": "current_price"}
        positions = [{name: row[key] for name, key in keys.items()} | {"valuationTime": now} for row in held]
        content = io.BytesIO()
        with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("equity.csv", _csv(list(equity[0]), equity))
            archive.writestr("positions.csv", _csv([*keys, "valuationTime"], positions))
        return Response(content.getvalue(), media_type="application/zip")


def _ranks(own: dict[str, Any], rows: list[dict[str, Any]]) -> dict[str, int]:
    return {f"rank_{key}": 1 + sum(row[key] > own[key] for row in rows) for key in ("pnl", "volume")}


def _by_volume(legs: Iterable[tuple[str, str, int]]) -> list[dict[str, Any]]:
    shares: defaultdict[str, int] = defaultdict(int)
    users: defaultdict[str, set[str]] = defaultdict(set)
    for code, user, micro in legs:
        shares[code] += micro
        users[code].add(user)
    ranked = sorted(shares, key=lambda code: -shares[code])
    return [
        {
            "rank": place,
            "builder_name": code[:10],
            "builder_code": code,
            "profile_image": "",
            "verified": False,
            "volume": shares[code] / MICRO,
            "active_users": len(users[code]),
        }
        for place, code in enumerate(ranked, 1)
    ]


def _csv(names: list[str], rows: list[dict[str, Any]]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, names)
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()

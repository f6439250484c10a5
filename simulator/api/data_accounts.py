"""The Data API about accounts as a whole: value, statistics, profit over time, volume."""

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from pipelines.core.money import MICRO
from simulator.api.data_base import DataPart, required_user
from simulator.api.data_positions import positions_of
from simulator.api.responses import Handler, answer, integer
from simulator.signing.eip712 import CHAIN_ID, EXCHANGES
from simulator.venue.contracts import APPROVALS, PUSD


class DataAccounts(DataPart):
    """Routes about accounts."""

    def table(self) -> list[tuple[str, Handler]]:
        """The routes of this part, with their handlers."""
        return [
            ("/v2/value", self.value),
            ("/v2/user-stats", self.stats),
            ("/v2/user-pnl", self.pnl),
            ("/v2/user-volume", self.volume),
            ("/v2/approvals", self.approvals),
        ]

    def _positions(self, request: Request) -> list[dict[str, Any]]:
        chosen = {m.listing.market_id for m in self.conditions(request)}
        rows = [row for user in self.users(required_user(request)) for row in positions_of(self.venue, user)]
        return [row for row in rows if not chosen or row["condition_id"] in chosen]

    async def value(self, request: Request) -> Response:
        """Market value of a user's positions in pUSD."""
        total = sum(row["current_value"] for row in self._positions(request))
        return answer({"data": {"proxy_wallet": required_user(request).lower(), "value": total}})

    async def stats(self, request: Request) -> Response:
        """Number of markets traded and the biggest win; null for an address without account."""
        user = required_user(request)
        if not self.users(user):
            return answer({"data": None})
        rows = self._positions(request)
        document = {
            "proxy_wallet": user.lower(),
            "trades": len({row["condition_id"] for row in rows}),
            "biggest_win": max((row["realized_pnl"] for row in rows), default=0.0),
            "views": 0,
            "join_date": None,
            "all_time_pnl": self._point(request, rows),
        }
        return answer({"data": document})

    def _point(self, request: Request, rows: list[dict[str, Any]]) -> dict[str, Any]:
        realized = sum(row["realized_pnl"] for row in rows)
        unrealized = sum(row["unrealized_pnl"] for row in rows)
        fees = sum(row["entry_fees_usdc"] for row in rows)
        volume = self._volume(request)
        return {
            "timestamp": self.venue.now_s,
            "source_block": 0,
            **volume,
            "realized_market_pnl": realized,
            "realized_lp_pnl": 0.0,
            "realized_combo_pnl": 0.0,
            "realized_pnl": realized,
            "unrealized_pnl": unrealized,
            "position_pnl": realized + unrealized,
            "economic_pnl": realized + unrealized - fees,
            "fees": fees,
        }

    async def pnl(self, request: Request) -> Response:
        """Profit of a user; only the current point."""
        rows = self._positions(request)
        query = request.query_params
        fidelity = query.get("fidelity") or "1d"
        document = {
            "proxy_wallet": required_user(request).lower(),
            "interval": query.get("interval") or "all",
            "fidelity": fidelity,
            "source_fidelity": fidelity,
            "points": [self._point(request, rows)],
        }
        return answer({"data": document})

    def _volume(self, request: Request) -> dict[str, Any]:
        start, end = integer(request, "start", 0), integer(request, "end", 2**53)
        entries = [
            row
            for user in self.users(required_user(request))
            for row in self.venue.activity.rows.get(user, [])
            if row.kind == "TRADE" and start <= row.ts_s <= end
        ]
        return {
            "volume": sum(row.shares_micro for row in entries) / MICRO,
            "volume_usdc": sum(row.cash_micro for row in entries) / MICRO,
            "trade_count": len(entries),
        }

    async def volume(self, request: Request) -> Response:
        """Traded shares and pUSD of a user."""
        return answer({"data": self._volume(request)})

    async def approvals(self, request: Request) -> Response:
        """What the venue's contracts may take of a user: all, unless the account's allowance of pUSD is limited."""
        user = required_user(request)
        account = self.venue.account_of(user)
        limit = None if account is None else account.allowance_micro
        rows = [_approval(token, spender, limit) for token, some in APPROVALS.items() for spender in some]
        return answer({"data": {"address": user.lower(), "chain_id": CHAIN_ID, "contracts": rows}})


def _approval(token: str, spender: str, limit_micro: int | None) -> dict[str, Any]:
    row = {"token": token, "spender": spender, "standard": "ERC20" if token == PUSD else "ERC1155", "approved": True}
    if token != PUSD:
        return row
    limited = limit_micro is not None and spender in EXCHANGES.values()
    return row | {"approved": not limited or bool(limit_micro), "amount": str(limit_micro) if limited else "max"}

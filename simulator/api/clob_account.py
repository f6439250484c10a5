"""CLOB routes about the caller's own account: orders, trades, balances, notifications, trades of a builder."""

from collections.abc import Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from simulator.api import formats
from simulator.api.notifications import Notifications
from simulator.api.private import Private
from simulator.api.responses import answer, guarded, page
from simulator.engine.accounts import CASH
from simulator.engine.refusals import Refused
from simulator.faults.state import Faults
from simulator.signing.eip712 import EXCHANGES
from simulator.venue.venue import Venue

PAGE = 500
UNLIMITED = str(2**256 - 1)


class ClobAccount(Private):
    """Routes with which an account reads its own data."""

    def __init__(
        self, venue: Callable[[], Venue], faults: Callable[[], Faults], notifications: Callable[[], Notifications]
    ):
        super().__init__(venue, faults)
        self._notifications = notifications

    def routes(self) -> list[BaseRoute]:
        """The routes of this part, with their handlers."""
        table: list[tuple[str, str, Any]] = [
            ("GET", "/data/order/{order_id}", self.order), ("GET", "/data/orders", self.orders),
            ("GET", "/data/pre-migration-orders", self.no_orders),
            ("GET", "/data/trades", self.trades), ("GET", "/builder/trades", self.builder_trades),
            ("GET", "/balance-allowance", self.balance), ("GET", "/balance-allowance/update", self.update_balance),
            ("GET", "/notifications", self.notifications), ("DELETE", "/notifications", self.drop_notifications),
        ]  # fmt: skip
        return [Route(path, guarded(handler), methods=[method]) for method, path, handler in table]

    async def order(self, request: Request) -> Response:
        """One open order; null if it is not open."""
        caller = await self._caller(request)
        order = self.venue.exchange.orders.get(request.path_params["order_id"])
        if order is None or order.account.address != caller.address:
            return answer(None)
        return answer(formats.open_order(order))

    async def orders(self, request: Request) -> Response:
        """Open orders."""
        caller = await self._caller(request)
        query = request.query_params
        rows = [
            formats.open_order(order)
            for order in self.venue.exchange.open_orders(self.venue.open_account(caller.address))
            if query.get("id", order.order_id) in ("", order.order_id)
            and query.get("market", order.market_id) in ("", order.market_id)
            and query.get("asset_id", order.token_id) in ("", order.token_id)
        ]
        return answer(page(rows, query.get("next_cursor"), PAGE))

    async def no_orders(self, request: Request) -> Response:
        """Orders from before the venue's migration; always empty here."""
        await self._caller(request)
        return answer(page([], request.query_params.get("next_cursor"), PAGE))

    async def trades(self, request: Request) -> Response:
        """Own trades, newest first; `after` and `before` are market seconds, inclusive."""
        caller = await self._caller(request)
        query = request.query_params
        after, before = _seconds(query.get("after")), _seconds(query.get("before"))
        address = self.venue.open_account(caller.address).address
        rows = [
            made
            for made in self._faults().trading.visible_trades(self.venue.exchange.trades_of[address][::-1])
            if query.get("id", made.trade_id) in ("", made.trade_id)
            and query.get("market", made.market_id) in ("", made.market_id)
            and (after is None or made.market_s >= after)
            and (before is None or made.market_s <= before)
        ]
        asset, wallet = query.get("asset_id"), (query.get("maker_address") or "").lower()
        if asset:
            rows = [m for m in rows if any(order.token_id == asset for order in m.orders())]
        if wallet:
            rows = [m for m in rows if any(order.maker_address.lower() == wallet for order in m.orders())]
        part = page(rows, query.get("next_cursor"), PAGE)
        part["data"] = [formats.trade(made, address) for made in part["data"]]
        return answer(part)

    async def builder_trades(self, request: Request) -> Response:
        """Trades of orders that carry a builder code, newest first; public."""
        query = request.query_params
        rows = [
            (made, order)
            for made in reversed(self.venue.exchange.trades.values())
            for order in made.orders()
            if order.builder == query.get("builder_code")
        ]
        part = page(rows, query.get("next_cursor"), PAGE)
        part["data"] = [formats.builder_trade(made, order) for made, order in part["data"]]
        return answer(part)

    async def balance(self, request: Request) -> Response:
        """Settled balance of pUSD or of a token, and the allowances of the exchanges."""
        caller = await self._caller(request)
        query = request.query_params
        account = self.venue.open_account(caller.address)
        kind = query.get("asset_type", "")
        if kind == "COLLATERAL":
            micro = self._faults().balance(account, CASH)
        elif kind in ("CONDITIONAL", "CONDITIONAL-V2"):
            if query.get("token_id", "") not in self.venue.exchange.by_token:
                raise Refused("Invalid token id")
            micro = self._faults().balance(account, query["token_id"])
        else:
            raise Refused("Invalid asset type")
        allowance = UNLIMITED if account.allowance_micro is None else str(account.allowance_micro)
        return answer({"balance": str(micro), "allowances": dict.fromkeys(EXCHANGES.values(), allowance)})

    async def update_balance(self, request: Request) -> Response:
        """Make the venue read balances again; the answer is empty."""
        caller = await self._caller(request)
        self._faults().refresh_balances(self.venue.open_account(caller.address))
        return Response(b"", media_type="application/json")

    async def notifications(self, request: Request) -> Response:
        """Notifications of the account that it has not dropped, newest first."""
        caller = await self._caller(request)
        return answer(self._notifications().of(caller.address))

    async def drop_notifications(self, request: Request) -> Response:
        """Drop the notifications named by `ids`."""
        caller = await self._caller(request, writes=True)
        names = {part for value in request.query_params.getlist("ids") for part in value.split(",")}
        self._notifications().drop(caller.address, names)
        return answer("OK")


def _seconds(text: str | None) -> int | None:
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 16):
        raise Refused("invalid trade params payload")
    return int(text)

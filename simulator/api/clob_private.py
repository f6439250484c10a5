"""CLOB routes with authentication: keys, orders, cancels, own orders and trades, balances, heartbeats."""

import asyncio
from collections.abc import Iterable
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from simulator.api import wire
from simulator.api.http import answer, body_json, guarded, page
from simulator.api.private import Private
from simulator.engine.accounts import CASH
from simulator.engine.errors import Refused
from simulator.engine.orders import Order
from simulator.signing.credentials import Credentials
from simulator.signing.eip712 import EXCHANGES
from simulator.venue.intake import INVALID_PAYLOAD, build_order, parse_entry

MAX_ORDERS = 15
MAX_CANCELS = 3000
PAGE = 500
UNLIMITED = str(2**256 - 1)
GONE, FILLED = "Order not found or already canceled", "Order already matched"


class ClobPrivate(Private):
    """The authenticated CLOB."""

    def routes(self) -> list[BaseRoute]:
        """All authenticated routes."""
        table: list[tuple[str, str, Any]] = [
            ("POST", "/order", self.post_order), ("DELETE", "/order", self.cancel_order),
            ("GET", "/data/orders", self.orders), ("GET", "/data/trades", self.trades),
            ("POST", "/orders", self.post_orders), ("DELETE", "/orders", self.cancel_orders),
            ("DELETE", "/cancel-all", self.cancel_all), ("DELETE", "/cancel-market-orders", self.cancel_market),
            ("GET", "/data/order/{order_id}", self.order),
            ("GET", "/data/pre-migration-orders", self.no_orders),
            ("GET", "/builder/trades", self.builder_trades),
            ("GET", "/balance-allowance", self.balance), ("GET", "/balance-allowance/update", self.update_balance),
            ("GET", "/notifications", self.notifications), ("DELETE", "/notifications", self.drop_notifications),
            ("GET", "/order-scoring", self.scoring), ("POST", "/orders-scoring", self.scorings),
            ("POST", "/v1/heartbeats", self.heartbeat), ("POST", "/heartbeats", self.plain_heartbeat),
            ("GET", "/rewards/user", self.no_earnings), ("GET", "/rewards/user/total", self.nothing),
            ("GET", "/rewards/user/percentages", self.no_percentages),
            ("GET", "/rewards/user/markets", self.no_earnings),
        ]  # fmt: skip
        return [Route(path, guarded(handler), methods=[method]) for method, path, handler in table]

    # -- orders

    async def post_order(self, request: Request) -> Response:
        """Place one signed order."""
        caller = await self._caller(request, writes=True)
        return answer(await self._place(await body_json(request, INVALID_PAYLOAD), caller))

    async def _place(self, document: Any, caller: Credentials) -> dict[str, Any]:
        venue = self.venue
        order = build_order(venue, parse_entry(document), caller)
        held_s = venue.taker_delay(order)
        if held_s:
            await asyncio.sleep(held_s)
        trades = venue.place(order)
        return wire.placed(order, trades)

    async def post_orders(self, request: Request) -> Response:
        """Place up to fifteen orders; each entry has its own result."""
        caller = await self._caller(request, writes=True)
        entries = await body_json(request, INVALID_PAYLOAD)
        if not isinstance(entries, list) or not entries:
            raise Refused(INVALID_PAYLOAD)
        if len(entries) > MAX_ORDERS:
            raise Refused(f"Too many orders in payload: {len(entries)}, max allowed: {MAX_ORDERS}")
        results = []
        for entry in entries:
            try:
                self._check_mode(entry)
                results.append(await self._place(entry, caller))
            except Refused as refused:
                results.append(_refused_entry(refused.text))
            await asyncio.sleep(0)
        return answer(results)

    def _check_mode(self, entry: Any) -> None:
        """In post-only mode a batch is answered entry by entry."""
        post_only = isinstance(entry, dict) and entry.get("postOnly") is True
        if not post_only and self._faults().strikes("post_only"):
            raise Refused("post-only mode: only post-only orders and cancels are allowed")

    def _cancel(self, caller: Credentials, wanted: Iterable[object]) -> dict[str, Any]:
        exchange = self.venue.exchange
        canceled: list[str] = []
        kept: dict[str, str] = {}
        for name in wanted:
            order = exchange.orders.get(name) if isinstance(name, str) else None
            if order is not None and order.account.address == caller.address:
                exchange.cancel(order)
                canceled.append(order.order_id)
            else:
                kept[str(name)[:100]] = FILLED if isinstance(name, str) and name in exchange.matched else GONE
        return {"canceled": canceled, "not_canceled": kept}

    async def cancel_order(self, request: Request) -> Response:
        """Cancel one order."""
        caller = await self._caller(request, writes=True)
        document = await body_json(request, "Invalid orderID")
        name = document.get("orderID") if isinstance(document, dict) else None
        if not isinstance(name, str) or not name:
            raise Refused("Invalid orderID")
        return answer(self._cancel(caller, [name]))

    async def cancel_orders(self, request: Request) -> Response:
        """Cancel many orders."""
        caller = await self._caller(request, writes=True)
        names = await body_json(request, INVALID_PAYLOAD)
        if not isinstance(names, list) or len(names) > MAX_CANCELS:
            raise Refused(INVALID_PAYLOAD)
        return answer(self._cancel(caller, names))

    def _own(self, caller: Credentials) -> list[Order]:
        return list(self.venue.open_account(caller.address).orders.values())

    async def cancel_all(self, request: Request) -> Response:
        """Cancel everything that is open."""
        caller = await self._caller(request, writes=True)
        return answer(self._cancel(caller, [order.order_id for order in self._own(caller)]))

    async def cancel_market(self, request: Request) -> Response:
        """Cancel what is open in a market or a token."""
        caller = await self._caller(request, writes=True)
        document = await body_json(request, INVALID_PAYLOAD)
        if not isinstance(document, dict):
            raise Refused(INVALID_PAYLOAD)
        market, asset = document.get("market") or "", document.get("asset_id") or ""
        chosen = [
            order.order_id
            for order in self._own(caller)
            if market in ("", order.market_id) and asset in ("", order.token_id)
        ]
        return answer(self._cancel(caller, chosen))

    # -- own data

    async def order(self, request: Request) -> Response:
        """One open order; null when it is not open any more."""
        caller = await self._caller(request)
        order = self.venue.exchange.orders.get(request.path_params["order_id"])
        if order is None or order.account.address != caller.address:
            return answer(None)
        return answer(wire.open_order(order))

    async def orders(self, request: Request) -> Response:
        """Open orders."""
        caller = await self._caller(request)
        query = request.query_params
        rows = [
            wire.open_order(order)
            for order in self._own(caller)
            if query.get("id", order.order_id) in ("", order.order_id)
            and query.get("market", order.market_id) in ("", order.market_id)
            and query.get("asset_id", order.token_id) in ("", order.token_id)
        ]
        return answer(page(rows, query.get("next_cursor"), PAGE))

    async def no_orders(self, request: Request) -> Response:
        """Orders from before the venue's migration: none here."""
        await self._caller(request)
        return answer(page([], request.query_params.get("next_cursor"), PAGE))

    async def trades(self, request: Request) -> Response:
        """Own trades, newest first; `after` and `before` are market seconds and include their own second."""
        caller = await self._caller(request)
        query = request.query_params
        after, before = _seconds(query.get("after")), _seconds(query.get("before"))
        address = self.venue.open_account(caller.address).address
        rows = [
            made
            for made in reversed(self.venue.exchange.trades_of[address])
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
        part["data"] = [wire.trade(made, address) for made in part["data"]]
        return answer(part)

    async def builder_trades(self, request: Request) -> Response:
        """Trades of orders with a builder code; public."""
        query = request.query_params
        rows = [t for t in self.venue.exchange.trades.values() if t.taker.builder == query.get("builder_code")]
        part = page(rows, query.get("next_cursor"), PAGE)
        part["data"] = [wire.trade(made, made.taker.account.address) for made in part["data"]]
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
        """No notifications are kept."""
        await self._caller(request)
        return answer([])

    async def drop_notifications(self, request: Request) -> Response:
        """Drop notifications."""
        await self._caller(request, writes=True)
        return answer("OK")

    async def scoring(self, request: Request) -> Response:
        """Whether an order scores for rewards: it does while it rests."""
        await self._caller(request)
        return answer({"scoring": request.query_params.get("order_id", "") in self.venue.exchange.orders})

    async def scorings(self, request: Request) -> Response:
        """Whether orders score for rewards."""
        await self._caller(request)
        names = await body_json(request, INVALID_PAYLOAD)
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise Refused(INVALID_PAYLOAD)
        return answer({name: name in self.venue.exchange.orders for name in names})

    # -- heartbeats and rewards

    async def heartbeat(self, request: Request) -> Response:
        """The dead man's switch: the first heartbeat arms it."""
        caller = await self._caller(request, writes=True)
        document = await body_json(request, INVALID_PAYLOAD)
        sent = document.get("heartbeat_id") if isinstance(document, dict) else None
        accepted, following = self.venue.heartbeats.accept(caller.key, str(sent or ""), self.venue.wall_s())
        if accepted:
            return answer({"heartbeat_id": following})
        return answer({"error_msg": "Invalid Heartbeat ID", "heartbeat_id": following}, 400)

    async def plain_heartbeat(self, request: Request) -> Response:
        """The second documented form, without ids."""
        caller = await self._caller(request, writes=True)
        self.venue.heartbeats.refresh(caller.key, self.venue.wall_s())
        return answer({"status": "ok"})

    async def no_earnings(self, request: Request) -> Response:
        """No rewards are paid here."""
        await self._caller(request)
        return answer(page([], request.query_params.get("next_cursor"), PAGE))

    async def nothing(self, request: Request) -> Response:
        """An empty list."""
        await self._caller(request)
        return answer([])

    async def no_percentages(self, request: Request) -> Response:
        """No reward percentages."""
        await self._caller(request)
        return answer({})


def _refused_entry(text: str) -> dict[str, Any]:
    """A batch entry that was refused: success is true, the error message says otherwise."""
    return {
        "errorMsg": text,
        "orderID": "",
        "takingAmount": "",
        "makingAmount": "",
        "status": "",
        "success": True,
        "tradeIDs": [],
        "transactionsHashes": [],
    }


def _seconds(text: str | None) -> int | None:
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 16):
        raise Refused("invalid trade params payload")
    return int(text)

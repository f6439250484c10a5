"""CLOB routes that trade: orders, cancels, heartbeats."""

import asyncio
from collections.abc import Iterable
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from simulator.api import formats
from simulator.api.private import Private
from simulator.api.responses import answer, body_json, guarded
from simulator.engine.orders import Order
from simulator.engine.refusals import Refused
from simulator.faults.order_faults import delayed
from simulator.signing.credentials import Credentials
from simulator.venue.intake import INVALID_PAYLOAD, build_order, parse_entry
from simulator.venue.limits import BucketKind

MAX_ORDERS = 15
MAX_CANCELS = 1000
"""Limit of the venue since 2026-06-15. It was 3,000 before, and some clients still use that."""
GONE, FILLED = "Order not found or already canceled", "Order already matched"


class ClobOrders(Private):
    """Routes that place and cancel orders."""

    def routes(self) -> list[BaseRoute]:
        """The routes of this part, with their handlers."""
        table: list[tuple[str, str, Any]] = [
            ("POST", "/order", self.post_order), ("DELETE", "/order", self.cancel_order),
            ("POST", "/orders", self.post_orders), ("DELETE", "/orders", self.cancel_orders),
            ("DELETE", "/cancel-all", self.cancel_all), ("DELETE", "/cancel-market-orders", self.cancel_market),
            ("POST", "/v1/heartbeats", self.heartbeat), ("POST", "/heartbeats", self.plain_heartbeat),
        ]  # fmt: skip
        return [Route(path, guarded(handler), methods=[method]) for method, path, handler in table]

    # -- orders

    async def post_order(self, request: Request) -> Response:
        """Place one signed order."""
        caller = await self._caller(request, writes=True)
        self._spend(request, caller, BucketKind.ORDER, 1)
        return answer(await self._place(await body_json(request, INVALID_PAYLOAD), caller))

    async def _place(self, document: Any, caller: Credentials, batch: int = 0) -> dict[str, Any]:
        venue, trading = self.venue, self._faults().trading
        order = build_order(venue, parse_entry(document), caller, trading.check_contract)
        order.batch = batch
        self._faults().obstruct(order)
        words = trading.strikes("delayed_with_words")
        if words and not words.number("lives", 1):
            return {**formats.placed(order, []), **delayed()}
        held_s = venue.taker_delay(order)
        if held_s:
            await asyncio.sleep(held_s)
        trades = venue.place(order)
        answered = formats.placed(order, trades)
        return {**answered, **delayed()} if words else trading.answered(answered, len(venue.exchange.known))

    async def post_orders(self, request: Request) -> Response:
        """Place up to fifteen orders; each entry has its own result."""
        caller = await self._caller(request, writes=True)
        entries = await body_json(request, INVALID_PAYLOAD)
        if not isinstance(entries, list) or not entries:
            raise Refused(INVALID_PAYLOAD)
        if len(entries) > MAX_ORDERS:
            raise Refused(f"Too many orders in payload: {len(entries)}, max allowed: {MAX_ORDERS}")
        self._spend(request, caller, BucketKind.ORDER, len(entries))
        results = []
        for place, entry in enumerate(entries, 1):
            try:
                self._check_mode(entry)
                results.append(await self._place(entry, caller, place))
            except Refused as refused:
                results.append(_refused_entry(refused.text))
            await asyncio.sleep(0)
        return answer(results)

    def _check_mode(self, entry: Any) -> None:
        """Refuse an entry in post-only mode. The entries of a batch are refused one by one, not the whole request."""
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
        self._spend(request, caller, BucketKind.CANCEL, 1)
        return answer(self._cancel(caller, [name]))

    async def cancel_orders(self, request: Request) -> Response:
        """Cancel many orders."""
        caller = await self._caller(request, writes=True)
        names = await body_json(request, INVALID_PAYLOAD)
        if not isinstance(names, list):
            raise Refused(INVALID_PAYLOAD)
        if len(names) > MAX_CANCELS:
            raise Refused(f"Too many orders in payload: {len(names)}, max allowed: {MAX_CANCELS}")
        self._spend(request, caller, BucketKind.CANCEL, len(names))
        return answer(self._cancel(caller, names))

    def _own(self, caller: Credentials) -> list[Order]:
        return self.venue.exchange.open_orders(self.venue.open_account(caller.address))

    async def cancel_all(self, request: Request) -> Response:
        """Cancel all open orders of the account."""
        caller = await self._caller(request, writes=True)
        self._spend(request, caller, BucketKind.CANCEL, 1)
        return answer(self._cancel_found(caller, [order.order_id for order in self._own(caller)]))

    async def cancel_market(self, request: Request) -> Response:
        """Cancel the account's open orders in a market or of a token."""
        caller = await self._caller(request, writes=True)
        document = await body_json(request, INVALID_PAYLOAD)
        if not isinstance(document, dict):
            raise Refused(INVALID_PAYLOAD)
        self._spend(request, caller, BucketKind.CANCEL, 1)
        market, asset = document.get("market") or "", document.get("asset_id") or ""
        chosen = [
            order.order_id
            for order in self._own(caller)
            if market in ("", order.market_id) and asset in ("", order.token_id)
        ]
        return answer(self._cancel_found(caller, chosen))

    def _cancel_found(self, caller: Credentials, found: list[str]) -> dict[str, Any]:
        """Cancel orders that the request did not name; each costs a token, as far as tokens are left."""
        self.venue.limits.debit(caller.address, BucketKind.CANCEL, len(found), self.venue.wall_s())
        return self._cancel(caller, found)

    # -- heartbeats

    async def heartbeat(self, request: Request) -> Response:
        """Take a heartbeat. After the first one, orders are cancelled when no further heartbeat arrives in time."""
        caller = await self._caller(request, writes=True)
        document = await body_json(request, INVALID_PAYLOAD)
        sent = document.get("heartbeat_id") if isinstance(document, dict) else None
        accepted, following = self.venue.heartbeats.accept(caller.key, str(sent or ""), self.venue.wall_s())
        if accepted:
            return answer({"heartbeat_id": following})
        return answer({"error_msg": "Invalid Heartbeat ID", "heartbeat_id": following}, 400)

    async def plain_heartbeat(self, request: Request) -> Response:
        """Take a heartbeat of the second documented form, without ids."""
        caller = await self._caller(request, writes=True)
        self.venue.heartbeats.refresh(caller.key, self.venue.wall_s())
        return answer({"status": "ok"})


def _refused_entry(text: str) -> dict[str, Any]:
    """The result of a refused batch entry. The venue writes `success: true`; only `errorMsg` shows the refusal."""
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

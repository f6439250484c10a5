"""/ws/user: the orders and trades of an account."""

from collections import defaultdict
from typing import Any

from starlette.websockets import WebSocket

from simulator.api import formats
from simulator.api.connection import Connection, Disturb, names
from simulator.engine.orders import Order, Trade
from simulator.markets.labels import YES_NO
from simulator.venue.venue import Venue


class UserChannel:
    """Subscriptions by account, and the messages to subscribers. Without condition ids all markets are sent."""

    def __init__(self, venue: Venue, disturb: Disturb):
        self.venue = venue
        self.disturb = disturb
        self._listeners: defaultdict[str, dict[Connection, set[str] | None]] = defaultdict(dict)
        venue.on_order.append(self._order)
        venue.on_trade.append(self._trade)

    async def serve(self, socket: WebSocket) -> None:
        """Serve one client until its connection is closed."""
        connection = Connection(socket, self.disturb)
        try:
            await connection.run(self._subscribe)
        finally:
            for found in self._listeners.values():
                found.pop(connection, None)

    def close_all(self) -> None:
        """Close every connection, as a deployment of the venue does."""
        for connection in [connection for found in self._listeners.values() for connection in found]:
            connection.close_soon()

    def _subscribe(self, connection: Connection, frame: dict[str, Any]) -> bool:
        markets = names(frame, "markets")
        operation = frame.get("operation")
        if markets is None or operation not in (None, "subscribe", "unsubscribe"):
            return False
        if operation is None:
            if str(frame.get("type", "")).lower() != "user":
                return False
            self._listeners[self._address(frame.get("auth"))][connection] = set(markets) or None
            return True
        for found in self._listeners.values():
            if connection in found:
                found[connection] = _changed(found[connection], operation, markets)
        return True

    def _address(self, auth: object) -> str:
        """Account of the credentials in a subscription.

        Raises:
            PermissionError: if they are not those of a key.
        """
        if isinstance(auth, dict):
            known = self.venue.keys.by_key.get(str(auth.get("apiKey", "")))
            if known and known.secret == auth.get("secret") and known.passphrase == auth.get("passphrase"):
                return known.address
        raise PermissionError("invalid auth")

    def _tell(self, address: str, market_id: str, document: dict[str, Any]) -> None:
        listeners = self._listeners.get(address)
        if not listeners:
            return
        text = formats.encode(document).decode()
        for connection, markets in listeners.items():
            if markets is None or market_id in markets:
                connection.push(text)

    def _order(self, event: str, order: Order) -> None:
        if not self._listeners.get(order.account.address):
            return
        now = str(self.venue.now_s)
        row = formats.open_order(order)
        document = {
            **row,
            "event_type": "order",
            "type": event,
            "order_owner": order.owner,
            "outcome": _label(order),
            "associate_trades": row["associate_trades"] or None,
            "created_at": str(order.created_s),
            "timestamp": now,
        }
        self._tell(order.account.address, order.market_id, document)

    def _trade(self, trade: Trade) -> None:
        for address in {o.account.address for o in trade.orders() if not o.account.internal}:
            if self._listeners.get(address):
                self._tell(address, trade.market_id, self._trade_document(trade, address))

    def _trade_document(self, trade: Trade, address: str) -> dict[str, Any]:
        row = formats.trade(trade, address, prefix="")
        match_time = row.pop("match_time")
        return {
            **row,
            "event_type": "trade",
            "type": "TRADE",
            "outcome": _label(trade.taker),
            "trade_owner": row["owner"],
            "matchtime": match_time,
            "timestamp": str(self.venue.now_s),
        }


def _label(order: Order) -> str:
    """Name of an outcome on this channel: YES and NO in capitals, other names unchanged."""
    return order.label.upper() if order.label in YES_NO else order.label


def _changed(markets: set[str] | None, operation: object, named: list[str]) -> set[str] | None:
    if operation == "subscribe":
        return None if markets is None and not named else (markets or set()) | set(named)
    return set() if markets is None or not named else markets - set(named)

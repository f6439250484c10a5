"""/ws/market: books, price changes, trades, new markets and resolutions of subscribed tokens."""

import hashlib
from collections import defaultdict
from collections.abc import Collection
from typing import Any

from starlette.websockets import WebSocket

from pipelines.core.domain import Outcome, Side
from pipelines.core.money import PRICE_SCALE
from simulator.api import formats
from simulator.api.connection import Connection, Disturb, names
from simulator.engine.markets import LiveMarket, MarketState
from simulator.engine.orders import Trade, TradeStatus
from simulator.markets.source import Tick
from simulator.venue.settlement import transaction_hash
from simulator.venue.venue import Venue

_YES, _NO = Outcome.YES, Outcome.NO

BOOK_KEYS = ("asset_id", "market", "bids", "asks", "timestamp", "hash", "tick_size", "last_trade_price")


class MarketChannel:
    """Subscriptions by token, and the messages to subscribers."""

    def __init__(self, venue: Venue, disturb: Disturb):
        self.venue = venue
        self.disturb = disturb
        self._listeners: defaultdict[str, set[Connection]] = defaultdict(set)
        self._everyone: set[Connection] = set()
        self._tops: dict[str, tuple[int | None, int | None]] = {}
        self._levels: dict[str, dict[int, int]] = {}
        self._traded: set[str] = set()
        venue.on_trade.append(self._traded_now)
        venue.on_print.append(self._printed)
        venue.on_listed.append(self._listed)
        venue.on_resolved.append(self._resolved)
        venue.on_tick_size.append(self._tick_changed)
        venue.on_step.append(self.publish)

    async def serve(self, socket: WebSocket) -> None:
        """Serve one client until its connection is closed."""
        connection = Connection(socket, self.disturb)
        self._everyone.add(connection)
        try:
            await connection.run(self._subscribe)
        finally:
            self._everyone.discard(connection)
            for token in [t for t, found in self._listeners.items() if connection in found]:
                self._leave(connection, token)

    def close_all(self) -> None:
        """Close every connection, as a deployment of the venue does."""
        for connection in list(self._everyone):
            connection.close_soon()

    # -- subscriptions

    def _subscribe(self, connection: Connection, frame: dict[str, Any]) -> bool:
        tokens = names(frame, "assets_ids")
        operation = frame.get("operation")
        if tokens is None or operation not in (None, "subscribe", "unsubscribe"):
            return False
        if operation is None and str(frame.get("type", "")).lower() != "market":
            return False
        connection.custom = connection.custom or frame.get("custom_feature_enabled") is True
        if operation == "unsubscribe":
            for token in tokens:
                self._leave(connection, token)
            return True
        self.publish()
        for token in dict.fromkeys(tokens):
            self._join(connection, token, dump=frame.get("initial_dump") is not False)
        return True

    def _join(self, connection: Connection, token: str, *, dump: bool) -> None:
        self._listeners[token].add(connection)
        market = self.venue.exchange.by_token.get(token)
        if market is None:
            return
        market_id = market.listing.market_id
        if market_id not in self._levels:
            self._levels[market_id] = market.book.totals()
            self._tops[market_id] = market.book.top(Outcome.YES)
        if dump and market.state is MarketState.OPEN:
            connection.push(self._book(market, market.outcome(token)))

    def _leave(self, connection: Connection, token: str) -> None:
        found = self._listeners.get(token)
        if found is None:
            return
        found.discard(connection)
        if not found:
            del self._listeners[token]
            market = self.venue.exchange.by_token.get(token)
            if market and not self._audience(market):
                self._levels.pop(market.listing.market_id, None)
                self._tops.pop(market.listing.market_id, None)

    def _audience(self, market: LiveMarket) -> set[Connection]:
        listing = market.listing
        yes, no = self._listeners.get(listing.token_yes), self._listeners.get(listing.token_no)
        return (yes or set()) | (no or set())

    def _tell(self, connections: Collection[Connection], document: dict[str, Any]) -> None:
        if not connections:
            return
        text = formats.encode(document).decode()
        for connection in connections:
            connection.push(text)

    # -- books

    def publish(self) -> None:
        """Send subscribers the changes of the books since the last call."""
        touched, self.venue.exchange.touched = self.venue.exchange.touched, set()
        for market_id in touched:
            market = self.venue.exchange.markets[market_id]
            dirty, market.book.dirty = market.book.dirty, set()
            known = self._levels.get(market_id)
            if known is not None:
                self._publish_market(market, known, dirty)
        self._traded.clear()

    def _publish_market(self, market: LiveMarket, known: dict[int, int], dirty: set[int]) -> None:
        changed = []
        for key in sorted(dirty):
            total = market.book.total(key)
            if known.get(key, 0) != total:
                known[key] = total
                changed.append((key > 0, abs(key), total))
        audience = self._audience(market)
        if changed:
            tops = {outcome: _top(market, outcome) for outcome in (_YES, _NO)}
            rows = [row for change in changed for row in self._changes(market, tops, *change)]
            market_id = market.listing.market_id
            self._tell(
                audience,
                {
                    "event_type": "price_change",
                    "market": market_id,
                    "timestamp": str(self.venue.now_ms),
                    "price_changes": rows,
                },
            )
        self._publish_top(market, audience)
        if market.listing.market_id in self._traded:
            for outcome in Outcome:
                listeners = self._listeners.get(market.token(outcome))
                if listeners:
                    text = self._book(market, outcome)
                    for connection in listeners:
                        connection.push(text)

    def _changes(
        self, market: LiveMarket, tops: dict[Outcome, tuple[str, str]], is_bid: bool, units: int, total: int
    ) -> list[dict[str, Any]]:
        rows = []
        now_ms = self.venue.now_ms
        for outcome in (_YES, _NO):
            own = units if outcome is _YES else PRICE_SCALE - units
            side = "BUY" if is_bid == (outcome is _YES) else "SELL"
            bid, ask = tops[outcome]
            token = market.token(outcome)
            text = f"{token}{own}{total}{now_ms}"
            rows.append(
                {
                    "asset_id": token,
                    "price": formats.price(own),
                    "size": formats.amount(total),
                    "side": side,
                    "hash": hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest(),
                    "best_bid": bid,
                    "best_ask": ask,
                }
            )
        return rows

    def _publish_top(self, market: LiveMarket, audience: set[Connection]) -> None:
        market_id = market.listing.market_id
        top = market.book.top(Outcome.YES)
        if self._tops.get(market_id) == top:
            return
        self._tops[market_id] = top
        for outcome in Outcome:
            listeners = [c for c in self._listeners.get(market.token(outcome), ()) if c.custom and c in audience]
            if not listeners:
                continue
            bid, ask = market.book.top(outcome)
            low, high = bid or 0, PRICE_SCALE if ask is None else ask
            document = {
                "event_type": "best_bid_ask",
                "market": market_id,
                "asset_id": market.token(outcome),
                "best_bid": formats.price(low),
                "best_ask": formats.price(high),
                "spread": formats.price(high - low),
                "timestamp": str(self.venue.now_ms),
            }
            self._tell(listeners, document)

    def _book(self, market: LiveMarket, outcome: Outcome) -> str:
        whole = formats.book(self.venue, market, outcome)
        return formats.encode({"event_type": "book", **{key: whole[key] for key in BOOK_KEYS}}).decode()

    # -- trades, listings and resolutions

    def _traded_now(self, trade: Trade) -> None:
        if trade.status is not TradeStatus.MATCHED:
            return
        self._traded.add(trade.market_id)
        market = self.venue.exchange.markets[trade.market_id]
        if not trade.taker.account.internal:
            outcome, units, side = trade.taker.outcome, trade.price_units, trade.taker.side
            self._last_trade(market, outcome, units, trade.shares_micro, side, transaction_hash(trade.trade_id))

    def _printed(self, market: LiveMarket, tick: Tick) -> None:
        if tick.trades:
            self._traded.add(tick.market_id)
        if tick.market_id in self._levels:
            for ts_s, side, units, shares in tick.trades:
                reference = transaction_hash(f"{tick.market_id}{ts_s}{units}{shares}")
                self._last_trade(market, Outcome.YES, units, shares, side, reference)

    def _last_trade(
        self, market: LiveMarket, outcome: Outcome, units: int, shares: int, side: Side, reference: str
    ) -> None:
        token = market.token(outcome)
        document = {
            "event_type": "last_trade_price",
            "asset_id": token,
            "market": market.listing.market_id,
            "price": formats.price(units),
            "size": formats.amount(shares),
            "side": side.value,
            "fee_rate_bps": "0",
            "timestamp": str(self.venue.now_ms),
            "transaction_hash": reference,
        }
        self._tell(self._listeners.get(token, ()), document)

    def _tick_changed(self, market: LiveMarket, old_units: int) -> None:
        for outcome in Outcome:
            document = {
                "event_type": "tick_size_change",
                "asset_id": market.token(outcome),
                "market": market.listing.market_id,
                "old_tick_size": formats.price(old_units),
                "new_tick_size": formats.price(market.tick_units),
                "timestamp": str(self.venue.now_ms),
            }
            self._tell(self._listeners.get(market.token(outcome), ()), document)

    def _listed(self, market: LiveMarket) -> None:
        listing = market.listing
        tokens = [listing.token_yes, listing.token_no]
        event = {"id": listing.event_id, "ticker": listing.event_id, "slug": listing.event_id}
        document: dict[str, Any] = {
            "event_type": "new_market",
            "id": str(market.number),
            "question": listing.question,
            "market": listing.market_id,
            "condition_id": listing.market_id,
            "slug": listing.slug,
            "description": f"Simulated market. {listing.question}",
            "assets_ids": tokens,
            "clob_token_ids": tokens,
            "outcomes": list(market.labels),
            "event_message": {**event, "title": listing.event_title, "description": listing.event_title},
            "active": True,
            "sports_market_type": "",
            "line": "",
            "game_start_time": "",
            "group_item_title": listing.question,
            "order_price_min_tick_size": formats.price(market.tick_units),
            "fees_enabled": bool(listing.fee.rate),
            "fee_schedule": {"rate": listing.fee.rate, "exponent": listing.fee.exponent, "takerOnly": True},
            "taker_base_fee": "1000",
            "tags": [listing.category],
            "timestamp": str(self.venue.now_ms),
        }
        self._tell([c for c in self._everyone if c.custom], document)

    def _resolved(self, market: LiveMarket) -> None:
        listing = market.listing
        self.publish()
        yes_won = (market.payout_yes_micro or 0) >= 500_000
        winner = self.venue.hooks.announced(market, Outcome.YES if yes_won else Outcome.NO)
        if winner is None:
            return
        document = {
            "event_type": "market_resolved",
            "id": str(market.number),
            "market": listing.market_id,
            "assets_ids": [listing.token_yes, listing.token_no],
            "winning_asset_id": market.token(winner),
            "winning_outcome": market.label(winner),
            "timestamp": str(self.venue.now_ms),
            "tags": [listing.category],
        }
        self._tell([c for c in self._audience(market) if c.custom], document)


def _top(market: LiveMarket, outcome: Outcome) -> tuple[str, str]:
    """Best bid and ask of a token as text; 0 and 1 for a missing side."""
    bid, ask = market.book.top(outcome)
    return formats.price(bid or 0), formats.price(PRICE_SCALE if ask is None else ask)

"""Notifications of an account: its orders were filled or cancelled, its markets resolved, its rewards paid."""

import itertools
from collections import defaultdict, deque
from enum import IntEnum
from typing import Any

from pipelines.core.domain import Outcome
from simulator.api import clob_documents, formats
from simulator.engine.accounts import Account
from simulator.engine.markets import LiveMarket
from simulator.engine.orders import Order, Trade, TradeStatus
from simulator.venue.settlement import transaction_hash
from simulator.venue.venue import Venue

KEPT = 500
"""Most notifications kept per account; older ones are dropped."""


class NotificationKind(IntEnum):
    """Subject of a notification; the values are the venue's numbers."""

    ORDER_CANCELLATION = 1
    ORDER_FILL = 2
    MARKET_RESOLVED = 4
    REWARD_PAYOUT = 5
    ORDER_FILL_FAILED = 8
    AUTO_REDEEMED = 9


class Notifications:
    """Notifications of each outside account that it has not dropped."""

    def __init__(self, venue: Venue):
        self.venue = venue
        self._kept: defaultdict[str, deque[dict[str, Any]]] = defaultdict(lambda: deque(maxlen=KEPT))
        self._ids = itertools.count(1)
        venue.on_order.append(self._order)
        venue.on_trade.append(self._trade)
        venue.on_redeemed.append(self._redeemed)
        venue.on_reward.append(self._rewarded)

    def of(self, address: str) -> list[dict[str, Any]]:
        """Notifications of an account, newest first."""
        return list(reversed(self._kept.get(address, ())))

    def drop(self, address: str, names: set[str]) -> None:
        """Drop notifications by id; unknown ids are ignored."""
        if address in self._kept:
            kept = [row for row in self._kept[address] if str(row["id"]) not in names]
            self._kept[address] = deque(kept, maxlen=KEPT)

    def _add(self, account: Account, topic: NotificationKind, payload: dict[str, Any], owner: str = "") -> None:
        if account.internal:
            return
        row = {
            "id": next(self._ids),
            "type": int(topic),
            "owner": owner or next((c.key for c in self.venue.keys.of(account.address)), ""),
            "timestamp": self.venue.now_s,
            "payload": payload,
        }
        self._kept[account.address].append(row)

    def _order(self, event: str, order: Order) -> None:
        if event == "CANCELLATION":
            self._add(order.account, NotificationKind.ORDER_CANCELLATION, self._about(order), order.owner)

    def _trade(self, trade: Trade) -> None:
        topic = {
            TradeStatus.MATCHED: NotificationKind.ORDER_FILL,
            TradeStatus.FAILED: NotificationKind.ORDER_FILL_FAILED,
        }.get(trade.status)
        if topic is not None:
            for order in trade.orders():
                if not order.account.internal:
                    self._add(order.account, topic, self._about(order, trade), order.owner)

    def _about(self, order: Order, trade: Trade | None = None) -> dict[str, Any]:
        listing = self.venue.exchange.markets[order.market_id].listing
        return {
            "asset_id": order.token_id,
            "market": order.market_id,
            "order_id": order.order_id,
            "side": order.side.value,
            "type": order.kind.value,
            "price": formats.price(order.price_units),
            "original_size": formats.amount(order.shares_micro),
            "matched_size": formats.amount(order.matched_micro),
            "remaining_size": formats.amount(order.remaining_micro),
            "outcome": order.label,
            "outcome_index": int(order.outcome is Outcome.NO),
            "transaction_hash": trade.transaction_hash if trade else "",
            "trade_id": trade.trade_id if trade else "",
            "owner": order.owner,
            "question": listing.question,
            "market_slug": listing.slug,
            "icon": "",
            "image": "",
            "eventSlug": listing.event_id,
            "seriesSlug": "",
        }

    def _redeemed(self, market: LiveMarket, account: Account, paid_micro: int) -> None:
        listing = market.listing
        resolved = clob_documents.full(market) | {"eventSlug": listing.event_id}
        self._add(account, NotificationKind.MARKET_RESOLVED, resolved)
        if not paid_micro:
            return
        payload = {
            "proxyWallet": account.address,
            "amount": formats.amount(paid_micro),
            "conditionId": listing.market_id,
            "question": listing.question,
            "image": "",
            "slug": listing.slug,
            "negRisk": listing.neg_risk,
            "txnHash": transaction_hash(listing.market_id + account.address),
        }
        self._add(account, NotificationKind.AUTO_REDEEMED, payload)

    def _rewarded(self, account: Account, micro: int, reference: str) -> None:
        payload = {
            "proxyWallet": account.address,
            "reward": formats.amount(micro),
            "txnHash": transaction_hash(reference),
        }
        self._add(account, NotificationKind.REWARD_PAYOUT, payload)

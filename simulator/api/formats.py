"""JSON of engine objects in the forms of the venue: decimals as strings, times as each route writes them."""

import hashlib
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import msgspec

from pipelines.core.domain import Outcome, Side
from pipelines.core.money import MICRO, PRICE_SCALE
from simulator.engine.markets import LiveMarket
from simulator.engine.orders import MakerFill, Order, OrderStatus, Trade
from simulator.venue.venue import Venue

encode = msgspec.json.Encoder().encode


@lru_cache(maxsize=16_384)
def price(units: int) -> str:
    """A price as text: 0.52 for 5,200 units of 1e-4."""
    return _decimal(units, 4)


def amount(micro: int) -> str:
    """Shares or pUSD as text: 10.5 for 10,500,000 base units."""
    return str(micro // MICRO) if micro % MICRO == 0 else _decimal(micro, 6)


def _decimal(value: int, places: int) -> str:
    scale = 10**places
    whole, part = divmod(value, scale)
    return f"{whole}.{part:0{places}d}".rstrip("0").rstrip(".") if part else str(whole)


def number(units: int, scale: int = PRICE_SCALE) -> float:
    """A JSON number for an integer amount."""
    return units / scale


def whole(micro: int) -> int | float:
    """Shares as a JSON number; an integer if they are whole."""
    return micro // MICRO if micro % MICRO == 0 else micro / MICRO


def iso(time_s: int) -> str:
    """ISO 8601 in UTC with Z."""
    return datetime.fromtimestamp(time_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def book(venue: Venue, market: LiveMarket, outcome: Outcome) -> dict[str, Any]:
    """The document of GET /book. Bids ascend and asks descend, so the best price is the last of each."""
    bids, asks = market.book.levels(outcome)
    document: dict[str, Any] = {
        "market": market.listing.market_id,
        "asset_id": market.token(outcome),
        "timestamp": str(venue.now_ms),
        "hash": "",
        "bids": [{"price": price(p), "size": amount(s)} for p, s in bids],
        "asks": [{"price": price(p), "size": amount(s)} for p, s in asks],
        "min_order_size": amount(market.listing.min_size_micro),
        "tick_size": price(market.tick_units),
        "neg_risk": market.listing.neg_risk,
        "last_trade_price": last_price(market, outcome),
    }
    document = venue.hooks.shown_book(market, document)
    document["hash"] = hashlib.sha1(encode(document), usedforsecurity=False).hexdigest()
    if market.version == "v2":
        document["version"] = "v2"
    return document


def last_price(market: LiveMarket, outcome: Outcome) -> str:
    """Price of the last trade in an outcome's token; empty before the first trade."""
    if not market.last_units:
        return ""
    own = market.last_token == market.token(outcome)
    return price(market.last_units if own else PRICE_SCALE - market.last_units)


def open_order(order: Order) -> dict[str, Any]:
    """An open order as REST shows it."""
    return {
        "id": order.order_id,
        "status": order.status.value,
        "owner": order.owner,
        "maker_address": order.maker_address,
        "market": order.market_id,
        "asset_id": order.token_id,
        "side": order.side.value,
        "original_size": amount(order.shares_micro),
        "size_matched": amount(order.matched_micro),
        "price": price(order.price_units),
        "outcome": order.label,
        "expiration": str(order.expiration),
        "order_type": order.kind.value,
        "associate_trades": list(order.trade_ids),
        "created_at": order.created_s,
    }


def maker_leg(fill: MakerFill) -> dict[str, Any]:
    """A maker's part of a trade, in its own token and side."""
    order = fill.order
    return {
        "order_id": order.order_id if order.order_id.startswith("0x") else _internal_id(order),
        "owner": order.owner or "00000000-0000-0000-0000-000000000000",
        "maker_address": order.maker_address or order.account.address,
        "matched_amount": amount(fill.shares_micro),
        "price": price(fill.price_units),
        "fee_rate_bps": "0",
        "asset_id": order.token_id,
        "outcome": order.label,
        "outcome_index": 0 if order.outcome is Outcome.YES else 1,
        "side": order.side.value,
    }


def _internal_id(order: Order) -> str:
    return "0x" + hashlib.sha256(order.order_id.encode()).hexdigest()


def trade(made: Trade, viewer: str, prefix: str = "TRADE_STATUS_") -> dict[str, Any]:
    """A trade as REST shows it to the account `viewer`: as taker, or as one of its makers."""
    taker = made.taker
    is_taker = taker.account.address == viewer
    own = taker
    if not is_taker:
        own = next((fill.order for fill in made.makers if fill.order.account.address == viewer), taker)
    return {
        "id": made.trade_id,
        "taker_order_id": taker.order_id if taker.order_id.startswith("0x") else _internal_id(taker),
        "market": made.market_id,
        "asset_id": taker.token_id,
        "side": taker.side.value,
        "size": amount(made.shares_micro),
        "fee_rate_bps": "0",
        "price": price(made.price_units),
        "status": prefix + made.status.value,
        "match_time": str(made.market_s),
        "last_update": str(made.updated_s),
        "outcome": taker.label,
        "bucket_index": made.bucket,
        "owner": own.owner,
        "maker_address": own.maker_address,
        "transaction_hash": made.transaction_hash,
        "trader_side": "TAKER" if is_taker else "MAKER",
        "maker_orders": [maker_leg(fill) for fill in made.makers],
    }


def builder_trade(made: Trade, order: Order) -> dict[str, Any]:
    """A trade as a builder sees it: the part of the order that has its code."""
    is_taker = order is made.taker
    fill = None if is_taker else next(fill for fill in made.makers if fill.order is order)
    shares, units = (made.shares_micro, made.price_units) if fill is None else (fill.shares_micro, fill.price_units)
    fee = made.fee_micro if is_taker else 0
    return {
        "id": made.trade_id,
        "tradeType": "TAKER" if is_taker else "MAKER",
        "takerOrderHash": made.taker.order_id if made.taker.order_id.startswith("0x") else _internal_id(made.taker),
        "builder": order.builder,
        "market": made.market_id,
        "assetId": order.token_id,
        "side": order.side.value,
        "size": amount(shares),
        "sizeUsdc": amount(shares * units // PRICE_SCALE),
        "price": price(units),
        "status": "TRADE_STATUS_" + made.status.value,
        "outcome": order.label,
        "outcomeIndex": int(order.outcome is Outcome.NO),
        "owner": order.owner,
        "maker": order.maker_address,
        "transactionHash": made.transaction_hash,
        "matchTime": str(made.market_s),
        "bucketIndex": made.bucket,
        "fee": amount(fee),
        "feeUsdc": amount(fee),
        "err_msg": None,
        "createdAt": iso(made.market_s),
        "updatedAt": iso(made.updated_s),
    }


def placed(order: Order, trades: list[Trade]) -> dict[str, Any]:
    """The answer to an accepted order."""
    matched = order.matched_micro
    cash = sum(made.cash_micro for made in trades)
    taking, making = (matched, cash) if order.side is Side.BUY else (cash, matched)
    status = "matched" if trades else "live"
    if order.status is OrderStatus.DELAYED:
        status = "delayed"
    return {
        "errorMsg": "",
        "orderID": order.order_id,
        "takingAmount": amount(taking) if trades else "",
        "makingAmount": amount(making) if trades else "",
        "status": status,
        "success": True,
        "tradeIDs": [made.trade_id for made in trades],
        "transactionsHashes": [],
    }

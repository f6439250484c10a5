"""The document of one market's page: what it is, what it costs, what was forecast, decided, ordered and filled."""

from collections.abc import Sequence
from typing import Any, Final

from pipelines.core.domain import Market
from pipelines.core.money import MICRO, PRICE_SCALE
from pipelines.venue.book import OrderBook
from serving.account.journal import BookedFill, Journal, OrderRow
from serving.account.trading_account import TradingAccount
from serving.dashboard import market_records, state_json
from serving.dashboard.market_records import Record

LEVELS: Final = 10
"""Levels of each side of the book that are shown."""


def of_journal(journal: Journal, market_id: str) -> dict[str, Any]:
    """Our orders and fills in a market, and what it paid. Blocking."""
    paid = [one for one in journal.settlements() if one.market_id == market_id]
    return {
        "orders": [_order(row) for row in journal.orders_of(market_id)],
        "fills": [_fill(one) for one in journal.fills_of(market_id)],
        "payout": {"yes": paid[0].payout_yes_micro / MICRO, "pusd": paid[0].cash_micro / MICRO} if paid else None,
    }


def document(
    market: Market,
    record: Record | None,
    length_s: int,
    book: OrderBook | None,
    headlines: Sequence[tuple[int, str, float]],
    account: TradingAccount,
    *,
    followed: bool,
    left_out: str = "",
) -> dict[str, Any]:
    """What is known of a market in this process; `left_out` says why a listed market is not followed."""
    held = account.accounting.positions.get(market.market_id)
    mid = account.accounting.mids.get(market.market_id, 0)
    bids, asks = book.levels() if book is not None else ([], [])
    return {
        "market": {
            "market_id": market.market_id,
            "question": market.question,
            "event": market.event_id,
            "topic": market.topic,
            "end_s": market.end_s,
            "tick": market.tick_units / PRICE_SCALE,
            "min_size": market.min_size_micro / MICRO,
            "fee_rate": market.fee.rate,
            "followed": followed,
            "left_out": left_out,
        },
        "position": state_json.position(held, market, mid) if held is not None else None,
        "book": {"bids": _levels(bids), "asks": _levels(asks)},
        "headlines": [{"ts_s": ts_s, "text": text, "tone": tone} for ts_s, text, tone in headlines],
        **market_records.document(record or Record(market), length_s),
    }


def with_prices(shown: dict[str, Any]) -> dict[str, Any]:
    """A page with the mids at our fills as its prices, where the journal has forgotten every bar of the market."""
    if shown["prices"]:
        return shown
    return shown | {"prices": [[one["ts_s"], one["yes_mid"], 0.0, 1.0] for one in shown["fills"] if one["yes_mid"] > 0]}


def _levels(side: Sequence[tuple[int, int]]) -> list[list[float]]:
    return [[units / PRICE_SCALE, micro / MICRO] for units, micro in side[:LEVELS]]


def _order(row: OrderRow) -> dict[str, Any]:
    return state_json.order(row, None) | {
        "ts_s": row.ts_s,
        "reason": row.reason,
        "text": row.text,
        "latency_ms": row.latency_ms,
    }


def _fill(one: BookedFill) -> dict[str, Any]:
    # Both outcomes on one scale: a NO share at 0.40 is YES at 0.60.
    price = one.fill.price_units if one.fill.outcome == "YES" else PRICE_SCALE - one.fill.price_units
    return state_json.fill(one.fill, None) | {
        "reason": one.reason,
        "yes_price": price / PRICE_SCALE,
        "yes_mid": one.yes_mid_units / PRICE_SCALE,
    }

"""Faults of books: missing quotes of the market maker, and wrong snapshots."""

from typing import Any

from pipelines.core.money import MICRO
from simulator.engine.markets import LiveMarket
from simulator.faults.catalog import Fault
from simulator.venue.market_maker import Levels

QUOTES = ("asks_gone", "bids_gone", "empty_books", "ghost_book", "book_vanishes")
"""Faults that change the market maker's quotes."""

GHOST_MICRO = 5 * MICRO
"""Shares of the only bid in a ghost book."""

CROSSED_BID, CROSSED_ASK, CROSSED_SIZE = 0.6, 0.4, "100"


def quotes(active: list[Fault], market: LiveMarket, levels: Levels, now_s: int) -> Levels:
    """The levels that the market maker quotes in a market while the `active` faults are on."""
    for fault in active:
        if fault.kind in QUOTES and fault.covers(market.listing.market_id):
            levels = _changed(fault, market, levels, now_s)
    return levels


def _changed(fault: Fault, market: LiveMarket, levels: Levels, now_s: int) -> Levels:
    if fault.kind in ("asks_gone", "bids_gone"):
        kept = fault.kind == "asks_gone"
        return {(is_bid, units): shares for (is_bid, units), shares in levels.items() if is_bid is kept}
    if fault.kind == "ghost_book":
        return {(True, market.tick_units): GHOST_MICRO}
    if fault.kind == "book_vanishes" and market.listing.end_s - now_s > fault.number("before_s", 60.0):
        return levels
    return {}


def crossed(document: dict[str, Any]) -> dict[str, Any]:
    """A snapshot of a book whose best bid of 0.60 is above its best ask of 0.40; both prices fit every tick."""
    bids = [row for row in document["bids"] if float(row["price"]) < CROSSED_BID]
    asks = [row for row in document["asks"] if float(row["price"]) > CROSSED_ASK]
    bids.append({"price": str(CROSSED_BID), "size": CROSSED_SIZE})
    asks.append({"price": str(CROSSED_ASK), "size": CROSSED_SIZE})
    return {**document, "bids": bids, "asks": asks}

"""A small exchange for tests: two markets, a few accounts, and short functions that place orders."""

import itertools

from pipelines.core.domain import FeeSchedule, Outcome, Side
from pipelines.core.money import MICRO
from simulator.engine.exchange import Exchange
from simulator.engine.markets import LiveMarket
from simulator.engine.orders import Order, TimeInForce, Trade
from simulator.markets.source import Listing

_ids = itertools.count(1)


def listing(number: int = 1, *, tick_units: int = 100, rate: float = 0.05, neg_risk: bool = False) -> Listing:
    """A market that is open from 0 to 10,000 s."""
    return Listing(
        market_id=f"0x{number:064x}", event_id=f"event-{number}", event_title=f"Event {number}",
        question=f"Will {number} happen?", slug=f"market-{number}", token_yes=str(10**20 + 2 * number),
        token_no=str(10**20 + 2 * number + 1), tick_units=tick_units, min_size_micro=5 * MICRO,
        fee=FeeSchedule(rate), category="Crypto", start_s=0, end_s=600_000, neg_risk=neg_risk,
    )  # fmt: skip


def exchange(*listings: Listing, deposit_pusd: int = 10_000, at_once: bool = True) -> Exchange:
    """An exchange with some markets; trades settle at once unless `at_once` is False."""
    made = Exchange(deposit_micro=deposit_pusd * MICRO)
    made.settle_at_once = at_once
    for item in listings or (listing(),):
        made.list_market(item)
    return made


def order(
    venue: Exchange, who: str, side: str, outcome: str, price: int, shares: float, *, market: LiveMarket | None = None,
    kind: str = "GTC", post_only: bool = False, budget: float = 0.0, order_id: str = "",
) -> Order:  # fmt: skip
    """An order that is not placed yet; `price` in units, `shares` in shares, `budget` in pUSD."""
    chosen = market or next(iter(venue.markets.values()))
    named = Outcome(outcome)
    return Order(
        order_id=order_id or f"0x{next(_ids):064x}", account=venue.account(who), market_id=chosen.listing.market_id,
        token_id=chosen.token(named), outcome=named, side=Side(side), price_units=price,
        shares_micro=round(shares * MICRO), budget_micro=round(budget * MICRO), kind=TimeInForce(kind),
        post_only=post_only, maker_address=who,
    )  # fmt: skip


def place(venue: Exchange, *args, **kwargs) -> tuple[Order, list[Trade]]:
    """Place an order; returns the order and its trades."""
    made = order(venue, *args, **kwargs)
    return made, venue.place(made)

"""Baskets that are traded: which one an event offers, and what of the legs that are held belongs to no whole basket.

Nothing is remembered between bars. What the legs of an event cost and what they pay at least, whatever happens, says
whether they are a basket; if they are none, the shares that the other legs do not match are sold.
"""

from collections.abc import Mapping, Sequence

from pipelines.core.domain import Market, Outcome, Position, Quote
from pipelines.core.money import MICRO
from pipelines.trading import constraints
from pipelines.trading.constraints import Basket

Event = Sequence[tuple[Market, Quote]]


def offered(event: Event, least_profit_units: float) -> Basket | None:
    """The basket of an event that leaves most at the best asks, after the fee of each leg; None where none leaves
    `least_profit_units` a share. Markets of a neg-risk event exclude each other, levels of one price contain each
    other."""
    found = constraints.ladder(event)
    if len(event) > 1 and all(market.neg_risk for market, _ in event):
        found += constraints.exclusive(event)
    worth = [one for one in found if one.profit_micro * 10_000 >= least_profit_units * one.shares_micro]
    return max(worth, key=lambda one: one.profit_micro, default=None)


def sure_micro(event: Event, positions: Mapping[str, Position]) -> int:
    """What the legs that are held pay at least, in base units of pUSD."""
    held = _held(event, positions)
    no_shares = [one.shares_micro for one in held.values() if one.outcome is Outcome.NO]
    exclusive = all(market.neg_risk for market, _ in event)
    sure = sum(no_shares) - max(no_shares, default=0) if exclusive else 0
    return max(sure, sum(min(pair) for pair in _pairs(event, held)))


def unmatched_micro(event: Event, positions: Mapping[str, Position], market_id: str) -> int:
    """Shares of a leg that no other leg matches; 0 where the legs of the event are a basket that paid, or pays, more
    than they cost."""
    held = _held(event, positions)
    if market_id not in held or sum(one.cost_micro for one in held.values()) <= sure_micro(event, positions):
        return 0
    matched = 0
    if all(market.neg_risk for market, _ in event):
        shares = [held[market.market_id].shares_micro if market.market_id in held else 0 for market, _ in event]
        matched = min(shares)
    for (wide, narrow), pair in zip(
        constraints.neighbours(market for market, _ in event), _pairs(event, held), strict=True
    ):
        if market_id in (wide.market_id, narrow.market_id):
            matched = max(matched, min(pair))
    return max(held[market_id].shares_micro - matched, 0)


def _held(event: Event, positions: Mapping[str, Position]) -> dict[str, Position]:
    return {market.market_id: positions[market.market_id] for market, _ in event if market.market_id in positions}


def _pairs(event: Event, held: Mapping[str, Position]) -> list[tuple[int, int]]:
    """Shares of YES of the wider and of NO of the narrower market, for each pair of neighbours."""

    def shares(market: Market, outcome: Outcome) -> int:
        one = held.get(market.market_id)
        return one.shares_micro if one is not None and one.outcome is outcome else 0

    return [
        (shares(wide, Outcome.YES), shares(narrow, Outcome.NO))
        for wide, narrow in constraints.neighbours(market for market, _ in event)
    ]


def affordable_micro(basket: Basket, budget_micro: int, cap_micro: int) -> int:
    """Shares of every leg that fit: no more than is shown, the whole basket within the budget, each leg within the
    cap."""
    dearest = max(one.price_units for one in basket.legs)
    by_budget = basket.shares_micro * budget_micro // max(basket.cost_micro, 1)
    return max(min(basket.shares_micro, by_budget, cap_micro * 10_000 // dearest), 0) // (MICRO // 100) * (MICRO // 100)

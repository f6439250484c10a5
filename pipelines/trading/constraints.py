"""Baskets over the markets of one event whose outcomes exclude each other or contain each other: arithmetic, no orders.

A basket is worth a look where what it pays at least exceeds what its legs cost at the best asks shown, each with its
own fee, for no more shares than the thinnest leg shows. Legs fill one by one on a real venue: what is counted here is
what was shown, not what could be had.
"""

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pipelines.core.domain import Market, Outcome, Quote
from pipelines.core.money import MICRO, PRICE_SCALE, fee_micro


@dataclass(frozen=True, slots=True)
class Leg:
    """One purchase at the best ask."""

    market: Market
    outcome: Outcome
    price_units: int
    shown_micro: int


@dataclass(frozen=True, slots=True)
class Basket:
    """Equal shares of every leg. Money in base units of pUSD."""

    kind: str
    """exclusive (NO of every market), complete (YES of every market) or nested (YES of the wider, NO of the other)."""
    legs: tuple[Leg, ...]
    shares_micro: int
    cost_micro: int
    """Notional and fees."""
    pays_micro: int
    """What it pays at least, whatever happens."""

    @property
    def profit_micro(self) -> int:
        """What is sure to be left, before the money that waits."""
        return self.pays_micro - self.cost_micro


def leg(market: Market, quote: Quote, outcome: Outcome) -> Leg | None:
    """The purchase of a token at its best ask; None where nothing is offered."""
    seen = quote.of(outcome)
    if seen.ask_units >= PRICE_SCALE or seen.ask_units <= 0 or seen.ask_size_micro <= 0:
        return None
    return Leg(market, outcome, seen.ask_units, seen.ask_size_micro)


def exclusive(event: Sequence[tuple[Market, Quote]], *, complete: bool = False) -> list[Basket]:
    """Baskets over markets of which at most one pays YES; with `complete` exactly one does.

    NO of n markets pays n - 1 at least. YES of all of them pays 1 only where the set is complete: daily ranges are not
    (9 of 60 recorded events resolved outside all brackets).
    """
    if len(event) < 2:
        return []
    no_side = _basket("exclusive", [leg(*one, Outcome.NO) for one in event], len(event) - 1)
    yes_side = _basket("complete", [leg(*one, Outcome.YES) for one in event], 1) if complete else None
    return [one for one in (no_side, yes_side) if one is not None]


def nested(wider: tuple[Market, Quote], narrower: tuple[Market, Quote]) -> Basket | None:
    """YES of a market that pays whenever another does, and NO of that other: one of them pays."""
    return _basket("nested", [leg(*wider, Outcome.YES), leg(*narrower, Outcome.NO)], 1)


def ladder(event: Iterable[tuple[Market, Quote]]) -> list[Basket]:
    """Nested baskets of neighbouring levels: above 76,000 pays whenever above 78,000 does."""
    books = {market.market_id: (market, quote) for market, quote in event}
    pairs = neighbours(market for market, _ in books.values())
    found = (nested(books[low.market_id], books[high.market_id]) for low, high in pairs)
    return [one for one in found if one is not None]


def neighbours(markets: Iterable[Market]) -> list[tuple[Market, Market]]:
    """Levels of one price at one time and the next higher one each: the first pays whenever the second does. Ranges
    contain nothing, and another asset, source or end is another price."""
    ladders: dict[tuple[str, str, int], list[tuple[float, str, Market]]] = {}
    for market in markets:
        rule = market.settlement
        if rule is not None and rule.strike is not None and rule.upper is None:
            key = (rule.symbol, rule.source, rule.end_s)
            ladders.setdefault(key, []).append((rule.strike, market.market_id, market))
    pairs = (pair for rungs in ladders.values() for pair in itertools.pairwise(sorted(rungs, key=lambda one: one[:2])))
    return [(low[2], high[2]) for low, high in pairs]


def _basket(kind: str, legs: Sequence[Leg | None], pays: int) -> Basket | None:
    whole = tuple(one for one in legs if one is not None)
    if len(whole) < len(legs):
        return None
    shares = min(one.shown_micro for one in whole)
    fees = (fee_micro(shares, one.price_units, one.market.fee.rate, one.market.fee.exponent) for one in whole)
    cost = sum(shares * one.price_units // PRICE_SCALE for one in whole) + sum(fees)
    return Basket(kind, whole, shares, cost, shares * pays)


def episodes(profits_micro: Sequence[int]) -> list[tuple[int, int]]:
    """Runs of bars on which a basket pays more than it costs: (first bar, number of bars).

    >>> episodes([0, 5, 7, -1, 3])
    [(1, 2), (4, 1)]
    """
    found: list[tuple[int, int]] = []
    for k, profit in enumerate(profits_micro):
        if profit > 0 and found and sum(found[-1]) == k:
            found[-1] = (found[-1][0], found[-1][1] + 1)
        elif profit > 0:
            found.append((k, 1))
    return found


def shown_pusd(basket: Basket) -> float:
    """What a basket was sure to leave, in pUSD."""
    return basket.profit_micro / MICRO

"""Rebates and rewards that the venue pays to makers: a part of the takers' fees, and a daily pool for orders
near the middle.

A day is a calendar day (UTC) of market time. Its earnings are paid when it is over, of each kind at least 1 pUSD or
nothing. The formulas are those of the venue's pages on maker rebates and liquidity rewards.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from pipelines.core.domain import Fill, Market, Outcome, Quote, Side
from pipelines.core.money import MICRO, PRICE_SCALE, fee_micro

DAY_S = 86_400
LEAST_MICRO = MICRO
"""Smallest payment of a kind for a day, in base units."""

BALANCED = (1_000, 9_000)
"""Within these middles (price units) quotes on one side only score a third; outside, nothing."""


def rebate_micro(fill: Fill, market: Market) -> int:
    """Base units that a fill of a resting order earns: the market's part of the fee that its taker paid."""
    if fill.fee_micro:
        return 0
    paid = fee_micro(fill.shares_micro, fill.price_units, market.fee.rate, market.fee.exponent)
    return int(market.rewards.rebate_share * paid)


def pool_share(market: Market, quote: Quote, orders: Iterable[tuple[Outcome, Side, int, int]]) -> float:
    """The part of a market's pool that our resting orders (outcome, side, limit, shares left) earn now.

    Everybody else is what the touch of the book shows: a book of one look has no more, so the part is an upper bound.
    """
    if not market.rewards.day_micro or not quote.two_sided:
        return 0.0
    middle = (quote.bid_units + quote.ask_units) / 2.0
    ours = [0.0, 0.0]
    for outcome, side, limit, shares in orders:
        bids = (outcome is Outcome.YES) == (side is Side.BUY)
        price = limit if outcome is Outcome.YES else PRICE_SCALE - limit
        ours[bids] += _score(market, abs(price - middle), shares)
    others = [
        _score(market, quote.ask_units - middle, quote.ask_size_micro),
        _score(market, middle - quote.bid_units, quote.bid_size_micro),
    ]
    mine = _of_both(ours, middle)
    return mine / (mine + _of_both(others, middle)) if mine else 0.0


def _score(market: Market, distance: float, shares_micro: int) -> float:
    """((v - s) / v)^2 x shares: s is the distance from the middle, v the largest one that counts."""
    most = market.rewards.max_spread_units
    if shares_micro < market.rewards.min_size_micro or distance >= most:
        return 0.0
    return float(((most - distance) / most) ** 2 * shares_micro / MICRO)


def _of_both(sides: list[float], middle: float) -> float:
    weak, strong = sorted(sides)
    return max(weak, strong / 3.0) if BALANCED[0] <= middle <= BALANCED[1] else weak


@dataclass(slots=True)
class Earned:
    """What an account earns by resting, and what of it was paid, by kind and market in base units."""

    paid: dict[str, dict[str, int]] = field(default_factory=lambda: {"rebates": {}, "rewards": {}})
    _day: int = -1
    _open: dict[str, dict[str, float]] = field(default_factory=lambda: {"rebates": {}, "rewards": {}})

    def add(self, kind: str, market_id: str, micro: float) -> None:
        """Something was earned today."""
        row = self._open[kind]
        row[market_id] = row.get(market_id, 0.0) + micro

    def pay(self, day: int) -> int:
        """Base units that come in because a new day has begun; 0 on the same one."""
        if day == self._day:
            return 0
        self._day, total = day, 0
        for kind, row in self._open.items():
            if sum(row.values()) >= LEAST_MICRO:
                for market_id, micro in row.items():
                    self.paid[kind][market_id] = self.paid[kind].get(market_id, 0) + int(micro)
                    total += int(micro)
            row.clear()
        return total

"""Payments to makers: liquidity rewards for resting orders, and rebates of takers' fees.

Both are off by default. Days are calendar days (UTC) of market time. The earnings of a day are paid when it is over,
if they are at least 1 pUSD. The formulas are those of the venue's pages on liquidity rewards and maker rebates.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from pipelines.core.money import MICRO
from simulator.engine.accounts import Account
from simulator.engine.exchange import Exchange
from simulator.engine.markets import LiveMarket
from simulator.engine.orders import Order, Trade, TradeStatus

DAY_S = 86_400
LEAST_MICRO = MICRO
"""Smallest payment in base units of pUSD; a day that earned less pays nothing."""

MIN_SIZE_MICRO = 50 * MICRO
MAX_SPREAD_UNITS = 350
"""An order scores if it has at least 50 shares and is within 3.5 cents of the middle (price units of 1e-4)."""

BALANCED = (1_000, 9_000)
"""Within these middles (price units) an account with orders on one side only scores a third; outside, 0."""

REBATE_SHARES = {"crypto": 0.20, "sports": 0.15}
REBATE_SHARE = 0.25
"""Part of the takers' fees that makers get back, by category and for all others."""

Ledger = dict[str, dict[str, float]]
"""Base units by account address and market."""

Paid = Callable[[Account, str, int, str], None]
"""Called after a payment with the account, REWARD or MAKER_REBATE, base units and reference."""


def rebate_share(category: str) -> float:
    """Part of the takers' fees of a market that its makers get back."""
    return REBATE_SHARES.get(category.lower(), REBATE_SHARE)


def day_of(market_s: int) -> str:
    """Calendar day (UTC) of a market time."""
    return datetime.fromtimestamp(market_s, UTC).strftime("%Y-%m-%d")


def order_score(order: Order, mid_units: float) -> float:
    """Score of one order: ((v - s) / v)^2 x shares; 0 if it is too small or too far from the middle.

    s is its distance from the middle and v the largest distance that scores, both in price units.
    """
    distance = abs(order.book_units - mid_units)
    if order.remaining_micro < MIN_SIZE_MICRO or distance >= MAX_SPREAD_UNITS:
        return 0.0
    return float(((MAX_SPREAD_UNITS - distance) / MAX_SPREAD_UNITS) ** 2 * order.remaining_micro / MICRO)


def middle(market: LiveMarket) -> float | None:
    """Middle of the best levels that hold at least the smallest scoring size; None if a side has no such level."""
    ladders = (market.book.bids, market.book.asks)
    tops = [
        next((p for p, lvl in ladder.best_first() if lvl.total_micro >= MIN_SIZE_MICRO), None) for ladder in ladders
    ]
    return None if tops[0] is None or tops[1] is None else (tops[0] + tops[1]) / 2


def account_score(orders: Iterable[Order], mid_units: float) -> float:
    """Score of an account: its weaker side; with the middle in [0.10, 0.90] at least a third of the stronger one."""
    sides = [0.0, 0.0]
    for order in orders:
        sides[order.is_bid] += order_score(order, mid_units)
    weak, strong = sorted(sides)
    return max(weak, strong / 3) if BALANCED[0] <= mid_units <= BALANCED[1] else weak


@dataclass(slots=True)
class Incentives:
    """Earnings by day. Each market has its own pool of rewards. `rebates` says whether rebates are paid."""

    exchange: Exchange
    rebates: bool
    paid: Paid
    step_s: int = 60
    rewards: dict[str, Ledger] = field(default_factory=dict)
    rebated: dict[str, Ledger] = field(default_factory=dict)
    shares: Ledger = field(default_factory=dict)
    """Part of each market's pool that an account earned in the last sample."""
    _day: str = ""

    def sample(self, now_s: int) -> None:
        """Score the resting orders at market time `now_s`; pay the previous day when a new one begins."""
        day = day_of(now_s)
        if self._day and day != self._day:
            self._pay(self._day)
        self._day = day
        self.shares = {}
        earned = self.rewards.setdefault(day, {})
        for market_id, owners in self._resting().items():
            market = self.exchange.markets[market_id]
            for address, share in self._scores(market, owners).items():
                self.shares.setdefault(address, {})[market_id] = share
                row = earned.setdefault(address, {})
                row[market_id] = row.get(market_id, 0.0) + share * market.rewards_micro * self.step_s / DAY_S

    def _resting(self) -> dict[str, dict[str, list[Order]]]:
        """Open orders of outside accounts in markets that pay, by market and address."""
        found: defaultdict[str, dict[str, list[Order]]] = defaultdict(dict)
        for account in self.exchange.accounts.values():
            if not account.internal:
                for order in self.exchange.open_orders(account):
                    if self.exchange.markets[order.market_id].rewards_micro:
                        found[order.market_id].setdefault(account.address, []).append(order)
        return found

    def _scores(self, market: LiveMarket, owners: dict[str, list[Order]]) -> dict[str, float]:
        """Part of the pool by outside account. The exchange's market maker takes its part, which nobody is paid."""
        mid = middle(market)
        if mid is None:
            return {}
        levels = [level for side in (market.book.bids, market.book.asks) for level in side.levels.values()]
        # The market maker's score lowers the part of everyone else, as competing makers do on the venue.
        internal = [order for level in levels for order in level.orders.values() if order.account.internal]
        scores = {address: account_score(orders, mid) for address, orders in owners.items()}
        total = sum(scores.values()) + account_score(internal, mid)
        return {address: score / total for address, score in scores.items() if score}

    def scores(self, order: Order) -> bool:
        """Whether an open order earns rewards now."""
        market = self.exchange.markets[order.market_id]
        mid = middle(market)
        return market.rewards_micro > 0 and mid is not None and order_score(order, mid) > 0

    def settled(self, trade: Trade) -> None:
        """Credit the makers of a confirmed trade with their part of its fee."""
        if not self.rebates or trade.status is not TradeStatus.CONFIRMED or not trade.fee_micro:
            return
        pool = trade.fee_micro * rebate_share(self.exchange.markets[trade.market_id].listing.category)
        earned = self.rebated.setdefault(day_of(self.exchange.market_s()), {})
        for fill in trade.makers:
            if not fill.order.account.internal:
                row = earned.setdefault(fill.order.account.address, {})
                row[trade.market_id] = row.get(trade.market_id, 0.0) + pool * fill.shares_micro / trade.shares_micro

    def _pay(self, day: str) -> None:
        for kind, ledger in (("REWARD", self.rewards), ("MAKER_REBATE", self.rebated)):
            for address, earned in ledger.get(day, {}).items():
                micro = int(sum(earned.values()))
                if micro >= LEAST_MICRO:
                    account = self.exchange.accounts[address]
                    if kind == "REWARD":
                        self.exchange.deposit(account, micro)
                    else:
                        self.exchange.give_back_fees(account, micro)
                    self.paid(account, kind, micro, f"{kind}/{day}/{address}")

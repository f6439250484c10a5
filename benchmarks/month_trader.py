"""Trades of a generated month: entries at random moments, on the side that pays a little more often than not.

It looks at the future to choose the side, so what it earns says nothing. Orders, fills, fees, limits on sizes and
books are real: they go through the account that the bot trades with.
"""

import random

from benchmarks.month_world import DAY_MIN, Living, MonthFeed
from pipelines.core.domain import Outcome, Position, Side
from pipelines.core.money import PRICE_SCALE
from pipelines.core.orders import OrderIntent, OrderType
from serving.account.trading_account import TradingAccount

A_DAY, MOST_HELD, RIGHT = 35.0, 8, 0.62
"""Entries a day, positions at once, and the share of entries on the side that pays."""
STOP, TAKE = 0.06, 0.09
"""Fall and rise of the token's price at which a position is left."""


class RandomTrader:
    """Enters and leaves. Blocking."""

    def __init__(self, account: TradingAccount, seed: int) -> None:
        self._account, self._draw = account, random.Random(seed)
        self._until: dict[str, int] = {}

    def trade(self, feed: MonthFeed, ts_s: int) -> None:
        """Everything of one bar."""
        account = self._account
        for held in list(account.accounting.positions.values()):
            one = feed.followed.get(held.market_id)
            reason = self._leaves(held, one, ts_s) if one is not None else ""
            if one is not None and reason:
                self._send(one, held.outcome, Side.SELL, held.shares_micro // 10_000 * 10_000, reason, ts_s)
        room = len(account.accounting.positions) < MOST_HELD
        if room and self._draw.random() < A_DAY / DAY_MIN:
            self._enter(self._draw.choice(list(feed.followed.values())), ts_s)
        if account.execution.pending:
            account.execution.sync()

    def _leaves(self, held: Position, one: Living, ts_s: int) -> str:
        left = DAY_MIN - one.index
        if left == 30 and self._draw.random() < 0.7:
            return "market_ending"
        now = one.mid_units if held.outcome is Outcome.YES else PRICE_SCALE - one.mid_units
        change = now / max(1, held.entry_units if held.outcome is Outcome.YES else PRICE_SCALE - held.entry_units) - 1
        if change < -STOP:
            return "stop_loss"
        if change > TAKE:
            return "take_profit" if self._draw.random() < 0.7 else "trailing_stop"
        return "exit" if ts_s >= self._until.get(held.market_id, ts_s) else ""

    def _enter(self, one: Living, ts_s: int) -> None:
        if not 1_000 <= one.mid_units <= 9_000 or one.index > DAY_MIN - 180:
            return
        if one.market.market_id in self._account.accounting.positions:
            return
        hold = self._draw.randint(20, 400)
        rises = one.ahead(hold) >= one.mid_units
        outcome = Outcome.YES if rises is (self._draw.random() < RIGHT) else Outcome.NO
        self._until[one.market.market_id] = ts_s + 60 * hold
        worth = self._account.accounting.equity_micro * self._draw.uniform(0.01, 0.04)
        price = one.mid_units if outcome is Outcome.YES else PRICE_SCALE - one.mid_units
        shares = max(one.market.min_size_micro, int(worth * PRICE_SCALE / price)) // 10_000 * 10_000
        self._send(one, outcome, Side.BUY, shares, "enter", ts_s)

    def _send(self, one: Living, outcome: Outcome, side: Side, shares_micro: int, reason: str, ts_s: int) -> None:
        """An order at the touch; one in twelve entries is a tick too timid and finds no shares."""
        if shares_micro <= 0:
            return
        market, quote = one.market, one.quote
        buys_yes = (outcome is Outcome.YES) is (side is Side.BUY)
        yes_units = quote.ask_units if buys_yes else quote.bid_units
        price = yes_units if outcome is Outcome.YES else PRICE_SCALE - yes_units
        timid = side is Side.BUY and self._draw.random() < 1 / 12
        price -= market.tick_units if timid else 0
        if not market.tick_units <= price <= PRICE_SCALE - market.tick_units:
            return
        self._account.accounting.know(market)
        self._account.gateway.know([market])
        self._account.execution.submit(
            OrderIntent(
                market_id=market.market_id,
                token_id=market.token(outcome),
                outcome=outcome,
                side=side,
                price_units=price,
                shares_micro=shares_micro,
                tick_units=market.tick_units,
                neg_risk=market.neg_risk,
                version=market.version,
                reason=reason,
                ts_s=ts_s,
                order_type=OrderType.FAK,
            )
        )

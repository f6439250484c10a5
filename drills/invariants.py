"""The rules that every world has to keep, checked on the venue's books and on the bot's."""

from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Final

from drills.plan import Violation
from pipelines.core.domain import Side
from pipelines.core.money import MICRO, PRICE_SCALE, notional_micro
from pipelines.core.sections import RiskParams
from serving.account.bookings import Undone, key_of
from serving.account.journal import is_own_booking
from simulator.engine.accounts import CASH, Account
from simulator.engine.markets import MarketState
from simulator.engine.orders import Order, Trade, TradeStatus

if TYPE_CHECKING:
    from drills.world import World

ALIVE_WITHIN: Final = 30
"""Bars after the last fault within which the bot has to decide bars and may buy again: 90 seconds of wall time, which
is more than the longest pause that the bot makes on purpose."""

EXITED_WITHIN: Final = 30
"""Bars after the last fault within which a position is sold. The policy wants one for four bars."""

DUST_MICRO: Final = 20_000
"""Shares below the grid that a position keeps when it is sold."""

KILLED_WITHIN_S: Final = 6.0
"""Wall seconds within which an order may still arrive that was on its way when the kill switch was turned on."""

MARGIN: Final = 1.02
"""Tolerance of the checks of limits: a limit counts from the equity at the decision, and prices move until the
check."""


def shares_of(account: Account, trade: Trade) -> list[tuple[str, int, int, Side]]:
    """(token, shares, price, side) of each leg of a trade that is the account's."""
    legs = []
    if trade.taker.account is account:
        legs.append((trade.taker.token_id, trade.shares_micro, trade.price_units, trade.taker.side))
    for fill in trade.makers:
        if fill.order.account is account:
            legs.append((fill.order.token_id, fill.shares_micro, fill.order.price_units, fill.order.side))
    return legs


class Invariants:
    """Checks of one world. `found` keeps the first violation of each kind."""

    def __init__(self, world: "World") -> None:
        self._world = world
        self.found: dict[str, Violation] = {}
        self._decided = 0
        self._decided_at = 0
        self._held_since: dict[str, int] = {}

    def break_(self, invariant: str, detail: str) -> None:
        """Record that a rule was broken."""
        self.found.setdefault(invariant, Violation(invariant, self._world.bar, detail))

    # After each step of the market

    def step(self) -> None:
        """Everything that must hold at every moment."""
        account = self._world.account
        if account is None:
            return
        self._no_duplicate(account)
        self._limits(account)
        self._alive()
        self._exits(account)

    def _no_duplicate(self, account: Account) -> None:
        """One order works in a market at a time; of a maker one on each side of its book."""
        makes = self._world.plan.policy == "maker"
        orders = self._world.venue.exchange.open_orders(account)
        working = Counter((order.market_id, order.is_bid if makes else None) for order in orders)
        for (market_id, _), count in working.items():
            if count > 1:
                where = f"a side of market {market_id[:12]}" if makes else f"market {market_id[:12]}"
                self.break_("duplicate exposure", f"{count} orders work in {where}")
        if makes:
            self._no_more_than_wished(account)
            return
        unsold = self._unsold(account)
        for token, micro in self._wanted(account).items():
            market = self._world.venue.exchange.by_token[token]
            largest = max((one.shares_micro for one in self._bought(token)), default=0)
            if micro > largest + unsold[token] + market.listing.min_size_micro + DUST_MICRO:
                detail = f"{micro / MICRO:g} shares of {token[:12]} where the largest order was {largest / MICRO:g}"
                self.break_("duplicate exposure", detail)

    def _no_more_than_wished(self, account: Account) -> None:
        """A maker bids for what its size lacks at the price of the day: what a token cost, with the bids that work, is
        never more than the largest bid for it."""
        exchange, unsold = self._world.venue.exchange, self._unsold(account)
        held: dict[str, tuple[int, int]] = {}
        for trade in exchange.trades_of[account.address]:
            failed = trade.reverted or trade.status is TradeStatus.FAILED or trade.trade_id in self._world.failed_once
            for token, micro, units, side in () if failed else shares_of(account, trade):
                shares, cost = held.get(token, (0, 0))
                if side is Side.BUY:
                    held[token] = shares + micro, cost + notional_micro(micro, units)
                else:
                    held[token] = max(shares - micro, 0), cost * max(shares - micro, 0) // max(shares, 1)
        spent = Counter({token: cost for token, (_, cost) in held.items()})
        for order in exchange.open_orders(account):
            if order.is_buy:
                spent[order.token_id] += notional_micro(order.remaining_micro, order.price_units)
        for token, cost in spent.items():
            bids = self._bought(token)
            largest = max((notional_micro(one.shares_micro, one.price_units) for one in bids), default=0)
            least = exchange.by_token[token].listing.min_size_micro + DUST_MICRO + unsold[token]
            if cost > MARGIN * largest + least:
                detail = f"{cost / MICRO:.2f} pUSD in {token[:12]} where the largest bid was {largest / MICRO:.2f}"
                self.break_("duplicate exposure", detail)

    def _bought(self, token: str) -> list[Order]:
        return [one for one in self._world.orders_seen.values() if one.is_buy and one.token_id == token]

    def _unsold(self, account: Account) -> Counter[str]:
        """Token -> shares of sales whose settlement failed: the bot had rightly taken them for sold, and bought."""
        unsold = Counter[str]()
        for trade in self._world.venue.exchange.trades_of[account.address]:
            if trade.reverted or trade.status is TradeStatus.FAILED:
                for token, micro, _, side in shares_of(account, trade):
                    unsold[token] += micro if side is Side.SELL else 0
        return unsold

    def _wanted(self, account: Account) -> dict[str, int]:
        """Token -> shares that purchases brought or may still bring, less sales. Purchases that were reported as failed
        once do not count: the bot rightly bought again."""
        shares = Counter[str]()
        for trade in self._world.venue.exchange.trades_of[account.address]:
            failed = trade.reverted or trade.status is TradeStatus.FAILED
            for token, micro, _, side in shares_of(account, trade):
                if side is Side.BUY and not failed and trade.trade_id not in self._world.failed_once:
                    shares[token] += micro
                elif side is Side.SELL and not failed:
                    shares[token] -= micro
        for order in self._world.venue.exchange.open_orders(account):
            if order.is_buy:
                shares[order.token_id] += order.remaining_micro
        return shares

    def ordered(self, order: Order) -> None:
        """Nothing is bought under the kill switch."""
        world = self._world
        if order.is_buy and world.killed_at is not None and world.loop.time() > world.killed_at + KILLED_WITHIN_S:
            self.break_("kill switch", f"bought {world.loop.time() - world.killed_at:.1f} s after it was turned on")

    def exposure(self, account: Account) -> dict[str, int]:
        """Token -> what its shares and its working buys cost or may cost, at the price of the last purchase."""
        shares, price = Counter[str](), dict[str, int]()
        for trade in self._world.venue.exchange.trades_of[account.address]:
            if trade.reverted:
                continue
            for token, micro, units, side in shares_of(account, trade):
                shares[token] += micro if side is Side.BUY else -micro
                price[token] = units if side is Side.BUY else price.get(token, units)
        markets = self._world.venue.exchange.by_token
        cost = defaultdict(int)
        for token, micro in shares.items():
            if micro > 0 and markets[token].state is not MarketState.RESOLVED:
                cost[token] = notional_micro(micro, price[token])
        for order in self._world.venue.exchange.open_orders(account):
            if order.is_buy:
                cost[order.token_id] += notional_micro(order.remaining_micro, order.price_units)
        return dict(cost)

    def equity_micro(self, account: Account) -> int:
        """Cash and shares at the mids of the last quotes of the source."""
        total = account.cash_micro
        for trade in self._world.venue.exchange.pending.values():
            total += sum(micro for one, asset, micro in trade.credits if one is account and asset == CASH)
        for token, micro in self._world.shares(account).items():
            market = self._world.venue.exchange.by_token[token]
            total += micro * self._world.mid_units(market, token) // PRICE_SCALE
        return total

    def _limits(self, account: Account) -> None:
        limits: RiskParams = self._world.params.risk
        cost, equity = self.exposure(account), self.equity_micro(account)
        for micro in cost.values():
            if micro > MARGIN * limits.max_position_fraction * equity + MICRO:
                self.break_("limits", f"{micro / MICRO:.2f} pUSD in one token, equity {equity / MICRO:.2f}")
        if sum(cost.values()) > MARGIN * limits.max_exposure_fraction * equity + MICRO:
            self.break_("limits", f"{sum(cost.values()) / MICRO:.2f} pUSD at stake, equity {equity / MICRO:.2f}")

    def _alive(self) -> None:
        """The bot decides bars again within `ALIVE_WITHIN` bars after the last fault."""
        world = self._world
        decided = world.decided_bars
        if decided != self._decided:
            self._decided, self._decided_at = decided, world.bar
        since = world.bar - max(self._decided_at, world.calm_since)
        if world.open_markets() and since > ALIVE_WITHIN:
            self.break_("alive", f"no bar was decided for {since} bars without a fault: {world.alarms()}")

    def _exits(self, account: Account) -> None:
        """Once no fault is left, a position that the policy no longer wants is sold soon."""
        world = self._world
        held = {token for token, micro in world.shares(account).items() if world.sellable(token, micro)}
        self._held_since = {token: self._held_since.get(token, world.bar) for token in held}
        for token, since in self._held_since.items():
            age = world.bar - max(since, world.calm_since)
            if age > EXITED_WITHIN:
                self.break_("exit", f"token {token[:12]} held for {age} calm bars: {world.alarms()}")

    # At the end

    def at_the_end(self) -> None:
        """The rules of the end: no fault has been on for some time, and everything was to be sold."""
        account, life = self._world.account, self._world.life
        if account is None or life.accounting is None:
            self.break_("alive", f"the account was never opened: {self._world.alarms()}")
            return
        self._ledger(account)
        self._fills(account)
        self._orders(account)
        for token, micro in self._world.shares(account).items():
            if self._world.sellable(token, micro, least_micro=0):
                self.break_("exit", f"{micro / MICRO:g} shares of {token[:12]} are left: {self._world.alarms()}")
        if self._world.not_recovered:
            self.break_("alive", f"after {ALIVE_WITHIN} calm bars: {self._world.not_recovered}")

    def _ledger(self, account: Account) -> None:
        for line in self.books_differ(account):
            self.break_("ledger", line)

    def books_differ(self, account: Account) -> list[str]:
        """Differences between the bot's books and the venue, to the base unit. Shares that are worth nothing do not
        count."""
        books = self._world.life.accounting
        if books is None:
            return ["the account is not open"]
        found = []
        if books.cash_micro != account.cash_micro:
            found.append(f"cash {books.cash_micro} in the books, {account.cash_micro} at the venue")
        ours, theirs = books.tokens(), self._world.shares(account)
        for token in sorted(ours.keys() | theirs.keys()):
            worthless = self._world.payout_micro(token) == 0 and token not in ours
            if ours.get(token, 0) != theirs.get(token, 0) and not worthless:
                counts = f"{ours.get(token, 0)} in the books, {theirs.get(token, 0)} at the venue"
                found.append(f"token {token[:12]}: {counts}")
        return found

    def _fills(self, account: Account) -> None:
        """Every trade that settled is booked once, and no other trade is booked."""
        journal = self._world.life.bot._journal
        booked = [one.fill for one in journal.fills()]
        undone = Undone(key_of(fill) for fill in booked)
        ours = {key_of(fill): fill for fill in booked if not is_own_booking(fill.fill_id)}
        standing = {key for key in ours if not undone.now(key)}
        happened = set()
        for trade in self._world.venue.exchange.trades_of[account.address]:
            if trade.reverted or trade.status is TradeStatus.FAILED:
                continue
            orders = [trade.taker, *(fill.order for fill in trade.makers)]
            for order in (one for one in orders if one.account is account):
                happened.add((f"{trade.trade_id}/{order.order_id}", order.order_id))
        for name, order_id in sorted(happened - standing):
            self.break_("lost fill", f"trade {name[:36]} of order {order_id[:12]} is not booked")
        for name, _ in sorted(standing - happened):
            self.break_("invented fill", f"fill {name[:36]} is booked and did not happen")

    def _orders(self, account: Account) -> None:
        """Every order at the venue was journaled before it was sent."""
        journal = self._world.life.bot._journal
        known = {row.order_id for row in journal.orders(limit=100_000)}
        for order in self._world.orders_seen:
            if order not in known:
                self.break_("duplicate exposure", f"order {order[:12]} is at the venue and not in the journal")

"""Activity of each outside account, for the Data API: deposits, trades, redemptions, splits, merges, conversions."""

from collections import defaultdict
from dataclasses import dataclass, field

from pipelines.core.domain import Outcome, Side
from pipelines.core.money import PRICE_SCALE
from simulator.engine.accounts import Account
from simulator.engine.markets import LiveMarket
from simulator.engine.orders import Order, Trade


@dataclass(frozen=True, slots=True)
class ActivityRow:
    """One row of an account's activity. `cash_micro` is unsigned, as on the wire."""

    kind: str
    ts_s: int
    market_id: str
    token_id: str
    side: str
    price_units: int
    shares_micro: int
    cash_micro: int
    fee_micro: int
    reference: str


@dataclass(slots=True)
class Holding:
    """Totals of one account in one token, for /v2/positions. Shares and pUSD are in base units (1e-6)."""

    bought_micro: int = 0
    cost_micro: int = 0
    fees_micro: int = 0
    sold_micro: int = 0
    proceeds_micro: int = 0
    redeemed_micro: int = 0
    paid_micro: int = 0
    first_s: int = 0
    last_s: int = 0


@dataclass(slots=True)
class Activity:
    """Rows by account address, oldest first, and totals by account and token."""

    rows: defaultdict[str, list[ActivityRow]] = field(default_factory=lambda: defaultdict(list))
    holdings: defaultdict[str, dict[str, Holding]] = field(default_factory=lambda: defaultdict(dict))
    market_of_token: dict[str, str] = field(default_factory=dict)

    def deposit(self, account: Account, micro: int, ts_s: int) -> None:
        """Record a deposit of pUSD."""
        self.cash("DEPOSIT", account, micro, ts_s, self.reference("DEPOSIT", account))

    def reference(self, kind: str, account: Account) -> str:
        """Text from which the hash of an account's next transaction is made; different for every transaction."""
        return f"{kind}/{account.address}/{len(self.rows[account.address])}"

    def cash(self, kind: str, account: Account, micro: int, ts_s: int, reference: str) -> None:
        """Record a movement of pUSD without shares: DEPOSIT, REWARD, MAKER_REBATE, TAKER_REBATE or WITHDRAWAL."""
        self.rows[account.address].append(ActivityRow(kind, ts_s, "", "", "", 0, 0, micro, 0, reference))

    def trade(self, trade: Trade) -> None:
        """Record a trade: one row for each outside account in it."""
        self._leg(trade, trade.taker, trade.shares_micro, trade.price_units, trade.fee_micro)
        for fill in trade.makers:
            self._leg(trade, fill.order, fill.shares_micro, fill.price_units, 0)

    def _leg(self, trade: Trade, order: Order, shares: int, units: int, fee: int) -> None:
        if order.account.internal:
            return
        cash = shares * units // PRICE_SCALE
        address = order.account.address
        self.market_of_token[order.token_id] = trade.market_id
        self.rows[address].append(
            ActivityRow(
                "TRADE",
                trade.market_s,
                trade.market_id,
                order.token_id,
                order.side.value,
                units,
                shares,
                cash,
                fee,
                trade.trade_id,
            )
        )
        held = self._holding(address, order.token_id, trade.market_s)
        held.fees_micro += fee
        if order.side is Side.BUY:
            held.bought_micro += shares
            held.cost_micro += cash
        else:
            held.sold_micro += shares
            held.proceeds_micro += cash

    def _holding(self, address: str, token_id: str, ts_s: int) -> Holding:
        held = self.holdings[address].setdefault(token_id, Holding(first_s=ts_s))
        held.last_s = ts_s
        return held

    def redeem(self, account: Account, market: LiveMarket, held: dict[str, int], paid_micro: int, ts_s: int) -> None:
        """Record the payout of a resolved market. `held` has the shares by token before the payout."""
        for token_id, shares in held.items():
            if shares:
                row = self._holding(account.address, token_id, ts_s)
                row.redeemed_micro += shares
                row.paid_micro += shares * market.payout_micro(market.outcome(token_id)) // 1_000_000
        total = sum(held.values())
        market_id = market.listing.market_id
        reference = self.reference("REDEEM", account)
        self.rows[account.address].append(
            ActivityRow("REDEEM", ts_s, market_id, "", "", 0, total, paid_micro, 0, reference)
        )

    def collateral(self, kind: str, account: Account, market: LiveMarket, micro: int, ts_s: int) -> None:
        """Record a SPLIT or MERGE of `micro` base units of pairs. Each token of a pair counts at half of its pUSD."""
        for outcome in (Outcome.YES, Outcome.NO):
            held = self._holding(account.address, market.token(outcome), ts_s)
            self.market_of_token[market.token(outcome)] = market.listing.market_id
            if kind == "SPLIT":
                held.bought_micro += micro
                held.cost_micro += micro // 2
            else:
                held.sold_micro += micro
                held.proceeds_micro += micro // 2
        market_id = market.listing.market_id
        reference = self.reference(kind, account)
        self.rows[account.address].append(ActivityRow(kind, ts_s, market_id, "", "", 0, micro, micro, 0, reference))

    def conversion(
        self, account: Account, given: list[LiveMarket], rest: list[LiveMarket], amounts: tuple[int, int], ts_s: int
    ) -> None:
        """Record a CONVERSION of NO shares of some markets into YES shares of the others.

        The YES shares get the cost of the NO shares less the pUSD received, in equal parts.

        Args:
            account: who converted.
            given: markets whose NO shares were given.
            rest: the other markets of the event.
            amounts: shares of each market and pUSD received, in base units.
            ts_s: market time.
        """
        micro, paid = amounts
        cost = -paid
        for market in given:
            held = self._holding(account.address, market.listing.token_no, ts_s)
            entered = held.cost_micro * micro // held.bought_micro if held.bought_micro else 0
            held.sold_micro += micro
            held.proceeds_micro += entered
            cost += entered
        for market in rest:
            token = market.listing.token_yes
            self.market_of_token[token] = market.listing.market_id
            held = self._holding(account.address, token, ts_s)
            held.bought_micro += micro
            held.cost_micro += max(0, cost) // len(rest)
        reference = self.reference("CONVERSION", account)
        market_id = given[0].listing.market_id
        self.rows[account.address].append(
            ActivityRow("CONVERSION", ts_s, market_id, "", "", 0, micro, paid, 0, reference)
        )

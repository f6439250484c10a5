"""Faults of orders, settlement and balances."""

from collections import defaultdict
from typing import Any, Protocol

from simulator.engine.accounts import CASH, Account
from simulator.engine.matching import crosses
from simulator.engine.orders import Order, Trade
from simulator.engine.refusals import Refused, not_enough_balance
from simulator.faults.catalog import Fault
from simulator.venue.settlement import SettlementResult
from simulator.venue.venue import Venue

WORDS = "order match delayed due to market conditions"
ODD_STATUSES: tuple[str | None, ...] = ("", "unmatched", "unknown", "ORDER_STATUS_LIVE", None)

RESULTS = {
    "settlement_fails": SettlementResult.FAILED,
    "settlement_fails_winners": SettlementResult.FAILED_IF_WINNING,
    "settlement_fails_then_confirms": SettlementResult.FAILED_THEN_CONFIRMED,
    "settlement_retries": SettlementResult.RETRIED,
}


class FaultCheck(Protocol):
    """A check whether a fault of these kinds strikes now; see `Faults.strikes`."""

    def __call__(self, *kinds: str, market_id: str = "") -> Fault | None:
        """The fault, or None."""
        ...


class OrderFaults:
    """Faults of arriving orders, of the settlement of trades, and of balances."""

    def __init__(self, venue: Venue, active: list[Fault], strikes: FaultCheck):
        self.venue = venue
        self.active = active
        self.strikes = strikes
        self.balances: dict[tuple[str, str], int] = {}
        """Stale balances by account address and asset: the values at their first read."""
        self._trades: defaultdict[str, int] = defaultdict(int)
        venue.settlement.result_of = self._result_of
        venue.hooks.delay = self._delay
        venue.hooks.hold = self._hold

    # -- orders

    def obstruct(self, order: Order) -> None:
        """Refuse an order if a fault says so.

        Raises:
            Refused: with the venue's text.
        """
        if crosses(self.venue.exchange.markets[order.market_id].book, order):
            if self.strikes("match_delayed"):
                raise Refused(WORDS)
            if self.strikes("crossing_refused"):
                raise Refused(f"order {order.order_id} crosses the book")
        self._check_stale(order)

    def _check_stale(self, order: Order) -> None:
        fault = self.strikes("stale_balance")
        if fault is None or not fault.number("orders", 0):
            return
        asset = CASH if order.is_buy else order.token_id
        known = self._remembered(order.account, asset)
        wanted = order.budget_micro or order.shares_micro * order.price_units // 10_000
        amount = wanted if order.is_buy else order.shares_micro
        if amount > known:
            raise not_enough_balance(known, amount)

    def check_contract(self, version: int) -> None:
        """Refuse an order signed for an exchange contract that a fault has retired.

        Raises:
            Refused: `order_version_mismatch`.
        """
        fault = self.strikes("contract_retired")
        if fault and int(fault.number("version", 2)) == version:
            raise Refused("order_version_mismatch")

    def _delay(self, order: Order) -> float:
        fault = self.strikes("sports_delay", market_id=order.market_id)
        return fault.number("delay_s", 1.0) if fault else 0.0

    def _hold(self, market_id: str) -> float:
        """Wall seconds of the taker delay. Listings call this too, so it does not use up the fault's `count`."""
        delays = (f.number("delay_s", 0.15) for f in self.active if f.kind == "taker_delay" and f.covers(market_id))
        return max(delays, default=0.0)

    def answered(self, document: dict[str, Any], pick: int) -> dict[str, Any]:
        """The answer to a placed order; a fault may replace its status. `pick` selects the replacement."""
        if self.strikes("odd_status"):
            return {**document, "status": ODD_STATUSES[pick % len(ODD_STATUSES)]}
        return document

    # -- settlement

    def _result_of(self, trade: Trade) -> SettlementResult:
        for kind, result in RESULTS.items():
            if self.strikes(kind, market_id=trade.market_id):
                return result
        place = trade.taker.batch
        if place and self.strikes("batch_reverts"):
            return SettlementResult.FAILED
        return SettlementResult.FAILED if self._second_leg(trade) else SettlementResult.CONFIRMED

    def _second_leg(self, trade: Trade) -> bool:
        owners = [order.account.address for order in trade.orders() if not order.account.internal]
        place = trade.taker.batch
        if not place:
            for address in owners:
                self._trades[address] += 1
            place = max((self._trades[address] for address in owners), default=1)
        return place % 2 == 0 and self.strikes("leg_reverts") is not None

    # -- balances and lists

    def balance(self, account: Account, asset: str) -> int:
        """A balance in base units as the venue shows it: an old value while `stale_balance` is on."""
        if not self.strikes("stale_balance"):
            return account.cash_micro if asset == CASH else account.shares(asset)
        return self._remembered(account, asset)

    def _remembered(self, account: Account, asset: str) -> int:
        micro = account.cash_micro if asset == CASH else account.shares(asset)
        return self.balances.setdefault((account.address, asset), micro)

    def refresh_balances(self, account: Account) -> None:
        """Drop the stale balances of an account."""
        self.balances = {key: micro for key, micro in self.balances.items() if key[0] != account.address}

    def visible_trades(self, trades: list[Trade]) -> list[Trade]:
        """The part of an account's trades, newest first, that /data/trades shows."""
        if self.strikes("trades_empty"):
            return []
        fault = self.strikes("trades_incomplete")
        return trades[int(fault.number("rows", 1)) :] if fault else trades


def delayed() -> dict[str, Any]:
    """Fields of the answer to an order that is accepted as delayed with a text in errorMsg."""
    nothing = {"takingAmount": "", "makingAmount": "", "tradeIDs": [], "transactionsHashes": []}
    return {"success": True, "status": "delayed", "errorMsg": WORDS, **nothing}

"""The account at the venue and in our books: opened, reconciled at the start, compared while it trades."""

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from pipelines.core import log
from pipelines.core.domain import Fill, Market, Outcome, Side
from pipelines.core.money import notional_micro
from pipelines.core.orders import OrderGateway
from pipelines.core.sections import RiskParams
from serving.account import explain
from serving.account.accounting import Accounting
from serving.account.bookings import original
from serving.account.breaker import HOUR_S, Breaker
from serving.account.execution import PATIENCE_MS, Execution
from serving.account.in_flight import Run, Sent, at_once
from serving.account.journal import CashFlow, Journal
from serving.account.pairs import Pairs
from serving.account.payouts import Payouts
from serving.account.venue_cash import VenueCash

SHARED_S, SHARED_ORDERS, CONTESTED = 900.0, 3, 2
"""So many orders of somebody else that traded within so many wall seconds, or so many heartbeats in a row that another
program had overtaken, and this account has a second decider."""

RECENT_TOKENS = 24
"""Tokens that were traded last are compared too: what we sold must be gone at the venue."""

RECENT_A_LOOK = 3
"""How many of them one look compares, in rotation; each is a request, and a turn waits for the look."""

UNNAMED_S = 60.0
"""Wall time after which a small difference of cash that nothing names is booked."""

_log = log.get("account")


@dataclass(frozen=True, slots=True)
class Difference:
    """Base units that the venue has more than our books; token "" is cash."""

    token_id: str
    micro: int

    def __str__(self) -> str:
        what = "pUSD" if not self.token_id else f"shares of token {self.token_id[:12]}…"
        return f"the venue has {self.micro / 1e6:+.6f} {what}"


class TradingAccount:
    """Gateway, books and execution of one account. Blocking; called from one thread. `limits` arm the order breaker,
    `run` begins what sends an order (`in_flight`): without it each is waited for. `answered` is told of every order
    that was answered."""

    def __init__(
        self,
        gateway: OrderGateway,
        journal: Journal,
        limits: RiskParams | None = None,
        run: Run = at_once,
        answered: Callable[[Sent], None] = lambda _: None,
    ) -> None:
        self.gateway = gateway
        self.journal = journal
        self._payouts = Payouts(gateway)
        journal.begin(gateway.account)
        first_time = "first_cash_micro" not in journal.facts()
        self.accounting = Accounting(journal, gateway.cash_micro())
        self._venue_cash = VenueCash(journal)
        self._pairs = Pairs(gateway, self.accounting)
        gateway.know(self.accounting.markets.values())
        settled = {one.market_id: one.cash_micro for one in journal.settlements()}
        gateway.restore(self.accounting.first_micro, [one.fill for one in journal.fills()], settled)
        if first_time:
            # Trades before our first start are history that our first cash already contains.
            newest = max((fill.ts_s for fill in gateway.trades(0)), default=-1)
            journal.set_facts({"trades_from_s": newest + 1})
        first_trade_s = journal.facts().get("trades_from_s", 0)
        self._breaker: Breaker | None = None
        if limits is not None:
            sent = journal.orders(limit=5_000)
            newest_s = max((row.ts_s for row in sent), default=0)
            self._breaker = Breaker(limits, self.accounting, [row for row in sent if row.ts_s > newest_s - HOUR_S])
        self.execution = Execution(
            gateway,
            journal,
            self._book,
            self.accounting.describe,
            self.accounting.shares_micro,
            first_trade_s,
            self._breaker,
            self._book_known,
            run,
            answered,
        )
        self._seen_foreign: set[str] = set()
        self._others: dict[str, float] = {}
        """Orders of somebody else that traded: id -> monotonic time of the first sight."""
        self._recent: dict[str, None] = dict.fromkeys(self.accounting.tokens())
        self._traded: list[Fill] = []
        """Fills since books and venue were last equal."""
        self._looks = 0
        self._differs_since: float | None = None
        self.flows: list[CashFlow] = []
        """Payments that the venue lists; read by the caller while books and venue differ."""
        self.notes: list[str] = []
        """What happened to the account that a person should know, newest last; the caller takes them away."""

    def take_limits(self, limits: RiskParams) -> None:
        """Other limits of the order breaker hold from now on."""
        if self._breaker is not None:
            self._breaker.limits = limits

    @property
    def merging(self) -> frozenset[str]:
        """Markets whose pairs are being merged: nothing is decided there."""
        return frozenset(self._pairs.under_way)

    def merge_pairs(self) -> None:
        """Turn what a maker holds of both tokens of a market into pUSD."""
        said = self._pairs.merge(frozenset(row.market_id for row in self.execution.pending))
        if said:
            self.notes.append(said)

    def _book(self, fill: Fill) -> bool:
        booked = self.accounting.book(fill)
        if booked:
            self._note_traded(fill)
        return booked

    def _book_known(self, fills: Sequence[Fill]) -> tuple[Sequence[Fill], Sequence[Fill]]:
        booked, rest = self.accounting.book_known(fills)
        for fill in booked:
            self._note_traded(fill)
        return booked, rest

    @property
    def shared(self) -> str:
        """Why somebody else seems to decide on this account too; empty while nobody does. Two deciders keep no limit:
        each sees what the other bought only afterwards."""
        if self.gateway.contested() >= CONTESTED:
            return "another program sends heartbeats for this account: it trades it too"
        recent = [at for at in self._others.values() if time.monotonic() - at < SHARED_S]
        if len(recent) >= SHARED_ORDERS:
            return f"{len(recent)} orders of somebody else traded on this account within {SHARED_S / 60:g} minutes"
        return ""

    def see_foreign(self) -> None:
        """Say which orders of somebody else rest on this account."""
        for name, one in self.execution.foreign.items():
            if name not in self._seen_foreign:
                self.notes.append(
                    f"an order that is not of this bot rests on its account ({one.side} {one.shares_micro / 1e6:g} of "
                    f"{one.market_id[:12]}, id {name[:12]}): it counts towards the limits and is not cancelled"
                )
        self._seen_foreign = set(self.execution.foreign)

    def _note_foreign(self, fill: Fill) -> None:
        """Say that somebody else traded on this account; the fill is booked like ours."""
        if original(fill.fill_id)[0] or self.execution.is_ours(fill.order_id):
            return
        if fill.order_id not in self._others:
            self.notes.append(
                f"somebody else traded on this account: {fill.side} {fill.shares_micro / 1e6:g} {fill.outcome} of "
                f"{fill.market_id[:12]} at {fill.price_units / 1e4:g}; it is booked and counts towards the limits"
            )
        self._others.setdefault(fill.order_id, time.monotonic())
        while len(self._others) > RECENT_TOKENS:
            self._others.pop(next(iter(self._others)))

    def _note_traded(self, fill: Fill) -> None:
        self._note_foreign(fill)
        self._traded.append(fill)
        self._recent.pop(fill.token_id, None)
        self._recent[fill.token_id] = None
        while len(self._recent) > RECENT_TOKENS:
            self._recent.pop(next(iter(self._recent)))

    # Decided markets

    def settle(self, market_id: str, payout_yes_micro: int, ts_s: int) -> int:
        """Book the payout of a decided market, after its last trades; base units that came in.

        Where the venue still shows shares that are worth something, nobody has redeemed them: they become redeemable,
        are redeemed where the account can, their cash is booked when it comes (`collect`), and 0 is returned.
        """
        self.gateway.resolved(market_id, payout_yes_micro)
        self.execution.sync()
        if not self.accounting.held(market_id):
            return 0
        if self._paid(market_id, payout_yes_micro):
            return self._settled(market_id, payout_yes_micro, ts_s)
        self.accounting.decide(market_id, payout_yes_micro, ts_s)
        self._ask_for_payout(market_id)
        return 0

    def _settled(self, market_id: str, payout_yes_micro: int, ts_s: int) -> int:
        market = self.accounting.markets.get(market_id)
        received = self.accounting.settle(market_id, payout_yes_micro, ts_s)
        if market is not None:
            # Worthless shares stay in the wallet for ever: they are not compared any more.
            for token in (market.token_yes, market.token_no):
                self._recent.pop(token, None)
        return received

    def _paid(self, market_id: str, payout_yes_micro: int) -> bool:
        """Whether no share that is worth something is left in the wallet."""
        market = self.accounting.markets.get(market_id)
        if market is None:
            return True
        worth = {market.token_yes: payout_yes_micro, market.token_no: 1_000_000 - payout_yes_micro}
        held = self.accounting.tokens()
        return not any(held.get(token) and worth[token] and self._still_there(token) for token in worth)

    def _still_there(self, token_id: str) -> bool:
        if not self.gateway.shares_micro(token_id):
            return False
        self.gateway.refresh_balance(token_id)
        return self.gateway.shares_micro(token_id) > 0

    def _ask_for_payout(self, market_id: str) -> None:
        """Have the shares redeemed; what could not be asked for is asked for again at a later `collect`."""
        said = self._payouts.ask(self.accounting.markets[market_id])
        if said:
            self.notes.append(said)
            _log.warning("redeemable", market=market_id, what_to_do=said)

    def collect(self, ts_s: int) -> int:
        """Settle what was redeemable and has been paid, ask for the rest; base units that came in."""
        received = 0
        for market_id, payout in self.accounting.redeemable.items():
            if self._paid(market_id, payout):
                received += self._settled(market_id, payout, ts_s)
            else:
                self._ask_for_payout(market_id)
        return received

    # Differences

    @property
    def differs(self) -> bool:
        """Whether books and venue were not equal when they were last compared."""
        return self._differs_since is not None

    def reconcile(self) -> list[str]:
        """Bring the books to the venue's truth after a start: find lost answers, cancel old rests, adopt what differs.

        Returns what had to be adopted, for people; empty when the books were right. What positions explain (sold,
        redeemed or lost outside the bot) is profit or loss and moves no baseline.
        """
        self.execution.sync()
        self.execution.cancel_all()
        self.execution.await_quiet(limit_s=3.0)
        self.collect(int(time.time()))
        notes = [] if self._only_flows() else self._adopt_all(self._lasting_differences(limit_s=10.0))
        cash = self.gateway.cash_micro() - self.accounting.cash_micro
        if cash and not self._named(cash):
            self.accounting.adopt(cash, "the venue's cash at the start")
            notes.append(f"adopted at start: {Difference('', cash)} that nothing explains")
        for note in (notes := [*notes, *self.gateway.left_out()]):
            _log.warning("reconciled", difference=note)
        self._traded.clear()
        self.execution.begin()
        return notes

    def _only_flows(self) -> bool:
        """Book the payments of the time we were away, where they explain all that differs."""
        differences = self.differences()
        only_cash = len(differences) == 1 and not differences[0].token_id
        return only_cash and not self.accounting.aside and self._named(differences[0].micro)

    def _named(self, cash_micro: int) -> bool:
        """Book the payments that add up to a difference of cash; whether there are such. A fee that the venue has
        changed since it was read is one."""
        fresh = [flow for flow in self.flows if not self.accounting.knows_flow(flow.flow_id)]
        some = explain.explaining(fresh, cash_micro)
        if not some and (moved := self._moved_fees()):
            some = explain.explaining([*moved, *fresh], cash_micro)
        for flow in some:
            self.accounting.book_flow(flow)
            self.notes.append(f"{flow.cash_micro / 1e6:+.6f} pUSD booked: {flow.kind}")
        return bool(some)

    def _moved_fees(self) -> list[CashFlow]:
        """What the fee of each of the newest fills is more or less than booked, where the venue charges another now."""
        newest = sorted(self._traded, key=lambda fill: fill.ts_s)[-explain.FLOWS_TRIED :]
        now = {market_id: self.gateway.fee(market_id) for market_id in {fill.market_id for fill in newest}}
        flows = [flow for fill in newest if (flow := explain.moved_fee(fill, now[fill.market_id])) is not None]
        return [flow for flow in flows if not self.accounting.knows_flow(flow.flow_id)]

    def _lasting_differences(self, limit_s: float) -> list[Difference]:
        """What differs still after trades of the last seconds had time to settle: a match is credited later."""
        deadline = time.monotonic() + limit_s
        first = True
        while (found := self.differences()) and time.monotonic() < deadline:
            if first:
                self.refresh(found)
            first = False
            time.sleep(0.2)
            self.execution.sync()
        return found

    def refresh(self, differences: Sequence[Difference]) -> None:
        """Ask the venue to read anew what differs: its cache of balances lags behind matches."""
        for difference in differences:
            self.gateway.refresh_balance(difference.token_id)

    def _adopt_all(self, differences: Sequence[Difference]) -> list[str]:
        notes = self.accounting.adopt_aside(0.0)
        left = self.differences() if notes else list(differences)
        cash = sum(one.micro for one in left if not one.token_id)
        named = [(self._market_of(one.token_id), one) for one in left if one.token_id]
        shares = [
            (market, outcome, one.micro, self._fair(market, outcome))
            for (market, outcome), one in ((found, one) for found, one in named if found is not None)
        ]
        fills, _ = explain.adoptions(shares, cash, time.time_ns() // 10**9, time.time_ns())
        for one in left:
            if one.token_id or not fills:
                notes.append(f"adopted at start: {one}")
        for fill in (self._at_value(fill) for fill in fills):
            self.journal.note("adopted", f"{fill.side} {fill.shares_micro / 1e6:g} {fill.outcome} of {fill.market_id}")
            self.accounting.book(fill)
        return notes

    def _at_value(self, fill: Fill) -> Fill:
        """Shares that came without cash are a deposit of their value; shares that went without cash are lost."""
        if fill.side is not Side.BUY or fill.cash_micro:
            return fill
        price = self._fair(self.accounting.markets[fill.market_id], fill.outcome)
        value = notional_micro(fill.shares_micro, price)
        self.accounting.adopt(
            value, f"{fill.shares_micro / 1e6:g} {fill.outcome} shares came from outside: their value"
        )
        return replace(fill, price_units=price, fee_micro=0)

    def _market_of(self, token_id: str) -> tuple[Market, Outcome] | None:
        for market in self.accounting.markets.values():
            if token_id in (market.token_yes, market.token_no):
                return market, Outcome.YES if token_id == market.token_yes else Outcome.NO
        return None

    def _fair(self, market: Market, outcome: Outcome) -> int:
        mid = self.accounting.mids.get(market.market_id, 5_000)
        return mid if outcome is Outcome.YES else 10_000 - mid

    def differences(self) -> list[Difference]:
        """Where the venue's account and the books differ now; cash first."""
        return self._compared(self._recent)

    def look(self) -> list[Difference]:
        """What a turn compares: cash, all that is held, and some of what was traded lately, in rotation.

        While something differs everything is compared, so that a difference does not come and go with the rotation.
        """
        if self.differs or self.accounting.aside:
            return self.differences()
        recent = list(self._recent)
        some = [recent[(self._looks * RECENT_A_LOOK + place) % len(recent)] for place in range(RECENT_A_LOOK) if recent]
        self._looks += 1
        return self._compared(some)

    def _compared(self, tokens: Iterable[str]) -> list[Difference]:
        held = self.accounting.tokens()
        found = [Difference("", self.gateway.cash_micro() - self.accounting.cash_micro)]
        for token in sorted({*held, *tokens}):
            found.append(Difference(token, self.gateway.shares_micro(token) - held.get(token, 0)))
        return [difference for difference in found if difference.micro]

    def judge(self, differences: Sequence[Difference]) -> bool:
        """Take in what a comparison found while trading; whether the books are equal now.

        The first difference makes the venue read its balances anew. Sales of shares from outside are booked after a
        while. Cash is booked under the payment that the venue lists, a small amount that nothing names after a minute.
        """
        cash_micro = sum(one.micro for one in differences if not one.token_id)
        self._venue_cash.seen(self.accounting.cash_micro, cash_micro)
        patience_s = PATIENCE_MS / 1_000
        self.notes += self.accounting.adopt_aside(patience_s)
        self.execution.compared(equal=not differences)
        if not differences:
            self._differs_since = None
            self._traded.clear()
            return True
        if self._differs_since is None:
            self._differs_since = time.monotonic()
            self.refresh(differences)
            return False
        # A trade that nobody reported is the first thing that a difference can come from.
        if self.execution.read_trades():
            return False
        if len(differences) > 1 or differences[0].token_id or self.accounting.aside or self.execution.pending:
            return False
        cash = differences[0].micro
        if self.gateway.cash_micro() - self.accounting.cash_micro != cash:
            return False
        lasted_s = time.monotonic() - self._differs_since
        if self._named(cash):
            return not self.differences()
        if lasted_s >= UNNAMED_S and explain.is_small(cash, sum(abs(fill.cash_micro) for fill in self._traded)):
            now = time.time_ns()
            self.accounting.book_flow(CashFlow(f"unexplained/{now}", "UNEXPLAINED", cash, now // 10**9))
            self.notes.append(f"{cash / 1e6:+.6f} pUSD that nothing explains were booked as such")
            return not self.differences()
        return False

"""A market, a gateway that remembers, and a desk on a journal: what the tests of the bot share."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from pipelines.core.domain import FeeSchedule, Fill, Market, Outcome, Side
from pipelines.core.orders import (
    CancelResult,
    OpenOrder,
    OrderGateway,
    OrderIntent,
    PlaceResult,
    PlaceStatus,
    SignedOrder,
)
from serving.account.accounting import Accounting
from serving.account.execution import Execution
from serving.account.journal import Journal

CASH = 10_000_000_000


def make_market(number: int = 1) -> Market:
    """A market with a known fee."""
    market_id = f"0x{number:064x}"
    return Market(
        market_id=market_id,
        event_id=f"event-{number}",
        question=f"Will it be {number}?",
        token_yes=f"{number}1",
        token_no=f"{number}2",
        tick_units=100,
        min_size_micro=5_000_000,
        fee=FeeSchedule(0.04),
        start_s=None,
        end_s=None,
        topic="",
        neg_risk=False,
        version="v1",
    )


def make_intent(market: Market, shares: int = 10, side: Side = Side.BUY, ts_s: int = 1_000) -> OrderIntent:
    """A buy or a sale of YES at 0.52."""
    return OrderIntent(
        market_id=market.market_id,
        token_id=market.token_yes,
        outcome=Outcome.YES,
        side=side,
        price_units=5_200,
        shares_micro=shares * 1_000_000,
        tick_units=100,
        neg_risk=False,
        version="v1",
        reason="enter",
        ts_s=ts_s,
    )


@dataclass
class FakeVenue(OrderGateway):
    """An account whose answers a test decides. `answers` are used up in order, then orders are matched in full."""

    account: str = "0xabc"
    cash: int = CASH
    answers: list[PlaceStatus] = field(default_factory=list)
    sent: list[str] = field(default_factory=list)
    open: dict[str, OrderIntent] = field(default_factory=dict)
    done: list[Fill] = field(default_factory=list)
    fills_unknown: bool = False
    rests: bool = False
    count: int = 0
    hidden: int = 0
    """Of the newest trades, so many are not in the list."""

    def prepare(self, intent: OrderIntent) -> SignedOrder:
        self.count += 1
        return SignedOrder(f"0x{self.count:064x}", intent, {"salt": self.count})

    def place(self, order: SignedOrder) -> PlaceResult:
        self.sent.append(order.order_id)
        status = self.answers.pop(0) if self.answers else PlaceStatus.ACCEPTED
        if status is PlaceStatus.REJECTED:
            return PlaceResult(status, order.order_id, reason="400: not enough balance")
        if status is PlaceStatus.UNKNOWN and not self.fills_unknown:
            return PlaceResult(status, order.order_id, reason="no answer")
        if self.rests:
            self.open[order.order_id] = order.intent
            return PlaceResult(status, order.order_id, "live")
        self.match(order.order_id, order.intent)
        return PlaceResult(status, order.order_id, "matched", order.intent.shares_micro)

    def match(self, order_id: str, intent: OrderIntent) -> None:
        fill = Fill(
            fill_id=f"trade-{len(self.done)}",
            order_id=order_id,
            market_id=intent.market_id,
            token_id=intent.token_id,
            outcome=intent.outcome,
            side=intent.side,
            price_units=intent.price_units,
            shares_micro=intent.shares_micro,
            fee_micro=100,
            ts_s=intent.ts_s,
        )
        self.done.append(fill)
        self.cash += fill.cash_micro

    def cancel(self, order_ids: Sequence[str]) -> CancelResult:
        gone = tuple(one for one in order_ids if self.open.pop(one, None))
        return CancelResult(gone)

    def cancel_all(self) -> CancelResult:
        return self.cancel(list(self.open))

    def open_orders(self) -> list[OpenOrder]:
        return [
            OpenOrder(key, i.market_id, i.token_id, i.outcome, i.side, i.price_units, i.shares_micro, 0, "live", 0)
            for key, i in self.open.items()
        ]

    def order(self, order_id: str) -> OpenOrder | None:
        return next((one for one in self.open_orders() if one.order_id == order_id), None)

    def trades(self, after_s: int) -> list[Fill]:
        return [fill for fill in self.done[: len(self.done) - self.hidden] if fill.ts_s >= after_s]

    def know(self, markets: Iterable[Market]) -> None:
        pass

    def heartbeat(self) -> None:
        pass

    def cash_micro(self) -> int:
        return self.cash

    def shares_micro(self, token_id: str) -> int:
        signs = {Side.BUY: 1, Side.SELL: -1}
        return sum(signs[f.side] * f.shares_micro for f in self.done if f.token_id == token_id)


@dataclass
class Desk:
    """A journal, the books on it, and the execution on both."""

    venue: FakeVenue
    url: str
    journal: Journal
    accounting: Accounting
    execution: Execution

    @classmethod
    def open(cls, venue: FakeVenue, url: str, *, knows_markets: bool = True) -> "Desk":
        """What a start of the bot makes; at first it knows only the markets of its journal."""
        journal = Journal(url, "simulated")
        journal.begin(venue.account)
        accounting = Accounting(journal, venue.cash_micro())
        if knows_markets:
            accounting.know(make_market())
        return cls(
            venue,
            url,
            journal,
            accounting,
            Execution(venue, journal, accounting.book, accounting.describe, accounting.shares_micro),
        )

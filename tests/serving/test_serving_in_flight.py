"""Orders on their way: together, and untouched until they are answered."""

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from serving_desk import FakeVenue, make_intent, make_market

from pipelines.core.domain import FillState
from pipelines.core.errors import VenueForbidden
from pipelines.core.orders import OrderType, PlaceResult, PlaceStatus
from pipelines.trading.order_states import OrderState
from serving.account.accounting import Accounting
from serving.account.execution import Execution
from serving.account.journal import Journal

WAIT_S = 20.0


class HeldVenue(FakeVenue):
    """A venue that answers no order before it is let."""

    def __init__(self, **fields):
        super().__init__(**fields)
        self.arrived, self.let = threading.Semaphore(0), threading.Event()

    def place(self, order):
        self.arrived.release()
        assert self.let.wait(WAIT_S), "nobody let the venue answer"
        return super().place(order)


class Account:
    """Books and execution of an account at a held venue."""

    def __init__(self, url, venue):
        self.venue, self.journal = venue, Journal(url, "simulated")
        self.journal.begin(venue.account)
        self.accounting = Accounting(self.journal, venue.cash_micro())
        self.accounting.know(make_market())
        self.threads = ThreadPoolExecutor(8)
        self.execution = Execution(
            venue,
            self.journal,
            self.accounting.book,
            self.accounting.describe,
            self.accounting.shares_micro,
            run=self.threads.submit,
        )

    def send(self, **changes):
        """An order that has reached the venue and is not answered."""
        flight = self.execution.send(replace(make_intent(make_market()), **changes))
        assert self.venue.arrived.acquire(timeout=WAIT_S), "the order did not reach the venue"
        return flight

    def answer(self, *flights):
        """Let the venue answer."""
        self.venue.let.set()
        for one in flights:
            one.answer.result(WAIT_S)


@pytest.fixture
def account(journal_url):
    """An account at a venue that holds what it gets."""
    made = Account(journal_url, HeldVenue())
    yield made
    made.venue.let.set()
    made.threads.shutdown()


def states(account):
    """State of each order in the journal."""
    return {row.order_id: row.state for row in account.journal.orders(limit=10)}


def test_no_order_waits_for_the_answer_to_another(account):
    """A second order reaches the venue while the first is not answered, and both are booked."""
    flights = [account.send(), account.send()]

    account.answer(*flights)
    account.execution.hear_answers()
    account.execution.sync()

    assert [one.sent.order.state for one in flights] == [OrderState.FILLED, OrderState.FILLED]
    assert account.accounting.cash_micro == account.venue.cash
    assert account.execution.pending == []


def test_lists_say_nothing_of_an_order_on_its_way(account):
    """An order that the lists do not show is neither cancelled nor given up before it is answered."""
    flight = account.send()

    account.execution.sync()
    account.execution.stream_is(up=False)
    account.execution.sync()

    assert states(account) == {flight.order.order_id: OrderState.PREPARED}
    assert account.execution.busy(flight.order.intent.market_id)
    account.answer(flight)
    account.execution.sync()
    assert states(account) == {flight.order.order_id: OrderState.FILLED}


def test_a_fill_that_comes_before_the_answer_counts_once(account):
    """The stream may tell the match first; the answer then adds nothing, and the order is over."""
    account.execution.stream_is(up=True)
    account.execution.sync()
    flight = account.send(order_type=OrderType.FAK)
    account.answer(flight)
    account.execution.hear_of(flight.order.order_id, "update", flight.order.intent.shares_micro)
    account.execution.hear(account.venue.done, FillState.CONFIRMED.value)
    assert states(account) == {flight.order.order_id: OrderState.PREPARED}

    account.execution.learn()

    assert states(account) == {flight.order.order_id: OrderState.FILLED}
    assert account.accounting.cash_micro == account.venue.cash
    assert account.execution.pending == []


def test_an_order_that_the_stream_calls_gone_is_answered_first(account):
    """A cancellation that is told before the answer ends the order when the answer has come."""
    account.venue.rests = True
    flight = account.send()
    account.execution.stream_is(up=True)
    account.execution.hear_of(flight.order.order_id, "cancellation", 0)
    assert account.execution.busy(flight.order.intent.market_id)

    account.answer(flight)
    account.execution.hear_answers()

    assert states(account) == {flight.order.order_id: OrderState.CANCELLED}


def test_a_cancel_waits_until_there_is_something_to_cancel(account):
    """An order on its way is cancelled after it has arrived: nothing is left resting."""
    account.venue.rests = True
    flight = account.send()
    cancelled = account.threads.submit(account.execution.cancel_all)
    assert not cancelled.done()

    account.answer(flight)

    assert cancelled.result(WAIT_S) == 1
    assert account.venue.open == {}


def test_a_403_is_said_after_all_answers_are_journaled(account, monkeypatch):
    """A block stops trading and keeps no other order's answer from the journal."""
    refused = PlaceResult(PlaceStatus.REJECTED, "", reason="403: Trading restricted in your region")
    place = FakeVenue.place
    first = []

    def answers(venue, order):
        first.append(order.order_id)
        return replace(refused, order_id=order.order_id) if len(first) == 1 else place(venue, order)

    monkeypatch.setattr(FakeVenue, "place", answers)
    flights = [account.send(), account.send()]
    account.answer(*flights)

    with pytest.raises(VenueForbidden, match="403"):
        account.execution.hear_answers()

    assert sorted(states(account).values()) == [OrderState.FILLED, OrderState.REJECTED]
    account.execution.hear_answers()

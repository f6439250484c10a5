"""Orders on their way to the venue: each is sent in a thread of its own, so that none waits for another's answer."""

import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

from pipelines.core.orders import PlaceResult, SignedOrder
from serving.account.journal import OrderRow

Run = Callable[[Callable[[], Any]], "Future[Any]"]
"""Begins a blocking call and gives its future."""

LOOK_S = 0.005
"""Wall time between two looks at what is waited for."""

BEGINS_IN_S, BEGINS_LOOK_S = 0.005, 5e-5
"""Wall time that a thread is given to begin with an order, and between two looks whether it has."""


def at_once(call: Callable[[], Any]) -> "Future[Any]":
    """Run a call here and now; its finished future."""
    future: Future[Any] = Future()
    try:
        future.set_result(call())
    except BaseException as error:
        future.set_exception(error)
    return future


@dataclass(frozen=True, slots=True)
class Sent:
    """What became of one intent: the order, and how long it took to sign, journal and send it and to be answered."""

    order: OrderRow
    latency_ms: float


@dataclass(slots=True, eq=False)
class Flight:
    """One order on its way. `answer` gives the venue's answer and when it came (perf_counter); `sent` is what the
    account made of it, None before it did."""

    order: SignedOrder
    began_at: float
    answer: "Future[tuple[PlaceResult, float]]"
    sent: Sent | None = None


def _let_begin(answer: "Future[Any]") -> None:
    """Let the order's thread run first: of two threads that compute, the interpreter would let it wait for up to 5 ms.
    It may wait all the same where too many orders are on their way."""
    for _ in range(round(BEGINS_IN_S / BEGINS_LOOK_S)):
        if answer.running() or answer.done():
            return
        time.sleep(BEGINS_LOOK_S)


class InFlight:
    """The orders that are on their way. `place` sends one and returns its answer, `run` begins that call."""

    def __init__(self, place: Callable[[SignedOrder], PlaceResult], run: Run) -> None:
        self._place = place
        self._run = run
        self._flights: dict[str, Flight] = {}

    def __contains__(self, order_id: object) -> bool:
        return order_id in self._flights

    def begin(self, order: SignedOrder, began_at: float) -> Flight:
        """Send an order; what led to it began at `began_at` (perf_counter)."""
        flight = Flight(order, began_at, self._run(lambda: (self._place(order), time.perf_counter())))
        self._flights[order.order_id] = flight
        _let_begin(flight.answer)
        return flight

    def take_answered(self) -> Flight | None:
        """The oldest order that has been answered: it is on its way no more. None where there is none."""
        for order_id, flight in self._flights.items():
            if flight.answer.done():
                return self._flights.pop(order_id)
        return None

    def wait(self, *order_ids: str) -> None:
        """Return when these orders have been answered: the venue answers each, or its connection times out."""
        waited = [flight.answer for order_id, flight in self._flights.items() if order_id in order_ids]
        while not all(answer.done() for answer in waited):
            time.sleep(LOOK_S)

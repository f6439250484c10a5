"""The life of one order as a state machine: what may follow what, and which states are final.

`prepared` is journaled before anything is sent; `unknown` is neither proven accepted nor refused and is looked up by
its hash; only the venue's proof makes an order final. A fill always counts, even after a cancel was sent.

A fill has states of its own, as its trade settles: it is final when it is confirmed. A confirmation that comes after a
failure is the truth.
"""

from enum import StrEnum

from pipelines.core.domain import FillState
from pipelines.core.errors import DataError
from pipelines.core.orders import PlaceResult, PlaceStatus


class OrderState(StrEnum):
    """Where an order is in its life."""

    PREPARED = "prepared"
    SENT = "sent"
    UNKNOWN = "unknown"
    LIVE = "live"
    PARTLY_FILLED = "partly_filled"
    FILLED = "filled"
    CANCELLED = "cancelled"
    REJECTED = "rejected"
    NEVER_SENT = "never_sent"


FINAL = frozenset({OrderState.FILLED, OrderState.CANCELLED, OrderState.REJECTED, OrderState.NEVER_SENT})

_S = OrderState
_NEXT: dict[OrderState, frozenset[OrderState]] = {
    _S.PREPARED: frozenset({_S.SENT, _S.NEVER_SENT}),
    _S.SENT: frozenset({_S.LIVE, _S.PARTLY_FILLED, _S.FILLED, _S.CANCELLED, _S.REJECTED, _S.UNKNOWN}),
    _S.UNKNOWN: frozenset({_S.LIVE, _S.PARTLY_FILLED, _S.FILLED, _S.CANCELLED, _S.REJECTED}),
    _S.LIVE: frozenset({_S.PARTLY_FILLED, _S.FILLED, _S.CANCELLED, _S.UNKNOWN}),
    _S.PARTLY_FILLED: frozenset({_S.PARTLY_FILLED, _S.FILLED, _S.CANCELLED, _S.UNKNOWN}),
    # A fill that was matched before the cancel arrived may be reported after it.
    _S.CANCELLED: frozenset({_S.PARTLY_FILLED, _S.FILLED}),
}


_F = FillState
_AFTER: dict[FillState, frozenset[FillState]] = {
    _F.MATCHED: frozenset({_F.MINED, _F.CONFIRMED, _F.RETRYING, _F.FAILED}),
    _F.RETRYING: frozenset({_F.MINED, _F.CONFIRMED, _F.FAILED}),
    _F.MINED: frozenset({_F.CONFIRMED, _F.RETRYING, _F.FAILED}),
    _F.FAILED: frozenset({_F.CONFIRMED}),
    _F.CONFIRMED: frozenset(),
}

PROVISIONAL = frozenset({FillState.MATCHED, FillState.RETRYING})
"""States in which the shares of a fill are not in the wallet yet."""


def fill_moved(before: FillState, after: FillState) -> FillState:
    """The state of a fill after a message; repeats and late messages change nothing."""
    return after if after in _AFTER[before] else before


def moved(before: OrderState, after: OrderState) -> OrderState:
    """The state after a step.

    Raises:
        DataError: naming both states when the step is impossible (a sign of a mixed-up order id).
    """
    if before is after or after in _NEXT.get(before, frozenset()):
        return after
    raise DataError(f"an order cannot go from {before} to {after}; compare the journal with the venue's trades")


def after_answer(result: PlaceResult, shares_micro: int) -> OrderState:
    """The state that the venue's answer to a placement proves."""
    if result.status is PlaceStatus.REJECTED:
        return OrderState.REJECTED
    if result.status is PlaceStatus.UNKNOWN:
        return OrderState.UNKNOWN
    return after_fills(result.filled_shares_micro, shares_micro)


def after_fills(filled_micro: int, shares_micro: int) -> OrderState:
    """Live, partly filled or filled, from the filled amount."""
    if filled_micro <= 0:
        return OrderState.LIVE
    return OrderState.FILLED if filled_micro >= shares_micro else OrderState.PARTLY_FILLED

"""Orders against a recorded book, event by event: plain functions on integer arrays, compiled in `compiled`.

A book is two rows of displayed shares by price level (level x tick = price). What an order of ours took is remembered
until the level's display falls below it: the same shares are not taken twice. An order that rests waits for trades at
its level, after the shares that stood before it (`kernel.QUEUE_AHEAD`), and fills at its limit without a fee.
"""

from typing import Any

from pipelines.core.money import PRICE_SCALE, SHARE_GRID, fee_micro

BIDS, ASKS = 0, 1

# Columns of an event (int64). CLEAR empties the book, LEVEL sets the displayed shares of a level, TRADE reports shares
# that were exchanged at a level of the resting side.
TIME, KIND, SIDE, AT, SIZE = range(5)
CLEAR, LEVEL, TRADE = range(3)

# Columns of an order (int64), by arrival: the first five are given, the rest is what became of it.
ARRIVES, EXPIRES, BUYS, LIMIT, LEFT = range(5)
AHEAD, OPEN, FILLED, NOTIONAL, FEE = range(5, 10)
ORDER_COLUMNS = 10


def empty_levels(tick_units: int) -> int:
    """Levels from 0 to 1 on a tick grid."""
    return PRICE_SCALE // tick_units + 1


def best_level(shown: Any, side: int, start: int) -> int:
    """The best level with shares from `start` on, away from the touch; -1 without bids, the number of levels without
    asks."""
    level, step = start, -1 if side == BIDS else 1
    while 0 <= level < shown.shape[1] and shown[side, level] == 0:
        level += step
    return level


def take(order: Any, shown: Any, taken: Any, best: Any, tick_units: int, rate: float, exponent: float) -> None:
    """Walk the other side down to the limit; what is there is what is shown less what was taken before."""
    buys = order[BUYS] == 1
    side, step = (ASKS, 1) if buys else (BIDS, -1)
    level = best[side]
    while 0 <= level < shown.shape[1] and order[LEFT] > 0 and (order[LIMIT] - level) * step >= 0:
        there = max(shown[side, level] - taken[side, level], 0) // SHARE_GRID * SHARE_GRID
        shares = min(order[LEFT], there)
        if shares > 0:
            price = level * tick_units
            taken[side, level] += shares
            order[LEFT] -= shares
            order[FILLED] += shares
            order[NOTIONAL] += shares * price // PRICE_SCALE
            order[FEE] += fee_micro(shares, price, rate, exponent)
        level += step


def arrive(
    order: Any, shown: Any, taken: Any, best: Any, tick_units: int, rate: float, exponent: float, ahead_share: float
) -> None:
    """Take what is marketable; the rest stands at the end of its level's queue, or where the guess puts it."""
    take(order, shown, taken, best, tick_units, rate, exponent)
    own = BIDS if order[BUYS] == 1 else ASKS
    order[AHEAD] = int(shown[own, order[LIMIT]] * ahead_share)
    order[OPEN] = 1 if order[LEFT] > 0 and order[EXPIRES] > order[ARRIVES] else 0


def fill_resting(order: Any, shares: int, tick_units: int) -> None:
    """Shares of a resting order at its own limit, free."""
    order[LEFT] -= shares
    order[FILLED] += shares
    order[NOTIONAL] += shares * order[LIMIT] * tick_units // PRICE_SCALE
    if order[LEFT] == 0:
        order[OPEN] = 0


def wait(order: Any, event: Any, before: int, exchanged: int, tick_units: int, ahead_share: float) -> None:
    """What one event means for a resting order: passed through, its turn, or a shorter queue before it.

    `before` is what the event's level showed, `exchanged` what trades took from it since it was last set: only the rest
    of a fall was cancelled. The pessimist takes all of that for shares behind us, the others for an even share.
    """
    own, sign = (BIDS, 1) if order[BUYS] == 1 else (ASKS, -1)
    distance = (order[LIMIT] - event[AT]) * sign
    if event[KIND] == TRADE and event[SIDE] == own:
        if distance > 0:
            fill_resting(order, order[LEFT], tick_units)
        elif distance == 0:
            reached = max(event[SIZE] - order[AHEAD], 0) // SHARE_GRID * SHARE_GRID
            order[AHEAD] = max(order[AHEAD] - event[SIZE], 0)
            fill_resting(order, min(order[LEFT], reached), tick_units)
    elif event[KIND] == LEVEL and event[SIDE] != own:
        if distance >= 0 and event[SIZE] > 0:
            fill_resting(order, order[LEFT], tick_units)
    elif event[KIND] == LEVEL and distance == 0 and before > 0:
        cancelled = max(before - event[SIZE] - exchanged, 0)
        order[AHEAD] -= int(cancelled * min(2.0 - 2.0 * ahead_share, 1.0) * order[AHEAD] / before)
        order[AHEAD] = min(order[AHEAD], event[SIZE])


def change(event: Any, shown: Any, taken: Any, traded: Any, best: Any) -> None:
    """Put an event into the book and keep the best levels."""
    side, at = event[SIDE], event[AT]
    if event[KIND] == CLEAR:
        shown[:] = 0
        taken[:] = 0
        traded[:] = 0
        best[BIDS], best[ASKS] = -1, shown.shape[1]
    elif event[KIND] == TRADE:
        traded[side, at] += event[SIZE]
    else:
        shown[side, at] = event[SIZE]
        taken[side, at] = min(taken[side, at], event[SIZE])
        traded[side, at] = 0
        better = at > best[BIDS] if side == BIDS else at < best[ASKS]
        if event[SIZE] > 0 and better:
            best[side] = at
        elif event[SIZE] == 0 and at == best[side]:
            best[side] = best_level(shown, side, at)


def replay(
    events: Any,
    orders: Any,
    tick_units: int,
    rate: float,
    exponent: float,
    ahead_share: float,
    shown: Any,
    taken: Any,
    traded: Any,
    best: Any,
    quotes: Any,
) -> None:
    """All events of one book with the orders that arrive meanwhile; `quotes` gets the best levels after each event."""
    first = arrived = 0
    for number in range(events.shape[0]):
        event = events[number]
        while arrived < orders.shape[0] and orders[arrived, ARRIVES] <= event[TIME]:
            arrive(orders[arrived], shown, taken, best, tick_units, rate, exponent, ahead_share)
            arrived += 1
        while first < arrived and orders[first, OPEN] == 0:
            first += 1
        for waiting in range(first, arrived):
            order = orders[waiting]
            if order[OPEN] == 1 and order[EXPIRES] < event[TIME]:
                order[OPEN] = 0
            if order[OPEN] == 1 and event[KIND] != CLEAR:
                before, exchanged = shown[event[SIDE], event[AT]], traded[event[SIDE], event[AT]]
                wait(order, event, before, exchanged, tick_units, ahead_share)
        change(event, shown, taken, traded, best)
        quotes[number, BIDS], quotes[number, ASKS] = best[BIDS], best[ASKS]

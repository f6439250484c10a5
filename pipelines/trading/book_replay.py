"""Orders against a recorded book, event by event: plain functions on integer arrays, compiled in `compiled`.

A book is two rows of displayed shares by price level (level x tick = price), empty at first. What an order of ours took
is remembered until the level's display falls below it: the same shares are not taken twice. An order that rests waits
for trades at its level, after the shares that came before it (`kernel.QUEUE_AHEAD`), and for new shares of the other
side at its limit or better; it fills at its limit without a fee. What one event brings is given once: to the best
limit first, at equal limits to the order that came first.
"""

from typing import Any

from pipelines.core.money import PRICE_SCALE, SHARE_GRID, fee_micro

BIDS, ASKS = 0, 1

# Columns of an event (int64). LEVEL sets the displayed shares of a level, TRADE reports shares that were exchanged at a
# level of the resting side; the LEVEL that shows what they left comes after it.
TIME, KIND, SIDE, AT, SIZE = range(5)
LEVEL, TRADE = range(2)

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


def untaken(shown: Any, taken: Any, side: int, level: int) -> int:
    """Shares that a level shows and no order of ours took, on the grid of shares."""
    there: int = max(shown[side, level] - taken[side, level], 0) // SHARE_GRID * SHARE_GRID
    return there


def take(order: Any, shown: Any, taken: Any, best: Any, tick_units: int, rate: float, exponent: float) -> None:
    """Walk the other side down to the limit; what is there is what is shown less what was taken before."""
    buys = order[BUYS] == 1
    side, step = (ASKS, 1) if buys else (BIDS, -1)
    level = best[side]
    while 0 <= level < shown.shape[1] and order[LEFT] > 0 and (order[LIMIT] - level) * step >= 0:
        shares = min(order[LEFT], untaken(shown, taken, side, level))
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
    """Take what is marketable; the rest waits at the end of its level's queue, or where the guess puts it."""
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


def shorten_queue(order: Any, before: int, now: int, exchanged: int, ahead_share: float) -> None:
    """The level of a resting order shows `now` instead of `before`: the queue before it loses what was cancelled there.

    `exchanged` is what trades took since the level was last set: only the rest of a fall was cancelled. The pessimist
    takes all of that for shares behind us, the others for an even share.
    """
    if before > 0:
        cancelled = max(before - now - exchanged, 0)
        order[AHEAD] -= int(cancelled * min(2.0 - 2.0 * ahead_share, 1.0) * order[AHEAD] / before)
        order[AHEAD] = min(order[AHEAD], now)


def wait(order: Any, event: Any, offered: int, before: int, exchanged: int, tick_units: int, ahead_share: float) -> int:
    """Shares that a resting order gets of the `offered` ones that an event has left: those of a trade that came through
    its queue, or new ones of the other side. `before` and `exchanged` are as in `shorten_queue`."""
    own, sign = (BIDS, 1) if order[BUYS] == 1 else (ASKS, -1)
    distance = (order[LIMIT] - event[AT]) * sign
    reached = 0
    if event[KIND] == TRADE and event[SIDE] == own and distance >= 0:
        # A trade at a worse price has emptied the level: nobody is ahead of us any more.
        ahead = order[AHEAD] if distance == 0 else 0
        order[AHEAD] = max(ahead - offered, 0)
        reached = max(offered - ahead, 0) // SHARE_GRID * SHARE_GRID
    elif event[KIND] == LEVEL and event[SIDE] != own and distance >= 0:
        reached = offered
    elif event[KIND] == LEVEL and event[SIDE] == own and distance == 0:
        shorten_queue(order, before, event[SIZE], exchanged, ahead_share)
    shares: int = min(order[LEFT], reached)
    fill_resting(order, shares, tick_units)
    return shares


def rank(order: Any) -> int:
    """Smaller where the limit is better."""
    limit: int = order[LIMIT]
    return -limit if order[BUYS] == 1 else limit


def stand(orders: Any, number: int, waiting: Any, count: int) -> int:
    """Put an open order behind the waiting ones that are served before it; how many wait then."""
    if orders[number, OPEN] == 0:
        return count
    place = count
    while place > 0 and rank(orders[number]) < rank(orders[waiting[place - 1]]):
        waiting[place] = waiting[place - 1]
        place -= 1
    waiting[place] = number
    return count + 1


def leave(orders: Any, waiting: Any, count: int, time: int) -> int:
    """Close the orders whose time is over and drop the closed ones; how many wait then."""
    kept = 0
    for place in range(count):
        number = waiting[place]
        if orders[number, EXPIRES] < time:
            orders[number, OPEN] = 0
        if orders[number, OPEN] == 1:
            waiting[kept] = number
            kept += 1
    return kept


def change(event: Any, shown: Any, taken: Any, traded: Any, best: Any) -> None:
    """Put an event into the book and keep the best levels."""
    side, at = event[SIDE], event[AT]
    if event[KIND] == TRADE:
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
    waiting: Any,
    quotes: Any,
) -> None:
    """All events of one book with the orders that arrive meanwhile; those that arrive later meet the last book.

    `waiting` is room for the number of every order, `quotes` gets the best levels after each event.
    """
    arrived = count = 0
    for number in range(events.shape[0]):
        event = events[number]
        while arrived < orders.shape[0] and orders[arrived, ARRIVES] <= event[TIME]:
            arrive(orders[arrived], shown, taken, best, tick_units, rate, exponent, ahead_share)
            count = stand(orders, arrived, waiting, count)
            arrived += 1
        count = leave(orders, waiting, count, event[TIME])
        side, at = event[SIDE], event[AT]
        before, exchanged = shown[side, at], traded[side, at]
        change(event, shown, taken, traded, best)
        offered = event[SIZE] if event[KIND] == TRADE else untaken(shown, taken, side, at)
        for place in range(count):
            got = wait(orders[waiting[place]], event, offered, before, exchanged, tick_units, ahead_share)
            offered -= got
            if event[KIND] == LEVEL:
                taken[side, at] += got
        quotes[number, BIDS], quotes[number, ASKS] = best[BIDS], best[ASKS]
    for late in range(arrived, orders.shape[0]):
        arrive(orders[late], shown, taken, best, tick_units, rate, exponent, ahead_share)

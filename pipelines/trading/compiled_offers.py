"""Whole accounts as lanes, in machine code: a step lasts from one entry that is offered to the next.

Prices do not depend on what an account does, so a trade is played to its end at once: what an entry earned is the
reward of the action that made it, and until its end it takes a place, money, and a place of its event and topic. Where
a place is free, each time offers its open markets in the order of the tape, up to the first that is declined.
"""

from typing import Any

from pipelines.trading.compiled import (
    CASH,
    COST,
    DAY,
    DAY_START,
    DIRECTION,
    EQUITY,
    EXPOSURE,
    LAST,
    LENGTH_S,
    MARKET,
    MAX_MARKETS,
    MAX_RELATED,
    MIN_SIZE,
    OPENED,
    REDEMPTION_S,
    ROW,
    SHARES,
    SIDE,
    TOP,
    TS,
    fast,
    observe,
    open_row,
    sellable_micro,
    threshold_keeps,
    turn,
)
from pipelines.trading.compiled_account import are_related

CASH_INPUT = 15
"""Column of the observation that tells the share of cash."""
LEAST_MICRO = 1_000_000
"""An entry needs so much room."""

# Columns of a cursor (int64), which says where an account is on the tape: the present time, the place of the offer
# among the rows, and the last time of the episode.
NOW, AT, UNTIL = range(3)

# Columns of a place (int64): its market, the time at which it is free again, and the money in it.
NUMBER, FREE_AT, STAKE = range(3)


@fast
def _stake(places: Any, now: int) -> tuple[int, int]:
    """Places that are taken at a time, and the money in them."""
    taken, stake = 0, 0
    for at in range(places.shape[0]):
        if places[at, FREE_AT] > now:
            taken += 1
            stake += places[at, STAKE]
    return taken, stake


@fast
def _is_free(number: int, now: int, places: Any, about: Any, par: Any) -> bool:
    """Whether a market holds no place, and the places of its event and topic are not all taken."""
    related = 0
    for at in range(places.shape[0]):
        if places[at, FREE_AT] <= now:
            continue
        other = places[at, NUMBER]
        if other == number:
            return False
        if are_related(about[number], about[other]):
            related += 1
    free: bool = related < par[MAX_RELATED]
    return free


@fast
def _offered(
    now: int,
    at: int,
    cash_micro: int,
    places: Any,
    rows: Any,
    edges: Any,
    bars: Any,
    confidences: Any,
    last: Any,
    about: Any,
    par: Any,
) -> tuple[int, int, int]:
    """The next offer from the place `at` among the rows of the time `now`: its time, and its place, -1 for none; and
    the bars that places were free until then, in sum."""
    idle = 0
    while now < len(edges) - 1:
        taken, stake = _stake(places, now)
        if taken < par[MAX_MARKETS] and stake + LEAST_MICRO <= int(cash_micro * par[EXPOSURE]):
            for place in range(max(at, edges[now]), edges[now + 1]):
                row = rows[place]
                number = bars[row, MARKET]
                if row >= last[number] or not open_row(bars[row], confidences[row], par):
                    continue
                if _is_free(number, now, places, about, par):
                    return now, place, idle
        now += 1
        idle += int(par[MAX_MARKETS]) - taken
    return now, -1, idle


@fast
def _show(
    lane: Any,
    row: int,
    stake: int,
    cash_micro: int,
    bars: Any,
    inputs: Any,
    last: Any,
    out: Any,
) -> None:
    """A market without a position at a row, in an account with so much money in others."""
    lane[:] = 0
    lane[ROW], lane[LAST] = row, last[bars[row, MARKET]]
    lane[CASH] = lane[EQUITY] = lane[DAY_START] = lane[TOP] = cash_micro
    lane[DAY] = -1
    observe(lane, bars[row], inputs[row], out)
    out[CASH_INPUT] = max(1.0 - stake / cash_micro, 0.0)


@fast
def _trade(
    lane: Any,
    direction: int,
    fraction: float,
    exit_multiple: float,
    hold_s: int,
    bars: Any,
    moves: Any,
    costs: Any,
    confidences: Any,
    markets: Any,
    fees: Any,
    par: Any,
) -> int:
    """An entry, and on until nothing is held or on its way, or to the market's last bar; the money that was in it."""
    turn(lane, direction, fraction, bars, confidences, markets, fees, par)
    least, stake = markets[bars[lane[ROW], MARKET], MIN_SIZE], lane[COST]
    while lane[ROW] < lane[LAST]:
        row, wanted = lane[ROW], 0
        if sellable_micro(lane[SHARES]) >= least:
            held, held_s = lane[DIRECTION], bars[row, TS] - lane[OPENED]
            if threshold_keeps(moves[row], costs[row], exit_multiple, hold_s, held, held_s):
                wanted = held
        elif lane[SIDE] == 0:
            break
        turn(lane, wanted, 0.0, bars, confidences, markets, fees, par)
        stake = max(stake, lane[COST])
    return int(stake)


@fast
def _take(lane: Any, number: int, stake: int, now: int, places: Any, time_of: Any, par: Any) -> int:
    """A trade that was played takes a place from now until it was over, or until what is held then is redeemed; for
    how many bars."""
    until = time_of[lane[ROW]]
    if lane[SHARES] > 0 and lane[ROW] == lane[LAST]:
        until += int(par[REDEMPTION_S] / par[LENGTH_S])
    for at in range(places.shape[0]):
        if places[at, FREE_AT] <= now:
            places[at, NUMBER], places[at, FREE_AT], places[at, STAKE] = number, until, stake
            break
    return int(until - now)


@fast
def _answer(
    direction: int,
    fraction: float,
    lane: Any,
    cursor: Any,
    places: Any,
    exit_multiple: float,
    hold_s: int,
    bar_pusd: float,
    cash_micro: int,
    rows: Any,
    edges: Any,
    time_of: Any,
    bars: Any,
    moves: Any,
    costs: Any,
    confidences: Any,
    markets: Any,
    fees: Any,
    last: Any,
    about: Any,
    par: Any,
) -> tuple[float, int, int]:
    """Enter or decline, and go on to the next offer: the reward in pUSD, and the time and the place of the offer."""
    now, next_at, gained, taken = cursor[NOW], cursor[AT] + 1, 0.0, 0
    if cursor[AT] >= 0 and direction != 0 and lane[ROW] < lane[LAST]:
        number = bars[lane[ROW], MARKET]
        stake = _trade(
            lane, direction, fraction, exit_multiple, hold_s, bars, moves, costs, confidences, markets, fees, par
        )
        gained = (lane[EQUITY] - cash_micro) / 1e6
        taken = _take(lane, number, stake, now, places, time_of, par)
    else:
        next_at = edges[min(now + 1, len(edges) - 1)]
    then, at, idle = _offered(now, next_at, cash_micro, places, rows, edges, bars, confidences, last, about, par)
    return gained - bar_pusd * (taken + idle), then, at


@fast
def begin(
    lanes: Any,
    cursors: Any,
    places: Any,
    which: Any,
    first: Any,
    cash_micro: int,
    kinds: Any,
    rows: Any,
    edges: Any,
    bars: Any,
    inputs: Any,
    confidences: Any,
    last: Any,
    about: Any,
    pars: Any,
    out: Any,
) -> None:
    """Empty accounts at the first offer from their present times on; at the row `first` where there is none."""
    for number in range(len(which)):
        index = which[number]
        cursor, par = cursors[index], pars[kinds[index]]
        places[index, :, :] = 0
        now, at, _ = _offered(
            cursor[NOW], 0, cash_micro, places[index], rows, edges, bars, confidences, last, about, par
        )
        row = first[number] if at < 0 else rows[at]
        cursor[NOW], cursor[AT] = now, at
        _show(lanes[index], row, 0, cash_micro, bars, inputs, last, out[index])


@fast
def step(
    lanes: Any,
    cursors: Any,
    places: Any,
    directions: Any,
    fractions: Any,
    exit_multiple: float,
    hold_s: int,
    bar_pusd: float,
    cash_micro: int,
    kinds: Any,
    rows: Any,
    edges: Any,
    time_of: Any,
    bars: Any,
    inputs: Any,
    moves: Any,
    costs: Any,
    confidences: Any,
    markets: Any,
    fees: Any,
    last: Any,
    about: Any,
    pars: Any,
    out: Any,
    rewards: Any,
    dones: Any,
) -> None:
    """Answer the offer and go on to the next one, for every account. Rewards are the P&L of the trade in pUSD, less an
    opportunity cost of `bar_pusd` for each bar that it takes a place, or that a place is free until the next offer."""
    for index in range(lanes.shape[0]):
        lane, cursor, mine, par = lanes[index], cursors[index], places[index], pars[kinds[index]]
        rewards[index], then, at = _answer(
            directions[index], fractions[index], lane, cursor, mine, exit_multiple, hold_s, bar_pusd, cash_micro, rows,
            edges, time_of, bars, moves, costs, confidences, markets, fees, last, about, par,
        )  # fmt: skip
        dones[index] = at < 0 or then >= cursor[UNTIL]
        cursor[NOW], cursor[AT] = then, at
        if at >= 0:
            _show(lane, rows[at], _stake(mine, then)[1], cash_micro, bars, inputs, last, out[index])

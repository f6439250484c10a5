"""Lanes that are asked at entries alone, as machine code: a step lasts to the next bar that leaves an entry open.

Inside a step what is held is left by the keep rule of the threshold rule, and stops and the market's end are as always.
Lanes may have limits and costs of different sets (rows of `pars`), so that a policy is trained on several at once.
"""

from typing import Any

from pipelines.trading.compiled import (
    DAY_START,
    DIRECTION,
    EQUITY,
    LAST,
    MARKET,
    MIN_SIZE,
    OPENED,
    ROW,
    SHARES,
    SIDE,
    TOP,
    TS,
    fast,
    observe,
    open_row,
    sellable_micro,
    solvent,
    threshold_keeps,
    turn,
)

CASH_INPUT = 15
"""Column of the observation that tells the share of cash."""


@fast
def _waits(lane: Any, bars: Any, confidences: Any, markets: Any, par: Any) -> bool:
    """Whether a lane is at a bar at which the limits leave an entry open."""
    row = lane[ROW]
    if lane[SIDE] != 0 or sellable_micro(lane[SHARES]) >= markets[bars[row, MARKET], MIN_SIZE]:
        return False
    if not open_row(bars[row], confidences[row], par):
        return False
    alive: bool = solvent(lane[EQUITY], lane[DAY_START], lane[TOP], par)
    return alive


@fast
def _play_on(
    lane: Any,
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
    """To the next bar that leaves an entry open, or to the lane's last; the number of bars with a position."""
    count = 0
    while lane[ROW] < lane[LAST] and not _waits(lane, bars, confidences, markets, par):
        row, wanted = lane[ROW], 0
        if sellable_micro(lane[SHARES]) >= markets[bars[row, MARKET], MIN_SIZE]:
            held, held_s = lane[DIRECTION], bars[row, TS] - lane[OPENED]
            if threshold_keeps(moves[row], costs[row], exit_multiple, hold_s, held, held_s):
                wanted = held
            count += 1
        turn(lane, wanted, 0.0, bars, confidences, markets, fees, par)
    return count


@fast
def begin(
    lanes: Any,
    which: Any,
    exit_multiple: float,
    hold_s: int,
    kinds: Any,
    elsewhere: Any,
    bars: Any,
    inputs: Any,
    moves: Any,
    costs: Any,
    confidences: Any,
    markets: Any,
    fees: Any,
    pars: Any,
    out: Any,
) -> None:
    """Bring lanes that were just placed to their first bar that leaves an entry open."""
    for index in which:
        lane, par = lanes[index], pars[kinds[index]]
        _play_on(lane, exit_multiple, hold_s, bars, moves, costs, confidences, markets, fees, par)
        observe(lane, bars[lane[ROW]], inputs[lane[ROW]], out[index])
        out[index, CASH_INPUT] = max(out[index, CASH_INPUT] - elsewhere[index], 0.0)


@fast
def step(
    lanes: Any,
    directions: Any,
    fractions: Any,
    exit_multiple: float,
    hold_s: int,
    bar_prices: Any,
    kinds: Any,
    elsewhere: Any,
    bars: Any,
    inputs: Any,
    moves: Any,
    costs: Any,
    confidences: Any,
    markets: Any,
    fees: Any,
    pars: Any,
    out: Any,
    rewards: Any,
    dones: Any,
) -> None:
    """Decide at this bar and play on to the next one that leaves an entry open, for every lane. Rewards are pUSD, less
    the lane's `bar_prices` for each bar with a position."""
    for index in range(lanes.shape[0]):
        lane, par = lanes[index], pars[kinds[index]]
        before, count = lane[EQUITY], 0
        if lane[ROW] < lane[LAST]:
            turn(lane, directions[index], fractions[index], bars, confidences, markets, fees, par)
            count = _play_on(lane, exit_multiple, hold_s, bars, moves, costs, confidences, markets, fees, par)
        rewards[index] = (lane[EQUITY] - before) / 1e6 - bar_prices[index] * count
        dones[index] = lane[ROW] >= lane[LAST]
        observe(lane, bars[lane[ROW]], inputs[lane[ROW]], out[index])
        out[index, CASH_INPUT] = max(out[index, CASH_INPUT] - elsewhere[index], 0.0)

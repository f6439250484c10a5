"""One account in many markets as machine code: the event-driven replay of whole tapes, some hundred times as fast.

A market is a lane of `compiled` whose cash is what the market has paid or cost so far; cash, equity, places, exposure
and the loss limits are the account's. A test holds the equity after every bar equal to `replay.loop` to the base unit.
"""

from typing import Any

from pipelines.trading.compiled import (
    ADVERSE,
    ASK,
    BID,
    CASH,
    COST,
    DAY_S,
    DIRECTION,
    ENTRY,
    EVIDENCE,
    EXPONENT,
    EXPOSURE,
    LEFT,
    LIMIT,
    MARKET,
    MAX_MARKETS,
    MAX_RELATED,
    MID,
    MIN_SIZE,
    OPENED,
    PEAK,
    RATE,
    REDEMPTION_S,
    REFERENCE,
    RESTS,
    ROW,
    SECONDS_LEFT,
    SHARES,
    SIDE,
    TS,
    booked_units,
    buy,
    fast,
    fill,
    leave,
    open_row,
    portfolio_values,
    reserve_micro,
    sellable_micro,
    solvent,
    token_price,
    tuned_enters,
    tuned_stays,
    used_share,
)
from pipelines.trading.tuned_rule import LEAST_SHARE

# Columns of the account (int64).
FREE, WORTH, DAY_BEGAN, PEAKED, TODAY, RESERVED, STAKE, PLACES, ENTRIES, CROWDED = range(10)
EXITS = 10
"""From here on: orders to leave, by reason, in the order of EXIT_REASONS."""
ACCOUNT_COLUMNS = EXITS + 6

# Columns of the signals of a row (float64).
MOVE, NEAR, ROUND_TRIP, CONFIDENCE = range(4)

# Columns of a market's place among others (int64): numbers of its event and topic (-1: none), its last row, its payout
# in base units (-1: nobody knows it).
EVENT, TOPIC, LAST_ROW, PAYOUT = range(4)


@fast
def _see(lane: Any, row: int, account: Any, bars: Any, market: Any, fee: Any, about: Any, par: Any) -> None:
    """A market's next bar: its order fills, what is held is marked; at its end the order is cancelled."""
    before = lane[CASH]
    fill(lane, row, bars, market, fee, par)
    if lane[SHARES] > 0:
        lane[PEAK] = max(lane[PEAK], token_price(bars[row, REFERENCE], lane[DIRECTION]))
    account[FREE] += lane[CASH] - before
    if row == about[LAST_ROW]:
        lane[SIDE] = 0


@fast
def _redeem(lane: Any, ts_s: int, account: Any, bars: Any, about: Any, par: Any) -> None:
    """What is held of a resolved market becomes cash, `execution.redemption_s` after its last bar."""
    ended = lane[ROW] == about[LAST_ROW] and about[PAYOUT] >= 0
    if not ended or ts_s < bars[about[LAST_ROW], TS] + int(par[REDEMPTION_S]):
        return
    each = about[PAYOUT] if lane[DIRECTION] >= 0 else 1_000_000 - about[PAYOUT]
    paid = lane[SHARES] * each // 1_000_000
    lane[CASH] += paid
    account[FREE] += paid
    lane[SHARES] = lane[COST] = lane[DIRECTION] = lane[ENTRY] = lane[PEAK] = 0


@fast
def _hold_back(lane: Any, worst_units: int, account: Any, fee: Any) -> None:
    """A working buy holds back what it may still cost at the worst price that its fills are booked at."""
    held_back = reserve_micro(lane[LEFT], worst_units, fee[RATE], fee[EXPONENT])
    account[RESERVED] += held_back
    account[STAKE] += held_back


@fast
def open_bar(
    lanes: Any, account: Any, places: Any, rows: Any, bars: Any, markets: Any, fees: Any, about: Any, par: Any
) -> None:
    """Fills, ends, redemptions and marks of one time; then equity, its limits, and which places are taken."""
    ts_s = bars[rows[0], TS]
    for row in rows:
        number = bars[row, MARKET]
        lanes[number, ROW] = row
        if lanes[number, SHARES] == 0 and lanes[number, SIDE] == 0:
            continue  # before anything is sliced: most markets hold nothing
        _see(lanes[number], row, account, bars, markets[number], fees[number], about[number], par)
    account[RESERVED] = account[STAKE] = account[PLACES] = 0
    worth = 0
    for number in range(lanes.shape[0]):
        if lanes[number, SHARES] == 0 and lanes[number, SIDE] == 0:
            continue
        lane = lanes[number]
        if lane[SHARES] > 0:
            _redeem(lane, ts_s, account, bars, about[number], par)
        worth += lane[SHARES] * token_price(bars[lane[ROW], MID], lane[DIRECTION]) // 10_000
        account[STAKE] += lane[COST] if lane[SHARES] > 0 else 0
        if lane[SIDE] > 0:
            adverse = int(par[ADVERSE]) if par[RESTS] > 0.0 and par[EVIDENCE] > 0.0 else 0
            _hold_back(lane, booked_units(lane[LIMIT], 1, 1.0, adverse), account, fees[number])
        if lane[SIDE] > 0 or (lane[SHARES] > 0 and sellable_micro(lane[SHARES]) >= markets[number, MIN_SIZE]):
            places[account[PLACES]] = number
            account[PLACES] += 1
    account[WORTH] = account[FREE] + worth
    account[PEAKED] = max(account[PEAKED], account[WORTH])
    if ts_s // DAY_S != account[TODAY]:
        account[TODAY], account[DAY_BEGAN] = ts_s // DAY_S, account[WORTH]


@fast
def are_related(one: Any, other: Any) -> bool:
    """Whether two markets, as rows of `about`, belong to one event or have one topic."""
    same: bool = one[EVENT] == other[EVENT] or (one[TOPIC] >= 0 and one[TOPIC] == other[TOPIC])
    return same


@fast
def related_places(number: int, account: Any, places: Any, about: Any) -> int:
    """Taken places that the market's event and topic hold."""
    count = 0
    for at in range(account[PLACES]):
        if are_related(about[number], about[places[at]]):
            count += 1
    return count


@fast
def _is_crowded(number: int, account: Any, places: Any, about: Any, par: Any) -> bool:
    """Whether the places in all, or those of the market's event or topic, are taken."""
    if account[PLACES] >= par[MAX_MARKETS]:
        return True
    full: bool = related_places(number, account, places, about) >= par[MAX_RELATED]
    return full


@fast
def _may_enter(number: int, bar: Any, confidence: float, account: Any, places: Any, about: Any, par: Any) -> bool:
    if not open_row(bar, confidence, par):
        return False
    if not solvent(account[WORTH], account[DAY_BEGAN], account[PEAKED], par):
        return False
    if _is_crowded(number, account, places, about, par):
        account[CROWDED] += 1
        return False
    return True


@fast
def enter(
    number: int,
    lanes: Any,
    account: Any,
    places: Any,
    bar: Any,
    confidence: float,
    wanted: int,
    fraction: float,
    markets: Any,
    fees: Any,
    about: Any,
    par: Any,
) -> None:
    """An entry within what the limits leave: places, exposure, cash."""
    lane, fee = lanes[number], fees[number]
    if lane[SHARES] > 0 and lane[DIRECTION] != wanted:
        return
    if not _may_enter(number, bar, confidence, account, places, about, par):
        return
    room = int(account[WORTH] * par[EXPOSURE]) - account[STAKE]
    cash = account[FREE] - account[RESERVED]
    buy(lane, bar, markets[number], fee, confidence, wanted, fraction, account[WORTH], room, cash, par)
    if lane[SIDE] > 0:
        _hold_back(lane, lane[LIMIT], account, fee)
        places[account[PLACES]] = number
        account[PLACES] += 1
        account[ENTRIES] += 1


@fast
def is_held(lane: Any, market: Any) -> bool:
    """Whether a market is held with more than dust."""
    held: bool = sellable_micro(lane[SHARES]) >= market[MIN_SIZE]
    return held


@fast
def keep_or_leave(
    lane: Any,
    row: int,
    account: Any,
    used: float,
    numbers: Any,
    bars: Any,
    signals: Any,
    market: Any,
    fee: Any,
    par: Any,
) -> None:
    """What is held is kept, or left by the keep rule, a stop or the market's end."""
    held, held_s = lane[DIRECTION], bars[row, TS] - lane[OPENED]
    stays = tuned_stays(numbers, signals[row, MOVE], signals[row, ROUND_TRIP], used, held, held_s)
    account[EXITS + leave(lane, bars[row], market, fee, held if stays else 0, par)] += 1


@fast
def may_want(
    row: int,
    lanes: Any,
    account: Any,
    used: float,
    numbers: Any,
    bars: Any,
    signals: Any,
    markets: Any,
    fees: Any,
    about: Any,
    par: Any,
) -> bool:
    """Whether the market of a row may want an entry now. What is held is kept or left by the rule instead."""
    number = bars[row, MARKET]
    if row == about[number, LAST_ROW] or lanes[number, SIDE] != 0:
        return False
    if not is_held(lanes[number], markets[number]):
        return True
    keep_or_leave(lanes[number], row, account, used, numbers, bars, signals, markets[number], fees[number], par)
    return False


@fast
def wanted_entry(row: int, used: float, numbers: Any, bars: Any, signals: Any) -> tuple[int, float]:
    """The direction that the tuned rule wants at a row, 0 for none, and the share of the cap."""
    spread, left_s = bars[row, ASK] - bars[row, BID], float(bars[row, SECONDS_LEFT])
    move, near, cost = signals[row, MOVE], signals[row, NEAR], signals[row, ROUND_TRIP]
    wanted, fraction = tuned_enters(
        numbers, move, near, cost, used, spread, bars[row, MID], left_s, signals[row, CONFIDENCE]
    )
    return wanted, fraction


@fast
def play_rule(
    numbers: Any,
    lanes: Any,
    account: Any,
    places: Any,
    rows: Any,
    edges: Any,
    bars: Any,
    signals: Any,
    markets: Any,
    fees: Any,
    about: Any,
    par: Any,
    equity: Any,
) -> None:
    """The tuned rule over a whole tape; `equity` receives what the account is worth after every time."""
    least = LEAST_SHARE * numbers[0]
    for step in range(len(edges) - 1):
        now = rows[edges[step] : edges[step + 1]]
        open_bar(lanes, account, places, now, bars, markets, fees, about, par)
        equity[step] = account[WORTH]
        used = used_share(account[FREE], account[WORTH])
        for row in now:
            number = bars[row, MARKET]
            idle = lanes[number, SHARES] == 0 and lanes[number, SIDE] == 0
            if idle and abs(signals[row, MOVE]) <= least * signals[row, ROUND_TRIP]:
                continue  # before anything is asked: most rows expect less than any entry needs
            if not may_want(row, lanes, account, used, numbers, bars, signals, markets, fees, about, par):
                continue
            wanted, fraction = wanted_entry(row, used, numbers, bars, signals)
            if wanted != 0:
                bar, confidence = bars[row], signals[row, CONFIDENCE]
                enter(number, lanes, account, places, bar, confidence, wanted, fraction, markets, fees, about, par)


@fast
def advance(
    step: int,
    asks_held: bool,
    numbers: Any,
    lanes: Any,
    account: Any,
    places: Any,
    rows: Any,
    edges: Any,
    bars: Any,
    inputs: Any,
    signals: Any,
    markets: Any,
    fees: Any,
    about: Any,
    par: Any,
    equity: Any,
    asked: Any,
    out: Any,
) -> tuple[int, int]:
    """Play on to the next time at which the policy has something to say; that time and how many rows are `asked`.

    It is asked where the limits leave an entry open, and with `asks_held` where something is held too; without it the
    keep rule of `numbers` leaves what is held. `out` receives the observations. Ends with the number of times and 0.
    """
    times = len(edges) - 1
    while step < times:
        now = rows[edges[step] : edges[step + 1]]
        open_bar(lanes, account, places, now, bars, markets, fees, about, par)
        equity[step] = account[WORTH]
        used, count = used_share(account[FREE], account[WORTH]), 0
        for row in now:
            number = bars[row, MARKET]
            if row == about[number, LAST_ROW] or lanes[number, SIDE] != 0:
                continue
            bar, lane = bars[row], lanes[number]
            if is_held(lane, markets[number]):
                if not asks_held:
                    keep_or_leave(lane, row, account, used, numbers, bars, signals, markets[number], fees[number], par)
                    continue
            elif not _may_enter(number, bar, signals[row, CONFIDENCE], account, places, about, par):
                continue
            asked[count] = row
            left = float(bar[SECONDS_LEFT])
            values = portfolio_values(
                account[FREE], account[WORTH], lane[SHARES], lane[DIRECTION], lane[ENTRY], bar[MID], left
            )
            out[count, :15] = inputs[row, :15]
            out[count, 15], out[count, 16], out[count, 17], out[count, 18], out[count, 19] = values
            out[count, 20:] = inputs[row, 15:]
            count += 1
        if count > 0:
            return step, count
        step += 1
    return step, 0


@fast
def answer(
    asked: Any,
    directions: Any,
    fractions: Any,
    lanes: Any,
    account: Any,
    places: Any,
    bars: Any,
    signals: Any,
    markets: Any,
    fees: Any,
    about: Any,
    par: Any,
) -> None:
    """What the policy wants of the rows that it was asked for, in their order."""
    for at in range(len(asked)):
        row, wanted = asked[at], directions[at]
        number = bars[row, MARKET]
        lane, market = lanes[number], markets[number]
        if is_held(lane, market):
            account[EXITS + leave(lane, bars[row], market, fees[number], wanted, par)] += 1
        elif wanted != 0:
            confidence, fraction = signals[row, CONFIDENCE], fractions[at]
            enter(number, lanes, account, places, bars[row], confidence, wanted, fraction, markets, fees, about, par)

"""The kernel as machine code, and one bar of many markets in one call. The only module that imports numba.

The functions of `kernel`, `risk`, `sizing` and `observation` are compiled from the very source that the live process
runs; only the names they call are bound to compiled ones. `step` plays `decide` and the fill for N independent lanes
(one market, one account each); a test holds it equal to the event-driven backtest to the base unit.
"""

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from types import FunctionType
from typing import Any

import numba
from numba.core.caching import UserProvidedCacheLocator

from pipelines.core import money
from pipelines.trading import (
    allocator,
    book_replay,
    fill_model,
    kernel,
    observation,
    predicted_variance,
    risk,
    sizing,
    threshold_rule,
    tuned_rule,
)

# Columns of a lane's state (int64).
ROW, LAST, CASH, SHARES, DIRECTION, ENTRY, PEAK = range(7)
SIDE, WANTED, LIMIT, LEFT, ARRIVES, TTL = range(7, 13)
EQUITY, DAY_START, TOP, DAY, TRADES, FEES, OPENED, AHEAD, COST = range(13, 22)
LANE_COLUMNS = 22

# Columns of a bar (int64) and of a market (int64, and float64 for the fee).
MID, BID, ASK, SECONDS_LEFT, TS, MARKET, VOLUME, REFERENCE, REFERENCE_AGE, BID_SIZE, ASK_SIZE, DEVIATION = range(12)
TICK, MIN_SIZE = range(2)
RATE, EXPONENT = range(2)

# Parameters (float64, integers among them are exact).
(
    LATENCY, ORDER_TTL, BAND, IMPACT, DEPTH, HORIZON, LENGTH_S, STOP_LOSS, TAKE_PROFIT, TRAILING, MAX_FRACTION,
    RISK_FRACTION, KELLY_FRACTION, KELLY, MIN_CONFIDENCE, MIN_PRICE, EXPOSURE, DAILY_LOSS, DRAWDOWN, STOP_COSTS,
    RESTS, AHEAD_SHARE, EXIT_BAND, EXIT_LADDER_S, EXIT_LADDER_STEPS, MAX_MARKETS, MAX_RELATED, REDEMPTION_S,
    STOP_DEVIATIONS, DEVIATION_FRACTION, EVIDENCE, ADVERSE, TRADE_SHARE,
) = range(33)  # fmt: skip
# Behind them the weights of the fill model: `fill_model.NAMES`, then `fill_model.QUEUE_NAMES`.
QUEUE_WEIGHTS = 33 + len(fill_model.NAMES)
PARAMETERS = QUEUE_WEIGHTS + len(fill_model.QUEUE_NAMES)

DAY_S = 86_400

EXIT_REASONS = ("", "stop_loss", "take_profit", "trailing_stop", "market_ending", "exit")
"""Names of the results of `leave`."""
MARKET_ENDED, WISHED = 4, 5


class BySource(UserProvidedCacheLocator):
    """Where numba keeps machine code: below a folder that is named after the sources, and not, as numba would have it,
    after where they lie, so that every checkout of the same sources finds it."""

    @classmethod
    def get_suitable_cache_subpath(cls, py_file: str) -> str:
        """The package's name."""
        return Path(py_file).parent.name


def _cache() -> bool:
    """Keep machine code between processes, in a folder named after the sources: numba alone would not notice a change
    in a function that another file calls. False where no folder can be written."""
    sources = (
        money.__file__,
        book_replay.__file__,
        fill_model.__file__,
        kernel.__file__,
        predicted_variance.__file__,
        risk.__file__,
        sizing.__file__,
        observation.__file__,
        threshold_rule.__file__,
        tuned_rule.__file__,
        __file__,
        Path(__file__).with_name("compiled_account.py"),
        Path(__file__).with_name("compiled_offers.py"),
        Path(__file__).with_name("compiled_portfolio.py"),
        allocator.__file__,
    )
    digest = hashlib.sha256(b"".join(Path(str(name)).read_bytes() for name in sources)).hexdigest()[:16]
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = home / "oddsmith" / "numba" / f"{numba.__version__}-{digest}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return False
    numba.config.CACHE_DIR = str(folder)  # type: ignore[attr-defined]
    numba.config.CACHE_LOCATOR_CLASSES = f"{__name__}.{BySource.__name__}"  # type: ignore[attr-defined]
    return os.access(folder, os.W_OK)


fast = numba.njit(nogil=True, cache=_cache())


def compiled(functions: list[Callable[..., Any]]) -> dict[str, Any]:
    """Compile plain functions that call one another, in the order given (callees first)."""
    names: dict[str, Any] = {}
    for function in functions:
        scope = {**function.__globals__, **names}
        plain = FunctionType(function.__code__, scope, function.__name__)
        names[function.__name__] = fast(plain)
    return names


_FAST = compiled(
    [
        money.fee_curve,
        money.fee_micro,
        money.notional_micro,
        money.market_buy_micro,
        kernel.touch,
        kernel.token_price,
        kernel.token_bid,
        kernel.token_ask,
        kernel.buy_limit,
        kernel.sell_limit,
        kernel.rest_limit,
        kernel.sellable_micro,
        kernel.is_trusted,
        kernel.exit_floor,
        kernel.impact_units,
        kernel.shown_micro,
        kernel.touch_micro,
        kernel.level_units,
        kernel.walk,
        kernel.affordable_micro,
        kernel.spend,
        kernel.queue_ahead,
        kernel.crossing_micro,
        kernel.resting_fill,
        kernel.equity_micro,
        kernel.dearest_fee,
        kernel.reserve_micro,
        kernel.shares_for,
        kernel.part_micro,
        kernel.round_trip_units,
        fill_model.touch_features,
        fill_model.queue_seen,
        fill_model.queue_features,
        fill_model.weighed,
        fill_model.logistic,
        fill_model.trades_chance,
        fill_model.queue_left,
        fill_model.either,
        fill_model.part_of_trades,
        fill_model.filled_micro,
        fill_model.booked_units,
        fill_model.between_looks,
        threshold_rule.pays,
        threshold_rule.keeps,
        threshold_rule.wanted,
        tuned_rule.used_share,
        tuned_rule.token_share,
        tuned_rule.entry_multiple,
        tuned_rule.enters,
        tuned_rule.stays,
        predicted_variance.largest_fraction,
        risk.stop_floor,
        risk.stop_code,
        sizing.cap_micro,
        observation.portfolio_values,
        book_replay.best_level,
        book_replay.untaken,
        book_replay.take,
        book_replay.arrive,
        book_replay.fill_resting,
        book_replay.shorten_queue,
        book_replay.wait,
        book_replay.rank,
        book_replay.stand,
        book_replay.leave,
        book_replay.change,
        book_replay.replay,
    ]
)
replay_book = _FAST["replay"]
token_price, token_bid, token_ask = _FAST["token_price"], _FAST["token_bid"], _FAST["token_ask"]
buy_limit, sell_limit, rest_limit = _FAST["buy_limit"], _FAST["sell_limit"], _FAST["rest_limit"]
sellable_micro, is_trusted, exit_floor = _FAST["sellable_micro"], _FAST["is_trusted"], _FAST["exit_floor"]
impact_units, shown_micro, touch_micro = _FAST["impact_units"], _FAST["shown_micro"], _FAST["touch_micro"]
queue_ahead, crossing_micro, resting_fill = _FAST["queue_ahead"], _FAST["crossing_micro"], _FAST["resting_fill"]
walk, equity_micro, shares_for = _FAST["walk"], _FAST["equity_micro"], _FAST["shares_for"]
spend, part_micro, reserve_micro = _FAST["spend"], _FAST["part_micro"], _FAST["reserve_micro"]
between_looks, filled_micro, booked_units = _FAST["between_looks"], _FAST["filled_micro"], _FAST["booked_units"]
either, part_of_trades = _FAST["either"], _FAST["part_of_trades"]
stop_floor, stop_code, cap_micro = _FAST["stop_floor"], _FAST["stop_code"], _FAST["cap_micro"]
largest_fraction = _FAST["largest_fraction"]
portfolio_values, round_trip_units = _FAST["portfolio_values"], _FAST["round_trip_units"]
threshold_wants, threshold_keeps = _FAST["wanted"], _FAST["keeps"]
market_buy_micro = _FAST["market_buy_micro"]
tuned_enters, tuned_stays, used_share = _FAST["enters"], _FAST["stays"], _FAST["used_share"]


@fast
def _order(lane: Any, side: int, wanted: int, limit: int, shares: int, par: Any) -> None:
    """An order on its way. A sale and a buy that takes are FAK: they meet the book once."""
    lane[SIDE], lane[WANTED], lane[LIMIT], lane[LEFT] = side, wanted, limit, shares
    rests = side > 0 and par[RESTS] > 0.0
    lane[ARRIVES], lane[TTL], lane[AHEAD] = int(par[LATENCY]), int(par[ORDER_TTL]) if rests else 1, -1


@fast
def leave(lane: Any, bar: Any, market: Any, fee: Any, wanted: int, par: Any) -> int:
    """The exits of `decide`: stops, the end of the market, the policy's wish.

    The reason for the order that was sent, as an index into EXIT_REASONS; 0 where none was."""
    held = lane[DIRECTION]
    now = token_price(bar[REFERENCE], held)
    entry = token_price(lane[ENTRY], held)
    spread = bar[ASK] - bar[BID]
    cost = round_trip_units(spread, bar[MID], par[IMPACT], fee[RATE], fee[EXPONENT])
    floor = stop_floor(spread, market[TICK], cost, par[STOP_COSTS], bar[DEVIATION], par[STOP_DEVIATIONS])
    code = stop_code(entry, max(lane[PEAK], now), now, floor, par[STOP_LOSS], par[TAKE_PROFIT], par[TRAILING])
    ending = bar[SECONDS_LEFT] <= (2 * par[LATENCY] + par[ORDER_TTL]) * par[LENGTH_S]
    if code == 0 and not ending and wanted == held:
        return 0
    bid, floor = token_bid(bar[BID], bar[ASK], held), market[TICK]
    if not is_trusted(bar[BID], bar[ASK]):
        band, age = int(par[EXIT_BAND] * 10_000), bar[REFERENCE_AGE]
        floor = exit_floor(now, age, market[TICK], band, int(par[EXIT_LADDER_S]), int(par[EXIT_LADDER_STEPS]))
    if bid > 0 and bid >= floor:
        limit = max(sell_limit(bid, market[TICK], int(par[BAND])), floor)
        _order(lane, -1, held, limit, sellable_micro(lane[SHARES]), par)
        if code > 0:
            return int(code)
        return MARKET_ENDED if ending else WISHED
    return 0


@fast
def open_row(bar: Any, confidence: float, par: Any) -> bool:
    """Whether the bar itself leaves an entry open: time, price, a book with two sides, confidence."""
    if bar[SECONDS_LEFT] / par[LENGTH_S] <= par[HORIZON] + par[LATENCY]:
        return False
    bound = par[MIN_PRICE] * 10_000
    if not bound <= bar[MID] <= 10_000 - bound or bar[BID] <= 0 or bar[ASK] >= 10_000:
        return False
    sure: bool = confidence >= par[MIN_CONFIDENCE]
    return sure


@fast
def solvent(equity: int, day_start: int, top: int, par: Any) -> bool:
    """Whether the limits on the loss of a day and from the peak leave an entry open."""
    if equity <= day_start * (1.0 - par[DAILY_LOSS]):
        return False
    allowed: bool = equity > top * (1.0 - par[DRAWDOWN])
    return allowed


@fast
def buy(
    lane: Any,
    bar: Any,
    market: Any,
    fee: Any,
    confidence: float,
    wanted: int,
    fraction: float,
    equity: int,
    room: int,
    cash: int,
    par: Any,
) -> None:
    """The budget of `decide` and its order: the cap times the fraction, within what exposure and cash leave."""
    certain = largest_fraction(token_price(bar[MID], wanted), bar[DEVIATION], par[DEVIATION_FRACTION])
    cap = cap_micro(equity, min(par[MAX_FRACTION], certain), par[KELLY_FRACTION], par[KELLY], confidence)
    wish = int(min(cap, int(equity * par[RISK_FRACTION])) * fraction)
    if cap <= 0 or room < min(wish, 1_000_000) or cash < min(wish, 1_000_000):
        return
    if par[RESTS] > 0.0:
        limit = rest_limit(token_bid(bar[BID], bar[ASK], wanted), market[TICK])
    else:
        limit = buy_limit(token_ask(bar[BID], bar[ASK], wanted), market[TICK], int(par[BAND]))
    shares = shares_for(min(wish, room, cash), limit, fee[RATE], fee[EXPONENT])
    if shares >= market[MIN_SIZE] and shares * limit // 10_000 >= 1_000_000:
        _order(lane, 1, wanted, limit, shares, par)


@fast
def _enter(
    lane: Any, bar: Any, market: Any, fee: Any, confidence: float, wanted: int, fraction: float, par: Any
) -> None:
    if not open_row(bar, confidence, par) or (lane[SHARES] > 0 and lane[DIRECTION] != wanted):
        return
    equity = lane[EQUITY]
    if not solvent(equity, lane[DAY_START], lane[TOP], par):
        return
    room = int(equity * par[EXPOSURE]) - lane[COST]
    buy(lane, bar, market, fee, confidence, wanted, fraction, equity, room, lane[CASH], par)


@fast
def _unseen(lane: Any, row: int, shown: int, behind: int, bars: Any, market: Any, par: Any) -> tuple[int, int]:
    """Shares that a resting buy is expected to have got between the last bar and this one, and the price that they are
    booked at; `shown` is displayed at its touch now, `behind` what the model displays. No reference price is known."""
    first, last, wanted = bars[row - 1], bars[row], lane[WANTED]
    bid, ask = token_bid(first[BID], first[ASK], wanted), token_ask(first[BID], first[ASK], wanted)
    own, other = (BID_SIZE, ASK_SIZE) if wanted > 0 else (ASK_SIZE, BID_SIZE)
    modelled = shown_micro(int(par[DEPTH]), ask - bid, market[TICK])
    touched, traded, ahead = between_looks(
        1, lane[LIMIT], bid, ask, token_bid(last[BID], last[ASK], wanted), token_ask(last[BID], last[ASK], wanted),
        touch_micro(first[own], modelled), shown, touch_micro(first[other], modelled), modelled, behind, market[TICK],
        float(last[TS] - first[TS]), float(first[SECONDS_LEFT]), lane[AHEAD], 0.0,
        par[TRADE_SHARE + 1 : QUEUE_WEIGHTS], par[QUEUE_WEIGHTS:PARAMETERS], par[TRADE_SHARE],
    )  # fmt: skip
    lane[AHEAD] = ahead
    filled = filled_micro(either(touched, traded), lane[LEFT], money.SHARE_GRID)
    return filled, booked_units(lane[LIMIT], 1, part_of_trades(touched, traded), int(par[ADVERSE]))


@fast
def fill(lane: Any, row: int, bars: Any, market: Any, fee: Any, par: Any) -> None:
    """A working order meets the book of the bar at a row; its rest is cancelled when its time is over."""
    if lane[SIDE] == 0:
        return
    if lane[ARRIVES] > 1:
        lane[ARRIVES] -= 1
        return
    bar, side, wanted = bars[row], lane[SIDE], lane[WANTED]
    bid, ask = token_bid(bar[BID], bar[ASK], wanted), token_ask(bar[BID], bar[ASK], wanted)
    quoted, behind = ask if side > 0 else bid, shown_micro(int(par[DEPTH]), ask - bid, market[TICK])
    # A buy of YES and a sale of NO take the asks of the YES book, the others its bids; each rests on the other side.
    takes, joins = (ASK_SIZE, BID_SIZE) if side * wanted > 0 else (BID_SIZE, ASK_SIZE)
    shown, own = touch_micro(bar[takes], behind), touch_micro(bar[joins], behind)
    if lane[AHEAD] < 0 and side > 0 and par[RESTS] > 0.0 and lane[LIMIT] >= ask:
        lane[SIDE] = 0
        return
    if lane[AHEAD] < 0:
        impact = impact_units(ask - bid, par[IMPACT])
        if side > 0 and par[RESTS] == 0.0:
            budget = market_buy_micro(lane[LEFT], lane[LIMIT])
            filled, notional, paid = spend(
                budget, lane[LIMIT], quoted, market[TICK], impact, shown, behind, fee[RATE], fee[EXPONENT]
            )
        else:
            filled, notional, paid = walk(
                side, lane[LEFT], lane[LIMIT], quoted, market[TICK], impact, shown, behind, fee[RATE], fee[EXPONENT]
            )
        lane[AHEAD] = queue_ahead(side, lane[LIMIT], bid, ask, own, par[AHEAD_SHARE])
    else:
        crossing = crossing_micro(side, lane[LIMIT], quoted, market[TICK], shown, behind)
        if par[EVIDENCE] > 0.0 and crossing <= 0:
            filled, price = _unseen(lane, row, own, behind, bars, market, par)
        else:
            filled, ahead = resting_fill(side, lane[LEFT], lane[LIMIT], bid, ask, bar[VOLUME], lane[AHEAD], crossing)
            price, lane[AHEAD] = lane[LIMIT], ahead
        notional, paid = filled * price // 10_000, 0
    if filled > 0:
        _book(lane, bar, market, side, wanted, filled, notional, paid, shown, behind)
    lane[LEFT] -= filled
    lane[TTL] -= 1
    if lane[LEFT] == 0 or lane[TTL] == 0:
        lane[SIDE] = 0


@fast
def _book(
    lane: Any,
    bar: Any,
    market: Any,
    side: int,
    wanted: int,
    filled: int,
    notional: int,
    paid: int,
    shown: int,
    behind: int,
) -> None:
    lane[FEES] += paid
    lane[TRADES] += 1
    if side > 0:
        if sellable_micro(lane[SHARES]) < market[MIN_SIZE]:
            lane[DIRECTION], lane[ENTRY], lane[OPENED] = wanted, bar[REFERENCE], bar[TS]
            lane[PEAK] = token_price(bar[REFERENCE], wanted)
        lane[CASH] -= notional + paid
        lane[SHARES] += filled
        lane[COST] += notional + paid
        return
    lane[CASH] += notional - paid
    while filled > 0:  # the ledger books what each level took, and rounds the cost that is left down each time
        took = min(filled, shown)
        lane[COST] = part_micro(lane[COST], lane[SHARES] - took, lane[SHARES])
        lane[SHARES] -= took
        filled, shown = filled - took, behind
    if lane[SHARES] == 0:
        lane[DIRECTION] = lane[ENTRY] = lane[PEAK] = 0


@fast
def _mark(lane: Any, bar: Any) -> None:
    """Mark to mid; a new market day starts its own loss limit."""
    if lane[SHARES] > 0:
        lane[PEAK] = max(lane[PEAK], token_price(bar[REFERENCE], lane[DIRECTION]))
    lane[EQUITY] = equity_micro(lane[CASH], lane[SHARES], bar[MID], lane[DIRECTION])
    lane[TOP] = max(lane[TOP], lane[EQUITY])
    day = bar[TS] // DAY_S
    if day != lane[DAY]:
        lane[DAY], lane[DAY_START] = day, lane[EQUITY]


@fast
def observe(lane: Any, bar: Any, inputs: Any, out: Any) -> None:
    """The observation of a lane at a bar, into `out`."""
    values = portfolio_values(
        lane[CASH], lane[EQUITY], lane[SHARES], lane[DIRECTION], lane[ENTRY], bar[MID], float(bar[SECONDS_LEFT])
    )
    out[:15] = inputs[:15]
    out[15], out[16], out[17], out[18], out[19] = values
    out[20:] = inputs[15:]


@fast
def start(lanes: Any, bars: Any, inputs: Any, out: Any, which: Any) -> None:
    """Mark and observe the lanes `which` at their present rows."""
    for index in which:
        bar = bars[lanes[index, ROW]]
        _mark(lanes[index], bar)
        observe(lanes[index], bar, inputs[lanes[index, ROW]], out[index])


@fast
def turn(
    lane: Any, wanted: int, fraction: float, bars: Any, confidences: Any, markets: Any, fees: Any, par: Any
) -> None:
    """Decide at the lane's row, advance one bar, fill, mark."""
    row = lane[ROW]
    bar, number = bars[row], bars[row, MARKET]
    market, fee = markets[number], fees[number]
    if lane[SIDE] == 0:
        if sellable_micro(lane[SHARES]) >= market[MIN_SIZE]:
            leave(lane, bar, market, fee, wanted, par)
        elif wanted != 0:
            _enter(lane, bar, market, fee, confidences[row], wanted, fraction, par)
    lane[ROW] = row + 1
    fill(lane, row + 1, bars, market, fee, par)
    _mark(lane, bars[row + 1])


@fast
def step(
    lanes: Any,
    directions: Any,
    fractions: Any,
    bars: Any,
    inputs: Any,
    confidences: Any,
    markets: Any,
    fees: Any,
    par: Any,
    out: Any,
    rewards: Any,
    dones: Any,
) -> None:
    """Decide, advance one bar, fill, mark and observe, for every lane. Rewards are pUSD."""
    for index in range(lanes.shape[0]):
        lane = lanes[index]
        before = lane[EQUITY]
        turn(lane, directions[index], fractions[index], bars, confidences, markets, fees, par)
        row = lane[ROW]
        rewards[index] = (lane[EQUITY] - before) / 1e6
        dones[index] = row >= lane[LAST]
        observe(lane, bars[row], inputs[row], out[index])


@fast
def _threshold(
    lane: Any, held: int, bars: Any, moves: Any, costs: Any, multiple: float, exit_multiple: float, hold_s: int
) -> int:
    """What the threshold rule wants of a lane that holds a direction, at the lane's row."""
    row = lane[ROW]
    direction: int = threshold_wants(
        moves[row], costs[row], multiple, exit_multiple, hold_s, held, bars[row, TS] - lane[OPENED]
    )
    return direction


@fast
def threshold_directions(
    lanes: Any, bars: Any, moves: Any, costs: Any, multiple: float, exit_multiple: float, hold_s: int, wanted: Any
) -> None:
    """What the threshold rule wants of every lane, into `wanted`: what a warm start imitates."""
    for index in range(lanes.shape[0]):
        wanted[index] = _threshold(
            lanes[index], lanes[index, DIRECTION], bars, moves, costs, multiple, exit_multiple, hold_s
        )


@fast
def screen(
    lanes: Any,
    moves: Any,
    costs: Any,
    multiple: float,
    exit_multiple: float,
    hold_s: int,
    bars: Any,
    confidences: Any,
    markets: Any,
    fees: Any,
    par: Any,
    equity: Any,
) -> None:
    """Play the threshold rule in every lane from its row to its last: the fast tier of the backtest, for sweeps.
    `equity` receives what each lane was worth at each row."""
    for index in range(lanes.shape[0]):
        lane = lanes[index]
        _mark(lane, bars[lane[ROW]])
        equity[lane[ROW]] = lane[EQUITY]
        while lane[ROW] < lane[LAST]:
            able = sellable_micro(lane[SHARES]) >= markets[bars[lane[ROW], MARKET], MIN_SIZE]
            held = lane[DIRECTION] if able else 0
            wanted = _threshold(lane, held, bars, moves, costs, multiple, exit_multiple, hold_s)
            turn(lane, wanted, 1.0, bars, confidences, markets, fees, par)
            equity[lane[ROW]] = lane[EQUITY]

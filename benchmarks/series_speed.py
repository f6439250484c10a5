"""How long decisions of second bars take."""

import time
from dataclasses import replace

import numpy as np

from benchmarks.series_world import BEFORE_S, FIRST_S, LENGTH_S, market, prices
from pipelines.core.domain import Bar, Forecast, Market, Quote
from pipelines.core.money import MICRO
from pipelines.core.params import load
from pipelines.decide import Account, Decision, Inputs, Rules, decide
from pipelines.reference.board import Board
from pipelines.replay import rules
from pipelines.trading.sizing import NO_SIGNALS
from simulator.series.kinds import Series
from simulator.series.underlying import Underlying
from simulator.series.windows import windows_from

MARKETS = 40
BARS = 250
FLAT = Forecast(np.zeros(24), np.zeros(24), np.zeros(24), 0.5)


def series_markets() -> tuple[list[Market], Board]:
    """40 markets that are open at once (all assets and lengths, ladders), and the board of their feeds."""
    found: list[Market] = []
    board = Board()
    for symbol in ("BTC", "ETH", "SOL", "XRP"):
        path = Underlying(1, symbol)
        for price in prices(path, FIRST_S - BEFORE_S, FIRST_S + 300):
            board.take(price)
        kinds = [Series(symbol, length, 60) for length in ("5m", "15m")]
        kinds.append(Series(symbol, "1h", strikes=tuple(k / 1_000 for k in range(-4, 4))))
        for kind in kinds:
            begin_s = FIRST_S // kind.length_s * kind.length_s
            found += [market(one) for one in windows_from(kind, begin_s, path, 1)]
    return found[:MARKETS], board


def strategy() -> Rules:
    """Temporal arbitrage as shipped, on bars of a second."""
    return replace(rules.make("temporal_arbitrage", load(), NO_SIGNALS, None, LENGTH_S), horizon_bars=5)


def account(markets: dict[str, Market], cash_pusd: int = 10_000) -> Account:
    """Cash and no position."""
    cash = cash_pusd * MICRO
    return Account(
        cash_micro=cash,
        equity_micro=cash,
        positions={},
        open_buy_micro={},
        markets=markets,
        day_start_equity_micro=cash,
        peak_equity_micro=cash,
    )


def decided(one: Market, board: Board, now_ms: int, quote: Quote, chosen: Rules, held: Account) -> Decision:
    """The decision of one market at a time, given its quote: fair value, inputs, decide."""
    fair, before = board.pair_ms(one.settlement, now_ms, LENGTH_S)
    mid = (quote.bid_units + quote.ask_units) // 2
    bar = Bar(one.market_id, now_ms // 1_000, mid, 0, 0, quote.ask_units - quote.bid_units)
    seen = Inputs(one, bar, quote, np.zeros(15), FLAT, 0.0, fair=fair, fair_before=before)
    return decide(seen, held, chosen)


def decide_ms() -> dict[str, float]:
    """All decisions of a second on 40 markets, fair values included: p50 and p99 over the seconds on the wall, and p99
    of the thread's own time (for a machine that others share)."""
    markets, board = series_markets()
    held, chosen = account({one.market_id: one for one in markets}), strategy()
    took, busy = [], []
    for k in range(BARS):
        began, spent = time.perf_counter(), time.thread_time()
        for number, one in enumerate(markets):
            mid = 3_000 + 100 * (number % 40)
            quote = Quote(mid - 50, mid + 50, 200 * MICRO, 200 * MICRO)
            decided(one, board, (FIRST_S + 20 + k) * 1_000, quote, chosen, held)
        took.append((time.perf_counter() - began) * 1e3)
        busy.append((time.thread_time() - spent) * 1e3)
    return {
        "decide_cpu_ms_p99": round(float(np.percentile(busy, 99)), 3),
        "decide_ms_p50": round(float(np.percentile(took, 50)), 3),
        "decide_ms_p99": round(float(np.percentile(took, 99)), 3),
    }

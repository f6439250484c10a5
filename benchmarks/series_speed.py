"""How long decisions of second bars take, and the way from a reference price to an order that is answered."""

import asyncio
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
from websockets.asyncio.server import serve

from benchmarks.latency import exchange_process
from benchmarks.series_world import BEFORE_S, FIRST_S, LENGTH_S, market, prices
from pipelines.core.domain import Bar, Forecast, Market, Quote
from pipelines.core.money import MICRO
from pipelines.core.params import load
from pipelines.core.settings import Settings
from pipelines.decide import Account, Decision, Inputs, Rules, decide
from pipelines.reference.board import Board
from pipelines.reference.prices import Price
from pipelines.reference.rtds import Rtds
from pipelines.replay import rules
from pipelines.trading.sizing import NO_SIGNALS
from pipelines.venue import gamma
from pipelines.venue.clob_gateway import ClobGateway
from pipelines.venue.http import VenueHttp
from simulator.series.kinds import Series
from simulator.series.underlying import Underlying
from simulator.series.windows import windows_from

MARKETS = 40
BARS = 250
ORDERS = 60
FLAT = Forecast(np.zeros(24), np.zeros(24), np.zeros(24), 0.5)


def series_markets() -> tuple[list[Market], Board]:
    """40 markets that are open at once (all assets and lengths, ladders), and the board of their feeds."""
    found: list[Market] = []
    board = Board()
    for symbol in ("BTC", "ETH", "SOL", "XRP"):
        path = Underlying(1, symbol)
        for price in prices(path, FIRST_S - BEFORE_S, FIRST_S + 300):
            board.take(price)
        kinds = [Series(symbol, length) for length in ("5m", "15m")]
        kinds.append(Series(symbol, "1h", strikes=tuple(k / 1_000 for k in range(-4, 4))))
        for kind in kinds:
            begin_s = FIRST_S // kind.length_s * kind.length_s
            found += [market(one) for one in windows_from(kind, begin_s, path, 1)]
    return found[:MARKETS], board


def strategy() -> Rules:
    """Temporal arbitrage as shipped, on bars of a second."""
    return replace(rules.make("temporal_arbitrage", load(), NO_SIGNALS, None, LENGTH_S), horizon_bars=5)


def account(markets: dict[str, Market]) -> Account:
    """10,000 pUSD and no position."""
    cash = 10_000 * MICRO
    return Account(
        cash_micro=cash,
        equity_micro=cash,
        positions={},
        open_buy_micro={},
        markets=markets,
        day_start_equity_micro=cash,
        peak_equity_micro=cash,
    )


def decided(one: Market, board: Board, ts_s: int, mid: int, chosen: Rules, held: Account) -> Decision:
    """The decision of one market at the close of a second: fair value, inputs, decide."""
    fair, before = board.pair(one.settlement, ts_s, LENGTH_S)
    quote = Quote(mid - 50, mid + 50, 200 * MICRO, 200 * MICRO)
    bar = Bar(one.market_id, ts_s, mid, 0, 0, 100)
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
            decided(one, board, FIRST_S + 20 + k, 3_000 + 100 * (number % 40), chosen, held)
        took.append((time.perf_counter() - began) * 1e3)
        busy.append((time.thread_time() - spent) * 1e3)
    return {
        "decide_cpu_ms_p99": round(float(np.percentile(busy, 99)), 3),
        "decide_ms_p50": round(float(np.percentile(took, 50)), 3),
        "decide_ms_p99": round(float(np.percentile(took, 99)), 3),
    }


async def _listed(url: str) -> list[Market]:
    async with VenueHttp(url) as http:
        return await gamma.tradable(http, 10, [])


@contextmanager
def _exchange() -> Iterator[tuple[ClobGateway, Market]]:
    """A local exchange whose market time is stopped, in a process of its own, and one of its markets."""
    with exchange_process("--series", "5m") as urls:
        yield ClobGateway.connect(Settings(clob_url=urls["clob"])), asyncio.run(_listed(urls["gamma"]))[0]


def tick_to_order_ms(orders: int = ORDERS) -> dict[str, float]:
    """From the sending of a price into the socket of reference prices until the exchange has answered the order that it
    led to: parsing, fair values and decisions of the markets of its asset, signature, request, answer."""
    markets, board = series_markets()
    held, chosen = account({one.market_id: one for one in markets}), strategy()
    with _exchange() as (gateway, listed):
        took = asyncio.run(_orders(gateway, listed, markets, board, chosen, held, orders))
    return {
        "tick_to_order_ms_p50": round(float(np.percentile(took, 50)), 3),
        "tick_to_order_ms_p99": round(float(np.percentile(took, 99)), 3),
    }


async def _orders(
    gateway: ClobGateway,
    listed: Market,
    markets: list[Market],
    board: Board,
    chosen: Rules,
    held: Account,
    orders: int,
) -> list[float]:
    sent_at = 0.0
    answered = asyncio.Event()

    async def feed(socket: Any) -> None:
        nonlocal sent_at
        await socket.recv()
        for k in range(orders):
            ts_ms = (FIRST_S + 20 + k) * 1_000
            payload = {"symbol": "btc/usd", "timestamp": ts_ms + 1, "value": 87_000.0}
            message = {"topic": "crypto_prices_chainlink", "type": "update", "timestamp": ts_ms + 1, "payload": payload}
            answered.clear()
            sent_at = time.perf_counter()
            await socket.send(json.dumps(message))
            await answered.wait()

    took: list[float] = []
    async with serve(feed, "127.0.0.1", 0) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        async for one in Rtds(f"ws://127.0.0.1:{port}", by_message=True).prices():
            if not isinstance(one, Price):
                continue
            board.take(one)
            ts_s = one.ts_ms // 1_000
            touched = [each for each in markets if each.settlement is not None and each.settlement.symbol == one.symbol]
            made = [decided(each, board, ts_s, 2_000 + 100 * k, chosen, held) for k, each in enumerate(touched)]
            intent = next((each.intent for each in made if each.intent is not None), None)
            # The exchange lists other markets than the feed's: the order goes to one of its own, at a price that rests.
            template = intent or _resting(listed, ts_s)
            order = replace(
                template,
                market_id=listed.market_id,
                token_id=listed.token_yes,
                price_units=100,
                shares_micro=100 * MICRO,
                tick_units=listed.tick_units,
                neg_risk=listed.neg_risk,
                version=listed.version,
            )
            gateway.place(gateway.prepare(order))
            took.append((time.perf_counter() - sent_at) * 1e3)
            answered.set()
            if len(took) == orders:
                return took
    return took


def _resting(one: Market, ts_s: int) -> Any:
    from pipelines.core.domain import Outcome, Side  # noqa: PLC0415 - only where no decision led to an order
    from pipelines.core.orders import OrderIntent  # noqa: PLC0415

    return OrderIntent(
        market_id=one.market_id,
        token_id=one.token_yes,
        outcome=Outcome.YES,
        side=Side.BUY,
        price_units=100,
        shares_micro=100 * MICRO,
        tick_units=one.tick_units,
        neg_risk=one.neg_risk,
        version=one.version,
        reason="",
        ts_s=ts_s,
    )

"""The way from a tick of the reference price to an order that the exchange has answered.

It is made of the service's own parts: the socket of reference prices (`Rtds`), the board, fair values, `decide`, the
signature, the request over loopback, the exchange's answer. Not in it is what the service does between them: it decides
when a second closes and not at a tick, so an order also waits for that close (0.5 s on average) and for the grace of
0.1 s in which late books may arrive; and it writes the decision to its database before it sends.
"""

import asyncio
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np
from websockets.asyncio.server import ServerConnection, serve

from benchmarks.latency import exchange_process
from benchmarks.series_speed import account, decided, strategy
from benchmarks.series_world import BEFORE_S, prices
from pipelines.core.domain import Market, Outcome, Quote
from pipelines.core.money import PRICE_SCALE
from pipelines.core.orders import OrderIntent, PlaceStatus
from pipelines.core.settings import Settings
from pipelines.core.settlement import Settlement
from pipelines.reference.board import Board
from pipelines.reference.fair import fair_value
from pipelines.reference.prices import Price
from pipelines.reference.rtds import Rtds
from pipelines.venue import clob, gamma
from pipelines.venue.clob_gateway import ClobGateway
from pipelines.venue.http import VenueHttp
from simulator.series.feeds import sent_ms
from simulator.series.underlying import Underlying

TICKS = 60
STEP: Final = 2e-4
"""The price is so much above and below its centre in turn: some fifth of a standard deviation of what is left of a
window, so that the fair value crosses the exchange's quotes."""
CASH_PUSD: Final = 1_000
"""Account that sizes the orders: small ones, because the books of a stopped exchange are not filled up again."""
ASSET: Final = "BTC"
TOPIC: Final = "crypto_prices_chainlink"
SERIES: Final = ",".join(f"{asset}-{kind}" for asset in ("btc", "eth") for kind in ("5m", "15m", "1h", "ladder"))


@dataclass
class Ticks:
    """What became of the ticks: how many were sent, the board took, moved the fair value of the traded window; of the
    orders that they led to the side, and the milliseconds from the sending of the tick to the answer."""

    sent: int = 0
    taken: int = 0
    moved: int = 0
    bought: list[tuple[float, Outcome]] = field(default_factory=list)
    """Reference price and the token that was bought at it."""
    took_ms: list[float] = field(default_factory=list)
    signed_ms: list[float] = field(default_factory=list)
    """The same until the order was signed and its request began."""

    def document(self) -> dict[str, float]:
        """For JSON.

        Raises:
            RuntimeError: if no tick led to an order.
        """
        if not self.took_ms:
            found = f"{self.taken} of {self.sent} were taken by the board, {self.moved} moved the fair value"
            raise RuntimeError(f"no tick led to an order: {found}; look at STEP and at the exchange's quotes")
        return {
            "ticks": self.sent,
            "ticks_taken": self.taken,
            "ticks_that_moved_fair": self.moved,
            "ticks_without_order": self.sent - len(self.took_ms),
            "orders_up": sum(side is Outcome.YES for _, side in self.bought),
            "orders_down": sum(side is Outcome.NO for _, side in self.bought),
            "tick_to_order_ms_p50": round(float(np.percentile(self.signed_ms, 50)), 3),
            "tick_to_order_ms_p99": round(float(np.percentile(self.signed_ms, 99)), 3),
            # The exchange's answer comes after it has held an order that takes (150 ms today).
            "tick_to_answer_ms_p50": round(float(np.percentile(self.took_ms, 50)), 3),
        }


class Way:
    """The exchange's markets of one asset with their quotes, and the prices before its market time."""

    def __init__(self, gateway: ClobGateway, quotes: Sequence[tuple[Market, Quote]]) -> None:
        self._gateway, self._quotes = gateway, quotes
        # The exchange begins at a full day, where a range of every length begins.
        self.now_s = min(one.settlement.start_s for one, _ in quotes if one.settlement is not None)
        self._history = list(prices(Underlying(1, ASSET), self.now_s - BEFORE_S, self.now_s))
        self._board = Board.of(self._history)
        self._held, self._chosen = account({one.market_id: one for one, _ in quotes}, CASH_PUSD), strategy()
        self.rule, quote = self._shortest()
        self._mid = (quote.bid_units + quote.ask_units) / 2.0 / PRICE_SCALE
        self.found = Ticks()

    def _shortest(self) -> tuple[Settlement, Quote]:
        """The window that ends first of those whose range has begun: the ticks move its fair value around its mid."""
        on = [(one.settlement, quote) for one, quote in self._quotes if one.settlement is not None]
        return min((pair for pair in on if pair[0].start_s <= self.now_s), key=lambda pair: pair[0].end_s)

    def centre(self) -> float:
        """The price at which the fair value of that window is the mid of its quote, by bisection."""
        low, high = (self._history[-1].value * (1.0 + side) for side in (-2e-3, 2e-3))
        ts_ms = self.now_s * 1_000
        for _ in range(12):
            tried = (low + high) / 2.0
            fair, why = fair_value(self._board.paths[ASSET, self.rule.source], self.rule, ts_ms, tried)
            if fair is None:
                raise RuntimeError(f"the traded window has no fair value: {why}")
            low, high = (tried, high) if fair < self._mid else (low, tried)
        return (low + high) / 2.0

    def take(self, tick: Price, sent_at: float) -> None:
        """One tick: the board, the decisions of all markets of the asset, the first order that they ask for."""
        found, before = self.found, self._fair(tick.known_ms)
        count = len(self._board.paths[ASSET, tick.source])
        # The venue's other topic shows the same move: one source alone would be doubted.
        self._board.take(replace(tick, source="binance"))
        self._board.take(tick)
        found.sent += 1
        found.taken += len(self._board.paths[ASSET, tick.source]) > count
        found.moved += self._fair(tick.known_ms) != before
        intent = self._asked(tick.known_ms)
        if intent is None:
            return
        order = self._gateway.prepare(intent)
        signed_ms = (time.perf_counter() - sent_at) * 1e3
        result = self._gateway.place(order)
        if result.status is not PlaceStatus.ACCEPTED:
            raise RuntimeError(f"the exchange refused order {len(found.took_ms) + 1}: {result.reason}")
        found.took_ms.append((time.perf_counter() - sent_at) * 1e3)
        found.signed_ms.append(signed_ms)
        found.bought.append((tick.value, intent.outcome))

    def _fair(self, now_ms: int) -> float | None:
        return self._board.fair(self.rule, now_ms)[0]

    def _asked(self, now_ms: int) -> OrderIntent | None:
        made = [decided(one, self._board, now_ms, quote, self._chosen, self._held) for one, quote in self._quotes]
        return next((one.intent for one in made if one.intent is not None), None)


async def listed(urls: Mapping[str, str]) -> list[tuple[Market, Quote]]:
    """The asset's markets that the exchange lists, with both sides of their books, the one that ends first first."""
    async with VenueHttp(urls["gamma"]) as http:
        markets = await gamma.tradable(http, 200, [])
    async with VenueHttp(urls["clob"]) as http:
        books = await clob.books(http, [one.token_yes for one in markets])
    quoted = [(one, clob.top(books[one.token_yes])) for one in markets if one.token_yes in books]
    own = [pair for pair in quoted if pair[0].settlement is not None and pair[0].settlement.symbol == ASSET]
    whole = [pair for pair in own if pair[1].bid_size_micro and pair[1].ask_size_micro]
    return sorted(whole, key=lambda pair: (pair[0].end_s or 0, pair[0].market_id))


async def walked(way: Way, ticks: int) -> Ticks:
    """The ticks through a socket of reference prices, each sent when the one before it is done with."""
    done = asyncio.Event()
    sent_at, centre, ended = 0.0, way.centre(), False

    async def feed(socket: ServerConnection) -> None:
        nonlocal sent_at
        await socket.recv()
        for k in range(ticks):
            ts_s, value = way.now_s + 1 + k, centre * (1.0 + (STEP if k % 2 == 0 else -STEP))
            payload = {"symbol": "btc/usd", "timestamp": ts_s * 1_000, "value": value}
            message = {"topic": TOPIC, "type": "update", "timestamp": sent_ms(TOPIC, ts_s), "payload": payload}
            done.clear()
            sent_at = time.perf_counter()
            await socket.send(json.dumps(message))
            await done.wait()
            if ended:
                return

    async with serve(feed, "127.0.0.1", 0) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        try:
            async for one in Rtds(f"ws://127.0.0.1:{port}", by_message=True).prices():
                if isinstance(one, Price):
                    way.take(one, sent_at)
                    done.set()
                if way.found.sent == ticks:
                    break
        finally:
            # The server waits for its handler, so a refused order must not leave that one waiting.
            ended = True
            done.set()
    return way.found


def tick_to_order(ticks: int = TICKS) -> Ticks:
    """Ticks against a local exchange in a process of its own."""
    with exchange_process("--series", SERIES) as urls:
        gateway = ClobGateway.connect(Settings(clob_url=urls["clob"]))
        return asyncio.run(walked(Way(gateway, asyncio.run(listed(urls))), ticks))


def measure(ticks: int = TICKS) -> dict[str, float]:
    """From the sending of a price into the socket of reference prices until the exchange has answered the order that it
    led to: parsing, fair values and decisions of all markets of the asset, signature, request, answer. Each tick is a
    new price, and the order is the first that `decide` asks for at it; ticks without one are counted."""
    return tick_to_order(ticks).document()

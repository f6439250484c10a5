"""The way from a tick of the reference price to a sent order, through the running service.

The bot runs in this process, as `oddsmith run` starts it, on a local exchange in a process of its own whose series last
minutes and whose bars last a second of the wall. The ticks come through a socket of reference prices, which is a
process of its own too, at any time of a second, so they also meet the ends of bars, which go first. What is measured is
all of the service: socket, board, fair values, the turn between two bars, the signature and the journal's write of the
order, until the request begins (`tick_to_order`) and until the exchange has answered (`tick_to_answer`).
"""

import asyncio
import json
import random
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np

from benchmarks import tiny_bundle
from benchmarks.exchange_process import exchange
from benchmarks.price_process import PriceProcess, price_process
from benchmarks.series_world import BEFORE_S
from pipelines.core.domain import Side
from pipelines.core.money import PRICE_SCALE
from pipelines.core.orders import OrderIntent, PlaceResult, SignedOrder
from pipelines.core.params import Params, load
from pipelines.core.settings import Settings
from pipelines.core.settlement import Settlement
from pipelines.reference.fair import fair_value
from serving.bot import Bot
from serving.market.bars import GRACE_S
from serving.market.feed import Followed
from serving.session import Session
from simulator.series.source import BEGINS_S
from simulator.series.underlying import Underlying

TICKS = 60
STEP: Final = 2e-4
"""The price is so much above and below its centre in turn: some fifth of a standard deviation of what is left of a
window, so that the fair value crosses the exchange's quotes."""
ASSET: Final = "BTC"
SERIES: Final = ",".join(f"{asset}-{kind}" for asset in ("btc", "eth") for kind in ("5m", "15m", "1h", "ladder"))
TOPICS: Final = {"crypto_prices": "btcusdt", "crypto_prices_chainlink": "btc/usd"}
"""The venue's two topics show every move, in one segment of the socket: one source alone would be doubted, and what is
measured is the way of the price that settles the doubt."""
LOOKBACK: Final = 5
LEFT_S: Final = 40
"""A window that ends sooner takes no entry any more."""
APART_S: Final = (0.9, 1.6)
"""Wall seconds between two ticks."""
WAIT_S: Final = 0.8
"""Wall seconds in which a tick's order is waited for."""
WARM_S: Final = 90.0


@dataclass
class Ticks:
    """What became of the ticks: how many were sent, and the milliseconds from the sending of a tick until the request
    of its order began, and until the exchange had answered. Orders of closes that came meanwhile are only counted."""

    sent: int = 0
    at_closes: int = 0
    sides: list[tuple[float, Side, str]] = field(default_factory=list)
    """Move of the tick, side and outcome of its order."""
    signed_ms: list[float] = field(default_factory=list)
    took_ms: list[float] = field(default_factory=list)

    def document(self) -> dict[str, float]:
        """For JSON.

        Raises:
            RuntimeError: if no tick led to an order.
        """
        if not self.took_ms:
            raise RuntimeError(f"none of {self.sent} ticks led to an order; look at STEP and at the exchange's quotes")
        return {
            "ticks": self.sent,
            "ticks_without_order": self.sent - len(self.took_ms),
            "tick_entries": sum(side is Side.BUY for _, side, _ in self.sides),
            "tick_exits": sum(side is Side.SELL for _, side, _ in self.sides),
            "orders_at_closes": self.at_closes,
            "tick_to_order_ms_p50": round(float(np.percentile(self.signed_ms, 50)), 3),
            "tick_to_order_ms_p99": round(float(np.percentile(self.signed_ms, 99)), 3),
            # The exchange's answer comes after it has held an order that takes (150 ms today).
            "tick_to_answer_ms_p50": round(float(np.percentile(self.took_ms, 50)), 3),
        }


class Prices:
    """The source of the ticks: it tells a subscriber what an asset did before `now_s`, and then what it is told."""

    def __init__(self) -> None:
        self.now_s: Callable[[], int] = lambda: BEGINS_S
        self.value = 0.0
        self.process: PriceProcess | None = None

    def past(self) -> list[str]:
        """The first messages of a subscriber."""
        now_s = self.now_s()
        times = range(now_s - BEFORE_S, now_s + 1)
        path = Underlying(1, ASSET, BEGINS_S).prices(times.start, times.stop).tolist()
        self.value = path[-1]
        data = [{"timestamp": ts_s * 1_000, "value": value} for ts_s, value in zip(times, path, strict=True)]
        rows = [(topic, {"symbol": symbol, "data": data}) for topic, symbol in TOPICS.items()]
        return [_message(topic, "subscribe", now_s * 1_000, payload) for topic, payload in rows]

    async def tick(self, ts_ms: int, value: float) -> float:
        """One price of both topics, known at its own time; when it was sent (perf_counter)."""
        assert self.process is not None
        self.value = value
        rows = [(topic, {"symbol": symbol, "timestamp": ts_ms, "value": value}) for topic, symbol in TOPICS.items()]
        return await self.process.send([_message(topic, "update", ts_ms, payload) for topic, payload in rows])


def _message(topic: str, kind: str, ts_ms: int, payload: dict[str, Any]) -> str:
    return json.dumps({"topic": topic, "type": kind, "timestamp": ts_ms, "payload": payload})


class Way:
    """A running bot whose orders are timed, and the ticks that it is given."""

    def __init__(self, bot: Bot, session: Session, prices: Prices) -> None:
        assert bot._lasting is not None
        self._session, self._prices = session, prices
        self._gateway: Any = bot._lasting.account.gateway
        self._place = self._gateway.place
        vars(self._gateway)["place"] = self._timed
        self._ordered = asyncio.Event()
        self._order: tuple[OrderIntent, float, float] | None = None
        self._loop = asyncio.get_running_loop()
        self.found = Ticks()

    def _timed(self, order: SignedOrder) -> PlaceResult:
        """Place an order, in the account's thread; what led to it is told by its intent."""
        began = time.perf_counter()
        result: PlaceResult = self._place(order)
        if not order.intent.after_ms:
            self.found.at_closes += 1
        elif self._order is None:
            self._order = (order.intent, began, time.perf_counter())
            self._loop.call_soon_threadsafe(self._ordered.set)
        return result

    def market_ms(self) -> int:
        """Market time now: the exchange's seconds last one of the wall, and a bar closes GRACE_S after its end."""
        closed_s, closed_at = self._session.feed.closed
        return int((closed_s + GRACE_S + time.perf_counter() - closed_at) * 1_000)

    async def walk(self, ticks: int) -> Ticks:
        """Send ticks one after the other, each to the window that ends first of those with enough time left."""
        dice, settled = random.Random(1), False
        while self.found.sent < ticks:
            await asyncio.sleep(dice.uniform(*APART_S))
            centre = self._centre()
            # The first tick only shows where the price is: nothing has moved before it.
            move = 0.0 if not settled else STEP * (1 if self.found.sent % 2 == 0 else -1)
            if centre is None:
                continue
            self._order = None
            self._ordered.clear()
            sent_at = await self._prices.tick(self.market_ms(), centre * (1.0 + move))
            if settled:
                self.found.sent += 1
                await self._note(move, sent_at)
            settled = True
        return self.found

    async def _note(self, move: float, sent_at: float) -> None:
        try:
            async with asyncio.timeout(WAIT_S):
                await self._ordered.wait()
        except TimeoutError:
            return
        assert self._order is not None
        intent, began, answered = self._order
        self.found.signed_ms.append((began - sent_at) * 1e3)
        self.found.took_ms.append((answered - sent_at) * 1e3)
        self.found.sides.append((move, intent.side, intent.outcome))

    def _centre(self) -> float | None:
        """The price at which the fair value of the window is the mid of its book, by bisection; None without one."""
        now_ms = self.market_ms()
        found = self._window(now_ms // 1_000)
        if found is None or not self._prices.value:
            return None
        rule, one = found
        path = self._session._references.board.paths.get((ASSET, rule.source))
        if path is None or one.mid_units is None:
            return None
        low, high = (self._prices.value * (1.0 + side) for side in (-2e-3, 2e-3))
        for _ in range(12):
            tried = (low + high) / 2.0
            fair, _ = fair_value(path, rule, now_ms, tried)
            if fair is None:
                return None
            low, high = (tried, high) if fair < one.mid_units / PRICE_SCALE else (low, tried)
        return (low + high) / 2.0

    def _window(self, now_s: int) -> tuple[Settlement, Followed] | None:
        on = [
            (one.market.settlement, one)
            for one in self._session.feed.followed.values()
            if one.market.settlement is not None and one.quote is not None and one.ready
        ]
        own = [pair for pair in on if pair[0].symbol == ASSET and pair[0].start_s <= now_s < pair[0].end_s - LEFT_S]
        return min(own, key=lambda pair: pair[0].end_s, default=None)


def _params() -> Params:
    """Those of params.yaml, with as many markets as the exchange lists, and no limit that 60 ticks would reach."""
    given = load()
    risk = given.risk.model_copy(update={"orders_per_minute": 1_000, "notional_per_hour": 1_000.0})
    return given.model_copy(update={"risk": risk})


@asynccontextmanager
async def running(settings: Settings, prices: Prices) -> AsyncIterator[tuple[Bot, Session]]:
    """The bot once it has decided bars. `prices` follow its market time.

    Raises:
        RuntimeError: if it has not within WARM_S seconds.
    """
    bot = Bot(settings, _params())
    prices.now_s = lambda: (bot._session.feed.market_s if bot._session is not None else None) or BEGINS_S
    bot.start()
    try:
        until = time.monotonic() + WARM_S
        while bot.status.decided_bars < 2 or bot._session is None:
            if time.monotonic() > until:
                raise RuntimeError(f"the bot decided no bar in {WARM_S:g} s: {bot.state(whole=False)['alarms']}")
            await asyncio.sleep(0.2)
        yield bot, bot._session
    finally:
        await bot.stop()


async def walked(settings: Settings, prices: Prices, ticks: int) -> Ticks:
    """The ticks through a running bot."""
    async with price_process(prices.past) as prices.process:
        settings = settings.model_copy(update={"rtds_url": prices.process.url})
        async with running(settings, prices) as (bot, session):
            return await Way(bot, session, prices).walk(ticks)


def tick_to_order(ticks: int = TICKS) -> Ticks:
    """Ticks through the running service against a local exchange in a process of its own."""
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        tiny_bundle.make(folder / "new", length_s=1, lookback=LOOKBACK)
        tiny_bundle.promote(folder / "new", folder / "var")
        options = ["--series", SERIES, "--speed", "1", "--history-days", "1", "--seed", "1"]
        with (folder / "exchange.log").open("w") as log, exchange(options, log) as urls:
            values = {name.removeprefix("ODDSMITH_").lower(): value for name, value in urls.items()}
            settings = Settings(
                _env_file=None, var=folder / "var", kill_switch=folder / "KILL",
                pinned_policy="temporal_arbitrage", **{**values, "news_url": ""},
            )  # fmt: skip
            return asyncio.run(walked(settings, Prices(), ticks))


def measure(ticks: int = TICKS) -> dict[str, float]:
    """From the sending of a price into the socket of reference prices until the service begins the request of the order
    that it led to, and until the exchange has answered it. Ticks without an order are counted."""
    return tick_to_order(ticks).document()

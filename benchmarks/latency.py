"""The guide's latency budget, measured: `python -m benchmarks.latency [--bundle models/bundle] [--orders 200]`.

One JSON line of milliseconds (p50 and p99): a message folded (ingest), features of all markets at a bar (features),
one batch forecast (forecast), all decisions (decide), one signed order at a simulator process of its own (execute).
`python -m benchmarks.turn_latency` has the deciles of an order's whole way, in the form of `execution.latency_ms`.
`decision_*` is features, forecast and decision of one market, the job that `guide_decision_*` does the guide's way:
a pandas window, 24 calls of `model.predict`, one `agent.predict` (TensorFlow and torch each in a process of its own).
"""

import argparse
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from benchmarks import guide_decision
from pipelines.core.domain import FeeSchedule, Market, Outcome, Quote, Side
from pipelines.core.errors import OddsmithError
from pipelines.core.money import MICRO
from pipelines.core.orders import OrderIntent, PlaceStatus
from pipelines.core.params import read
from pipelines.core.products import BUNDLE
from pipelines.core.settings import Settings
from pipelines.decide import Account
from pipelines.venue.clob_gateway import ClobGateway
from pipelines.venue.http import VenueHttp
from pipelines.venue.stream import MarketStream
from serving.champion import Champion
from serving.loaded_model import LoadedModel, WarmMarket, open_model, take_turn
from serving.market.windows import Window

MARKETS = 80
BARS = 400
BUDGET_MS = {"ingest": 50, "features": 100, "forecast": 10, "decide": 5, "execute": 150}
"""The guide's budget; its data ingestion is our `ingest`."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print one line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.latency", description=__doc__)
    parser.add_argument("--bundle", type=Path, default=BUNDLE, help="the sealed bundle to measure with")
    parser.add_argument("--orders", type=int, default=200, help="orders to place at the simulator")
    parser.add_argument("--no-guide", action="store_true", help="leave the guide's way out")
    asked = parser.parse_args(arguments)
    model = open_model(Champion(asked.bundle, "benchmark", armed=False, why=""), read(Path("params.yaml")))
    world = TimedMarkets.make(model)
    figures: dict[str, Any] = {"benchmark": "latency", "cores": os.cpu_count(), "load": round(os.getloadavg()[0], 2)}
    figures |= {"markets": MARKETS, "bundle": model.bundle.hash[:12], "policy": model.policy_kind}
    figures |= _figures("ingest", ingest(world.markets))
    for name, milliseconds in (*bars(model, world).items(), ("execute", execute(asked.orders))):
        figures |= _figures(name, milliseconds)
    if not asked.no_guide:
        figures["guide_decision_ms_p50"] = guide_decision.measure()
    late = [name for name, limit in BUDGET_MS.items() if figures[f"{name}_ms_p99"] > limit]
    figures["over_budget"] = late
    print(json.dumps(figures))
    return 0


def _figures(name: str, milliseconds: list[float]) -> dict[str, float]:
    p50, p99 = np.percentile(milliseconds, (50, 99))
    return {f"{name}_ms_p50": round(float(p50), 4), f"{name}_ms_p99": round(float(p99), 4)}


def _timed(work: Callable[[], Any]) -> float:
    began = time.perf_counter()
    work()
    return (time.perf_counter() - began) * 1e3


@dataclass(frozen=True)
class TimedMarkets:
    """Random walks of many markets, as long as the measurement needs."""

    markets: list[Market]
    mids: np.ndarray[Any, Any]
    volumes: np.ndarray[Any, Any]

    @classmethod
    def make(cls, model: LoadedModel) -> "TimedMarkets":
        """Walks on the tick grid, seeded."""
        rng = np.random.default_rng(1)
        bars_needed = BARS + model.lookback + 40
        steps = rng.integers(-1, 2, (MARKETS, bars_needed)) * 100
        mids = np.clip(5_000 + np.cumsum(steps, axis=1), 1_000, 9_000)
        return cls([_market(k) for k in range(MARKETS)], mids, rng.integers(0, 400, mids.shape) * MICRO)


def _market(number: int) -> Market:
    name = f"0x{number:064x}"
    fee = FeeSchedule(0.04)
    return Market(
        market_id=name,
        event_id=f"event-{number}",
        question="?",
        token_yes=f"{number}1",
        token_no=f"{number}2",
        tick_units=100,
        min_size_micro=5 * MICRO,
        fee=fee,
        start_s=None,
        end_s=None,
        topic="",
    )


def ingest(markets: list[Market]) -> list[float]:
    """Parse and fold one `price_change` message, 4,000 times over all markets."""
    stream = MarketStream("ws://127.0.0.1:9", VenueHttp("http://127.0.0.1:9"), markets)
    for market in markets:
        levels = [{"price": f"{p / 100:.2f}", "size": "500"} for p in range(30, 70)]
        book = {"event_type": "book", "asset_id": market.token_yes, "market": market.market_id, "timestamp": "1000"}
        _drain(stream, book | {"bids": levels[:20], "asks": levels[20:]})
    took = []
    for k in range(4_000):
        market = markets[k % len(markets)]
        change = {"asset_id": market.token_yes, "price": "0.48", "size": str(100 + k % 7), "side": "BUY", "hash": "x"}
        frame = {"event_type": "price_change", "market": market.market_id, "timestamp": str(2_000 + k)}
        text = msgspec.json.encode(frame | {"price_changes": [change]})
        took.append(_timed(lambda: _drain(stream, msgspec.json.decode(text))))  # noqa: B023 - called at once
    return took


def _drain(stream: MarketStream, frame: dict[str, Any]) -> None:
    for _ in stream._apply(frame):
        pass


def bars(model: LoadedModel, world: TimedMarkets) -> dict[str, list[float]]:
    """Milliseconds of features, forecast and decisions of all markets at each bar, and of one market alone."""
    windows = [Window(model.lookback, model.length_s, None) for _ in world.markets]
    took: dict[str, list[float]] = {"features": [], "forecast": [], "decide": [], "bar": [], "decision": []}
    account = Account(
        cash_micro=10_000 * MICRO,
        equity_micro=10_000 * MICRO,
        positions={},
        open_buy_micro={},
        markets={},
        day_start_equity_micro=10_000 * MICRO,
        peak_equity_micro=10_000 * MICRO,
    )
    for k in range(world.mids.shape[1]):
        ts_s = 1_767_225_600 + k * model.length_s
        features_ms = _timed(lambda: _push(world, windows, k, ts_s))  # noqa: B023 - called at once
        if k < model.lookback + 40:
            continue
        seen = [_seen(model, world, windows, n, k) for n in range(len(windows))]
        turn = take_turn(model, ts_s, seen, account, frozenset())
        took["features"].append(features_ms)
        took["forecast"].append(turn.forecast_ms)
        took["decide"].append(turn.decide_ms)
        took["bar"].append(features_ms + turn.forecast_ms + turn.decide_ms)
        alone = take_turn(model, ts_s, seen[:1], account, frozenset())
        took["decision"].append(features_ms / len(windows) + alone.forecast_ms + alone.decide_ms)
    return took


def _push(world: TimedMarkets, windows: list[Window], k: int, ts_s: int) -> None:
    from pipelines.core.domain import Bar  # noqa: PLC0415 - imported where it is used

    for n, window in enumerate(windows):
        market_id = world.markets[n].market_id
        window.push(Bar(market_id, ts_s, int(world.mids[n, k]), int(world.volumes[n, k]), 3, 200))


def _seen(model: LoadedModel, world: TimedMarkets, windows: list[Window], n: int, k: int) -> WarmMarket:
    mid = int(world.mids[n, k])
    view = windows[n].view(model.predictor.filter)
    return WarmMarket(world.markets[n], view, Quote(mid - 100, mid + 100, 900 * MICRO, 900 * MICRO), 0)


@contextmanager
def exchange_process(*options: str) -> Iterator[dict[str, str]]:
    """A simulator process whose market time is stopped: its addresses by name, until the block ends."""
    command = [sys.executable, "-m", "simulator", "--port", "0", "--speed", "0", "--history-days", "1", *options]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        urls = {}
        for line in process.stdout:
            if found := re.match(r"(\w+)\s+(http\S+)", line):
                urls[found[1].lower()] = found[2]
            if line.startswith("ready"):
                break
        yield urls
    finally:
        process.terminate()
        process.wait(timeout=20)


def execute(orders: int) -> list[float]:
    """Sign, send and hear back from the exchange: wall time per order."""
    with exchange_process() as urls:
        gateway = ClobGateway.connect(Settings(clob_url=urls["clob"]))
        return [_order(gateway, intent) for intent in _intents(urls["gamma"], orders)]


def _order(gateway: ClobGateway, intent: OrderIntent) -> float:
    began = time.perf_counter()
    result = gateway.place(gateway.prepare(intent))
    took = (time.perf_counter() - began) * 1e3
    if result.status is not PlaceStatus.ACCEPTED:
        raise RuntimeError(f"the simulator refused a benchmark order: {result.reason}")
    return took


def _intents(gamma_url: str, orders: int) -> list[OrderIntent]:
    import asyncio  # noqa: PLC0415 - one short read

    from pipelines.venue import gamma  # noqa: PLC0415

    async def listed() -> list[Market]:
        async with VenueHttp(gamma_url) as http:
            return await gamma.tradable(http, 10)

    markets = asyncio.run(listed())
    low = 500
    return [
        OrderIntent(
            market_id=m.market_id,
            token_id=m.token_yes,
            outcome=Outcome.YES,
            side=Side.BUY,
            price_units=low,
            shares_micro=25 * MICRO,
            tick_units=m.tick_units,
            neg_risk=m.neg_risk,
            version=m.version,
            reason="",
            ts_s=0,
        )
        for m in (markets[k % len(markets)] for k in range(orders))
    ]


if __name__ == "__main__":
    try:
        sys.exit(main())
    except OddsmithError as error:
        sys.exit(f"latency: {error}")

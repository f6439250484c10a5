"""After a restart the bot goes on with the reference prices that a recorder kept, and with nothing that it could not
have known."""

import asyncio
import dataclasses
import json
import math
import os
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from websockets.asyncio.server import serve

from pipelines.core.domain import FeeSchedule, Market
from pipelines.core.settings import Settings
from pipelines.core.settlement import RuleKind, Settlement
from pipelines.pull.frame_segments import Segments
from pipelines.reference import exchange
from pipelines.reference.external import EXTERNAL
from pipelines.reference.prices import Price
from pipelines.reference.rtds import parse
from pipelines.reference.segments import prices
from serving.market.references import References

BEGAN_S = 400


@pytest.fixture(autouse=True)
def _no_disk(monkeypatch):
    """What reaches the disk when is tested elsewhere; here 600 lines would each wait for it."""
    monkeypatch.setattr(os, "fsync", lambda _: None)


def frame(ts_ms: int, value: float) -> dict:
    """A message of the venue's socket."""
    payload = {"symbol": "btc/usd", "timestamp": ts_ms, "value": value}
    return {"topic": "crypto_prices_chainlink", "type": "update", "timestamp": ts_ms, "payload": payload}


def window(now_s: int) -> Market:
    """An up/down market that began BEGAN_S ago."""
    rule = Settlement(symbol="BTC", source="chainlink", kind=RuleKind.SPOT, start_s=now_s - BEGAN_S, end_s=now_s + 500)
    return Market(
        market_id="0xm", event_id="e", question="?", token_yes="11", token_no="22", tick_units=100,
        min_size_micro=5_000_000, fee=FeeSchedule(0.05), start_s=None, end_s=rule.end_s, topic="crypto",
        settlement=rule,
    )  # fmt: skip


def record(folder: Path, now_ms: int, seconds: int, *, is_closed: bool) -> float:
    """A price a second until `now_ms`, as a recorder keeps it; half of it in a closed segment where it has closed.
    Returns the last one."""
    rng = np.random.default_rng(1)
    walk = 100_000.0 * np.exp(np.cumsum(1e-5 * rng.standard_normal(seconds)))
    clock = [0]
    segments = Segments(folder / "landing", lambda: clock[0])
    for k, value in enumerate(walk.tolist()):
        clock[0] = now_ms - (seconds - k) * 1_000
        segments.write("rtds", frame=frame(clock[0], value))
        if is_closed and k == seconds // 2:
            segments.end()
    segments.flush()
    return float(walk[-1])


async def started(folder: Path, now_ms: int, live: list[dict], followed: Market | None = None) -> References:
    """The references of a bot after the first live messages."""

    async def handler(socket):
        await socket.recv()
        for one in live:
            await socket.send(json.dumps(one))
        await socket.wait_closed()

    async with serve(handler, "127.0.0.1", 0) as server:
        url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        settings = Settings(rtds_url=url, var=folder)
        made = References(settings, lambda: [followed or window(now_ms // 1_000)], 1, wall_is_market=True)
        task = asyncio.create_task(made.run())
        for _ in range(1_000):
            if made._taken == len(live):
                break
            await asyncio.sleep(0.02)
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
    assert made._taken == len(live)
    return made


async def test_a_running_window_has_its_fair_value_after_a_restart(tmp_path):
    """Level and volatility come from closed and open segments; without a recorder there is no fair value."""
    now_ms = time.time_ns() // 1_000_000
    last = record(tmp_path / "kept", now_ms, 600, is_closed=True)
    live = [frame(now_ms, last)]

    with_it = await started(tmp_path / "kept", now_ms, live)
    without = await started(tmp_path / "empty", now_ms, live)

    fair, before = with_it.now(window(now_ms // 1_000), now_ms + 1_000)
    assert fair is not None
    assert 0.0 < fair < 1.0
    assert before is not None
    assert without.now(window(now_ms // 1_000), now_ms + 1_000) == (None, None)


async def test_the_exchange_is_asked_for_assets_of_markets_that_join_later(tmp_path, monkeypatch):
    """A bot that began with Bitcoin has the exchange's price of Ether once a market on Ether is followed."""
    monkeypatch.setattr(exchange, "LOOK_EVERY_S", 0.02)
    now_ms = time.time_ns() // 1_000_000

    async def silent(socket):
        await socket.wait_closed()

    async def trades(socket):
        async for text in socket:
            for name in json.loads(text)["params"] if text != "PING" else ():
                trade = {"e": "trade", "s": name.removesuffix("@trade").upper(), "p": "5.0", "T": now_ms}
                await socket.send(json.dumps(trade))

    followed = [window(now_ms // 1_000)]
    async with serve(silent, "127.0.0.1", 0) as rtds, serve(trades, "127.0.0.1", 0) as traded:
        urls = [f"ws://127.0.0.1:{one.sockets[0].getsockname()[1]}" for one in (rtds, traded)]
        settings = Settings(rtds_url=urls[0], exchange_url=urls[1], var=tmp_path)
        made = References(settings, lambda: followed, 1, wall_is_market=True)
        task = asyncio.create_task(made.run())
        for symbol in ("BTC", "ETH"):
            rule = followed[0].settlement
            followed.append(dataclasses.replace(followed[0], settlement=dataclasses.replace(rule, symbol=symbol)))
            for _ in range(1_000):
                if (symbol, "exchange") in made.board.paths:
                    break
                await asyncio.sleep(0.01)
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task

    assert set(made.board.paths) == {("BTC", "exchange"), ("ETH", "exchange")}


async def test_a_market_that_joins_later_has_the_recorded_prices_of_its_asset(tmp_path):
    """What the recorder kept is taken for every asset, not only for those that are followed at the start."""
    now_ms = time.time_ns() // 1_000_000
    record(tmp_path, now_ms, 600, is_closed=True)
    ether = frame(now_ms, 4_000.0)
    ether["payload"]["symbol"] = "eth/usd"
    rule = window(now_ms // 1_000).settlement
    only_ether = dataclasses.replace(window(now_ms // 1_000), settlement=dataclasses.replace(rule, symbol="ETH"))

    made = await started(tmp_path, now_ms, [ether], only_ether)

    assert made.now(window(now_ms // 1_000), now_ms + 1_000)[0] is not None


async def test_prices_of_another_time_are_not_taken(tmp_path):
    """A recording from after the first live price, or from before any market could need it, changes nothing."""
    now_ms = time.time_ns() // 1_000_000
    live = [frame(now_ms, 100_000.0)]
    record(tmp_path / "later", now_ms + 1_000_000, 600, is_closed=False)
    record(tmp_path / "older", now_ms - 10 * 3_600_000, 600, is_closed=True)

    for folder in ("later", "older"):
        (path,) = (await started(tmp_path / folder, now_ms, live)).board.paths.values()
        assert len(path) == 1
        assert math.isclose(path.last(1)[1], 100_000.0)


def test_the_exchange_is_a_source_of_its_own(tmp_path):
    """Trades of the exchange are recorded and read back apart from the venue's prices of the same asset."""
    now_ms = time.time_ns() // 1_000_000
    segments = Segments(tmp_path / "landing", lambda: now_ms)
    trade = {"e": "trade", "s": "BTCUSDT", "p": "61000.5", "T": now_ms - 5}
    payload = {"symbol": "btcusdt", "timestamp": now_ms - 5, "value": 61_001.0}
    segments.write("exchange", frame=trade)
    segments.write("rtds", frame={"topic": "crypto_prices", "payload": payload})
    segments.end()

    found = prices(tmp_path / "landing", now_ms - 1_000, now_ms)

    assert {(one.source, one.value) for one in found} == {("exchange", 61_000.5), ("binance", 61_001.0)}


async def test_a_feed_of_minutes_keeps_the_external_probabilities(tmp_path):
    """Where the board begins anew with the distance of a replayed feed's prices, what else it knows stays."""
    rows = [{"timestamp": 60_000 * k, "value": 100_000.0 + k} for k in range(1, 30)]
    first = {"topic": "crypto_prices_chainlink", "timestamp": 1_740_000}
    first["payload"] = {"symbol": "btc/usd", "data": rows}
    made = References(Settings(var=tmp_path), list, 60, wall_is_market=False)
    made.board.take(Price("0xm", EXTERNAL, 1_000, 1_000, 0.7))

    for one in [*parse(first, 1_740_000), *parse(frame(1_800_000, 100_030.0), 1_800_000)]:
        made._measure(one)
        made.board.take(one)

    (path,) = made.board.paths.values()
    assert len(path) == 30
    assert not path.frozen(1_800_000 + 149_000, 30)
    assert path.frozen(1_800_000 + 151_000, 30)
    assert made.external(window(1_000), 100) == 0.7

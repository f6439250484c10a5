"""The local exchange's stream of trades: the protocol of Binance's public streams, prices of the simulated underlyings
a tenth of a second late."""

import asyncio
import json
import math
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from series_site import first_windows, served
from websockets.asyncio.client import connect

from pipelines.core.raw_tables import reference_of
from pipelines.reference import recorded
from pipelines.reference.exchange import Exchange
from pipelines.reference.prices import Price, Silence
from pipelines.venue import channel
from simulator.api.exchange_stream import ExchangeStream
from simulator.markets import recorded_source
from simulator.markets.source import SourceOptions
from simulator.series import trades
from simulator.series.trades import STREAM_MS


async def asked(socket, **frame):
    """The answer to a frame."""
    await socket.send(json.dumps(frame))
    return json.loads(await socket.recv())


async def heard(socket, count):
    """The next messages."""
    async with asyncio.timeout(20):
        return [json.loads(await socket.recv()) for _ in range(count)]


async def test_a_raw_client_gets_the_trades_that_it_asked_for():
    """A subscription is answered and then brings ten trades a second of its asset alone, in the exchange's words; they
    end with the subscription."""
    async with served("btc-5m,eth-5m") as local, connect(f"{local.stream}/exchange/ws") as socket:
        assert await asked(socket, method="SUBSCRIBE", params=["btcusdt@trade"], id=7) == {"result": None, "id": 7}
        await local.venue.step()
        rows = await heard(socket, 10)
        listed = await asked(socket, method="LIST_SUBSCRIPTIONS", id="a")
        gone = await asked(socket, method="UNSUBSCRIBE", params=["btcusdt@trade"], id=None)
        await local.venue.step()
        after = await asked(socket, method="LIST_SUBSCRIPTIONS", id=8)

        now_s = local.venue.now_s - 1
        ends = local.source.underlyings["BTC"].prices(now_s - 2, now_s + 1)

    assert {frozenset(row) for row in rows} == {frozenset("eEstpqTmM")}
    assert [row["T"] for row in rows] == list(range(now_s * 1_000 - 1_000, now_s * 1_000, 100))
    assert {(row["e"], row["s"], row["E"] - row["T"]) for row in rows} == {("trade", "BTCUSDT", STREAM_MS)}
    assert all(one["t"] < other["t"] for one, other in pairwise(rows))
    for row in rows:
        second, ms = divmod(row["T"] - (now_s - 2) * 1_000, 1_000)
        line = math.log(ends[second]) + ms / 1_000 * math.log(ends[second + 1] / ends[second])
        assert float(row["p"]) == pytest.approx(math.exp(line), rel=1e-9)
    assert listed == {"result": ["btcusdt@trade"], "id": "a"}
    assert gone == {"result": None, "id": None}
    assert after == {"result": [], "id": 8}


async def test_streams_are_named_in_the_address_too():
    """A raw stream sends trades at once, a combined one wraps them with their name, and either form can be chosen."""
    async with served("btc-5m,eth-5m") as local:
        combined = f"{local.stream}/exchange/stream?streams=btcusdt@trade/ethusdt@trade/solusdt@trade"
        async with connect(f"{local.stream}/exchange/ws/ethusdt@trade") as raw, connect(combined) as both:
            assert await asked(both, method="GET_PROPERTY", params=["combined"], id=1) == {"result": True, "id": 1}
            await local.venue.step()
            alone, wrapped = await heard(raw, 10), await heard(both, 20)
            await asked(both, method="SET_PROPERTY", params=["combined", False], id=2)
            await local.venue.step()
            plain = await heard(both, 1)

    assert {row["s"] for row in alone} == {"ETHUSDT"}
    assert {(row["stream"], row["data"]["s"]) for row in wrapped} == {
        ("btcusdt@trade", "BTCUSDT"),
        ("ethusdt@trade", "ETHUSDT"),
    }
    assert [row["data"] for row in wrapped if row["stream"] == "ethusdt@trade"] == alone
    assert plain[0]["e"] == "trade"


@pytest.mark.parametrize(
    ("frame", "code", "said"),
    [
        ("PING", 3, "Invalid JSON"),
        ("[1]", 2, "missing field `method`"),
        ('{"method":"SUBSCRIBE","params":["btcusdt@trade"]}', 2, "request ID"),
        ('{"method":"SUBSCRIBE","params":["btcusdt@trade"],"id":true}', 2, "request ID"),
        ('{"method":"subscribe","params":[],"id":1}', 2, "unknown variant `subscribe`"),
        ('{"method":"SUBSCRIBE","params":"btcusdt@trade","id":1}', 2, "list of stream names"),
        ('{"method":"SET_PROPERTY","params":["combined","yes"],"id":1}', 1, "expected Boolean"),
        ('{"method":"GET_PROPERTY","params":["other"],"id":1}', 0, "Unknown property"),
        ('{"method":"GET_PROPERTY","id":1}', 2, "property name"),
    ],
)
async def test_a_frame_that_is_none_is_answered_with_an_error(frame, code, said):
    """The connection stays, and a ping of the protocol is answered."""
    async with served() as local, connect(f"{local.stream}/exchange/ws") as socket:
        await socket.send(frame)
        (answer,) = await heard(socket, 1)
        await asyncio.wait_for(await socket.ping(), 5)
        still = await asked(socket, method="LIST_SUBSCRIPTIONS", id=1)

    assert answer["code"] == code
    assert said in answer["msg"]
    assert still == {"result": [], "id": 1}


async def test_the_bots_reader_knows_a_trade_at_its_market_time():
    """On a venue with a clock of its own a trade is known when its message says that it was sent, a tenth of a second
    of market time after it was made."""
    async with served() as local:
        source = Exchange(f"{local.stream}/exchange/ws", lambda: ["BTC"], by_message=True)
        prices, found = source.prices(), []
        first = asyncio.create_task(anext(prices))
        while not local.subscribed():  # noqa: ASYNC110 - uvicorn has no event
            await asyncio.sleep(0.01)
        await local.venue.step()
        async with asyncio.timeout(10):
            found = [await first, *[await anext(prices) for _ in range(9)]]
        await prices.aclose()
        now_ms = local.venue.now_ms

    assert all(isinstance(one, Price) for one in found)
    assert {(one.symbol, one.source, one.known_ms - one.ts_ms) for one in found} == {("BTC", "exchange", STREAM_MS)}
    assert [one.known_ms for one in found] == list(range(now_ms - 900, now_ms + 1, 100))


async def test_the_bots_reader_notices_a_silent_stream(monkeypatch):
    """It sends no text pings, whose refusals would pass for data."""
    monkeypatch.setattr(channel, "PING_EVERY_S", 0.05)
    async with served() as local:
        prices = Exchange(f"{local.stream}/exchange/ws", lambda: ["BTC"], silence_s=0.5).prices()
        async with asyncio.timeout(20):
            first = await anext(prices)
        await prices.aclose()

    assert first == Silence("exchange", "no data for 0.5 s")


async def test_trades_come_between_two_steps():
    """At the speed of the clock, not in one lump a second; none is sent twice, and none beyond the next step."""
    async with served(speed=2.0) as local:
        wall_s = [100.0]
        local.site.trades = ExchangeStream(local.venue, lambda _topic, _pair, value: value, lambda: wall_s[0])
        began_ms = local.venue.now_ms
        async with connect(f"{local.stream}/exchange/ws/btcusdt@trade") as socket:
            await asked(socket, method="LIST_SUBSCRIPTIONS", id=1)
            for _ in range(3):
                wall_s[0] += 0.125
                local.site.trades.advance()
            early = await heard(socket, 7)
            wall_s[0] += 60.0
            local.site.trades.advance()
            await local.venue.step()
            rest = await heard(socket, 3)

    assert [row["E"] - began_ms for row in early + rest] == list(range(100, 1_001, 100))


@pytest.mark.parametrize(("speed", "spacing_ms"), [(0, 100), (1, 100), (5, 100), (12, 250), (20, 500), (600, 1_000)])
def test_a_faster_clock_has_fewer_trades_a_second(speed, spacing_ms):
    """One of them always arrives exactly at the end of a second, and consecutive spans give each trade once."""
    source = first_windows()
    feed = trades.of_source(source, speed)
    end_ms = source.now_s * 1_000
    whole = feed.sent(end_ms - 3_000, end_ms)

    assert trades.spacing_ms(speed) == spacing_ms
    assert len(whole) == 3_000 // spacing_ms
    assert whole[-1].sent_ms == end_ms
    parts = [feed.sent(end_ms - 3_000 + start, end_ms - 3_000 + start + 70) for start in range(0, 3_000, 70)]
    assert [one for part in parts for one in part if one.sent_ms <= end_ms] == whole


def test_a_replay_has_the_trades_that_were_recorded(tmp_path):
    """Each comes at the market time at which it was known; prices of other sources are no trades."""
    begin_s, path = 1_790_586_000, tmp_path / "minutes.parquet"
    table = {"market_id": ["A"] * 60, "timestamp": begin_s + 60 * np.arange(60), "price": np.full(60, 0.5)}
    pq.write_table(pa.table(table), path)
    made = [
        Price("BTC", source, (begin_s + k) * 1_000, (begin_s + k) * 1_000 + 90, 100.0 + k)
        for source in ("binance", "exchange")
        for k in range(1_200)
    ]
    pq.write_table(recorded.table(made), reference_of(path))
    feed = trades.of_source(recorded_source.open_source(SourceOptions(replay=path, warm_bars=5)), 60.0)

    found = feed.sent((begin_s + 600) * 1_000, (begin_s + 605) * 1_000)

    assert [(one.symbol, one.ts_ms, one.sent_ms, one.value) for one in found] == [
        (one.symbol, one.ts_ms, one.known_ms, one.value) for one in made[1_200 + 600 : 1_200 + 605]
    ]

"""What each source of reference prices sends becomes the same kind of price, and nothing else does."""

import asyncio
import json

import pytest
from websockets.asyncio.server import serve

from pipelines.core.errors import DataError
from pipelines.reference import exchange, recorded, rtds
from pipelines.reference.prices import Price, Silence

UPDATE = {
    "topic": "crypto_prices",
    "type": "update",
    "timestamp": 1_780_730_269_142,
    "payload": {
        "symbol": "btcusdt",
        "timestamp": 1_780_730_269_000,
        "value": 61_035.86,
        "full_accuracy_value": "61035.86000000",
    },
}


def test_an_update_of_the_venue_is_one_price():
    """The price's own time is in the payload; the time of sending is not it."""
    assert rtds.parse(UPDATE, 5) == [Price("BTC", "binance", 1_780_730_269_000, 5, 61_035.86)]


def test_the_first_answer_is_a_list_of_prices():
    """A subscription begins with the last prices, which are taken in the order of their times."""
    rows = [{"timestamp": 2_000, "value": 2.0}, {"timestamp": 1_000, "value": 1.0}]
    message = {"topic": "crypto_prices_chainlink", "type": "subscribe", "payload": {"symbol": "eth/usd", "data": rows}}

    assert rtds.parse(message, 9) == [
        Price("ETH", "chainlink", 1_000, 9, 1.0),
        Price("ETH", "chainlink", 2_000, 9, 2.0),
    ]


@pytest.mark.parametrize(
    "message",
    [
        {},
        {"topic": "comments", "payload": {"symbol": "btcusdt", "value": 1.0, "timestamp": 1}},
        {"topic": "crypto_prices", "payload": "no json"},
        {"topic": "crypto_prices", "payload": {"symbol": "btcusdt", "value": "NaN", "timestamp": 1}},
        {"topic": "crypto_prices", "payload": {"symbol": None, "value": 1.0, "timestamp": 1}},
        {"topic": "crypto_prices", "payload": {"symbol": "btcusdt", "value": 1.0, "timestamp": "soon"}},
        {"topic": "crypto_prices", "payload": {"symbol": "btcusdt", "data": [None, 3, {"value": True}]}},
    ],
)
def test_what_is_no_price_gives_none(message):
    """A message of another kind, or one that is broken, is no price and no error."""
    assert rtds.parse(message, 1) == []


def test_a_trade_of_the_exchange_is_a_price():
    """Plain and combined streams are read alike."""
    row = {"e": "trade", "s": "BTCUSDT", "p": "61000.5", "T": 1_700}

    assert exchange.parse(row, 3) == exchange.parse({"stream": "x", "data": row}, 3)
    assert exchange.parse(row, 3) == Price("BTC", "exchange", 1_700, 3, 61_000.5)
    assert exchange.parse({"result": None, "id": 1}, 3) is None


def test_a_table_of_prices_comes_back_as_it_was(tmp_path):
    """What a recorder keeps is read to the bit."""
    import pyarrow.parquet as pq

    prices = [Price("BTC", "binance", 1, 2, 3.5), Price("ETH", "chainlink", 4, 5, 6.5)]
    pq.write_table(recorded.table(prices), tmp_path / "prices.parquet")

    assert recorded.read(tmp_path / "prices.parquet") == prices
    assert recorded.read(tmp_path / "absent.parquet") == []


def test_another_table_is_refused(tmp_path):
    """The error names the columns that are needed."""
    (tmp_path / "prices.parquet").write_bytes(b"no parquet")

    with pytest.raises(DataError, match="symbol, source, ts_ms"):
        recorded.read(tmp_path / "prices.parquet")


def test_a_silent_socket_is_reported_and_replaced():
    """While the socket stays open and says nothing, the source tells it and connects again."""

    async def talk(socket):
        await socket.recv()
        await socket.send('{"topic":"crypto_prices","payload":{"symbol":"btcusdt","timestamp":1000,"value":5.0}}')
        await asyncio.sleep(5)

    async def heard():
        async with serve(talk, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            source = rtds.Rtds(f"ws://127.0.0.1:{port}", silence_s=0.2, now_ms=lambda: 7)
            prices = source.prices()
            return [await anext(prices) for _ in range(3)]

    first, silence, again = asyncio.run(heard())

    assert first == again == Price("BTC", "binance", 1_000, 7, 5.0)
    assert isinstance(silence, Silence)
    assert "no data" in silence.reason


async def test_assets_that_join_later_are_added_to_the_open_connection(monkeypatch):
    """The exchange is asked for each asset once as it joins, and for all of them by a new connection."""
    monkeypatch.setattr(exchange, "LOOK_EVERY_S", 0.02)
    asked: list[list[str]] = []
    sockets = []

    async def handler(socket):
        sockets.append(socket)
        async for text in socket:
            if text != "PING":
                asked.append(json.loads(text)["params"])

    async def until(count: int) -> None:
        for _ in range(1_000):
            if len(asked) >= count:
                return
            await asyncio.sleep(0.01)

    wanted = {"BTC"}
    async with serve(handler, "127.0.0.1", 0) as server:
        url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        source = exchange.Exchange(url, lambda: wanted)

        async def read():
            async for _ in source.prices():
                pass

        tasks = [asyncio.create_task(read()), asyncio.create_task(source.follow())]
        await until(1)
        wanted = {"BTC", "ETH"}
        await until(2)
        wanted = {"SOL"}
        await until(3)
        await sockets[0].close()
        await until(4)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    assert asked == [
        ["btcusdt@trade"],
        ["ethusdt@trade"],
        ["solusdt@trade"],
        ["btcusdt@trade", "ethusdt@trade", "solusdt@trade"],
    ]

"""The WebSocket channels: subscription rules, messages, and books that can be folded."""

import asyncio
import contextlib
import json
import time
from unittest.mock import AsyncMock

import httpx2
import pytest
from py_clob_client_v2.clob_types import OrderArgs
from simulator_bench import listing
from simulator_site import Background
from starlette.websockets import WebSocketState
from test_simulator_clients import client
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from pipelines.core.domain import Side
from simulator.api import connection
from simulator.markets.source import Listing

FIRST: Listing = listing(1)
YES, NO = FIRST.token_yes, FIRST.token_no


@pytest.fixture(scope="module")
def site():
    """A venue whose market time advances only when a test steps it."""
    with Background() as running:
        yield running


def socket(site, channel):
    """A connection as most clients make it: without library pings."""
    return connect(site.urls["clob"].replace("http", "ws") + f"/ws/{channel}", ping_interval=None)


def messages(connection, seconds=0.4):
    """Everything that arrives for a while, arrays unpacked; PONG stays text."""
    found = []
    end = time.monotonic() + seconds
    with contextlib.suppress(TimeoutError, ConnectionClosed):
        while (left := end - time.monotonic()) > 0:
            text = connection.recv(timeout=left)
            document = text if text in ("PONG", "INVALID OPERATION") else json.loads(text)
            found += document if isinstance(document, list) else [document]
    return found


def subscribe(connection, *tokens, **more):
    """The initial frame of the market channel."""
    connection.send(json.dumps({"type": "market", "assets_ids": list(tokens), **more}))


def test_subscribe_first(site):
    """A PING before the first subscription closes the connection with 1008."""
    with socket(site, "market") as connection:
        connection.send("PING")
        with pytest.raises(ConnectionClosed) as closed:
            connection.recv(timeout=2)
        assert closed.value.rcvd.code == 1008


def test_ping_and_dump(site):
    """After subscribing, the book of each token arrives, and PING is answered with PONG."""
    with socket(site, "market") as connection:
        subscribe(connection, YES, NO)
        books = messages(connection)
        assert {row["asset_id"] for row in books} == {YES, NO}
        assert all(row["event_type"] == "book" for row in books)
        yes = next(row for row in books if row["asset_id"] == YES)
        assert (yes["bids"][-1]["price"], yes["asks"][-1]["price"]) == ("0.49", "0.51")
        connection.send("PING")
        assert messages(connection) == ["PONG"]


def test_operations(site):
    """Changes need operations: a second initial frame is an invalid operation, unsubscribed tokens fall silent."""
    with socket(site, "market") as connection:
        subscribe(connection, YES, initial_dump=False)
        assert messages(connection, 0.2) == []
        subscribe(connection, NO)
        connection.send("{not json")
        connection.send("[1]")
        assert messages(connection, 0.3) == ["INVALID OPERATION"] * 3
        connection.send(json.dumps({"operation": "subscribe", "assets_ids": [NO]}))
        assert [row["asset_id"] for row in messages(connection)] == [NO]
        connection.send(json.dumps({"operation": "unsubscribe", "assets_ids": [YES, NO]}))
        connection.send("PING")
        assert messages(connection) == ["PONG"]
        site.step((Side.BUY, 5100, 10))
        assert messages(connection) == []


def fold(book, change):
    """Apply a price change to a folded book."""
    side = book[change["side"]]
    side.pop(change["price"], None)
    if float(change["size"]):
        side[change["price"]] = change["size"]


def test_price_changes_fold_to_the_book(site):
    """Level totals folded from price_change equal GET /book after orders, fills and cancels; the touch is given."""
    trader = client(site, 71)
    with socket(site, "market") as connection:
        subscribe(connection, YES, custom_feature_enabled=True)
        (first,) = messages(connection)
        book = {s: {r["price"]: r["size"] for r in first[k]} for s, k in (("BUY", "bids"), ("SELL", "asks"))}
        trader.create_and_post_order(OrderArgs(token_id=YES, price=0.50, size=10, side="BUY"))
        trader.create_and_post_order(OrderArgs(token_id=NO, price=0.49, size=1200, side="BUY"))
        trader.cancel_all()
        site.step((Side.SELL, 4900, 30))
        seen = messages(connection)
        for row in seen:
            for change in row.get("price_changes", ()):
                if change["asset_id"] == YES:
                    fold(book, change)
                    touch = change["best_bid"], change["best_ask"]
        whole = httpx2.get(site.urls["clob"] + "/book", params={"token_id": YES}).json()
        assert book["BUY"] == {r["price"]: r["size"] for r in whole["bids"]}
        assert book["SELL"] == {r["price"]: r["size"] for r in whole["asks"]}
        assert touch == (whole["bids"][-1]["price"], whole["asks"][-1]["price"])
        kinds = {row["event_type"] for row in seen}
        assert kinds == {"price_change", "last_trade_price", "book", "best_bid_ask"}
        last = [row for row in seen if row["event_type"] == "last_trade_price"][-1]
        assert (last["price"], last["size"], last["side"]) == ("0.49", "30", "SELL")


def user(connection, trader, **more):
    """The initial frame of the user channel."""
    auth = {
        "apiKey": trader.creds.api_key,
        "secret": trader.creds.api_secret,
        "passphrase": trader.creds.api_passphrase,
    }
    connection.send(json.dumps({"type": "user", "auth": auth, **more}))


def test_user_channel(site):
    """Own orders and trades arrive with every change of status; other markets and accounts do not."""
    trader = client(site, 72)
    with socket(site, "user") as connection, socket(site, "user") as elsewhere:
        user(connection, trader)
        user(elsewhere, trader, markets=[listing(2).market_id])
        assert messages(connection, 0.2) == []
        resting = trader.create_and_post_order(OrderArgs(token_id=YES, price=0.2, size=10, side="BUY"))
        trader.cancel_all()
        filled = trader.create_and_post_order(OrderArgs(token_id=YES, price=0.51, size=10, side="BUY"))
        seen = messages(connection, 0.6)
        orders = [(row["id"], row["type"]) for row in seen if row["event_type"] == "order"]
        assert orders == [
            (resting["orderID"], "PLACEMENT"),
            (resting["orderID"], "CANCELLATION"),
            (filled["orderID"], "PLACEMENT"),
        ]
        trades = [row for row in seen if row["event_type"] == "trade"]
        assert [row["status"] for row in trades] == ["MATCHED", "MINED", "CONFIRMED"]
        assert {row["id"] for row in trades} == set(filled["tradeIDs"])
        assert trades[0]["trader_side"] == "TAKER"
        assert messages(elsewhere, 0.2) == []


def test_maker_is_told_in_its_own_token(site):
    """A resting order that noise traders hit is reported as maker, in its own token, side and price."""
    trader = client(site, 73)
    with socket(site, "user") as connection:
        user(connection, trader)
        mine = trader.create_and_post_order(OrderArgs(token_id=NO, price=0.50, size=10, side="BUY"))
        site.step((Side.BUY, 5000, 4))
        seen = messages(connection, 0.6)
        update = next(row for row in seen if row["event_type"] == "order" and row["type"] == "UPDATE")
        assert (update["size_matched"], update["status"]) == ("4", "LIVE")
        trade = next(row for row in seen if row["event_type"] == "trade")
        assert trade["trader_side"] == "MAKER"
        (leg,) = [leg for leg in trade["maker_orders"] if leg["order_id"] == mine["orderID"]]
        assert (leg["asset_id"], leg["side"], leg["price"], leg["matched_amount"]) == (NO, "BUY", "0.5", "4")
        trader.cancel_all()


def test_user_channel_needs_credentials(site):
    """Wrong credentials close the connection."""
    trader = client(site, 74)
    trader.creds.api_secret = "wrong"
    with socket(site, "user") as connection:
        user(connection, trader)
        with pytest.raises(ConnectionClosed):
            connection.recv(timeout=2)


def test_life_of_a_market():
    """Tick changes and resolutions are told to those who listen."""
    with Background() as site, socket(site, "market") as connection:
        subscribe(connection, YES, custom_feature_enabled=True)
        messages(connection)
        market = site.venue.exchange.markets[FIRST.market_id]
        site.do(lambda: site.venue.change_tick(market, 10))
        site.do(lambda: site.venue.resolve(FIRST.market_id, 1_000_000))
        seen = messages(connection)
        tick = next(row for row in seen if row["event_type"] == "tick_size_change")
        assert (tick["old_tick_size"], tick["new_tick_size"]) == ("0.01", "0.001")
        over = next(row for row in seen if row["event_type"] == "market_resolved")
        assert (over["winning_asset_id"], over["winning_outcome"]) == (YES, "Yes")
        assert httpx2.get(site.urls["clob"] + "/book", params={"token_id": YES}).status_code == 404


async def test_slow_reader_is_dropped(monkeypatch):
    """A client that does not read is given up when it falls too far behind; it does not fill the memory."""
    monkeypatch.setattr(connection, "MAX_QUEUED", 20)
    forever = asyncio.Event()

    class Stuck:
        application_state = WebSocketState.CONNECTED
        accept = AsyncMock()

        async def receive(self):
            await forever.wait()

        async def send_text(self, text):
            await forever.wait()

    client = connection.Connection(Stuck(), lambda _, batch: batch)
    running = asyncio.create_task(client.run(lambda *_: True))
    await asyncio.sleep(0)
    for _ in range(30):
        client.push("{}")
        await asyncio.sleep(0)
    await asyncio.wait_for(running, 2)
    client.push("{}")
    assert client._queue == []

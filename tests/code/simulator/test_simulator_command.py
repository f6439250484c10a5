"""python -m simulator: addresses, readiness, state, and errors for people."""

import json
import re
import signal
import socket
import subprocess
import sys
import time

import httpx2
import pytest
from simulator_bench import listing, place
from simulator_site import Background
from test_simulator_clients import client

from pipelines.core.errors import ParameterError
from simulator.__main__ import options_of, parser
from simulator.engine.orders import OrderStatus
from simulator.venue.heartbeats import Heartbeats

SMALL = ["--port", "0", "--history-days", "1", "--event-length-min", "240", "--markets-per-event", "2"]


def start(*arguments):
    """The command as a process, and its addresses once it is ready."""
    process = subprocess.Popen(
        [sys.executable, "-m", "simulator", *SMALL, *arguments], stdout=subprocess.PIPE, text=True
    )
    urls = {}
    for line in process.stdout:
        found = re.match(r"(\w+)\s+(http\S+)", line)
        if found:
            urls[found[1].lower()] = found[2]
        if line.startswith("ready"):
            return process, urls
    raise AssertionError(f"the simulator ended with {process.wait()}")


@pytest.mark.slow
def test_state_is_resumed(tmp_path):
    """Four addresses are printed; SIGTERM writes seed and market time; the next start resumes there."""
    state = tmp_path / "state.json"
    process, urls = start("--state", str(state), "--speed", "6000")
    assert set(urls) == {"clob", "gamma", "data", "news"}
    assert httpx2.get(urls["clob"] + "/ok").json() == "OK"
    time.sleep(0.5)
    process.send_signal(signal.SIGTERM)
    assert process.wait(10) == 0
    stopped = json.loads(state.read_text())
    assert stopped["seed"] == 1
    process, urls = start("--state", str(state), "--speed", "0")
    try:
        assert httpx2.get(urls["data"] + "/v2/status").json()["data"]["indexed_at"] == stopped["market_time_s"]
    finally:
        process.terminate()
        process.wait(10)


@pytest.mark.slow
def test_port_that_is_taken():
    """A port in use is one line on standard error and exit status 1."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        result = subprocess.run(
            [sys.executable, "-m", "simulator", *SMALL, "--port", port],
            capture_output=True,
            text=True,
            check=False,
        )
    assert result.returncode == 1
    assert f"port {port} on 127.0.0.1 for clob cannot be used" in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--order-versions", "2,x"], "--order-versions was '2,x'; give a list of 1, 2, 3"),
        (["--edge", "1.5"], "--edge was 1.5; give 0 to 1"),
        (["--speed", "-1"], "--speed was -1; give 0 to 100000"),
    ],
)
def test_bad_options(arguments, text):
    """A value that is not allowed is named with what is."""
    with pytest.raises(ParameterError, match=re.escape(text)):
        options_of(parser().parse_args(arguments))


def test_heartbeats_cancel_after_silence():
    """Ten seconds after the last accepted heartbeat a key's orders are cancelled, not before, and only once."""
    cancelled = []
    beats = Heartbeats(cancelled.append)
    accepted, first = beats.accept("key", "", 100.0)
    assert accepted
    beats.sweep(109.0)
    assert beats.accept("key", "stale", 109.5) == (False, first)
    beats.sweep(114.0)
    assert cancelled == ["key"]
    beats.sweep(130.0)
    assert cancelled == ["key"]


def test_silent_key_loses_its_orders():
    """Through the API: after a heartbeat and silence every open order of the key is cancelled."""
    with Background() as site:
        trader = client(site, 110)
        venue = site.venue
        site.do(lambda: place(venue.exchange, trader.get_address(), "BUY", "YES", 2000, 10)[0])
        order = next(o for o in venue.exchange.orders.values() if not o.account.internal)
        order.owner = trader.creds.api_key
        trader.post_heartbeat()
        site.do(lambda: venue.heartbeats.sweep(venue.wall_s() + 11))
        assert order.status is OrderStatus.CANCELED


def test_expired_orders_leave_the_book():
    """A GTD order leaves the book a minute before its expiration, as expired."""
    with Background() as site:
        venue = site.venue
        order, _ = site.do(lambda: place(venue.exchange, "0x" + "9" * 40, "BUY", "YES", 2000, 10))
        order.expires_s = int(time.time()) - 1
        site.do(lambda: venue._order_changed("PLACEMENT", order))
        site.do(venue.upkeep)
        assert order.status is OrderStatus.CANCELED_EXPIRED_ORDER


def test_market_maker_keeps_its_place():
    """A step that leaves the quote as it is leaves the market maker's orders in the queue."""
    with Background() as site:
        before = dict(site.venue.exchange.orders)
        site.step()
        assert site.venue.exchange.orders == before
        site.source.half_spread = 200
        site.step()
        market = site.venue.exchange.markets[listing(1).market_id]
        assert (market.book.bids.best(), market.book.asks.best()) == (4800, 5200)

"""Faults: each does what it says to an unmodified client, and the books of the exchange balance."""

import json
import time

import httpx2
import pytest
from py_clob_client_v2.clob_types import BalanceAllowanceParams, OrderArgs, OrderType, PostOrdersV2Args, TradeParams
from py_clob_client_v2.exceptions import PolyApiException
from simulator_bench import listing
from simulator_site import Background, until
from test_simulator_clients import client
from test_simulator_streams import messages, socket, subscribe, user

from pipelines.core.errors import ParameterError
from simulator.faults.state import Faults

YES = listing(1).token_yes
CONDITION = listing(1).market_id
COLLATERAL = BalanceAllowanceParams(asset_type="COLLATERAL")


def start(site, fault, **options):
    """Switch a fault on through the admin API."""
    answer = httpx2.post(site.urls["clob"] + "/admin/faults", json={"fault": fault, **options})
    assert answer.status_code == 200, answer.text
    return answer.json()


def buy(trader, price=0.2, size=10):
    """A resting buy."""
    return trader.create_and_post_order(OrderArgs(token_id=YES, price=price, size=size, side="BUY"))


@pytest.mark.parametrize(
    ("fault", "status", "text"),
    [
        ("restart", 425, "service not ready"),
        ("disabled", 503, "Trading is currently disabled"),
        ("cancel_only", 503, "cancel-only"),
        ("post_only", 503, "post_only_mode"),
        ("order_timeout", 500, "order timed out"),
        ("rate_limit", 429, "Too Many Requests"),
        ("forbidden", 403, "you have been blocked"),
        ("geoblock", 403, "Trading restricted in your region"),
    ],
)
def test_refusing_faults(site, fault, status, text):
    """The order is refused with the documented status and body, nothing rests, and reads still work."""
    trader = client(site, 80)
    start(site, fault, **({"post_only_s": 0.01} if fault == "restart" else {}))
    with pytest.raises(PolyApiException) as error:
        buy(trader)
    assert error.value.status_code == status
    assert text in str(error.value.error_msg)
    httpx2.delete(site.urls["clob"] + "/admin/faults")
    time.sleep(0.05)
    assert trader.get_open_orders() == []


def test_rate_limit_headers(site):
    """429 says when to try again."""
    start(site, "rate_limit", retry_after_s=3)
    answer = httpx2.get(site.urls["clob"] + "/time")
    assert answer.headers["retry-after"] == "3"
    assert {"poly-ratelimit-remaining", "poly-ratelimit-reset", "poly-ratelimit-tier"} <= set(answer.headers)


def test_post_only_mode_takes_post_only_orders(site):
    """After a restart post-only orders and cancels pass; a batch is answered entry by entry."""
    trader = client(site, 81)
    start(site, "post_only", for_s=60)
    signed = trader.create_order(OrderArgs(token_id=YES, price=0.2, size=10, side="BUY"))
    assert trader.post_order(signed, OrderType.GTC, post_only=True)["status"] == "live"
    other = trader.create_order(OrderArgs(token_id=YES, price=0.2, size=10, side="BUY"))
    (entry,) = trader.post_orders([PostOrdersV2Args(other, OrderType.GTC)])
    assert (entry["success"], entry["orderID"]) == (True, "")
    assert entry["errorMsg"].startswith("post-only mode")
    assert len(trader.cancel_all()["canceled"]) == 1


def test_lost_answer(site):
    """The order is on the book although its answer never came; the hash finds it, sending again is a duplicate."""
    trader = client(site, 82)
    signed = trader.create_order(OrderArgs(token_id=YES, price=0.2, size=10, side="BUY"))
    start(site, "lost_answer", hold_s=0.2, count=1)
    with pytest.raises(PolyApiException):
        trader.post_order(signed)
    assert len(trader.get_open_orders()) == 1
    with pytest.raises(PolyApiException, match="Duplicated"):
        trader.post_order(signed)
    trader.cancel_all()


def test_fill_before_the_answer(site):
    """With a late answer the user channel reports the fill before POST /order returns."""
    trader = client(site, 83)
    with socket(site, "user") as connection:
        user(connection, trader)
        messages(connection, 0.1)
        start(site, "late_answer", delay_s=0.5, count=1)
        begin = time.monotonic()
        trader.create_and_post_order(OrderArgs(token_id=YES, price=0.51, size=10, side="BUY"))
        assert time.monotonic() - begin > 0.4
        assert json.loads(connection.recv(timeout=1))


def test_stream_faults(site):
    """A frozen socket sends nothing but answers PING, duplicates arrive twice, and a dropped socket is closed."""
    with socket(site, "market") as connection:
        subscribe(connection, YES, initial_dump=False)
        frozen = start(site, "ws_freeze")["name"]
        site.step()
        buy(client(site, 84))
        connection.send("PING")
        assert messages(connection, 0.3) == ["PONG"]
        httpx2.delete(f"{site.urls['clob']}/admin/faults/{frozen}")
        start(site, "ws_duplicate")
        client(site, 84).cancel_all()
        first, second = messages(connection, 0.3)
        assert first == second
        httpx2.delete(site.urls["clob"] + "/admin/faults")
        start(site, "ws_drop")
        buy(client(site, 84))
        with pytest.raises(Exception, match="1001"):
            [connection.recv(timeout=1) for _ in range(5)]
        httpx2.delete(site.urls["clob"] + "/admin/faults")
        client(site, 84).cancel_all()


def test_stale_balance(site):
    """Balances do not change until the client asks for an update."""
    trader = client(site, 85)
    start(site, "stale_balance")
    before = trader.get_balance_allowance(COLLATERAL)["balance"]
    trader.create_and_post_order(OrderArgs(token_id=YES, price=0.51, size=10, side="BUY"))
    assert trader.get_balance_allowance(COLLATERAL)["balance"] == before
    trader.update_balance_allowance(COLLATERAL)
    assert int(trader.get_balance_allowance(COLLATERAL)["balance"]) < int(before)


def test_failed_settlement(site):
    """A trade whose settlement fails ends FAILED without a hash, and its money is back."""
    trader = client(site, 86)
    start(site, "settlement_fails", count=1)
    order = OrderArgs(token_id=YES, price=0.51, size=10, side="BUY")
    answer = trader.create_and_post_order(order, defer_exec=True)
    assert answer["transactionsHashes"] == []
    found = TradeParams(id=answer["tradeIDs"][0])
    until(lambda: trader.get_trades(found)[0]["status"] == "TRADE_STATUS_FAILED", "the failure")
    assert trader.get_balance_allowance(COLLATERAL)["balance"] == "10000000000"


def test_retried_settlement(site):
    """A retried trade goes RETRYING, MINED, CONFIRMED."""
    trader = client(site, 87)
    with socket(site, "user") as connection:
        user(connection, trader)
        start(site, "settlement_retries", count=1)
        trader.create_and_post_order(OrderArgs(token_id=YES, price=0.51, size=10, side="BUY"))
        seen = [row["status"] for row in messages(connection, 0.6) if row["event_type"] == "trade"]
        assert seen == ["MATCHED", "RETRYING", "MINED", "CONFIRMED"]


def test_clock_skew(site):
    """The venue's clock is wrong while the fault is on."""
    start(site, "clock_skew", skew_s=100)
    assert int(httpx2.get(site.urls["clob"] + "/time").text) - time.time() > 90
    httpx2.delete(site.urls["clob"] + "/admin/faults")
    assert abs(int(httpx2.get(site.urls["clob"] + "/time").text) - time.time()) < 5


def test_sports_delay(site):
    """A crossing order is answered `delayed` and matched when the delay is over."""
    trader = client(site, 88)
    start(site, "sports_delay", delay_s=0.2)
    answer = trader.create_and_post_order(OrderArgs(token_id=YES, price=0.51, size=10, side="BUY"))
    assert (answer["status"], answer["takingAmount"]) == ("delayed", "")
    assert trader.get_trades() == []
    assert [row["size"] for row in until(trader.get_trades, "the match")] == ["10"]


def test_market_closes_and_changes_tick():
    """A market may change its tick or stop taking orders at any moment."""
    with Background(admin=True) as site:
        trader = client(site, 89)
        start(site, "tick_change", market=CONDITION, tick_units=10)
        assert trader.get_tick_size(YES) == "0.001"
        resting = buy(trader)
        start(site, "close_market", market=CONDITION)
        assert trader.get_open_orders() == []
        assert not trader.get_order(resting["orderID"])
        with pytest.raises(PolyApiException, match="not yet ready to process new orders"):
            buy(trader)


def test_schedule(tmp_path):
    """A script switches faults on and off by itself; a bad script is one clear error."""
    path = tmp_path / "faults.json"
    path.write_text(json.dumps({"seed": 7, "events": [{"at_s": 1.0, "fault": "disabled", "for_s": 0.3}]}))
    with Background(faults=path) as site:
        url = site.urls["clob"] + "/cancel-all"
        assert httpx2.delete(url).status_code == 401
        until(lambda: httpx2.delete(url).status_code == 503, "the fault of the script")
        until(lambda: httpx2.delete(url).status_code == 401, "the end of the fault")
        assert httpx2.get(site.urls["clob"] + "/admin/faults").status_code == 404
        path.write_text('{"events": [{"at_s": 1, "fault": "rain"}]}')
        with pytest.raises(ParameterError, match="fault was 'rain'; choose one of restart"):
            Faults(site.venue).script(path)


def test_admin(site):
    """Steps, deposits, splits and audits through the admin interface; wrong input is refused with what is allowed."""
    url = site.urls["clob"] + "/admin"
    trader = client(site, 90)
    address = trader.get_address()
    before = httpx2.get(url + "/state").json()["market_time_s"]
    assert httpx2.post(url + "/step", json={"steps": 2}).json() == {"market_time_s": before + 120}
    assert httpx2.post(url + "/deposit", json={"address": address, "micro": 5}).text == '"OK"'
    pair = {"address": address, "market": CONDITION, "micro": 10_000_000}
    assert httpx2.post(url + "/split", json=pair).status_code == 200
    assert trader.get_balance_allowance(COLLATERAL)["balance"] == "9990000005"
    assert httpx2.post(url + "/merge", json=pair | {"micro": 20_000_000}).status_code == 400
    assert httpx2.get(url + "/audit").json() == {"wrong": []}
    wrong = httpx2.post(url + "/faults", json={"fault": "slow", "delay_s": "long"})
    assert "delay_s was 'long'; a fault takes the numbers" in wrong.json()["error"]
    assert httpx2.post(url + "/ban", json={"address": address}).status_code == 200
    with pytest.raises(PolyApiException, match=f"'{address}' address banned"):
        buy(trader)
    httpx2.post(url + "/ban", json={"address": address, "on": False})
    httpx2.post(url + "/closed-only", json={"address": address})
    assert trader.get_closed_only_mode() == {"closed_only": True}
    with pytest.raises(PolyApiException, match="address in closed only mode"):
        buy(trader)
    httpx2.post(url + "/closed-only", json={"address": address, "on": False})
    assert httpx2.post(url + "/allowance", json={"address": address, "micro": 1}).status_code == 200
    with pytest.raises(PolyApiException, match="not enough balance / allowance"):
        buy(trader)

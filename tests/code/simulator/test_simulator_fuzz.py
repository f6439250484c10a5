"""No input can crash the venue: a documented error comes back and the engine's state is unchanged."""

import json
import socket
import string

import httpx2
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from py_clob_client_v2.clob_types import OrderArgs, OrderType
from py_clob_client_v2.order_utils.model.order_data_v2 import order_to_json_v2
from simulator_bench import listing
from simulator_site import Background, TinySource
from test_simulator_clients import client
from test_simulator_conservation import snapshot
from websockets.sync.client import connect

from simulator.api.apps import Site, applications
from simulator.signing.credentials import request_signature
from simulator.venue.options import Options
from simulator.venue.venue import Venue

pytestmark = pytest.mark.slow

QUICK = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
DOCUMENTED = {200, 400, 401, 404, 405, 413, 422}

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.just(2**300) | st.just("9" * 500),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=10,
)
YES = listing(1).token_yes


@pytest.fixture(scope="module")
def site():
    """A venue whose market time does not advance."""
    with Background() as running:
        yield running


@pytest.fixture(scope="module")
def trader(site):
    """A caller with an API key."""
    return client(site, 95)


def send(site, trader, method, path, body):
    """An authenticated request with any body."""
    headers = {
        "POLY_ADDRESS": trader.get_address(),
        "POLY_API_KEY": trader.creds.api_key,
        "POLY_PASSPHRASE": trader.creds.api_passphrase,
        "POLY_TIMESTAMP": "1700000000",
        "POLY_SIGNATURE": request_signature(trader.creds.api_secret, f"1700000000{method}{path}".encode() + body),
    }
    return httpx2.request(method, site.urls["clob"] + path, content=body, headers=headers)


def unchanged(site, act):
    """Do something that the venue must refuse."""
    before = site.do(lambda: snapshot(site.venue.exchange))
    answer = act()
    assert answer.status_code in DOCUMENTED
    assert site.do(lambda: snapshot(site.venue.exchange)) == before
    return answer


@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", "/order"), ("POST", "/orders"), ("DELETE", "/order"), ("DELETE", "/orders"),
     ("DELETE", "/cancel-market-orders"), ("POST", "/orders-scoring"), ("POST", "/books"), ("POST", "/prices"),
     ("POST", "/rfq/request"), ("POST", "/rfq/quote"), ("POST", "/rfq/request/accept"), ("POST", "/rfq/quote/approve"),
     ("DELETE", "/rfq/request"), ("DELETE", "/rfq/quote"), ("DELETE", "/auth/readonly-api-key")],
)  # fmt: skip
@given(document=JSON)
@settings(QUICK, max_examples=25)
def test_any_json(site, trader, method, path, document):
    """Any JSON document on any route with a body is answered with a documented status."""
    body = json.dumps(document).encode("utf-8", "surrogatepass")
    unchanged(site, lambda: send(site, trader, method, path, body))


@given(
    field=st.sampled_from(
        [
            "salt",
            "maker",
            "signer",
            "tokenId",
            "makerAmount",
            "takerAmount",
            "side",
            "signatureType",
            "timestamp",
            "metadata",
            "builder",
            "signature",
            "expiration",
            "orderType",
            "owner",
            "postOnly",
        ]
    ),
    value=JSON,
)
@QUICK
def test_one_wrong_field(site, trader, field, value):
    """A good order with one field replaced by anything is refused and changes nothing."""
    signed = trader.create_order(OrderArgs(token_id=YES, price=0.3, size=10, side="BUY")) if not GOOD else GOOD[0]
    GOOD[:] = [signed]
    entry = order_to_json_v2(signed, trader.creds.api_key, OrderType.GTC, False, False)
    target = entry if field in entry else entry["order"]
    if target[field] == value or (field in ("postOnly", "expiration") and value in (True, False, "", "0")):
        return
    target[field] = value
    body = json.dumps(entry).encode("utf-8", "surrogatepass")
    assert unchanged(site, lambda: send(site, trader, "POST", "/order", body)).status_code != 200


GOOD: list = []


@given(
    document=st.fixed_dictionaries(
        {
            "assetIn": st.sampled_from([YES, "0", "1"]) | JSON,
            "assetOut": st.sampled_from([YES, "0", "1"]) | JSON,
            "amountIn": st.integers().map(str) | JSON,
            "amountOut": st.integers(0, 10**8).map(str) | JSON,
        }
    )
)
@QUICK
def test_any_terms(site, trader, document):
    """Whatever is asked for in a request for quotes is answered with a documented status and moves no money."""
    body = json.dumps(document).encode("utf-8", "surrogatepass")
    unchanged(site, lambda: send(site, trader, "POST", "/rfq/request", body))


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"\xff\xfe", b"[" * 100_000, b'{"a":NaN}', b'"' + b"x" * 2**20 + b'"', b"[1e999]", b"{}" * 10, b"null"],
)
def test_malformed_bodies(site, trader, body):
    """Truncated, deep, huge and non-UTF-8 bodies are refused."""
    assert unchanged(site, lambda: send(site, trader, "POST", "/order", body)).status_code == 400


def test_too_large(site, trader):
    """A body beyond 2 MiB is refused as too large."""
    assert unchanged(site, lambda: send(site, trader, "POST", "/order", b" " * (3 * 2**20))).status_code == 413


@given(
    header=st.sampled_from(["POLY_ADDRESS", "POLY_SIGNATURE", "POLY_TIMESTAMP", "POLY_NONCE"]),
    text=st.text(string.printable, max_size=80),
)
@QUICK
def test_login_headers(site, header, text):
    """Any login headers are refused with 401."""
    headers = {
        "POLY_ADDRESS": "0x" + "1" * 40,
        "POLY_SIGNATURE": "0x" + "1" * 130,
        "POLY_TIMESTAMP": "1",
        "POLY_NONCE": "0",
    }
    headers[header] = (
        text.strip()
        .encode("ascii", "ignore")
        .decode()
        .replace("\n", "")
        .replace("\r", "")
        .replace("\x0b", "")
        .replace("\x0c", "")
    )
    answer = httpx2.post(site.urls["clob"] + "/auth/api-key", headers=headers)
    assert answer.status_code == 401


def test_half_open_sockets(site):
    """Sockets that send half a request or nothing, or disconnect, do not stop the venue."""
    port = int(site.urls["clob"].rsplit(":", 1)[1])
    held = []
    for text in (b"", b"POST /order HTTP/1.1\r\nContent-Length: 100\r\n\r\n{", b"GET /ok HT", b"\x00\x01\x02\r\n\r\n"):
        connection = socket.create_connection(("127.0.0.1", port), timeout=2)
        connection.sendall(text)
        held.append(connection)
    held[1].close()
    assert httpx2.get(site.urls["clob"] + "/ok").json() == "OK"
    for connection in held:
        connection.close()


@given(frame=st.one_of(JSON.map(json.dumps), st.text(), st.binary()))
@settings(QUICK, max_examples=25)
def test_any_frame(site, frame):
    """Any WebSocket frame is answered or ignored; the socket can still subscribe, or was closed in order."""
    with connect(site.urls["clob"].replace("http", "ws") + "/ws/market", ping_interval=None) as connection:
        connection.send(frame if isinstance(frame, bytes) else frame.encode("utf-8", "replace").decode())
        connection.send(json.dumps({"type": "market", "assets_ids": [YES]}))
        assert connection.recv(timeout=3)


def served(name):
    """One application without servers, for schemathesis."""
    venue = Venue(Options(port=0, speed=0.0), TinySource())
    venue.open_quotes()
    site = Site()
    apps = applications(site, admin=False)
    site.open(venue)
    return schemathesis.openapi.from_asgi("/openapi.json", apps[name])


@pytest.mark.parametrize("name", ["clob", "gamma", "data", "news"])
def test_schemathesis(name):
    """Whatever the OpenAPI page allows is answered with a status that it documents, never with 500."""
    for result in served(name).get_all_operations():
        exercise(result.ok())


def exercise(operation):
    """Fifteen generated requests to one operation."""

    @given(case=operation.as_strategy())
    @settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
    def check(case):
        answer = case.call()
        assert str(answer.status_code) in operation.definition.raw["responses"], answer.text

    check()

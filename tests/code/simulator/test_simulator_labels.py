"""Outcomes with names: a client must read the outcome from the token, not from the label."""

import json

import httpx2
import pytest
from py_clob_client_v2.clob_types import OrderArgs
from simulator_bench import listing
from simulator_site import Background
from test_simulator_clients import client
from test_simulator_streams import messages, socket, user

from simulator.markets.labels import YES_NO, labels_of

YES, NO, CONDITION = listing(1).token_yes, listing(1).token_no, listing(1).market_id


def test_share_of_names():
    """The share of named markets is the one asked for, the same seed names the same, and both names differ."""
    names = [labels_of(3, f"0x{number:064x}", 0.28) for number in range(2000)]
    named = [pair for pair in names if pair != YES_NO]
    assert 0.25 < len(named) / len(names) < 0.31
    assert names == [labels_of(3, f"0x{number:064x}", 0.28) for number in range(2000)]
    assert names != [labels_of(4, f"0x{number:064x}", 0.28) for number in range(2000)]
    assert all(first != second for first, second in named)
    assert len(set(named)) > 50
    assert {labels_of(3, f"0x{number:064x}", 0.0) for number in range(500)} == {YES_NO}


@pytest.fixture(scope="module")
def site():
    """A venue with only named markets."""
    with Background(named_share=1.0, admin=True) as running:
        yield running


def test_names_everywhere(site):
    """Listing, compact market, trades, positions, open orders and the user channel carry the names of the outcomes."""
    first, second = labels_of(1, CONDITION, 1.0)
    listed = httpx2.get(f"{site.urls['gamma']}/markets/keyset", params={"condition_ids": CONDITION}).json()
    assert json.loads(listed["markets"][0]["outcomes"]) == [first, second]
    compact = httpx2.get(f"{site.urls['clob']}/clob-markets/{CONDITION}").json()
    assert compact["t"] == [{"t": YES, "o": first}, {"t": NO, "o": second}]
    assert compact["ibce"] is False
    trader = client(site, 120)
    with socket(site, "user") as connection:
        user(connection, trader)
        trader.create_and_post_order(OrderArgs(token_id=NO, price=0.55, size=10, side="BUY"))
        trader.create_and_post_order(OrderArgs(token_id=YES, price=0.2, size=10, side="BUY"))
        seen = {row["event_type"]: row["outcome"] for row in messages(connection)}
    assert seen == {"trade": second, "order": first}
    assert [row["outcome"] for row in trader.get_trades()] == [second]
    assert [row["outcome"] for row in trader.get_open_orders()] == [first]
    site.settled()
    query = {"user": trader.get_address()}
    data = site.urls["data"]
    assert [row["outcome"] for row in httpx2.get(data + "/v2/positions", params=query).json()["data"]] == [second]
    assert [row["outcome"] for row in httpx2.get(data + "/v2/trades", params=query).json()["data"]] == [second]
    public = httpx2.get(data + "/v2/trades", params={"condition": CONDITION, "limit": 3}).json()["data"]
    assert {row["outcome"] for row in public} <= {first, second}


def test_older_data_routes(site):
    """The older routes answer bare arrays with camelCase keys, and accept offsets."""
    trader = client(site, 121)
    trader.create_and_post_order(OrderArgs(token_id=YES, price=0.55, size=10, side="BUY"))
    site.settled()
    data, query = site.urls["data"], {"user": trader.get_address()}

    def get(path, **params):
        found = httpx2.get(data + path, params=params)
        assert found.status_code == 200, found.text
        return found.json()

    (held,) = get("/positions", **query)
    assert (held["asset"], held["size"], held["oppositeAsset"]) == (YES, 10.0, NO)
    assert held["initialValue"] == pytest.approx(5.1)
    assert get("/positions", **query, offset=1) == []
    assert get("/positions", **query, sizeThreshold=11) == []
    assert [(row["conditionId"], row["side"]) for row in get("/trades", **query)] == [(CONDITION, "BUY")]
    assert len(get("/trades", market=CONDITION, limit=7, offset=2)) == 7
    assert [row["type"] for row in get("/activity", **query)] == ["TRADE"]
    assert get("/value", **query)[0]["value"] == pytest.approx(5.0)
    assert get("/traded", **query)["traded"] == 1
    holders = {row["token"]: [h["proxyWallet"] for h in row["holders"]] for row in get("/holders", market=CONDITION)}
    assert trader.get_address().lower() in holders[YES]
    assert get("/oi", market=CONDITION)[0]["value"] > 0
    assert get("/live-volume", id="event-1")[0]["total"] >= 10
    assert any(row["proxyWallet"] == trader.get_address().lower() for row in get("/v1/leaderboard"))
    assert httpx2.get(data + "/positions").status_code == 400
    assert httpx2.get(data + "/positions", params=query | {"offset": 10_001}).status_code == 400


def test_history_without_an_end(site):
    """The CLOB's history with a start alone goes on to now, or for the longest span that is served."""
    clob = site.urls["clob"] + "/prices-history"
    recent = httpx2.get(clob, params={"market": YES, "startTs": site.venue.now_s - 600, "fidelity": 1}).json()
    assert [row["t"] for row in recent["history"]][-1] == site.venue.now_s
    assert len(recent["history"]) == 11
    assert httpx2.get(clob, params={"market": YES, "startTs": 1}).status_code == 200
    assert len(httpx2.get(clob, params={"market": YES, "interval": "1h"}).json()["history"]) > 50

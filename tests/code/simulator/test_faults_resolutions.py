"""Faults of a market's end: early, late, disputed, 50-50, with a wrong message, or while no client is connected."""

import json

import httpx2
import pytest
from py_clob_client_v2.clob_types import OrderArgs
from simulator_bench import listing
from simulator_site import Background
from test_simulator_clients import client
from test_simulator_faults import start
from test_simulator_streams import messages, socket, subscribe

from pipelines.core.money import MICRO
from simulator.engine.audit import audit
from simulator.markets.source import Step

YES, NO, CONDITION = listing(1).token_yes, listing(1).token_no, listing(1).market_id


@pytest.fixture
def site():
    """A new venue for each test; its books must balance at the end."""
    with Background(admin=True) as running:
        yield running
        assert running.do(lambda: audit(running.venue.exchange)) == []


def resolution(site):
    """What the Data API says about the market's resolution."""
    query = {"condition": CONDITION}
    return httpx2.get(site.urls["data"] + "/v2/resolutions", params=query).json()["data"][0]


def gamma(site):
    """The market as Gamma lists it."""
    query = {"condition_ids": CONDITION}
    return httpx2.get(site.urls["gamma"] + "/markets", params=query).json()[0]


def decide(site, payout):
    """The source reports a resolution in the next step."""

    def ending():
        site.source.now_s += 60
        return Step(site.source.now_s, [], resolved=[(CONDITION, payout)])

    own, site.source.advance = site.source.advance, ending
    site.step()
    site.source.advance = own


def told(site, act):
    """Messages about resolutions that a subscriber gets meanwhile."""
    with socket(site, "market") as connection:
        subscribe(connection, YES, initial_dump=False, custom_feature_enabled=True)
        messages(connection, 0.1)
        act()
        return [row for row in messages(connection) if row["event_type"] == "market_resolved"]


@pytest.mark.parametrize(("payout", "payouts"), [(1, [MICRO, 0]), (0, [0, MICRO]), (0.5, [MICRO // 2] * 2)])
def test_early(site, payout, payouts):
    """A market resolves long before its end, and a later resolution of the source changes nothing."""
    (row,) = told(site, lambda: start(site, "resolve_early", market=CONDITION, payout=payout))
    assert row["winning_asset_id"] == (NO if payout == 0 else YES)
    assert resolution(site)["payouts"] == payouts
    assert gamma(site)["closed"] is True
    decide(site, 0)
    assert resolution(site)["payouts"] == payouts


def test_half(site):
    """A 50-50 pays both sides half although the message names a winner."""
    trader = client(site, 160)
    trader.create_and_post_order(OrderArgs(token_id=NO, price=0.55, size=10, side="BUY"))
    site.settled()
    (row,) = told(site, lambda: start(site, "resolve_half", market=CONDITION))
    assert row["winning_asset_id"] == YES
    query = {"user": trader.get_address(), "type": "REDEEM"}
    (paid,) = httpx2.get(site.urls["data"] + "/v2/activity", params=query).json()["data"]
    assert paid["usdc_size"] == 5.0


@pytest.mark.parametrize(("flip", "payouts"), [(0, [MICRO, 0]), (1, [0, MICRO])])
def test_disputed(site, flip, payouts):
    """A disputed market is closed with status disputed, then resolves; it may resolve the other way."""
    start(site, "resolve_disputed", delay_min=2, flip=flip)
    decide(site, MICRO)
    assert (resolution(site)["status"], resolution(site)["payouts"]) == ("disputed", None)
    row = gamma(site)
    assert (row["closed"], row["umaResolutionStatus"]) == (True, "disputed")
    assert json.loads(row["umaResolutionStatuses"]) == ["proposed", "disputed"]
    site.step()
    site.step()
    site.do(site.site.faults.advance)
    assert (resolution(site)["status"], resolution(site)["payouts"]) == ("resolved", payouts)
    assert resolution(site)["was_disputed"] is True


def test_late(site):
    """A late market is closed with status proposed, and its resting orders are cancelled at once."""
    trader = client(site, 161)
    trader.create_and_post_order(OrderArgs(token_id=YES, price=0.2, size=10, side="BUY"))
    start(site, "resolve_late", delay_min=1)
    decide(site, MICRO)
    assert trader.get_open_orders() == []
    assert (resolution(site)["status"], gamma(site)["umaResolutionStatus"]) == ("proposed", "proposed")
    site.step()
    site.do(site.site.faults.advance)
    assert resolution(site)["payouts"] == [MICRO, 0]


def test_message_names_the_loser(site):
    """The message names the other token, the payout is right."""
    start(site, "wrong_winner")
    (row,) = told(site, lambda: start(site, "resolve_early", market=CONDITION, payout=1))
    assert (row["winning_asset_id"], row["winning_outcome"]) == (NO, "No")
    assert resolution(site)["payouts"] == [MICRO, 0]


def test_no_message(site):
    """No message is sent about a resolution."""
    start(site, "resolution_unsaid")
    assert told(site, lambda: start(site, "resolve_early", market=CONDITION, payout=1)) == []
    assert resolution(site)["status"] == "resolved"


def test_decided_while_the_client_is_away(site):
    """Sockets close and the market resolves; a client that reconnects gets no message but reads the resolution."""
    with socket(site, "market") as connection:
        subscribe(connection, YES, custom_feature_enabled=True)
        messages(connection, 0.1)
        start(site, "decided_away", market=CONDITION, payout=0)
        assert messages(connection) == []
        with pytest.raises(Exception, match="1001"):
            connection.recv(timeout=2)
    with socket(site, "market") as connection:
        subscribe(connection, YES, custom_feature_enabled=True)
        site.step()
        assert messages(connection) == []
    assert resolution(site)["payouts"] == [0, MICRO]


def test_payout_is_drawn_by_the_price_and_checked(site):
    """Without a payout one side wins; a payout that is neither 1, 0 nor a half is refused and nothing happens."""
    url = site.urls["clob"] + "/admin/faults"
    refused = httpx2.post(url, json={"fault": "resolve_early", "market": CONDITION, "payout": 0.7})
    assert (refused.status_code, "give 0, 0.5 or 1" in refused.json()["error"]) == (400, True)
    assert resolution(site)["payouts"] is None
    start(site, "resolve_early", market=CONDITION)
    assert sorted(resolution(site)["payouts"]) == [0, MICRO]

"""Rate limits: a signer's buckets, an address's windows, and the headers that the venue documents."""

import httpx2
import pytest
from py_clob_client_v2.clob_types import OrderArgs, OrderPayload
from py_clob_client_v2.exceptions import PolyApiException
from simulator_bench import listing
from simulator_site import Background
from test_simulator_clients import client

from simulator.api import rate_limits
from simulator.venue.limits import BucketKind, LimitMode, Limits

YES = listing(1).token_yes
HEADERS = {"poly-ratelimit-remaining", "poly-ratelimit-reset", "poly-ratelimit-tier"}


def spend(limits, tokens, now_s, kind=BucketKind.ORDER):
    """Tokens asked for by one signer."""
    return limits.spend("0xabc", kind, tokens, now_s)


def test_orders_have_a_burst_and_a_rate():
    """A full bucket gives 60 orders at once and 40 more a second; a signer's cancels have a bucket of their own."""
    limits = Limits(LimitMode.ON)
    assert not spend(limits, 60, 100.0).refused
    over = spend(limits, 1, 100.0)
    assert over.refused
    assert (over.headers["Poly-RateLimit-Remaining"], over.headers["Retry-After"]) == ("0", "1")
    assert not spend(limits, 40, 101.0).refused
    assert spend(limits, 1, 101.0).refused
    assert not spend(limits, 120, 101.0, BucketKind.CANCEL).refused
    assert not limits.spend("0xdef", BucketKind.ORDER, 1, 101.0).refused


def test_batches_are_whole():
    """A batch without tokens for all its orders takes none; one beyond the burst has no time at which it would pass."""
    limits = Limits(LimitMode.ON)
    spend(limits, 50, 100.0)
    assert spend(limits, 15, 100.0).refused
    assert not spend(limits, 10, 100.0).refused
    assert "Retry-After" not in spend(limits, 61, 100.0).headers


def test_cancels_that_were_found_cost_tokens():
    """What a cancel-all cancelled is taken from the bucket afterwards, down to nothing."""
    limits = Limits(LimitMode.ON)
    limits.debit("0xabc", BucketKind.CANCEL, 500, 100.0)
    assert spend(limits, 1, 100.0, BucketKind.CANCEL).refused
    assert not spend(limits, 80, 101.0, BucketKind.CANCEL).refused


def test_warnings_refuse_nothing():
    """By default an order beyond the limit is taken, and its answer says that it would have been refused."""
    with Background() as site:
        trader = client(site, 210)
        site.do(lambda: site.venue.limits.debit(trader.get_address(), BucketKind.ORDER, 60, site.venue.wall_s() + 60))
        seen = watched(trader)
        trader.create_and_post_order(OrderArgs(token_id=YES, price=0.2, size=10, side="BUY"))
        assert set(seen[-1]) >= HEADERS
        assert seen[-1]["poly-ratelimit-warning"] == "true"


def test_enforced_limits_answer_429():
    """With --rate-limits on an order and a cancel beyond their bucket are refused and nothing happens."""
    with Background(rate_limits=LimitMode.ON) as site:
        trader = client(site, 211)
        resting = trader.create_and_post_order(OrderArgs(token_id=YES, price=0.2, size=10, side="BUY"))["orderID"]
        for kind in BucketKind:
            site.do(lambda k=kind: site.venue.limits.debit(trader.get_address(), k, 200, site.venue.wall_s() + 60))
        seen = watched(trader)
        with pytest.raises(PolyApiException, match="Too Many Requests") as error:
            trader.create_and_post_order(OrderArgs(token_id=YES, price=0.2, size=10, side="BUY"))
        assert error.value.status_code == 429
        assert set(seen[-1]) >= HEADERS | {"retry-after"}
        with pytest.raises(PolyApiException, match="Too Many Requests"):
            trader.cancel_order(OrderPayload(orderID=resting))
        assert [row["id"] for row in trader.get_open_orders()] == [resting]


def watched(trader):
    """Headers of every answer that a client gets from now on."""
    from py_clob_client_v2.http_helpers import helpers

    seen = []
    helpers._http_client.event_hooks["response"] = [lambda answer: seen.append(answer.headers)]
    return seen


@pytest.fixture(autouse=True)
def unwatched():
    """The client's connection is shared by all tests."""
    yield
    from py_clob_client_v2.http_helpers import helpers

    helpers._http_client.event_hooks["response"] = []


@pytest.mark.parametrize(("host", "path"), [("clob", "/ok"), ("gamma", "/tags"), ("data", "/v2/trades")])
def test_addresses_are_counted(monkeypatch, host, path):
    """Requests beyond a route's limit get 429, Retry-After and the host's own error body; other routes answer."""
    few = [rate_limits.Rule("few", 3, (path,), window_s=1e9)]
    monkeypatch.setitem(rate_limits.RULES, host, few)
    with Background(rate_limits=LimitMode.ON) as site:
        answers = [httpx2.get(site.urls[host] + path) for _ in range(4)]
        assert [a.status_code for a in answers] == [200, 200, 200, 429]
        assert 1 <= int(answers[-1].headers["retry-after"]) <= 1e9
        assert answers[-1].json()["error"] == "Too Many Requests"
        assert ("code" in answers[-1].json()) == (host == "data")
        assert httpx2.get(site.urls[host] + "/").status_code == 200


def test_published_limits():
    """The rules are those of the venue's page; a path that ends with a slash covers what begins with it."""
    found = {rule.name: rule.most for rule in rate_limits.RULES["clob"]}
    assert found["POST /order in 10 s"] == 5_000
    assert found["POST /order in 600 s"] == 120_000
    keys = next(rule for rule in rate_limits.RULES["clob"] if rule.name == "api keys")
    assert keys.covers("GET", "/auth/derive-api-key")
    assert not keys.covers("GET", "/authentic")

"""Every route that the public client libraries name is served, and what is not a route is 404."""

import re

import httpx2
import py_clob_client.endpoints as old
import py_clob_client_v2.endpoints as new
import pytest
from simulator_site import Background

UNIFIED = {
    "clob": "/auth/api-key /auth/api-keys /auth/ban-status/closed-only /auth/builder-api-key /auth/derive-api-key "
    "/balance-allowance /balance-allowance/update /book /books /builder/trades /cancel-all /cancel-market-orders "
    "/clob-markets/x /data/order/x /data/orders /data/trades /fees/builder-fees/x /last-trade-price "
    "/last-trades-prices /markets-by-token/x /midpoint /midpoints /neg-risk /notifications /order /order-scoring "
    "/orders /orders-scoring /price /prices /rebates/current /rewards/markets/current /rewards/markets/multi "
    "/rewards/markets/x /rewards/user /rewards/user/markets /rewards/user/percentages /rewards/user/total /spread "
    "/spreads /tick-size /v1/heartbeats",
    "gamma": "/comments /comments/keyset /comments/x /comments/user_address/x /events/keyset /events/1 /events/1/tags "
    "/events/slug/x /markets/keyset /markets/1 /markets/1/tags /markets/slug/x /public-profile /public-search /series "
    "/series/1 /sports /sports/market-types /tags /tags/1 /tags/slug/x /teams",
    "data": "/v1/accounting/snapshot /v2/activity /v2/activity/combos /v2/biggest-winners /v2/builders/leaderboard "
    "/v2/builders/volume /v2/holders /v2/leaderboard /v2/live-volume /v2/oi /v2/positions /v2/positions/combos "
    "/v2/prices-history /v2/resolutions /v2/tokens /v2/trades /v2/user-pnl /v2/user-stats /v2/user-volume /v2/value",
}
"""Paths that polymarket-client 0.14.0 asks for, without the venue's other hosts (relayer, perpetuals, combos)."""


@pytest.fixture(scope="module")
def site():
    """A venue that is open."""
    with Background() as running, httpx2.Client() as reader:
        running.reader = reader
        yield running


@pytest.mark.parametrize("library", [old, new])
def test_clob_routes_of_the_libraries(site, library):
    """No endpoint of py-clob-client or py-clob-client-v2 is unknown to the CLOB."""
    paths = {value for name, value in vars(library).items() if name.isupper()}
    assert len(paths) > 40
    unknown = [p for p in paths if not known(site, "clob", p + "x" if p.endswith("/") else p)]
    assert unknown == []


@pytest.mark.parametrize("host", sorted(UNIFIED))
def test_routes_of_the_unified_library(site, host):
    """No path of polymarket-client is unknown to the host that it asks."""
    assert [path for path in UNIFIED[host].split() if not known(site, host, path)] == []


def known(site, host, path):
    """Whether a path is a route: one that is not answers its error for every method."""
    answers = [site.reader.request(method, site.urls[host] + path) for method in ("GET", "POST", "DELETE")]
    return any(not re.fullmatch(r'\{"error":"not found"\}', a.text) for a in answers)


@pytest.mark.parametrize("host", ["clob", "gamma", "data", "news"])
@pytest.mark.parametrize("path", ["/nothing", "/v3/order", "/book/", "/markets/a/b/c", "/%00", "/../admin/faults"])
def test_unknown_routes_are_404(site, host, path):
    """What is no route is 404 with the venue's error body, on every host."""
    answer = site.reader.get(site.urls[host] + path)
    assert (answer.status_code, answer.json()) == (404, {"error": "not found"})

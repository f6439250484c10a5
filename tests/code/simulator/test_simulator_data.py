"""Gamma, the Data API and the news feed: shapes, filters, paging, and sums that agree with the engine."""

import json
from collections import Counter
from xml.etree import ElementTree

import httpx2
import pytest
from py_clob_client_v2.clob_types import OrderArgs
from simulator_bench import listing
from simulator_site import START_S, Background
from test_simulator_clients import client

from pipelines.core.domain import Headline, Side
from simulator.api.data_tape import WALLETS

YES, NO, CONDITION = listing(1).token_yes, listing(1).token_no, listing(1).market_id
OVER = listing(4).market_id


@pytest.fixture(scope="module")
def site():
    """A venue with one account that bought, sold and was hit."""
    with Background(admin=True) as running:
        trader = client(running, 101)
        trader.create_and_post_order(OrderArgs(token_id=YES, price=0.51, size=20, side="BUY"))
        trader.create_and_post_order(OrderArgs(token_id=NO, price=0.5, size=10, side="BUY"))
        running.step((Side.BUY, 5000, 10))
        running.trader = trader
        yield running


def get(site, host, path, **params):
    """JSON of a route."""
    return httpx2.get(site.urls[host] + path, params=params).json()


def pages(site, path, **params):
    """All rows of a Data API route, page by page."""
    rows, cursor = [], None
    while True:
        page = get(site, "data", path, **params, **({"cursor": cursor} if cursor else {}))
        rows += page["data"]
        cursor = page["pagination"]["next_cursor"]
        assert page["pagination"]["has_more"] == (cursor is not None)
        if not cursor:
            return rows


def test_price_history_pages(site):
    """Cursor pages hold every minute once, oldest first; NO prices mirror YES prices."""
    span = {"start": START_S, "end": START_S + 7200, "bucket_seconds": 60}
    yes = pages(site, "/v2/prices-history", token_id=YES, limit=50, **span)
    assert [row["timestamp"] for row in yes] == [START_S + 60 * k for k in range(121)]
    no = pages(site, "/v2/prices-history", token_id=NO, **span)
    assert all(a["price"] + b["price"] == pytest.approx(1) for a, b in zip(yes, no, strict=True))
    hourly = pages(site, "/v2/prices-history", token_id=YES, **span | {"bucket_seconds": 3600})
    assert [row["timestamp"] for row in hourly] == [START_S, START_S + 3600, START_S + 7200]


@pytest.mark.parametrize(
    ("params", "text"),
    [
        ({}, "exactly one of interval, start, as_of is required"),
        ({"start": 1, "interval": "1d"}, "exactly one of"),
        ({"start": 0, "end": 16 * 86_400}, "at most 15 days"),
        ({"interval": "2y"}, "invalid interval"),
        ({"interval": "1w", "bucket_seconds": 60}, "bucket_seconds must be at least 300"),
        ({"start": 0, "limit": 10_001}, "invalid limit"),
        ({"start": 0, "offset": 5}, "offset is not supported"),
        ({"start": "x"}, "invalid start"),
        ({"start": 0, "cursor": "%%%"}, "invalid cursor"),
    ],
)
def test_price_history_refusals(site, params, text):
    """Wrong parameters are refused in the Data API's error shape."""
    answer = httpx2.get(site.urls["data"] + "/v2/prices-history", params={"token_id": YES, **params})
    assert answer.status_code == 400
    assert text in answer.json()["error"]
    assert set(answer.json()) == {"error", "code", "retryable", "trace_id"}


def test_as_of_and_misses(site):
    """`as_of` gives the last point before it; an unknown token is an empty list, not an error."""
    (point,) = get(site, "data", "/v2/prices-history", token_id=YES, as_of=START_S + 125)["data"]
    assert point["timestamp"] == START_S + 120
    assert get(site, "data", "/v2/prices-history", token_id="12", start=0)["data"] == []
    assert get(site, "data", "/v2/trades", condition="0x12")["data"] == []


def test_trades_hold_the_volume(site):
    """Public trades of a market are newest first, paged without gaps, and hold noise and outside trades alike."""
    rows = pages(site, "/v2/trades", condition=CONDITION, limit=25)
    times = [row["timestamp"] for row in rows]
    assert times == sorted(times, reverse=True)
    noise = site.source.history(CONDITION).volume_micro.sum() / 1e6
    assert sum(row["size"] for row in rows) == pytest.approx(noise + 20)
    buys = pages(site, "/v2/trades", condition=CONDITION, side="BUY", limit=1000)
    assert buys == rows
    assert pages(site, "/v2/trades", condition=CONDITION, start=times[0] + 1) == []


def test_every_trade_names_who_took(site):
    """Noise trades are spread over the wallets of the noise traders, and an outside trade has its taker's."""
    rows = pages(site, "/v2/trades", condition=CONDITION, limit=25)
    by_wallet = Counter(row["proxy_wallet"] for row in rows)
    assert by_wallet.pop(site.trader.get_address().lower()) == 1
    assert by_wallet.keys() < set(WALLETS[1:])
    assert max(by_wallet.values()) < 0.08 * len(rows)
    assert rows == pages(site, "/v2/trades", condition=CONDITION, limit=1000)


def test_holders_are_those_of_the_tape_and_of_the_exchange(site):
    """What each wallet of the tape has bought up to now, with the outside accounts, the largest first."""
    rows = get(site, "data", "/v2/holders", condition=CONDITION)["data"]
    held = {row["token_id"]: {one["proxy_wallet"]: one["amount"] for one in row["holders"]} for row in rows}
    user, bought = site.trader.get_address().lower(), Counter()
    for row in pages(site, "/v2/trades", condition=CONDITION, limit=1000):
        bought[row["proxy_wallet"]] += row["size"]
    assert {name: held[YES][name] for name in bought} == pytest.approx(bought)
    assert (held[YES][user], held[NO][user]) == (20, 10)
    assert site.venue.market_maker.noise.address.lower() not in held[YES] | held[NO]
    for shares in held.values():
        assert list(shares.values()) == sorted(shares.values(), reverse=True)
        assert len(shares) <= 100


def test_account(site):
    """Trades, positions and activity of a user agree with what was done."""
    user = site.trader.get_address()
    trades = pages(site, "/v2/trades", user=user)
    assert [(row["outcome"], row["size"], row["price"]) for row in trades] == [("No", 10, 0.5), ("Yes", 20, 0.51)]
    held = {row["outcome"]: row for row in pages(site, "/v2/positions", user=user)}
    assert (held["Yes"]["current_size"], held["Yes"]["avg_price"], held["No"]["current_size"]) == (20, 0.51, 10)
    assert held["Yes"]["entry_fees_usdc"] == pytest.approx(0.2499)
    assert held["Yes"]["mergeable"] is True
    kinds = [row["type"] for row in pages(site, "/v2/activity", user=user)]
    assert kinds == ["TRADE", "TRADE", "DEPOSIT"]
    assert [row["type"] for row in pages(site, "/v2/activity", user=user, type="DEPOSIT")] == ["DEPOSIT"]
    assert httpx2.get(site.urls["data"] + "/v2/activity").status_code == 400


def test_resolutions(site):
    """A resolved market tells its payouts in base units; an open one has none."""
    (over,) = get(site, "data", "/v2/resolutions", condition=OVER)["data"]
    assert (over["status"], over["payouts"]) == ("resolved", [1_000_000, 0])
    (alive,) = get(site, "data", "/v2/resolutions", condition=CONDITION)["data"]
    assert (alive["status"], alive["payouts"]) == ("initialized", None)


def test_redemption():
    """At its end a market pays its holders, and the position is closed with its profit."""
    with Background() as site:
        trader = client(site, 102)
        trader.create_and_post_order(OrderArgs(token_id=YES, price=0.51, size=20, side="BUY"))
        site.do(lambda: site.venue.resolve(CONDITION, 1_000_000))
        user = trader.get_address()
        assert pages(site, "/v2/positions", user=user) == []
        (closed,) = pages(site, "/v2/positions", user=user, status="CLOSED")
        assert closed["realized_pnl"] == pytest.approx(20 - 10.2)
        redeemed = pages(site, "/v2/activity", user=user, type="REDEEM")
        assert [row["usdc_size"] for row in redeemed] == [20]
        market = get(site, "gamma", "/markets/keyset", condition_ids=CONDITION)["markets"][0]
        assert (market["closed"], json.loads(market["outcomePrices"])) == (True, ["1", "0"])
        assert market["umaResolutionStatus"] == "resolved"


def test_gamma_keyset(site):
    """Cursors walk through all markets once; filters narrow; an absent cursor is the end."""
    seen, cursor = [], None
    while True:
        page = get(site, "gamma", "/markets/keyset", limit=3, **({"after_cursor": cursor} if cursor else {}))
        seen += [row["conditionId"] for row in page["markets"]]
        cursor = page.get("next_cursor")
        if not cursor:
            break
    assert seen == [listing(n).market_id for n in (1, 2, 3, 4)]
    closed = get(site, "gamma", "/markets/keyset", closed="true")["markets"]
    assert [row["conditionId"] for row in closed] == [OVER]
    by_token = get(site, "gamma", "/markets/keyset", clob_token_ids=NO)["markets"]
    assert json.loads(by_token[0]["clobTokenIds"]) == [YES, NO]
    assert get(site, "gamma", "/markets/keyset", slug="market-2")["markets"][0]["slug"] == "market-2"
    late = get(site, "gamma", "/markets/keyset", end_date_min="2026-01-05T00:00:00Z")["markets"]
    assert len(late) == 3
    assert "tags" not in late[0]
    assert "tags" in get(site, "gamma", "/markets/keyset", include_tag="true")["markets"][0]


def test_gamma_orders_and_bounds(site):
    """Lists are sorted by the named number either way, and bounded by volume and liquidity."""
    every = get(site, "gamma", "/markets/keyset", order="volume24hr", ascending="false")["markets"]
    volumes = [row["volume24hr"] for row in every]
    assert volumes == sorted(volumes, reverse=True)
    ends = [row["endDate"] for row in get(site, "gamma", "/markets", order="end_date")]
    assert ends == sorted(ends)
    rich = get(site, "gamma", "/markets/keyset", liquidity_num_min=1)["markets"]
    assert len(rich) == 3
    assert get(site, "gamma", "/markets/keyset", volume_num_max=0)["markets"] == []
    assert httpx2.get(site.urls["gamma"] + "/markets", params={"volume_num_min": "x"}).status_code == 422


def test_gamma_filters(site):
    """Each filter shows what it names and nothing else; a filter by what no market here has shows nothing."""
    (market, *_) = get(site, "gamma", "/markets/keyset")["markets"]
    tag = get(site, "gamma", "/tags")[0]
    questions = get(site, "gamma", "/markets/keyset", question_ids=market["questionID"])["markets"]
    assert [row["id"] for row in questions] == [market["id"]]
    over = get(site, "gamma", "/markets/keyset", uma_resolution_status="resolved")["markets"]
    assert [row["conditionId"] for row in over] == [OVER]
    for name, value, count in [
        ("tag_id", tag["id"], 4),
        ("tag_id", "1", 0),
        ("game_id", 5, 0),
        ("position_ids", YES, 0),
    ]:
        assert len(get(site, "gamma", "/markets/keyset", **{name: value})["markets"]) == count
    for name, value, count in [
        ("tag_slug", tag["slug"], 4), ("exclude_tag_id", tag["id"], 0), ("live", "true", 3), ("ended", "true", 1),
        ("series_id", 1, 0), ("volume_min", 1e12, 0), ("liquidity_min", 1, 3), ("start_time_max", "2025-01-01", 0),
    ]:  # fmt: skip
        assert len(get(site, "gamma", "/events/keyset", **{name: value})["events"]) == count
    ends = [row["endDate"] for row in get(site, "gamma", "/events", order="endDate", ascending="false")]
    assert ends == sorted(ends, reverse=True)


def test_gamma_offsets_and_singles(site):
    """Old offset lists stop at 2,000; single markets and events are found by id and slug, others are 404."""
    assert len(get(site, "gamma", "/markets", limit=2, offset=1)) == 2
    far = httpx2.get(site.urls["gamma"] + "/markets", params={"offset": 2001})
    assert (far.status_code, far.json()["error"]) == (422, "offset too large, use /markets/keyset")
    market = get(site, "gamma", "/markets/slug/market-1")
    assert get(site, "gamma", f"/markets/{market['id']}")["slug"] == "market-1"
    event = get(site, "gamma", "/events/slug/event-1")
    assert get(site, "gamma", f"/events/{event['id']}")["markets"][0]["slug"] == "market-1"
    assert len(get(site, "gamma", "/events/keyset", limit=100)["events"]) == 4
    assert get(site, "gamma", "/public-search", q="event 2")["events"][0]["slug"] == "event-2"
    assert httpx2.get(site.urls["gamma"] + "/markets/slug/none").status_code == 404
    assert httpx2.get(site.urls["clob"] + "/none").json() == {"error": "not found"}


def test_news(site):
    """Headlines come as RSS that any reader parses, with the market and the time from which they were known."""
    answer = httpx2.get(site.urls["news"] + "/rss")
    (item,) = ElementTree.fromstring(answer.content).iter("item")
    assert item.findtext("title") == "Cats & dogs <win> “big”"
    assert item.findtext("category") == CONDITION
    assert item.findtext("{urn:oddsmith:news}known_s") == str(START_S + 60)
    later = httpx2.get(site.urls["news"] + "/rss", params={"after": START_S + 61})
    assert b"<item>" not in later.content


def test_news_that_changed():
    """A reader with all there is gets 304, one behind the new headlines alone; a tag of another world gets all."""
    with Background() as site:
        url, headers = site.urls["news"] + "/rss", {"A-IM": "feed"}
        first = httpx2.get(url, headers=headers)
        headers["If-None-Match"] = first.headers["etag"]

        assert first.status_code == 200
        assert httpx2.get(url, headers=headers).status_code == 304
        now_s = site.venue.now_s
        site.do(lambda: site.venue.headlines.append(Headline("new", (CONDITION,), now_s - 5, now_s, "New")))
        site.do(lambda: site.venue.headlines.append(Headline("early", (CONDITION,), now_s, now_s + 60, "Not yet")))
        changed = httpx2.get(url, headers=headers)
        assert (changed.status_code, changed.headers["im"]) == (226, "feed")
        assert [i.findtext("guid") for i in ElementTree.fromstring(changed.content).iter("item")] == ["new"]
        headers["If-None-Match"] = '"7-99"'
        assert httpx2.get(url, headers=headers).status_code == 200
        assert httpx2.get(url, headers=headers).content.count(b"<item>") == 2


def test_clob_history(site):
    """The CLOB's older history takes a token and an interval, and hides fine history of resolved markets."""
    points = get(site, "clob", "/prices-history", market=YES, interval="1h", fidelity=10)["history"]
    assert len(points) == 7
    assert set(points[0]) == {"t", "p"}
    assert get(site, "clob", "/prices-history", market=listing(4).token_yes, interval="max")["history"] == []
    assert httpx2.get(site.urls["clob"] + "/prices-history", params={"market": YES}).status_code == 400

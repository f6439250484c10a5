"""Faults of listings and history: malformed records, empty lists, endless pages; and changes of a market."""

import json

import httpx2
import pytest
from simulator_bench import listing
from simulator_site import START_S, Background
from test_simulator_faults import start

from simulator.faults.catalog import RECORDS
from simulator.faults.record_faults import is_chosen, kind_of

YES, NO, CONDITION = listing(1).token_yes, listing(1).token_no, listing(1).market_id


def listed(site, **params):
    """Records of the keyset listing."""
    found = httpx2.get(f"{site.urls['gamma']}/markets/keyset", params={"include_tag": "true", **params})
    assert found.status_code == 200
    return found.json()


ODD = {
    "tokens_null": lambda row: row["clobTokenIds"] == "null",
    "tokens_list": lambda row: isinstance(row["clobTokenIds"], list),
    "tokens_same": lambda row: len(set(json.loads(row["clobTokenIds"]))) == 1,
    "min_size_text": lambda row: row["orderMinSize"] == "abc",
    "event_without_slug": lambda row: "slug" not in row["events"][0],
    "tag_without_label": lambda row: "label" not in row["tags"][0],
    "no_fee_schedule": lambda row: row["feesEnabled"] is True and row["feeSchedule"] is None,
    "tiny_tick": lambda row: row["orderPriceMinTickSize"] == 0.00001,
    "key_missing": lambda row: "conditionId" not in row,
    "key_null": lambda row: row["question"] is None,
    "list_for_text": lambda row: isinstance(row["question"], list),
    "closed_without_prices": lambda row: row["closed"] is True and json.loads(row["outcomePrices"]) == ["0", "0"],
    "record_null": lambda row: row is None,
    "record_text": lambda row: row == "null",
    "no_end": lambda row: "endDate" not in row,
}


@pytest.mark.parametrize("record", RECORDS)
def test_each_odd_record(site, record):
    """Every kind of odd record is served when it is asked for, in lists of markets and inside events."""
    start(site, "gamma_odd", record=record, probability=1)
    rows = listed(site)["markets"]
    assert len(rows) == 4
    assert all(ODD[record](row) for row in rows)
    events = httpx2.get(f"{site.urls['gamma']}/events").json()
    assert len(events) == 4
    httpx2.delete(site.urls["clob"] + "/admin/faults")
    assert not any(ODD[record](row) for row in listed(site, closed="false")["markets"] if record != "no_fee_schedule")


def test_a_share_of_records_is_odd():
    """The share is the one asked for, every kind occurs, and the same records are odd with the same seed."""
    names = [f"0x{number:064x}" for number in range(5000)]
    odd = [name for name in names if is_chosen(7, name, 0.02)]
    assert 70 < len(odd) < 130
    assert {kind_of(7, name) for name in names if is_chosen(7, name, 0.1)} == set(RECORDS)
    assert odd == [name for name in names if is_chosen(7, name, 0.02)]
    assert odd != [name for name in names if is_chosen(8, name, 0.02)]


def test_empty_and_endless_listings(site):
    """Gamma lists nothing for a while, repeats records, or leads back to the same page for ever."""
    started = start(site, "gamma_empty", for_s=60)
    assert listed(site) == {"markets": []}
    assert httpx2.get(f"{site.urls['gamma']}/events").json() == []
    httpx2.delete(f"{site.urls['clob']}/admin/faults/{started['name']}")
    started = start(site, "gamma_duplicates")
    pages = [listed(site, limit=2), listed(site, limit=2, after_cursor=listed(site, limit=2)["next_cursor"])]
    names = [row["conditionId"] for page in pages for row in page["markets"]]
    assert len(set(names)) == 4
    assert len(names) > 6
    httpx2.delete(f"{site.urls['clob']}/admin/faults/{started['name']}")
    start(site, "gamma_cursor")
    cursor = listed(site)["next_cursor"]
    assert {listed(site, after_cursor=cursor)["next_cursor"] for _ in range(5)} == {cursor}


@pytest.mark.parametrize(
    ("fault", "host", "path"), [("gamma_error", "gamma", "/markets"), ("data_error", "data", "/v2/status")]
)
def test_errors_of_the_other_hosts(site, fault, host, path):
    """The host answers 502 with a page, the CLOB still answers, and the host answers again afterwards."""
    start(site, fault)
    answer = httpx2.get(site.urls[host] + path)
    assert (answer.status_code, answer.headers["content-type"].split(";")[0]) == (502, "text/html")
    assert httpx2.get(site.urls["clob"] + "/ok").status_code == 200
    httpx2.delete(site.urls["clob"] + "/admin/faults")
    assert httpx2.get(site.urls[host] + path).status_code == 200


@pytest.mark.parametrize("path", ["/v2/prices-history", "/v2/trades"])
def test_history_that_repeats(site, path):
    """Pages overlap by the rows asked for, and with the other fault their cursor is the same for ever."""
    span = {"start": START_S, "end": START_S + 3600}
    query = {"token_id": YES, "bucket_seconds": 60} if "prices" in path else {"condition": CONDITION}
    url, query = site.urls["data"] + path, query | span | {"limit": 20}
    start(site, "history_overlap", rows=3)
    first = httpx2.get(url, params=query).json()
    second = httpx2.get(url, params=query | {"cursor": first["pagination"]["next_cursor"]}).json()
    assert second["data"][:3] == first["data"][-3:]
    assert len(second["data"]) == 23
    httpx2.delete(site.urls["clob"] + "/admin/faults")
    start(site, "history_cursor")
    cursor = httpx2.get(url, params=query).json()["pagination"]["next_cursor"]
    again = [httpx2.get(url, params=query | {"cursor": cursor}).json()["pagination"] for _ in range(4)]
    assert {page["next_cursor"] for page in again} == {cursor}
    assert all(page["has_more"] for page in again)


def test_history_with_nulls(site):
    """Some rows of history have no price, no time, or are null; they are the same each time."""
    start(site, "history_nulls", probability=0.3)
    query = {"token_id": YES, "start": START_S, "end": START_S + 7200, "bucket_seconds": 60}
    rows = httpx2.get(site.urls["data"] + "/v2/prices-history", params=query).json()["data"]
    assert len(rows) == 121
    kinds = [
        "row" if r is None else "price" if r["price"] is None else "time" if r["timestamp"] is None else ""
        for r in rows
    ]
    assert set(kinds) == {"row", "price", "time", ""}
    assert 15 < sum(kind != "" for kind in kinds) < 60
    assert rows == httpx2.get(site.urls["data"] + "/v2/prices-history", params=query).json()["data"]


def test_what_changes_about_a_market():
    """Fee, minimum size, end and rules change in the listing, on the CLOB and in what orders are checked against."""
    with Background(admin=True) as site:
        for fault, option in [("fee_change", {"rate": 0.1}), ("min_size_change", {"shares": 15}), ("rules_change", {})]:
            start(site, fault, market=CONDITION, **option)
        before = listed(site, condition_ids=CONDITION)["markets"][0]
        start(site, "end_change", market=CONDITION, minutes=-120)
        row = listed(site, condition_ids=CONDITION)["markets"][0]
        assert (row["feeSchedule"]["rate"], row["orderMinSize"]) == (0.1, 15)
        assert "clarified" in row["description"]
        assert row["endDate"] < before["endDate"]
        compact = httpx2.get(f"{site.urls['clob']}/clob-markets/{CONDITION}").json()
        assert (compact["fd"]["r"], compact["mos"]) == (0.1, 15)
        start(site, "no_end", market=CONDITION)
        assert listed(site, condition_ids=CONDITION)["markets"][0]["endDate"] is None
        assert httpx2.get(f"{site.urls['clob']}/markets/{CONDITION}").json()["end_date_iso"] is None
        site.step()
        assert CONDITION in site.venue.open_markets


@pytest.mark.parametrize(("status", "text"), [(410, "has been retired"), (404, "not found")])
def test_retired_routes(site, status, text):
    """Requests of a retired route are answered with an error on every host; other routes work."""
    for host, route in (("clob", "/book"), ("gamma", "/markets"), ("data", "/v2/trades")):
        start(site, "route_retired", route=route, status=status)
        answer = httpx2.get(site.urls[host] + route)
        assert answer.status_code == status
        assert text in answer.json()["error"]
    assert httpx2.get(site.urls["clob"] + "/time").status_code == 200
    assert httpx2.get(site.urls["data"] + "/v2/status").status_code == 200


def test_blocked_region_and_blocked_reads(site):
    """/api/geoblock reports a regional block, and an edge page may refuse reads too."""
    clob = site.urls["clob"]
    assert httpx2.get(clob + "/api/geoblock").json()["blocked"] is False
    start(site, "geoblock")
    assert httpx2.get(clob + "/api/geoblock").json()["blocked"] is True
    assert httpx2.get(clob + "/time").status_code == 200
    start(site, "forbidden", reads=1, for_s=60)
    answer = httpx2.get(clob + "/time")
    assert (answer.status_code, "blocked" in answer.text) == (403, True)

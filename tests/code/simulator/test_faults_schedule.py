"""Schedules and profiles: a seed gives the same faults, and a venue survives all of them and all pairs."""

import re
from dataclasses import asdict, replace
from pathlib import Path

import httpx2
import pytest
from py_clob_client_v2.clob_types import OrderArgs
from simulator_bench import listing, order
from simulator_site import Background
from test_simulator_clients import client

from pipelines.core.errors import ParameterError
from simulator.engine.audit import audit
from simulator.engine.refusals import Refused
from simulator.faults.catalog import KINDS, NUMBERS, ONCE, WORDS, parse
from simulator.faults.profiles import PROFILES, TRADING, VENUE, Profile, RecurringFault
from simulator.faults.schedule import OPTIONS, pair_schedule, pairs, profile_schedule, schedule


def test_a_schedule_is_a_function_of_its_seed():
    """Every fault comes as often as asked for, within the minutes, and the same seed gives the same events."""
    events = schedule(5, minutes=90, each=3)
    assert events == schedule(5, minutes=90, each=3)
    assert events != schedule(6, minutes=90, each=3)
    counts = {name: sum(event["fault"] == name for _, event in events) for name in KINDS}
    assert counts == dict.fromkeys(KINDS, 3)
    assert [at for at, _ in events] == sorted(at for at, _ in events)
    assert 0 <= events[0][0] <= events[-1][0] <= 90
    assert all(("for_min" in event) == (event["fault"] not in ONCE) for _, event in events)


def test_every_drawn_event_is_a_fault():
    """POST /admin/faults accepts the events of schedules, pairs and profiles."""
    rows = [event for seed in range(20) for _, event in schedule(seed)]
    rows += [event for pair in pairs() for _, event in pair_schedule(1, pair)]
    rows += [event for day in range(30) for _, event in profile_schedule(VENUE, 1, day)]
    for event in rows:
        parse(event, "", 0.0)
    assert {name for options in OPTIONS.values() for name, _ in options} <= set(NUMBERS)
    assert set(OPTIONS) <= set(KINDS)
    assert not set(WORDS) & set(NUMBERS)


def test_every_pair_overlaps():
    """The second fault of a pair begins while the first is on, whichever comes first; both orders occur."""
    assert len(pairs()) == len(KINDS) * (len(KINDS) - 1) // 2
    for first, second in ("asks_gone", "ws_drop"), ("resolve_early", "settlement_fails"):
        orders = set()
        for seed in range(30):
            (begin, one), (later, other) = pair_schedule(seed, (first, second))
            assert begin <= later <= begin + one.get("for_min", 1)
            orders.add((one["fault"], other["fault"]))
        assert orders == {(first, second), (second, first)}


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"minutes": 0}, "minutes was 0"),
        ({"each": 1001}, "each was 1001"),
        ({"faults": ["rain"]}, "fault was 'rain'"),
    ],
)
def test_wrong_arguments(arguments, text):
    """A wrong argument is named with what was received."""
    with pytest.raises(ParameterError, match=text):
        schedule(1, **arguments)


def test_the_demonstration_leaves_what_a_pull_reads():
    """Its faults are the venue's at their rates, none of listing, history or payouts, and all are in its table."""
    found = PROFILES["trading"]
    names = {one["fault"] for one in found.always} | set(found.recurring)
    assert names == TRADING
    assert all(one in VENUE.always for one in found.always)
    assert all(VENUE.recurring[name] == fault for name, fault in found.recurring.items())
    assert not [name for name in names if name.startswith(("gamma", "history", "resolve_", "data_"))]
    page = (Path(__file__).parents[3] / "docs" / "simulator.md").read_text(encoding="utf-8")
    table = page[page.index("| faults of `trading` |") : page.index("## Redeem, split")]
    assert set(re.findall(r"`(\w+)`", table)) - {"trading"} == names


def test_rates_of_a_profile():
    """A recurring fault has its rate per market day, at the same minutes for the same seed and day."""
    found = Profile(recurring={"resolve_early": RecurringFault(6)})
    days = [profile_schedule(found, 3, day) for day in range(200)]
    assert 5.5 < sum(map(len, days)) / 200 < 6.5
    assert days[7] == profile_schedule(found, 3, 7)
    assert days[7] != days[8]
    assert all(0 <= at < 1440 for day in days for at, _ in day)


def test_loading_a_schedule():
    """The admin route schedules by market time: events begin and end as market time passes, and are listed."""
    with Background(admin=True) as site:
        url = site.urls["clob"] + "/admin"
        made = httpx2.post(url + "/schedule", json={"seed": 4, "minutes": 5, "faults": ["asks_gone", "slow"]}).json()
        assert {row["fault"] for row in made["events"]} == {"asks_gone", "slow"}
        made = httpx2.post(
            url + "/schedule",
            json={"events": [{"at_min": 2, "fault": "asks_gone", "for_min": 3, "market": listing(1).market_id}]},
        ).json()
        assert httpx2.get(url + "/faults").json()["scheduled"] == 1
        on = []
        for _ in range(6):
            site.step()
            on.append(len(httpx2.get(url + "/faults").json()["active"]))
        assert on == [0, 1, 1, 1, 0, 0]
        for wrong, text in [
            ({"events": [{"fault": "slow"}]}, "at_min"),
            ({"events": [{"at_min": 1, "fault": "rain"}]}, "rain"),
            ({"pair": ["slow", "slow"]}, "two different"),
            ({"seed": "x"}, "seed was 'x'"),
            ({"faults": 3}, "faults was"),
        ]:
            answer = httpx2.post(url + "/schedule", json=wrong)
            assert (answer.status_code, text in answer.json()["error"]) == (400, True)
        assert len(httpx2.post(url + "/schedule", json={"seed": 1, "pair": ["slow", "ws_drop"]}).json()["events"]) == 2


def test_every_fault_at_once():
    """A venue survives schedules of all faults: its books always balance, and it trades afterwards."""
    with Background(admin=True, auto_redeem=False, named_share=0.5) as site:
        traders = [client(site, number) for number in (190, 191)]
        for seed in range(3):
            site.do(lambda n=seed: site.site.faults.load(schedule(n, minutes=15)))
            for minute in range(24):
                site.do(lambda m=minute: _attempt(site, traders, m))
                site.step()
                site.do(site.site.faults.advance)
                assert site.do(lambda: audit(site.venue.exchange)) == []
        site.do(site.site.faults.clear)
        site.settled()
        fresh = site.do(lambda: site.venue._list(replace(listing(60), end_s=2**31)))
        quote = OrderArgs(token_id=fresh.listing.token_yes, price=0.2, size=20, side="BUY")
        assert client(site, 192).create_and_post_order(quote)["status"] == "live"
        assert site.do(lambda: audit(site.venue.exchange)) == []


def _attempt(site, traders, minute):
    """Place an order of a trader directly in the engine, as an accepted request does."""
    exchange = site.venue.exchange
    alive = sorted(site.venue.open_markets)
    if not alive:
        return
    market = exchange.markets[alive[minute % len(alive)]]
    who = traders[minute % 2].get_address()
    made = order(exchange, who, "BUY", ("YES", "NO")[minute % 2], 5500, 20, market=market)
    try:
        site.venue.place(made)
    except Refused:
        return


def test_profile_of_the_venue():
    """The profile is off by default; when it is on, faults are on and scheduled; `off` ends all of them."""
    assert Background().options.profile == "off"
    with Background(admin=True, profile="venue", auto_redeem=VENUE.auto_redeem) as site:
        url = site.urls["clob"] + "/admin"
        shown = httpx2.get(url + "/faults").json()
        assert {row["fault"] for row in shown["active"]} >= {document["fault"] for document in VENUE.always}
        assert shown["profiles"] == list(PROFILES)
        assert shown["scheduled"] > 0
        for _ in range(60):
            site.step()
            site.do(site.site.faults.advance)
        assert site.do(lambda: audit(site.venue.exchange)) == []
        assert httpx2.post(url + "/profile", json={"name": "off"}).status_code == 200
        shown = httpx2.get(url + "/faults").json()
        assert (shown["active"], shown["scheduled"]) == ([], 0)
        assert httpx2.post(url + "/profile", json={"name": "venue", "seed": 9}).status_code == 200
        wrong = httpx2.post(url + "/profile", json={"name": "kind"})
        assert "choose one of off, trading, venue" in wrong.json()["error"]
    assert asdict(PROFILES["off"]) == asdict(Profile())


def test_every_fault_is_documented():
    """docs/simulator.md has a row for every fault, with the text of the catalogue."""
    guide = (Path(__file__).parents[3] / "docs" / "simulator.md").read_text(encoding="utf-8")
    missing = [name for name, text in KINDS.items() if f"| `{name}` | {text} |" not in guide]
    assert missing == []

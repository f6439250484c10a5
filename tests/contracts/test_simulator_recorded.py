"""The simulator's answers beside recorded ones: every key that the venue always sends is there, with the same type."""

import gzip
import json
import sys
from pathlib import Path

import httpx2
import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT / "tests/code/simulator"))
RECORDED = ROOT.parent / "shared/data/meta"

pytestmark = pytest.mark.skipif(not RECORDED.is_dir(), reason="recorded responses are not on this machine")

LAB, VALUE, WOM = "polymarket-microstructure-lab", "prediction-market-value-lab", "wom-polymarket-strategy"

OF_SOME_SERIES = {"series", "seriesSlug", "eventStartTime", "makerRebatesFeeShareBps"}
"""Keys of recurring crypto events, which the simulator does not list."""


def recorded(name):
    """A recorded document."""
    path = RECORDED / name
    if not path.exists():
        pytest.skip(f"{path.name} is not on this machine")
    text = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    return json.loads(text)


def rows(document):
    """Its objects."""
    if isinstance(document, dict):
        return document.get("markets") or document.get("data") or [document]
    return document


def kinds(documents):
    """JSON types by key; integers and other numbers are one type."""
    found = {}
    for document in documents:
        for key, value in document.items():
            kind = "number" if isinstance(value, (int, float)) and not isinstance(value, bool) else type(value).__name__
            found.setdefault(key, set()).add(kind)
    return found


def compare(real, simulated):
    """Keys that are always recorded but missing here, and keys of another type."""
    known, ours = kinds(real), kinds(simulated)
    always = {key for key in known if all(key in document for document in real)}
    missing = always - set(ours) - OF_SOME_SERIES
    common = [key for key in ours.keys() & known.keys() if known[key] != {"NoneType"}]
    other = {key: (ours[key], known[key]) for key in common if not ours[key] <= known[key] | {"NoneType"}}
    return missing, other


@pytest.fixture(scope="module")
def urls():
    """A served venue."""
    from simulator_site import Background

    with Background() as site:
        yield site.urls


@pytest.mark.parametrize(
    ("name", "host", "path"),
    [
        (f"{LAB}/gamma_markets.json", "gamma", "/markets?limit=10"),
        (f"{LAB}/gamma_market_updown.json", "gamma", "/markets?limit=10"),
        (f"{VALUE}/polymarket_markets.json", "gamma", "/markets?limit=10"),
        (f"{WOM}/gamma_markets_200_2026-02-13.json.gz", "gamma", "/markets?limit=10"),
        (f"{VALUE}/polymarket_events.json", "gamma", "/events?limit=10"),
        (f"{LAB}/gamma_event_crypto_updown.json", "gamma", "/events?limit=10"),
        (f"{WOM}/clob_sampling_markets_page.json.gz", "clob", "/sampling-markets"),
    ],
)
def test_keys(urls, name, host, path):
    """Each key of the recording exists with the same JSON type."""
    real, simulated = rows(recorded(name)), rows(httpx2.get(urls[host] + path).json())
    assert compare(real, simulated) == (set(), {})


def test_events_inside_markets(urls):
    """The event inside a Gamma market has the recorded keys."""
    real = [event for market in recorded(f"{VALUE}/polymarket_markets.json") for event in market["events"]]
    ours = [event for market in httpx2.get(urls["gamma"] + "/markets").json() for event in market["events"]]
    assert compare(real, ours) == (set(), {})


@pytest.mark.parametrize("name", [f"{LAB}/clob_book.json", f"{VALUE}/polymarket_book.json"])
def test_book(urls, name):
    """GET /book: the same keys in the same order, levels of two strings, best price last."""
    from simulator_bench import listing

    real = recorded(name)
    ours = httpx2.get(urls["clob"] + "/book", params={"token_id": listing(1).token_yes}).json()
    assert list(ours) == list(real)
    assert compare([real], [ours]) == (set(), {})
    for side, sign in (("bids", 1), ("asks", -1)):
        assert set(ours[side][0]) == set(real[side][0]) == {"price", "size"}
        for book in (real, ours):
            prices = [sign * float(level["price"]) for level in book[side]]
            assert prices == sorted(prices)


@pytest.mark.parametrize("kind", ["best_bid_ask", "new_market", "market_resolved"])
def test_stream_messages(kind):
    """Custom WebSocket messages have the keys of the published examples."""
    from simulator_site import Background

    real = recorded(f"unverified_shapes/ws_{kind if kind == 'market_resolved' else 'market_' + kind}_msg.json")
    with Background() as site:
        said = []
        channel = site.site.market_channel

        class Listener:
            custom = True

            def push(self, text):
                said.append(json.loads(text))

        def act():
            listener = Listener()
            markets = list(site.venue.exchange.markets.values())
            channel._everyone.add(listener)
            channel._subscribe(listener, {"type": "market", "assets_ids": [m.listing.token_yes for m in markets]})
            for tell in site.venue.on_listed:
                tell(markets[0])
            site.venue.market_maker.withdraw(markets[0].listing.market_id)
            channel.publish()
            site.venue.resolve(markets[0].listing.market_id, 0)

        site.do(act)
    ours = [message for message in said if message["event_type"] == kind]
    assert compare([real], ours[:1]) == (set(), {})

"""GDELT and X against a local HTTP server that speaks their formats."""

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest

from pipelines.core.errors import SettingError, VenueUnavailable
from pipelines.core.settings import Settings
from pipelines.news import gdelt, sources, x

TOKEN = "AAAA" + "b" * 40


class Venue:
    """A server whose answers a test lines up; it keeps what it was asked."""

    def __init__(self):
        self.answers, self.asked, self.tokens = [], [], []
        venue = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                venue.asked.append({k: v[0] for k, v in parse_qs(urlsplit(self.path).query).items()})
                venue.tokens.append(self.headers.get("Authorization"))
                status, headers, body = venue.answers.pop(0)
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body if isinstance(body, bytes) else json.dumps(body).encode())

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}/search"

    def says(self, body, status=200, **headers):
        """Line up an answer."""
        self.answers.append((status, {name.replace("_", "-"): value for name, value in headers.items()}, body))


@pytest.fixture
def venue():
    """The server, closed afterwards."""
    made = Venue()
    yield made
    made.server.shutdown()
    made.server.server_close()


@pytest.fixture
def bearer(monkeypatch):
    """A token in the environment."""
    monkeypatch.setenv("ODDSMITH_X_BEARER_TOKEN", TOKEN)


async def opened(address, client):
    """The source of an address."""
    return sources.open_source(client, address, 0.0)


async def test_articles_count_from_the_end_of_their_batch(venue):
    """GDELT's list becomes items, oldest first, each once, known a quarter of an hour after they were seen; what has no
    title or time is left out."""
    article = {
        "url": "https://n.test/a",
        "title": " Bitcoin\n rises ",
        "seendate": "20260116T233000Z",
        "domain": "n.test",
    }
    older = {"url": "https://n.test/b", "title": "Before", "seendate": "20260116T220000Z", "language": "English"}
    broken = [{"url": "https://n.test/c", "title": "", "seendate": "20260116T220000Z"}, {"url": "u", "title": "t"}]
    venue.says({"articles": [article, older, article, *broken]})
    async with httpx2.AsyncClient() as client:
        source = await opened(f"gdelt+{venue.url}?query=bitcoin%20sourcelang:english", client)
        found = await source.read()
        too_early = await source.read()
    assert [(one.text, one.published_s, one.known_s) for one in found] == [
        ("Before", 1_768_600_800, 1_768_601_700),
        ("Bitcoin rises", 1_768_606_200, 1_768_607_100),
    ]
    assert too_early == []
    assert venue.asked[0]["query"] == "bitcoin sourcelang:english"
    assert (venue.asked[0]["mode"], venue.asked[0]["format"]) == ("ArtList", "json")


async def test_nothing_found_is_no_error_and_a_text_is_one(venue):
    """GDELT answers {} where it found nothing, and a sentence with status 200 to a query that it cannot read."""
    venue.says({})
    venue.says(b"Your query was too short or too long.")
    async with httpx2.AsyncClient() as client:
        assert await (await opened(f"gdelt+{venue.url}?query=bitcoin", client)).read() == []
        with pytest.raises(VenueUnavailable, match="too short"):
            await (await opened(f"gdelt+{venue.url}?query=a", client)).read()


async def test_posts_are_read_page_by_page_and_then_since_the_newest(venue, bearer, monkeypatch):
    """X is asked with the token for posts that are no reposts, page by page; the next time since the newest."""
    monkeypatch.setattr(x, "LEAST_POLL_S", 0.0)
    first = {"id": "12", "text": "Farah &amp; co. win #x https://t.co/a", "created_at": "2026-01-16T23:30:00.000Z"}
    second = {"id": "11", "text": "@someone older", "created_at": "2026-01-16T22:00:00.000Z"}
    empty = {"id": "10", "text": "#only @names", "created_at": "2026-01-16T22:00:00.000Z"}
    venue.says({"data": [first], "meta": {"newest_id": "12", "result_count": 1, "next_token": "p2"}})
    venue.says({"data": [second, empty], "meta": {"newest_id": "11", "result_count": 2}})
    venue.says({"meta": {"result_count": 0}})
    async with httpx2.AsyncClient() as client:
        source = await opened(f"x+{venue.url}?query=polymarket%20lang:en", client)
        found, later = await source.read(), await source.read()
    assert [(one.item_id, one.text, one.known_s) for one in found] == [
        ("x/11", "older", 1_768_600_830),
        ("x/12", "Farah & co. win", 1_768_606_230),
    ]
    assert later == []
    assert venue.asked[0]["query"] == "polymarket lang:en -is:retweet"
    assert [asked.get("next_token") for asked in venue.asked] == [None, "p2", None]
    assert [asked.get("since_id") for asked in venue.asked] == [None, None, "12"]
    assert set(venue.tokens) == {f"Bearer {TOKEN}"}


async def test_a_used_up_window_is_waited_for(venue, bearer, monkeypatch):
    """After 429 nothing is asked before the time that the answer names; the error shows no token."""
    monkeypatch.setattr(x, "LEAST_POLL_S", 0.0)
    venue.says({"title": "Too Many Requests"}, status=429, x_rate_limit_reset=str(int(time.time()) + 600))
    async with httpx2.AsyncClient() as client:
        source = await opened(f"x+{venue.url}?query=a", client)
        with pytest.raises(VenueUnavailable, match="ODDSMITH_X_BEARER_TOKEN") as caught:
            await source.read()
        assert await source.read() == []
    assert TOKEN not in str(caught.value)
    assert len(venue.asked) == 1


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("gdelt+https://g.test/doc", "query="),
        ("x+https://x.test/search", "query="),
        ("x+https://x.test?query=a", "TOKEN"),
    ],
)
async def test_what_is_missing_in_an_address_is_said(address, words, monkeypatch):
    """A search needs a query, and X a token."""
    monkeypatch.delenv("ODDSMITH_X_BEARER_TOKEN", raising=False)
    with pytest.raises(SettingError, match=words):
        async with sources.opened(Settings(news_url=address)):
            pass


def test_times_are_honest():
    """No item is known before it was published."""
    assert gdelt.LAG_S > 0
    assert x.LAG_S > 0

"""Posts become headlines: text without markup, each once, in time."""

import httpx2
import pytest

from pipelines.core.errors import VenueUnavailable
from pipelines.news.mastodon import Timelines

POSTS = [
    {"id": "2", "created_at": "2026-01-16T23:33:22.000Z", "content": "<p>Farah Tanaka &amp; co. win! <a>#x</a></p>"},
    {"id": "1", "created_at": "2026-01-16T22:00:00.000Z", "content": "<p>older https://s.test/x</p>"},
    {"id": "3", "created_at": "2026-01-16T23:00:00.000Z", "content": "<p>a repeat</p>", "reblog": {"id": "1"}},
    {"id": "4", "created_at": "2026-01-16T23:00:00.000Z", "content": "<p>#only #tags</p>"},
]  # fmt: skip


async def test_posts_are_read_once_and_plain() -> None:
    """Markup, links and tags go; repeats and empty posts are left out; a post under two tags counts once; the server is
    left alone until `poll_s` have passed."""
    asked: list[str] = []

    def respond(request: httpx2.Request) -> httpx2.Response:
        asked.append(request.url.path)
        return httpx2.Response(200, json=POSTS)

    async with httpx2.AsyncClient(transport=httpx2.MockTransport(respond)) as client:
        timelines = Timelines(client, "https://s.test/", ["polymarket", "btc"], poll_s=60)
        found = await timelines.read()
        too_early = await timelines.read()

    assert [(i.item_id, i.text, i.known_s) for i in found] == [
        ("post/1", "older", 1_768_600_800),
        ("post/2", "Farah Tanaka & co. win!", 1_768_606_402),
    ]
    assert too_early == []
    assert asked == ["/api/v1/timelines/tag/polymarket", "/api/v1/timelines/tag/btc"]


@pytest.mark.parametrize("answer", [httpx2.Response(401), httpx2.Response(200, text="<html>")])
async def test_a_server_that_gives_no_posts_is_named(answer: httpx2.Response) -> None:
    """A refusal, or a page instead of posts, is an error with the setting to check."""
    async with httpx2.AsyncClient(transport=httpx2.MockTransport(lambda _: answer)) as client:
        with pytest.raises(VenueUnavailable, match="check ODDSMITH_NEWS_URL"):
            await Timelines(client, "https://s.test", ["x"]).read()

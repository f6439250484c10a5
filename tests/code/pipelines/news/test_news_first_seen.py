"""A headline is known no earlier than somebody here saw it."""

import asyncio
from dataclasses import replace

import httpx2

from pipelines.core.settings import Settings
from pipelines.news import sources
from pipelines.news.first_seen import OLD_S, FirstSeen
from pipelines.news.rss import Item

NEW = Item("a", "text", 1_000, 1_000, (), stated=False)


def test_the_first_look_that_shows_an_entry_dates_it(tmp_path):
    """Later looks, also after a restart, keep the time of the first one; it is never before the publication."""
    path = tmp_path / "var/first-seen.jsonl"
    archive = FirstSeen(path)
    assert [item.known_s for item in archive.dated([NEW], 1_500)] == [1_500]
    assert [item.known_s for item in archive.dated([NEW], 9_000)] == [1_500]
    assert [item.known_s for item in FirstSeen(path).dated([NEW], 9_000)] == [1_500]
    ahead = replace(NEW, item_id="b", published_s=2_000, known_s=2_000)
    assert [item.known_s for item in archive.dated([ahead], 1_600)] == [2_000]


def test_who_looks_more_often_sets_the_time(tmp_path):
    """Two that write to one archive agree on the earlier look, whoever opened the file first."""
    slow, quick = (FirstSeen(tmp_path / "first-seen.jsonl") for _ in range(2))
    slow.dated([replace(NEW, item_id="other")], 1_100)
    quick.dated([NEW], 1_200)
    assert [item.known_s for item in slow.dated([NEW], 1_900)] == [1_200]


def test_a_source_that_states_the_time_is_believed(tmp_path):
    """What the source itself dates stays as it is and leaves no line."""
    stated = replace(NEW, known_s=1_030, stated=True)
    assert FirstSeen(tmp_path / "f").dated([stated], 5_000) == [stated]
    assert not (tmp_path / "f").exists()


def test_old_entries_are_no_news(tmp_path):
    """What was published long before the first look is left out then and later: on the first day a feed shows weeks."""
    archive = FirstSeen(tmp_path / "f")
    assert archive.dated([NEW], 1_001 + OLD_S) == []
    assert archive.dated([NEW], 1_002 + OLD_S) == []
    assert len(archive.dated([replace(NEW, item_id="b")], 1_000 + OLD_S)) == 1


def test_a_line_that_a_crash_cut_off_costs_that_entry_alone(tmp_path):
    """Half a line, or one that is no time, is passed over; what follows is read."""
    path = tmp_path / "f"
    path.write_bytes(b'{"id": "x", "at_s": 5}\nnonsense\n{"id": "a", "at')
    archive = FirstSeen(path)
    assert [item.known_s for item in archive.dated([NEW], 1_500)] == [1_500]
    assert [item.known_s for item in FirstSeen(path).dated([NEW], 9_000)] == [1_500]


def test_every_source_is_dated(tmp_path, monkeypatch):
    """A feed that backdates an entry of now gives it with the time of the look, from RSS and from Mastodon."""
    monkeypatch.setattr(sources.time, "time", lambda: 1_790_000_600.0)
    feed = (
        b"<rss version='2.0'><channel><title>t</title><item><title>It rains</title><guid>g</guid>"
        b"<pubDate>Mon, 21 Sep 2026 14:13:20 GMT</pubDate></item></channel></rss>"
    )
    post = [{"id": "7", "created_at": "2026-09-21T14:13:20Z", "content": "<p>It rains</p>"}]

    def answer(request):
        return (
            httpx2.Response(200, json=post) if "timelines" in request.url.path else httpx2.Response(200, content=feed)
        )

    async def read():
        settings = Settings(var=tmp_path, news_url="http://h/rss mastodon+http://h?tags=rain")
        async with sources.opened(settings, transport=httpx2.MockTransport(answer)) as opened:
            return [item for source in opened for item in await source.read()]

    items = asyncio.run(read())
    assert [item.published_s for item in items] == [1_790_000_000] * 2
    assert [item.known_s for item in items] == [1_790_000_600] * 2

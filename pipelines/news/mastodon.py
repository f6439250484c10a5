"""Posts of a social network as headlines: public tag timelines of a Mastodon-compatible server, no account needed.

Its address is `mastodon+https://HOST?tags=polymarket,bitcoin`.
"""

import html
import re
import time
from collections.abc import Sequence
from datetime import datetime
from urllib.parse import parse_qs, urlsplit, urlunsplit

import httpx2
import msgspec

from pipelines.core.errors import SettingError, VenueUnavailable
from pipelines.news.rss import Item, reason

_PAGE = 40
"""Most posts per request that servers give."""


class Post(msgspec.Struct):
    """A status as the server writes it."""

    id: str
    created_at: str
    content: str
    url: str | None = None
    reblog: object = None


class Timelines:
    """The tag timelines of one server, asked again after `poll_s` wall seconds."""

    def __init__(self, client: httpx2.AsyncClient, url: str, tags: Sequence[str], poll_s: float = 0.0) -> None:
        self._client = client
        self._url = url.rstrip("/")
        self._tags = tags
        self._poll_s = poll_s
        self._asked_s: float | None = None

    async def read(self) -> list[Item]:
        """The newest posts under each tag, oldest first, each once; repeats of other posts are left out.

        Raises:
            VenueUnavailable: if the server does not answer, or answers something else than posts.
        """
        now = time.monotonic()
        if self._asked_s is not None and now - self._asked_s < self._poll_s:
            return []
        self._asked_s = now
        parsed = [parse(post) for tag in self._tags for post in await self._posts(tag)]
        found = {item.item_id: item for item in parsed if item is not None}
        return sorted(found.values(), key=lambda item: (item.known_s, item.item_id))

    async def _posts(self, tag: str) -> list[Post]:
        try:
            response = await self._client.get(f"{self._url}/api/v1/timelines/tag/{tag}", params={"limit": _PAGE})
            response.raise_for_status()
            return msgspec.json.decode(response.content, type=list[Post])
        except (httpx2.HTTPError, ValueError) as error:
            raise VenueUnavailable(
                f"{self._url} gave no posts under #{tag} ({reason(error)}); check ODDSMITH_NEWS_URL"
            ) from None


def parse(post: Post) -> Item | None:
    """A post as an item: its text without markup, links and tags; None for an empty one or a repeat of another."""
    text = html.unescape(re.sub(r"<[^>]+>", " ", post.content))
    text = " ".join(word for word in text.split() if not word.startswith(("http://", "https://", "#", "@")))
    if post.reblog is not None or not text:
        return None
    created_s = int(datetime.fromisoformat(post.created_at).timestamp())
    return Item(f"post/{post.id}", text, created_s, created_s, (post.url,) if post.url else (), stated=False)


def source(client: httpx2.AsyncClient, url: str, poll_s: float) -> Timelines:
    """The timelines of the tags that an address names.

    Raises:
        SettingError: if it names no tag.
    """
    parts = urlsplit(url)
    tags = [tag for tag in ",".join(parse_qs(parts.query).get("tags", [])).split(",") if tag]
    if not tags:
        raise SettingError(f"ODDSMITH_NEWS_URL was mastodon+{url}: say which tags, such as ?tags=polymarket,bitcoin")
    return Timelines(client, urlunsplit((parts.scheme, parts.netloc, parts.path, "", "")), tags, poll_s)

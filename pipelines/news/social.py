"""Posts of a social network as headlines: public tag timelines of a Mastodon-compatible server, no account needed."""

import html
import re
from collections.abc import Sequence
from datetime import datetime

import httpx2
import msgspec

from pipelines.core.errors import VenueUnavailable
from pipelines.news.feed import Item

_PAGE = 40
"""Most posts per request that servers give."""


class Post(msgspec.Struct):
    """A status as the server writes it."""

    id: str
    created_at: str
    content: str
    url: str | None = None
    reblog: object = None


async def fetch(url: str, tags: Sequence[str], transport: httpx2.AsyncBaseTransport | None = None) -> list[Item]:
    """The newest posts under each tag, oldest first, each once; repeats of other posts are left out.

    Raises:
        VenueUnavailable: if the server does not answer, or answers something else than posts.
    """
    found: dict[str, Item] = {}
    async with httpx2.AsyncClient(base_url=url, timeout=20.0, transport=transport) as client:
        for tag in tags:
            for post in await _posts(client, tag):
                item = parse(post)
                if item is not None:
                    found[item.item_id] = item
    return sorted(found.values(), key=lambda item: (item.known_s, item.item_id))


async def _posts(client: httpx2.AsyncClient, tag: str) -> list[Post]:
    try:
        response = await client.get(f"/api/v1/timelines/tag/{tag}", params={"limit": _PAGE})
        response.raise_for_status()
        return msgspec.json.decode(response.content, type=list[Post])
    except (httpx2.HTTPError, msgspec.DecodeError) as error:
        said = str(error).splitlines()[0]
        raise VenueUnavailable(
            f"{client.base_url} gave no posts under #{tag} ({said}); check ODDSMITH_SOCIAL_URL"
        ) from None


def parse(post: Post) -> Item | None:
    """A post as an item: its text without markup, links and tags; None for an empty one or a repeat of another."""
    text = html.unescape(re.sub(r"<[^>]+>", " ", post.content))
    text = " ".join(word for word in text.split() if not word.startswith(("http://", "https://", "#", "@")))
    if post.reblog is not None or not text:
        return None
    created_s = int(datetime.fromisoformat(post.created_at).timestamp())
    return Item(f"post/{post.id}", text, created_s, created_s, (post.url,) if post.url else ())

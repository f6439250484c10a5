"""RSS and Atom feeds: one request, parsed by feedparser into items with a time from which they were known."""

import calendar
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import feedparser
import httpx2

from pipelines.core.errors import VenueUnavailable


@dataclass(frozen=True, slots=True)
class Item:
    """An entry of a feed. `known_s` is when it can have been read at the earliest: never before it was published."""

    item_id: str
    text: str
    published_s: int
    known_s: int
    about: tuple[str, ...]
    """What the entry itself names: its link and categories (a market id, a slug, an event)."""


async def fetch(url: str, transport: httpx2.AsyncBaseTransport | None = None) -> list[Item]:
    """The entries of a feed, oldest first.

    Raises:
        VenueUnavailable: if the feed does not answer, or answers something that is no feed.
    """
    try:
        async with httpx2.AsyncClient(timeout=20.0, transport=transport, follow_redirects=True) as client:
            response = await client.get(url, headers={"Accept": "application/rss+xml, application/atom+xml, */*;q=0.1"})
            response.raise_for_status()
    except httpx2.HTTPError as error:
        raise VenueUnavailable(
            f"the feed {url} did not answer ({str(error).splitlines()[0]}); set ODDSMITH_NEWS_URL, or clear it"
        ) from None
    return parse(response.content, url)


def parse(content: bytes, origin: str) -> list[Item]:
    """The entries of an RSS or Atom document, oldest first; entries without a time or a title are left out.

    Raises:
        VenueUnavailable: if the document is no feed.
    """
    document = feedparser.parse(content)
    if not document.get("version"):
        raise VenueUnavailable(
            f"{origin} is no RSS or Atom feed (it begins with {content[:40]!r}); check ODDSMITH_NEWS_URL"
        )
    items = (_item(entry) for entry in document.entries)
    return sorted((i for i in items if i is not None), key=lambda i: (i.known_s, i.item_id))


def _item(entry: Mapping[str, Any]) -> Item | None:
    published = entry.get("published_parsed") or entry.get("updated_parsed")
    text = str(entry.get("title") or "").strip()
    if not published or not text:
        return None
    published_s = calendar.timegm(published)
    known = str(entry.get("oddsmith_known_s") or entry.get("known_s") or "")
    about = [str(tag.get("term") or "") for tag in entry.get("tags") or ()] + [str(entry.get("link") or "")]
    identity = str(entry.get("id") or "") or hashlib.sha256(f"{published_s}/{text}".encode()).hexdigest()
    return Item(
        item_id=identity,
        text=text,
        published_s=published_s,
        known_s=max(published_s, int(known)) if known.isdigit() else published_s,
        about=tuple(a for a in about if a),
    )

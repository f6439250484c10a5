"""RSS and Atom feeds: one request, parsed by feedparser into items with a time from which they were known.

A feed that is read again and again is asked for what changed: the validators of the last answer go with the request
(RFC 9110, 304 Not Modified), and a server that can answers with the new entries alone (RFC 3229, 226 IM Used).
"""

import asyncio
import calendar
import hashlib
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import feedparser
import httpx2

from pipelines.core.errors import VenueUnavailable

_HEADERS: Final = {"Accept": "application/rss+xml, application/atom+xml, */*;q=0.1", "A-IM": "feed"}


@dataclass(frozen=True, slots=True)
class Item:
    """An entry of a feed. `known_s` is when it can have been read at the earliest: never before it was published."""

    item_id: str
    text: str
    published_s: int
    known_s: int
    about: tuple[str, ...]
    """What the entry itself names: its link and categories (a market id, a slug, an event)."""
    stated: bool = True
    """Whether the source itself says since when the entry could be read; else the look that showed it first decides."""


class Feed:
    """One feed, read as often as you like. It is asked again once the answer is no longer fresh: after the `max-age`
    that the server named, else after `poll_s` wall seconds."""

    def __init__(self, client: httpx2.AsyncClient, url: str, poll_s: float = 0.0) -> None:
        self._client = client
        self._url = url
        self._poll_s = poll_s
        self._validators: dict[str, str] = {}
        self._fresh_s = poll_s
        self._asked_s: float | None = None

    async def read(self) -> list[Item]:
        """Entries, oldest first: all of them at first, later at least those that are new.

        Raises:
            VenueUnavailable: if the feed does not answer, or answers something that is no feed.
        """
        now = time.monotonic()
        if self._asked_s is not None and now - self._asked_s < self._fresh_s:
            return []
        self._asked_s = now
        try:
            response = await self._client.get(self._url, headers=_HEADERS | self._validators)
            if response.status_code != 304:
                response.raise_for_status()
        except httpx2.HTTPError as error:
            raise VenueUnavailable(
                f"the feed {self._url} did not answer ({reason(error)}); set ODDSMITH_NEWS_URL, or clear it"
            ) from None
        # A long feed takes feedparser most of a second: not on the loop that trades.
        items = [] if response.status_code == 304 else await asyncio.to_thread(parse, response.content, self._url)
        self._remember(response)
        return items

    def _remember(self, response: httpx2.Response) -> None:
        """Keep what the next request needs: only after the entries were read, so that none is skipped."""
        stated = re.search(r"max-age=(\d+)", response.headers.get("cache-control", ""))
        self._fresh_s = float(stated[1]) if stated and int(stated[1]) > 0 else self._poll_s
        for ours, theirs in (("If-None-Match", "etag"), ("If-Modified-Since", "last-modified")):
            if theirs in response.headers:
                self._validators[ours] = response.headers[theirs]


def reason(error: Exception) -> str:
    """The first line of what an error says; its kind where it says nothing, as a timeout does."""
    return next(iter(str(error).splitlines()), type(error).__name__)


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
        stated=known.isdigit(),
    )


def source(client: httpx2.AsyncClient, url: str, poll_s: float) -> Feed:
    """The feed at an address."""
    return Feed(client, url, poll_s)

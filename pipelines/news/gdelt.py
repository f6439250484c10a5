"""News articles of the GDELT project (DOC 2.0 API, no account): titles of what newspapers in 65 languages publish.

Its address is `gdelt+https://api.gdeltproject.org/api/v2/doc/doc?query=bitcoin%20sourcelang:english`. Reference:
https://blog.gdeltproject.org/gdelt-doc-2-0-api-debuts/
"""

import time
from datetime import UTC, datetime
from typing import Final
from urllib.parse import parse_qs, urlsplit, urlunsplit

import httpx2
import msgspec

from pipelines.core.errors import SettingError, VenueUnavailable
from pipelines.news.rss import Item, reason

LAG_S: Final = 900
"""GDELT publishes what it has seen in batches of a quarter of an hour: an article counts from the end of its batch."""
LEAST_POLL_S: Final = 60.0
"""GDELT asks for at most a request in five seconds, and has something new every quarter of an hour."""
_MOST: Final = 250
"""Articles of one answer, the API's own limit."""
_SPAN: Final = "1d"
_SEEN: Final = "%Y%m%dT%H%M%SZ"


class Article(msgspec.Struct):
    """An article as the API lists it."""

    url: str
    title: str = ""
    seendate: str = ""


class Listing(msgspec.Struct):
    """An answer in the mode ArtList; `{}` where nothing was found."""

    articles: list[Article] = []


class ArticleSearch:
    """One query, asked again after `poll_s` wall seconds."""

    def __init__(self, client: httpx2.AsyncClient, url: str, query: str, poll_s: float = 0.0) -> None:
        self._client = client
        self._url = url
        self._query = query
        self._poll_s = max(poll_s, LEAST_POLL_S)
        self._asked_s: float | None = None

    async def read(self) -> list[Item]:
        """The articles of the last day, oldest first, each once.

        Raises:
            VenueUnavailable: if the API does not answer, or answers with a text instead of a list, as it does to a
                query that it cannot read.
        """
        now = time.monotonic()
        if self._asked_s is not None and now - self._asked_s < self._poll_s:
            return []
        self._asked_s = now
        asked = {"query": self._query, "mode": "ArtList", "format": "json", "sort": "DateDesc"}
        try:
            response = await self._client.get(self._url, params=asked | {"maxrecords": str(_MOST), "timespan": _SPAN})
            response.raise_for_status()
        except httpx2.HTTPError as error:
            raise VenueUnavailable(f"{self._url} did not answer ({reason(error)}); check ODDSMITH_NEWS_URL") from None
        try:
            listed = msgspec.json.decode(response.content, type=Listing)
        except ValueError:
            raise VenueUnavailable(
                f"{self._url} gave no list of articles for the query {self._query!r} but {response.text[:120]!r}; "
                "check ODDSMITH_NEWS_URL"
            ) from None
        found = {item.item_id: item for item in map(parse, listed.articles) if item is not None}
        return sorted(found.values(), key=lambda item: (item.known_s, item.item_id))


def parse(article: Article) -> Item | None:
    """An article as an item; None without a title or a time."""
    text = " ".join(article.title.split())
    try:
        seen_s = int(datetime.strptime(article.seendate, _SEEN).replace(tzinfo=UTC).timestamp())
    except ValueError:
        return None
    return Item(f"gdelt/{article.url}", text, seen_s, seen_s + LAG_S, (article.url,)) if text else None


def source(client: httpx2.AsyncClient, url: str, poll_s: float) -> ArticleSearch:
    """The search that an address names.

    Raises:
        SettingError: if it has no query.
    """
    parts = urlsplit(url)
    query = " ".join(parse_qs(parts.query).get("query", [])).strip()
    if not query:
        raise SettingError(f"ODDSMITH_NEWS_URL was gdelt+{url}: say what to look for, such as ?query=bitcoin")
    return ArticleSearch(client, urlunsplit((parts.scheme, parts.netloc, parts.path, "", "")), query, poll_s)

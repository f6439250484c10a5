"""Posts of X as headlines: recent search of the X API v2, with the bearer token of ODDSMITH_X_BEARER_TOKEN.

Its address is `x+https://api.x.com/2/tweets/search/recent?query=polymarket%20lang:en`. Reference:
https://docs.x.com/x-api/posts/search/quickstart/recent-search
"""

import html
import time
from datetime import datetime
from typing import Final
from urllib.parse import parse_qs, urlsplit, urlunsplit

import httpx2
import msgspec
from pydantic import SecretStr

from pipelines.core.errors import SettingError, VenueUnavailable
from pipelines.core.settings import Settings
from pipelines.news.rss import Item, reason

LAG_S: Final = 30
"""Search gives a post some seconds after it was written (the API's own newest end is ten seconds ago)."""
LEAST_POLL_S: Final = 15.0
"""60 requests in a quarter of an hour are allowed."""
_PAGE: Final = 100
_MOST_PAGES: Final = 5
_OWN_WORDS: Final = "-is:retweet"


class FoundPost(msgspec.Struct):
    """A post as search gives it."""

    id: str
    text: str
    created_at: str = ""


class SearchMeta(msgspec.Struct):
    """What an answer says of itself."""

    newest_id: str | None = None
    next_token: str | None = None


class SearchAnswer(msgspec.Struct):
    """A page of posts, the newest first; `data` is missing where nothing was found."""

    data: list[FoundPost] = []
    meta: SearchMeta = msgspec.field(default_factory=SearchMeta)


class RecentSearch:
    """One query, asked again after `poll_s` wall seconds for what is newer than the last answer."""

    def __init__(self, client: httpx2.AsyncClient, url: str, query: str, token: SecretStr, poll_s: float = 0.0) -> None:
        self._client = client
        self._url = url
        self._query = query if "is:retweet" in query else f"{query} {_OWN_WORDS}"
        self._token = token
        self._poll_s = max(poll_s, LEAST_POLL_S)
        self._next_s = 0.0
        self._newest: str | None = None

    async def read(self) -> list[Item]:
        """Posts of the last seven days at first, later those since the last answer; oldest first, no reposts.

        Raises:
            VenueUnavailable: if the API refuses or does not answer. After 429 it is left alone until the time that the
                answer states.
        """
        if time.monotonic() < self._next_s:
            return []
        self._next_s = time.monotonic() + self._poll_s
        posts, newest, page = [], None, None
        for _ in range(_MOST_PAGES):
            answer = await self._page(page)
            posts += answer.data
            newest = newest or answer.meta.newest_id
            page = answer.meta.next_token
            if page is None:
                break
        self._newest = newest or self._newest
        found = {item.item_id: item for item in map(parse, posts) if item is not None}
        return sorted(found.values(), key=lambda item: (item.known_s, item.item_id))

    async def _page(self, page: str | None) -> SearchAnswer:
        asked = {"query": self._query, "max_results": str(_PAGE), "tweet.fields": "created_at"}
        asked |= {"since_id": self._newest} if self._newest else {}
        asked |= {"next_token": page} if page else {}
        headers = {"Authorization": f"Bearer {self._token.get_secret_value()}"}
        try:
            response = await self._client.get(self._url, params=asked, headers=headers)
            self._heed(response)
            response.raise_for_status()
            return msgspec.json.decode(response.content, type=SearchAnswer)
        except (httpx2.HTTPError, ValueError) as error:
            raise VenueUnavailable(
                f"{self._url} gave no posts ({reason(error)}); check ODDSMITH_NEWS_URL and ODDSMITH_X_BEARER_TOKEN"
            ) from None

    def _heed(self, response: httpx2.Response) -> None:
        """Wait until the window of requests is over, where it is used up."""
        reset = response.headers.get("x-rate-limit-reset", "")
        used_up = response.status_code == 429 or response.headers.get("x-rate-limit-remaining") == "0"
        if used_up and reset.isdigit():
            self._next_s = max(self._next_s, time.monotonic() + int(reset) - time.time())


def parse(post: FoundPost) -> Item | None:
    """A post as an item: its text without links, tags and names; None where nothing is left, or without a time."""
    words = html.unescape(post.text).split()
    text = " ".join(word for word in words if not word.startswith(("http://", "https://", "#", "@")))
    try:
        created_s = int(datetime.fromisoformat(post.created_at).timestamp())
    except ValueError:
        return None
    return (
        Item(f"x/{post.id}", text, created_s, created_s + LAG_S, (f"https://x.com/i/status/{post.id}",))
        if text
        else None
    )


def source(client: httpx2.AsyncClient, url: str, poll_s: float) -> RecentSearch:
    """The search that an address names.

    Raises:
        SettingError: if it has no query, or there is no bearer token.
    """
    parts = urlsplit(url)
    query = " ".join(parse_qs(parts.query).get("query", [])).strip()
    if not query:
        raise SettingError(f"ODDSMITH_NEWS_URL was x+{url}: say what to look for, such as ?query=polymarket")
    token = Settings().x_bearer_token
    if token is None:
        raise SettingError("ODDSMITH_NEWS_URL names X, which answers only with a token; set ODDSMITH_X_BEARER_TOKEN")
    return RecentSearch(client, urlunsplit((parts.scheme, parts.netloc, parts.path, "", "")), query, token, poll_s)

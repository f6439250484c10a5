"""Everything that is read as a headline: the feed and the social posts that the settings name."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Protocol

import httpx2

from pipelines.core.sections import NewsParams
from pipelines.core.settings import Settings
from pipelines.news.rss import Feed, Item
from pipelines.news.social import Timelines


class TextSource(Protocol):
    """Where headlines come from."""

    async def read(self) -> list[Item]:
        """Items, oldest first: all that the source holds at first, later at least those that are new.

        Raises:
            VenueUnavailable: if it does not answer.
        """
        ...


@asynccontextmanager
async def opened(
    settings: Settings, params: NewsParams, poll_s: float = 0.0, transport: httpx2.AsyncBaseTransport | None = None
) -> AsyncIterator[list[TextSource]]:
    """The sources that the settings name, none where no address is set; each is asked every `poll_s` wall seconds at
    most, where it does not say more exactly how long an answer holds."""
    async with httpx2.AsyncClient(timeout=20.0, transport=transport, follow_redirects=True) as client:
        sources: list[TextSource] = []
        if settings.news_url:
            sources.append(Feed(client, settings.news_url, poll_s))
        if settings.social_url:
            sources.append(Timelines(client, settings.social_url, params.social_tags, poll_s))
        yield sources

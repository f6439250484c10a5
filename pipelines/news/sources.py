"""Everything that is read as a headline, in one list: the feed and the social posts that the settings name."""

import httpx2

from pipelines.core.params import NewsParams
from pipelines.core.settings import Settings
from pipelines.news import feed, social
from pipelines.news.feed import Item


async def read(
    settings: Settings, params: NewsParams, transport: httpx2.AsyncBaseTransport | None = None
) -> list[Item]:
    """What the feed and the social server hold now; nothing where no address is set.

    Raises:
        VenueUnavailable: if one of them does not answer.
    """
    items = await feed.fetch(settings.news_url, transport) if settings.news_url else []
    if settings.social_url:
        items += await social.fetch(settings.social_url, params.social_tags, transport)
    return items

"""Which headline sources the settings open."""

import pytest

from pipelines.core.errors import SettingError
from pipelines.core.settings import Settings
from pipelines.news import sources
from pipelines.news.mastodon import Timelines
from pipelines.news.rss import Feed


async def opened(addresses):
    """The sources of a setting."""
    async with sources.opened(Settings(news_url=addresses)) as found:
        return found


async def test_addresses_are_separated_by_spaces():
    """Each address opens one source of its kind; without a kind it is a feed; no address is no source."""
    both = await opened("http://a.test/rss  mastodon+https://b.test?tags=x,y")

    assert [type(one.source) for one in both] == [Feed, Timelines]
    assert await opened("") == []


@pytest.mark.parametrize("kind", ["nothing", "decay", "os.path", "../rss", "-"])
async def test_a_kind_that_is_no_source_is_refused_by_name(kind):
    """A module that does not exist, is no source, or is no module of the folder is an error that names the address."""
    with pytest.raises(SettingError, match="ODDSMITH_NEWS_URL was"):
        await opened(f"{kind}+https://a.test/x")


@pytest.mark.parametrize(
    "address", ["mastodon+https://b.test", "mastodon+https://b.test?tags=", "mastodon+https://b.test?tag=x"]
)
async def test_timelines_need_a_tag(address):
    """A server without a tag has no timeline to read: the error shows how a tag is written."""
    with pytest.raises(SettingError, match=r"\?tags="):
        await opened(address)

"""Everything that is read as a headline: the sources whose addresses ODDSMITH_NEWS_URL lists.

An address is `KIND+URL`, such as `mastodon+https://mastodon.social?tags=polymarket`; without a kind it is RSS or Atom.
The kind is the name of a module of this folder that has a function `source(client, url, poll_s)`: a new kind of source
is one file.
"""

import importlib
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import ModuleType
from typing import Protocol, cast

import httpx2

from pipelines.core.errors import SettingError
from pipelines.core.settings import Settings
from pipelines.news.first_seen import FILE, FirstSeen
from pipelines.news.rss import Item

DEFAULT_KIND = "rss"


class TextSource(Protocol):
    """Where headlines come from."""

    async def read(self) -> list[Item]:
        """Items, oldest first: all that the source holds at first, later at least those that are new.

        Raises:
            VenueUnavailable: if it does not answer.
        """
        ...


class Dated:
    """A source whose entries are known no earlier than they were seen first."""

    def __init__(self, source: TextSource, archive: FirstSeen) -> None:
        self.source, self._archive = source, archive

    async def read(self) -> list[Item]:
        """As the source's own."""
        items = await self.source.read()
        return self._archive.dated(items, int(time.time())) if items else items


@asynccontextmanager
async def opened(
    settings: Settings, poll_s: float = 0.0, transport: httpx2.AsyncBaseTransport | None = None
) -> AsyncIterator[list[TextSource]]:
    """The sources that the settings name, none where no address is set; each is asked every `poll_s` wall seconds at
    most, where it does not say more exactly how long an answer holds.

    Raises:
        SettingError: if an address names a kind of source that does not exist.
    """
    addresses = settings.news_url.split()
    if not addresses:
        yield []
        return
    async with httpx2.AsyncClient(timeout=20.0, transport=transport, follow_redirects=True) as client:
        archive = FirstSeen(settings.var / FILE)
        yield [Dated(open_source(client, address, poll_s), archive) for address in addresses]


def open_source(client: httpx2.AsyncClient, address: str, poll_s: float) -> TextSource:
    """The source of one address.

    Raises:
        SettingError: naming the kind that does not exist.
    """
    scheme, _, rest = address.partition("://")
    kind, _, protocol = scheme.rpartition("+")
    module = _module(kind or DEFAULT_KIND)
    if module is None:
        raise SettingError(
            f"ODDSMITH_NEWS_URL was {address}: there is no source of the kind {kind!r}; write an RSS or Atom address, "
            "mastodon+https://HOST?tags=..., gdelt+... or x+... (docs/data.md), or add a file to pipelines/news"
        )
    return cast("TextSource", module.source(client, f"{protocol}://{rest}", poll_s))


def _module(kind: str) -> ModuleType | None:
    """The module of a kind of source; None where there is no such file, or it has no function `source`."""
    if not kind.isidentifier():
        return None
    try:
        module = importlib.import_module(f"pipelines.news.{kind}")
    except ModuleNotFoundError:
        return None
    return module if hasattr(module, "source") else None

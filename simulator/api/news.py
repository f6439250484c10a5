"""The news feed: headlines as RSS 2.0, newest first. A reader that sends its entity tag gets only new headlines."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from email.utils import format_datetime
from xml.sax.saxutils import escape

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from pipelines.core.domain import Headline
from simulator.api.responses import answer, guarded, integer
from simulator.venue.venue import Venue

MOST = 100_000

FRESH_S = 1
"""Wall seconds for which readers may cache an answer; short, because market time runs faster than wall time."""


class News:
    """The feed of headlines known up to now. Its `category` elements have the market ids."""

    def __init__(self, venue: Callable[[], Venue]):
        self._venue = venue

    def routes(self) -> list[BaseRoute]:
        """The routes of this part, with their handlers."""
        feeds = [Route(path, guarded(self.feed), methods=["GET"]) for path in ("/", "/rss", "/feed", "/rss.xml")]
        return [*feeds, Route("/ok", guarded(self.ok), methods=["GET"])]

    async def ok(self, request: Request) -> Response:
        """OK when the venue is open."""
        self._venue()
        return answer("OK")

    async def feed(self, request: Request) -> Response:
        """RSS; `after` and `before` bound the time of publication in market seconds, `limit` the number of items.

        A reader who sends the tag of what it has gets 304 when there is no more; one that also sends `A-IM: feed`
        gets only the new items, with status 226 (RFC 3229).
        """
        venue = self._venue()
        after, before = integer(request, "after", 0), integer(request, "before", 2**53)
        limit = integer(request, "limit", MOST, low=1, high=MOST)
        chosen = [h for h in venue.headlines if after <= h.published_s <= before and h.known_s <= venue.now_s]
        tag, theirs = _tag(chosen), request.headers.get("if-none-match", "")
        headers = {"ETag": tag, "Cache-Control": f"max-age={FRESH_S}"}
        if theirs == tag:
            return Response(None, 304, headers)
        shown, status = chosen[-limit:], 200
        if "feed" in request.headers.get("a-im", ""):
            known = [h for h in chosen if h.known_s <= _newest_of(theirs)]
            if known and _tag(known) == theirs:
                shown, status = [h for h in shown if h.known_s > _newest_of(theirs)], 226
                headers |= {"IM": "feed"}
        items = "".join(_item(headline) for headline in reversed(shown))
        document = (
            '<?xml version="1.0" encoding="UTF-8"?>\n'
            '<rss version="2.0" xmlns:oddsmith="urn:oddsmith:news"><channel><title>Simulated headlines</title>'
            "<link>http://localhost/</link><description>Headlines about the simulated markets</description>"
            f"<lastBuildDate>{_date(venue.now_s)}</lastBuildDate>{items}</channel></rss>"
        )
        return Response(document.encode(), status, headers, media_type="application/rss+xml")


def _tag(headlines: Sequence[Headline]) -> str:
    """The entity tag of these headlines: how many, and when the newest was known."""
    return f'"{len(headlines)}-{max((h.known_s for h in headlines), default=0)}"'


def _newest_of(tag: str) -> int:
    """Time of the newest headline of an entity tag; -1 if this feed did not issue the tag."""
    newest = tag.strip('"').rpartition("-")[2]
    return int(newest) if newest.isascii() and newest.isdigit() and len(newest) < 16 else -1


def _item(headline: Headline) -> str:
    markets = "".join(f'<category domain="market">{escape(market)}</category>' for market in headline.market_ids)
    return (
        f"<item><title>{escape(headline.text)}</title>"
        f'<guid isPermaLink="false">{escape(headline.headline_id)}</guid>'
        f"<pubDate>{_date(headline.published_s)}</pubDate><oddsmith:known_s>{headline.known_s}</oddsmith:known_s>{markets}</item>"
    )


def _date(time_s: int) -> str:
    return format_datetime(datetime.fromtimestamp(time_s, UTC), usegmt=True)

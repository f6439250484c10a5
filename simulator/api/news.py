"""The news feed: headlines as RSS 2.0, newest first."""

from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import format_datetime
from xml.sax.saxutils import escape

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from pipelines.core.domain import Headline
from simulator.api.http import answer, guarded, integer
from simulator.venue.venue import Venue

MOST = 100_000


class News:
    """Headlines that are known by now. Market ids stand in `category` elements."""

    def __init__(self, venue: Callable[[], Venue]):
        self._venue = venue

    def routes(self) -> list[BaseRoute]:
        """All routes."""
        feeds = [Route(path, guarded(self.feed), methods=["GET"]) for path in ("/", "/rss", "/feed", "/rss.xml")]
        return [*feeds, Route("/ok", guarded(self.ok), methods=["GET"])]

    async def ok(self, request: Request) -> Response:
        """OK once there is history."""
        self._venue()
        return answer("OK")

    async def feed(self, request: Request) -> Response:
        """RSS; `after` and `before` bound the time of publication in market seconds, `limit` the number of items."""
        venue = self._venue()
        after, before = integer(request, "after", 0), integer(request, "before", 2**53)
        limit = integer(request, "limit", MOST, low=1, high=MOST)
        chosen = [h for h in venue.headlines if after <= h.published_s <= before and h.known_s <= venue.now_s]
        items = "".join(_item(headline) for headline in reversed(chosen[-limit:]))
        document = (
            '<?xml version="1.0" encoding="UTF-8"?>\n'
            '<rss version="2.0" xmlns:oddsmith="urn:oddsmith:news"><channel><title>Simulated headlines</title>'
            "<link>http://localhost/</link><description>Headlines about the simulated markets</description>"
            f"<lastBuildDate>{_date(venue.now_s)}</lastBuildDate>{items}</channel></rss>"
        )
        return Response(document.encode(), media_type="application/rss+xml")


def _item(headline: Headline) -> str:
    markets = "".join(f'<category domain="market">{escape(market)}</category>' for market in headline.market_ids)
    return (
        f"<item><title>{escape(headline.text)}</title>"
        f'<guid isPermaLink="false">{escape(headline.headline_id)}</guid>'
        f"<pubDate>{_date(headline.published_s)}</pubDate><oddsmith:known_s>{headline.known_s}</oddsmith:known_s>{markets}</item>"
    )


def _date(time_s: int) -> str:
    return format_datetime(datetime.fromtimestamp(time_s, UTC), usegmt=True)

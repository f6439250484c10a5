"""Price history is asked in windows of fifteen days, both routes by cursor, and times are never rounded back."""

from typing import Any

import httpx2
import pytest

from pipelines.core.errors import DataError
from pipelines.venue import data
from pipelines.venue.http import VenueHttp

DAY = 86_400


def http(pages: list[dict[str, Any]], asked: list[dict[str, str]]) -> VenueHttp:
    """A host that gives these pages in turn."""

    def respond(request: httpx2.Request) -> httpx2.Response:
        asked.append(dict(request.url.params))
        return httpx2.Response(200, json=pages[len(asked) - 1])

    return VenueHttp("http://data.test", transport=httpx2.MockTransport(respond))


def points(*pairs: tuple[float, float], cursor: str | None = None) -> dict[str, Any]:
    """A page of price points."""
    rows = [{"timestamp": t, "price": p, "resolution_seconds": 60} for t, p in pairs]
    return {"data": rows, "pagination": {"has_more": cursor is not None, "next_cursor": cursor}}


async def test_long_ranges_are_split() -> None:
    """No request spans more than fifteen days, and together they cover the range."""
    asked: list[dict[str, str]] = []
    await data.price_history(http([points()] * 3, asked), "7", 0, 40 * DAY, 60)

    spans = [(int(a["start"]), int(a["end"])) for a in asked]

    assert spans == [(0, 15 * DAY), (15 * DAY, 30 * DAY), (30 * DAY, 40 * DAY)]


async def test_pages_overlap_without_doubling() -> None:
    """Cursor pages are joined, points outside of the range or met twice are left out, times ascend."""
    asked: list[dict[str, str]] = []
    pages = [points((120, 0.5), (60, 0.4), cursor="n"), points((120, 0.5), (180, 0.6), (0, 0.1), (600, 0.9))]
    times, units = await data.price_history(http(pages, asked), "7", 0, 300, 60)

    assert times.tolist() == [60, 120, 180]
    assert units.tolist() == [4_000, 5_000, 6_000]
    assert asked[1]["cursor"] == "n"
    assert "limit" not in asked[1]


async def test_a_fraction_of_a_second_is_known_later() -> None:
    """A point at 60.2 s was not known at 60 s."""
    times, _ = await data.price_history(http([points((60.2, 0.5))], []), "7", 0, 300, 60)

    assert times.tolist() == [61]


async def test_nothing_is_an_empty_answer() -> None:
    """A miss is `data: null`, not an error."""
    times, units = await data.price_history(http([{"data": None}], []), "7", 0, 300, 60)

    assert len(times) == len(units) == 0


async def test_a_price_outside_of_the_range_is_refused() -> None:
    """A token's price lies in [0, 1]; anything else is named."""
    with pytest.raises(DataError, match=r"must lie in \[0, 1\], were 0.5 to 52"):
        await data.price_history(http([points((60, 0.5), (120, 52.0))], []), "7", 0, 300, 60)


async def test_trades_stop_at_the_range() -> None:
    """Newest first: reading ends at the first page that lies before the range."""
    asked: list[dict[str, str]] = []

    def page(*times: int, cursor: str | None) -> dict[str, Any]:
        rows = [{"timestamp": t, "size": 1.5, "price": 0.5, "side": "BUY", "token_id": "7"} for t in times]
        return {"data": rows, "pagination": {"has_more": cursor is not None, "next_cursor": cursor}}

    pages = [page(400, 300, cursor="a"), page(200, 100, cursor="b"), page(90, 80, cursor="c"), page(70, cursor=None)]
    times, sizes = await data.trades(http(pages, asked), "0xab", 100, 300)

    assert times.tolist() == [300, 200]
    assert sizes.tolist() == [1_500_000, 1_500_000]
    assert len(asked) == 3
